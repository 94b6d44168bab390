/** `doctor`: whether clusters are fit for federation, and what to do where they are not. Reads only; no Secret, no exec. */

import { FederationError } from '../../../core/diagnostics/errors.ts'
import { fromError } from '../../../core/diagnostics/finding.ts'
import type { Check } from '../../../core/doctor/check.ts'
import { diagnose } from '../../../core/doctor/diagnose.ts'
import type { Looked } from '../../../core/doctor/looked.ts'
import { type Patient, type Question, questionOf, questionOfContexts } from '../../../core/doctor/question.ts'
import { probesOf } from '../../../core/doctor/routes.ts'
import type { ClusterSeen } from '../../../core/doctor/seen.ts'
import { anchorOf, countsOf, doctorView, overall } from '../../../core/view/doctor-view.ts'
import { memberName } from '../../input/cluster.ts'
import { goOn, type LimitOptions, limitsOf, overseer } from '../../input/limits.ts'
import type { Io, Output } from '../../io.ts'
import { json, type Shown, show, stacked } from '../../print/screen.ts'
import { count, painter } from '../../print/text.ts'

export interface DoctorOptions extends LimitOptions {
  readonly file: string
  /** Look at these instead of the members of a federation file. */
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
      throw new FederationError('usage', '--namespace', 'goes with --context; the federation file names its namespaces')
    const { filesOf, openFederation } = await import('../../input/workspace.ts')
    const federation = await openFederation({ file })
    return questionOf(federation, io.now(), await filesOf({ file }).store.view())
  }
  const contexts = [...new Set(context)].map((one) => ({ name: memberName(one), context: one }))
  if (new Set(contexts.map(({ name }) => name)).size < contexts.length)
    throw new FederationError('usage', '--context', 'two contexts make the same member name; rename one in the kubeconfig')
  return questionOfContexts({ contexts, istioNamespace, namespaces: [...new Set(namespace ?? [])] })
}

async function lookAtAll({ patients }: Question, options: DoctorOptions, io: Io): Promise<ReadonlyMap<Patient['name'], Looked>> {
  const { kubeconfig, look: certificates = false } = options
  const [{ loadKubeconfig }, { kubeClient }, { lookAtCluster, unseen }] = await Promise.all([
    import('../../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../../adapters/kubernetes/transport/client.ts'),
    import('../../../adapters/kubernetes/read/checkup.ts'),
  ])
  const config = await loadKubeconfig({ env: io.env, ...(kubeconfig === undefined ? {} : { path: kubeconfig }) })
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

/** One block for each cluster and pair; what was skipped for one reason takes one line. */
export function doctorText(checks: readonly Check[], color = false): Shown {
  const groups = new Map<string, Check[]>()
  for (const check of checks) {
    const key = check.subject.includes(' → ') ? check.subject : check.members.join(', ') || check.subject
    groups.set(key, [...(groups.get(key) ?? []), check])
  }
  const blocks = [...groups].map(([title, group]) => stacked([painter(color)('bold', title), ...linesOf(group, title, color)]))
  return stacked([...blocks, summary(checks, color)], '\n\n')
}

const STYLE = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'yellow', skipped: 'dim' } as const

function linesOf(group: readonly Check[], title: string, color: boolean): readonly Shown[] {
  const paint = painter(color)
  const told = group.filter(({ verdict }) => verdict !== 'skipped')
  const lines = told.map((check) => {
    const { name, verdict, subject, evidence, remedy } = check
    const part = subject === title ? '' : ` (${subject.replace(`${title}: `, '')})`
    const next = remedy === '' ? '' : show`\n           next: ${remedy}`
    const see = verdict === 'ok' ? '' : show`\n           see: ${anchorOf(check)}`
    return show`  ${paint(STYLE[verdict], verdict.padEnd(7))}  ${name}${part}: ${evidence}${next}${see}`
  })
  const reasons = new Map<string, string[]>()
  for (const { verdict, evidence, name } of group)
    if (verdict === 'skipped') reasons.set(evidence, [...(reasons.get(evidence) ?? []), name])
  return [...lines, ...[...reasons].map(([why, names]) => show`  ${paint('dim', `skipped  ${names.join(', ')}: ${why}`)}`)]
}

function summary(checks: readonly Check[], color: boolean): Shown {
  const { ok, warn, fail, unknown, skipped } = countsOf(checks)
  const parts = [`${ok} ok`, ...(warn > 0 ? [`${count(warn, 'warning')}`] : []), ...(fail > 0 ? [`${fail} failed`] : [])]
  const rest = [...(unknown > 0 ? [`${unknown} could not be made`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])]
  const verdict = overall(checks)
  if (ok + warn + fail + unknown === 0) return show`${painter(color)('yellow', 'nothing was looked at')}: ${skipped} skipped`
  const words = { ok: 'all is well', warn: 'fit, with warnings', fail: 'not fit for federation yet' }
  return show`${painter(color)(verdict === 'ok' ? 'green' : verdict === 'warn' ? 'yellow' : 'red', words[verdict])}: ${[...parts, ...rest].join(', ')}`
}
