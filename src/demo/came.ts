/** The results of calls, commands and plans: as checks, and as text short enough to compare. */
import type { Audited } from '../app/audit.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { title } from '../core/model/manifest.ts'
import type { Change, Plan, Step } from '../core/model/planned.ts'
import { objectOf } from '../core/view/plan-view.ts'
import { type Check, check } from './demo-step.ts'
import type { Outcome } from './peer.ts'
import type { Product } from './product.ts'
import type { CallOptions, Scene, Workload } from './scene.ts'

export async function called(scene: Scene, from: Workload, to: Workload, expected: string, options: CallOptions = {}): Promise<Check> {
  const outcome = await scene.call(from, to, options)
  const how = [
    ...(options.flat === true ? ['one flat list'] : options.careless === true && options.path === undefined ? ['checking no server'] : []),
  ]
  const call = `${from.name} → ${to.name}${options.path ?? ''}`
  return check([call, ...how].join(', '), expected, outcomeText(outcome, from, to), ...seen(outcome, from, to, options))
}

function outcomeText(outcome: Outcome, from: Workload, to: Workload): string {
  switch (outcome.verdict) {
    case 'accepted':
      return 'accepted'
    case 'forbidden':
      return 'TLS accepted, 403'
    case 'refused':
      return `rejected by ${outcome.by === 'client' ? from.name : to.name}: ${outcome.code}`
  }
}

function seen(outcome: Outcome, from: Workload, to: Workload, { careless = false }: CallOptions): readonly string[] {
  if (outcome.verdict === 'refused') return [outcome.message]
  return [`${to.name} saw ${outcome.serverSaw}`, ...(careless ? [] : [`${from.name} saw ${outcome.clientSaw}`])]
}

/** The exit code, or the code of the error. */
export async function attempt(work: () => Promise<number>): Promise<string> {
  try {
    return String(await work())
  } catch (thrown) {
    if (thrown instanceof FederationError) return thrown.code
    throw thrown
  }
}

export async function emptyPlan(entente: Product): Promise<Check> {
  const made = await entente.plan()
  return check(
    'the next plan',
    'no steps, no errors',
    `${made.steps.length === 0 ? 'no' : made.steps.length} steps, ${errorsIn(made) === 'none' ? 'no errors' : errorsIn(made)}`,
  )
}

export const errorsIn = ({ findings }: Plan): string =>
  findings.flatMap(({ severity, code }) => (severity === 'error' ? [code] : [])).join(', ') || 'none'
export const codesOf = ({ valid, findings }: Audited): string =>
  valid ? 'holds' : [...new Set(findings.map(({ code }) => code))].join(', ')
export const callersIn = ({ steps }: Plan): string =>
  steps
    .flatMap(changesThatWiden)
    .flatMap(({ of, what }) => (of === 'caller' ? [what] : []))
    .join(', ')
export const phasesOf = (steps: readonly Step[]): string => [...new Set(steps.map(({ phase }) => phase))].join(', ')
export const changesThatWiden = (step: Step): readonly Change[] => step.changes.filter(({ effect }) => effect === 'widens')

export function planLines({ steps }: Plan): readonly string[] {
  const order = ['guard', 'open', 'close', 'clean']
  return [...steps]
    .sort((x, y) => order.indexOf(x.phase) - order.indexOf(y.phase))
    .flatMap((step) => [
      `${step.phase.padEnd(5)}   ${step.member}   ${title(objectOf(step))}`,
      ...changesThatWiden(step).map((change) => `${' '.repeat(20)}+ ${changeText(change)}`),
    ])
}

function changeText({ of, trusted, what }: Change): string {
  switch (of) {
    case 'root':
      return `root ${what.slice(0, 'sha256:'.length + 12)}… for ${trusted}`
    case 'caller':
      return `caller ${what}`
    case 'server':
      return `server ${what}`
    case 'workloads':
      return `${what} accept ${trusted}`
    case 'names':
      return `certificates of ${trusted} may name other workloads`
    case 'host':
      return `${trusted} may serve ${what}`
  }
}
