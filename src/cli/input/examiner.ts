/** The ports of `doctor`: clusters of a kubeconfig, and connections to gateways. */

import type { DoctorPorts, Examine } from '../../app/inspect/doctor.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Io } from '../io.ts'
import { type HomeOptions, kubeconfigOf, limitsOf, overseer } from './limits.ts'
import { portsOf } from './workspace.ts'

export interface ExamineOptions extends HomeOptions {
  /** Ask proxies for their own certificates. */
  readonly look?: boolean
}

export function doctorPorts(options: ExamineOptions, io: Io): DoctorPorts {
  const { desired, record, endpoints } = portsOf({ file: options.file }, io)
  return {
    desired,
    record,
    endpoints,
    now: io.now,
    stopped: io.stopped,
    examiner: () => examinerOf(options, io),
    knock: async (probes) => (await import('../../adapters/knock.ts')).knockAll(probes),
  }
}

async function examinerOf({ look = false, ...options }: ExamineOptions, io: Io): Promise<Examine> {
  const [{ loadKubeconfig }, { kubeClient }, { checkCluster }] = await Promise.all([
    import('../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../adapters/kubernetes/transport/client.ts'),
    import('../../adapters/kubernetes/read/checkup.ts'),
  ])
  const config = await loadKubeconfig(kubeconfigOf(options, io))
  return async (patient) => {
    const client = kubeClient(config.access(patient.context), {
      subject: about.member(patient.name),
      limits: limitsOf(options),
      ...overseer(io),
    })
    return checkCluster(client, patient, io.now, { certificates: look }).finally(() => client.close())
  }
}
