/** `doctor`: checks whether clusters are ready for federation, and names the remedy if not. Reads only; no Secret, no exec. */

import { memberName } from '../../../app/init/member-name.ts'
import { goOn } from '../../../app/use-case.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { fromError } from '../../../core/diagnostics/finding.ts'
import { diagnose } from '../../../core/doctor/diagnose.ts'
import type { Looked } from '../../../core/doctor/looked.ts'
import { type Patient, type Question, questionOf, questionOfContexts } from '../../../core/doctor/question.ts'
import { probesOf } from '../../../core/doctor/routes.ts'
import type { ClusterSeen } from '../../../core/doctor/seen.ts'
import { doctorView, overall } from '../../../core/view/doctor-view.ts'
import { kubeconfigOf, type LimitOptions, limitsOf, overseer } from '../../input/limits.ts'
import type { Io, Output } from '../../io.ts'
import { doctorText } from '../../print/doctor-text.ts'
import { json } from '../../print/screen.ts'

export interface DoctorOptions extends LimitOptions {
  readonly file: string
  /** Check these contexts instead of the members of a federation file. */
  readonly context?: readonly string[]
  readonly namespace?: readonly string[]
  readonly istioNamespace: string
  readonly kubeconfig?: string
  /** Ask proxies for their own certificates. */
  readonly look?: boolean
  readonly output: Output
}

export async function run(options: DoctorOptions, io: Io): Promise<number> {
  const question = await ask(options, io)
  const looks = await lookAtAll(question, options, io)
  goOn(io)
  const { knockAll } = await import('../../../adapters/knock.ts')
  const probed = await knockAll(probesOf(question, looks))
  goOn(io)
  const now = io.now()
  const checks = diagnose(question, looks, probed, now)
  io.print(options.output === 'json' ? json(doctorView(checks, now)) : doctorText(checks, io.color))
  return overall(checks) === 'fail' ? 1 : 0
}

async function ask({ file, context, namespace, istioNamespace }: DoctorOptions, io: Io): Promise<Question> {
  if (context === undefined) {
    if (namespace !== undefined)
      throw new FederationError('usage', '--namespace', 'requires --context; with a federation file, its scopes name the namespaces')
    const { portsOf } = await import('../../input/workspace.ts')
    const { desired, record } = portsOf({ file }, io)
    return questionOf(await desired.federation(), io.now(), await record.view())
  }
  const contexts = [...new Set(context)].map((one) => ({ name: memberName(one), context: one }))
  if (new Set(contexts.map(({ name }) => name)).size < contexts.length)
    throw new FederationError('usage', '--context', 'two contexts yield the same member name; rename one in the kubeconfig')
  return questionOfContexts({ contexts, istioNamespace, namespaces: [...new Set(namespace ?? [])] })
}

async function lookAtAll({ patients }: Question, options: DoctorOptions, io: Io): Promise<ReadonlyMap<Patient['name'], Looked>> {
  const { look: certificates = false } = options
  const [{ loadKubeconfig }, { kubeClient }, { lookAtCluster, unseen }] = await Promise.all([
    import('../../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../../adapters/kubernetes/transport/client.ts'),
    import('../../../adapters/kubernetes/read/checkup.ts'),
  ])
  const config = await loadKubeconfig(kubeconfigOf(options, io))
  const look = async (patient: Patient): Promise<ClusterSeen> => {
    try {
      const client = kubeClient(config.access(patient.context), { subject: patient.name, limits: limitsOf(options), ...overseer(io) })
      return await lookAtCluster(client, patient, io.now, { certificates }).finally(() => client.close())
    } catch (cause) {
      if (!(cause instanceof FederationError)) throw cause
      return unseen(patient, fromError(cause))
    }
  }
  const looks = await Promise.all(patients.map(async (patient): Promise<Looked> => ({ patient, seen: await look(patient) })))
  return new Map(looks.map((looked) => [looked.patient.name, looked]))
}
