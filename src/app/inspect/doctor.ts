/** Checks whether clusters are ready for federation, and names the remedy if not. Reads only; no Secret, no exec. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { fromError } from '../../core/diagnostics/finding.ts'
import type { Check } from '../../core/doctor/check.ts'
import { diagnose } from '../../core/doctor/diagnose.ts'
import type { ObservedCluster } from '../../core/doctor/observed-cluster.ts'
import { type Patient, type Question, questionOf, questionOfContexts } from '../../core/doctor/question.ts'
import { probesOf } from '../../core/doctor/routes.ts'
import { type ClusterSeen, clusterUnseen, type Probe, type Probed } from '../../core/doctor/seen.ts'
import { endpointOf } from '../../core/exchange/publication.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Publication } from '../../core/model/wanted.ts'
import { parseBundle } from '../../core/spiffe/parse-bundle.ts'
import { memberName } from '../init/member-name.ts'
import { InputError } from '../input-error.ts'
import { goOn, type Ports } from '../use-case.ts'

export interface DoctorPorts extends Pick<Ports, 'desired' | 'record' | 'endpoints' | 'now' | 'stopped'> {
  /** @throws FederationError if clusters cannot be found from here at all */
  readonly examiner: () => Promise<Examine>
  /** Opens a TLS connection to each of these gateways. */
  readonly knock: (probes: readonly Probe[]) => Promise<readonly Probed[]>
}

/** Reads one cluster. @throws FederationError with the reason why it could not be read */
export type Examine = (patient: Patient) => Promise<ClusterSeen>

export interface DoctorInput {
  /** Check these contexts instead of the members of the federation. */
  readonly context?: readonly string[]
  /** Also check the workloads of these namespaces. */
  readonly namespace?: readonly string[]
  /** With contexts: the namespace of istiod. */
  readonly istioNamespace: string
}

export interface Diagnosis {
  readonly checks: readonly Check[]
  readonly at: Date
}

/** @throws FederationError usage, interrupted; as `DesiredState.federation` */
export async function doctor(ports: DoctorPorts, input: DoctorInput): Promise<Diagnosis> {
  const question = await ask(ports, input)
  const examine = await ports.examiner()
  const clusters = await Promise.all(
    question.patients.map(async (patient): Promise<ObservedCluster> => {
      const seen = await examineCluster(examine, patient)
      const published = await fetchPublished(ports, patient, seen)
      return { patient, seen, ...(published === undefined ? {} : { published }) }
    }),
  )
  goOn(ports)
  const seen = new Map(clusters.map((cluster) => [cluster.patient.name, cluster]))
  const probed = await ports.knock(probesOf(question, seen))
  goOn(ports)
  const at = ports.now()
  return { checks: diagnose(question, seen, probed, at), at }
}

async function ask({ desired, record, now }: DoctorPorts, { context, namespace, istioNamespace }: DoctorInput): Promise<Question> {
  if (context === undefined) {
    if (namespace !== undefined)
      throw new InputError('namespace', 'requires named contexts; in a federation file, scopes name the namespaces')
    return questionOf(await desired.federation(), now(), await record.view())
  }
  const contexts = [...new Set(context)].map((one) => ({ name: memberName(one), context: one }))
  if (new Set(contexts.map(({ name }) => name)).size < contexts.length)
    throw new InputError('context', 'two contexts yield the same member name; rename one in the kubeconfig')
  return questionOfContexts({ contexts, istioNamespace, namespaces: [...new Set(namespace ?? [])] })
}

async function examineCluster(examine: Examine, patient: Patient): Promise<ClusterSeen> {
  try {
    return await examine(patient)
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return clusterUnseen(patient.name, fromError(cause))
  }
}

/** Fetches the bundle endpoint as a partner does that has approved the roots of the mesh; undefined if there is none to fetch. */
async function fetchPublished(
  { endpoints, now }: Pick<DoctorPorts, 'endpoints' | 'now'>,
  { declared, istioNamespace }: Patient,
  { roots }: ClusterSeen,
): Promise<ObservedCluster['published']> {
  const pem = roots.ok ? roots.value.get(istioNamespace) : undefined
  if (declared?.publish === undefined || pem === undefined) return undefined
  const { trustDomain } = declared
  return seen(async () => {
    const own = parseBundle(trustDomain, Buffer.from(pem), { now: now(), tolerate: 'dates' })
    const address = endpointOf(declared, declared.publish as Publication)
    const { body } = await endpoints.fetch(address.profile === 'https_web' ? address : { ...address, endpointBundle: own })
    return { own, served: parseBundle(trustDomain, body, { now: now() }) }
  })
}

async function seen<T>(work: () => Promise<T>): Promise<Seen<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    return { ok: false, error: fromError(thrown) }
  }
}
