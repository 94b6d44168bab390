/** Everything that `doctor` reads in one cluster, each part independently. Reads only; no Secret. */

import { FederationError } from '../../../core/diagnostics/errors.ts'
import { needsOf } from '../../../core/doctor/needs.ts'
import type { Patient } from '../../../core/doctor/question.ts'
import { type ApiSeen, type ClusterSeen, clusterUnseen, type NamespaceSeen } from '../../../core/doctor/seen.ts'
import { keepsTrustBundle, TRUST_BUNDLE } from '../../../core/mesh/istiod-flags.ts'
import { runsProxy } from '../../../core/mesh/pods.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, text } from '../../../core/model/manifest.ts'
import type { Seen } from '../../../core/model/observed.ts'
import type { Budget } from '../../edge/budget.ts'
import type { PodName } from '../../envoy/admin.ts'
import { leaves } from '../../envoy/leaves.ts'
import { checkIstiods } from '../../istiod/checkup.ts'
import { seen as asSeen } from '../../seen.ts'
import { CONFIG_MAP, GATEWAY, KUBERNETES_GATEWAY, NAMESPACE, PEER_AUTHENTICATION, POD, pathOf, SERVICE, SIDECAR } from '../resources.ts'
import type { KubeClient, Live } from '../transport/client.ts'
import { asked } from '../transport/errors.ts'
import { clockIn } from './clock.ts'
import { readMeshConfig } from './mesh-config.ts'
import { type OwnRoots, readTrustBundle } from './own.ts'
import { bareInPod, istiodPods } from './pods.ts'
import { reviewRights } from './rights.ts'

const NETWORK = 'topology.istio.io/network'
const OWN_ROOTS = 'istio-ca-root-cert'

export interface CheckOptions {
  /** Ask the sidecars in the checked namespaces for their certificates, by port-forward to their admin ports. */
  readonly certificates?: boolean
}

/** @param now the clock of this machine, to compare the API server's with */
export async function checkCluster(
  client: KubeClient,
  patient: Patient,
  now: () => Date,
  { certificates = false }: CheckOptions = {},
): Promise<ClusterSeen> {
  const budget = client.budget()
  const found = await budget.watched(() => look(client.within(budget), budget, patient, now))
  // The requests to proxies have a separate deadline.
  return certificates && found.api.ok ? { ...found, leaves: await leaves(client, sidecarsIn([...found.near.values()])) } : found
}

const sidecarsIn = (near: readonly NamespaceSeen[]): readonly PodName[] =>
  near
    .flatMap(({ pods }) => (pods.ok ? pods.value : []))
    .filter(runsProxy)
    .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name }))

async function look(client: KubeClient, budget: Budget, patient: Patient, now: () => Date): Promise<ClusterSeen> {
  /** Returns a failure as a value, and at the latest at the deadline. */
  const seen = <T>(work: Promise<T>): Promise<Seen<T>> => asSeen(budget.race(work))
  const { name: member, istioNamespace: namespace } = patient
  const api = await seen(askApi(client, now))
  if (!api.ok) return clusterUnseen(patient.name, api.error)
  const pods = istiodPods(client, namespace)
  const roots = seen(readRoots(client))
  const bundle = seen(pods.then((found) => readTrustBundle(client, found)))
  const istiods = Promise.all([pods, roots, bundle]).then(([found, published, kept]) =>
    checkIstiods(client, namespace, found, keptIn(kept)?.pem ?? (published.ok ? published.value.get(namespace) : undefined)),
  )
  const near = patient.namespaces.map(async (one): Promise<[string, NamespaceSeen]> => [one, await readNamespace(client, one, seen)])
  const [mesh, labels, seenIstiods, networkServices, gateways, policies, rights] = await Promise.all([
    seen(pods.then((found) => readMeshConfig(client, namespace, found))),
    seen(client.get(NAMESPACE, undefined, namespace).then((found) => found.metadata.labels ?? {})),
    seen(istiods),
    seen(client.list(SERVICE, { namespace, labels: NETWORK })),
    seen(readGateways(client)),
    seen(client.list(PEER_AUTHENTICATION)),
    seen(
      pods
        .catch(() => [])
        .then((found) =>
          reviewRights(
            client,
            needsOf(
              patient,
              found.map(({ name }) => name),
              keepsTrustBundle(found) ? [TRUST_BUNDLE] : [],
            ),
          ),
        ),
    ),
  ])
  return {
    member,
    api,
    mesh,
    labels,
    istiods: seenIstiods,
    roots: await roots,
    ...trustBundleOf(await bundle),
    networkServices,
    gateways,
    policies,
    near: new Map(await Promise.all(near)),
    rights,
  }
}

/** Any answer shows that it runs. An account without the right to read kube-system still gets its clock. */
async function askApi(client: KubeClient, now: () => Date): Promise<ApiSeen> {
  // The first request also opens the connection, so the second one is timed.
  await client.call({ method: 'GET', path: '/version' }, asked('get', NAMESPACE), ({ status }) => status === 403)
  const sent = now().getTime()
  const answer = await client.call(
    { method: 'GET', path: pathOf(NAMESPACE, undefined, 'kube-system') },
    asked('get', NAMESPACE, undefined, 'kube-system'),
    ({ status }) => status === 403,
  )
  const arrived = now().getTime()
  const uid = text(at(answer.body, 'metadata', 'uid'))
  const clock = clockIn(answer, sent, arrived)
  return { server: client.access.server.origin, ...(uid === '' ? {} : { uid }), ...(clock === undefined ? {} : { clock }) }
}

const keptIn = (bundle: Seen<OwnRoots | undefined>): OwnRoots | undefined => (bundle.ok ? bundle.value : undefined)

function trustBundleOf(bundle: Seen<OwnRoots | undefined>): Pick<ClusterSeen, 'trustBundle'> {
  if (bundle.ok) return bundle.value === undefined ? {} : { trustBundle: { ok: true, value: bundle.value.pem } }
  // Which istiods there are is told elsewhere.
  return bundle.error.message.includes('clustertrustbundles') ? { trustBundle: bundle } : {}
}

async function readRoots(client: KubeClient): Promise<ReadonlyMap<string, string>> {
  const maps = await client.list(CONFIG_MAP, { fields: `metadata.name=${OWN_ROOTS}` })
  return new Map(
    maps
      .filter(({ metadata }) => metadata.name === OWN_ROOTS)
      .map((map) => [map.metadata.namespace ?? '', text(at(map, 'data', 'root-cert.pem'))]),
  )
}

/** Without the Gateway API there are no objects of its kinds. */
async function readGateways(client: KubeClient): Promise<readonly Manifest[]> {
  const theirs = client.list(KUBERNETES_GATEWAY, { labels: NETWORK }).catch((cause: unknown): readonly Live[] => {
    if (cause instanceof FederationError && cause.code === 'not-found') return []
    throw cause
  })
  return (await Promise.all([client.list(GATEWAY), theirs])).flat()
}

async function readNamespace(
  client: KubeClient,
  namespace: string,
  seen: <T>(work: Promise<T>) => Promise<Seen<T>>,
): Promise<NamespaceSeen> {
  const [labels, pods, services, sidecars] = await Promise.all([
    seen(client.find(NAMESPACE, undefined, namespace).then((found) => (found === undefined ? undefined : (found.metadata.labels ?? {})))),
    seen(client.list(POD, { namespace }).then((all): readonly Manifest[] => all.map(bareInPod))),
    seen(client.list(SERVICE, { namespace })),
    seen(client.list(SIDECAR, { namespace })),
  ])
  return { labels, pods, services, sidecars }
}
