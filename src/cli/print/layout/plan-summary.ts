/** What a plan means, in sentences that a person would say, and what stops it from being carried out. */

import { groupBy } from '../../../core/basics/group-by.ts'
import { outlookOf } from '../../../core/diagnostics/expectations.ts'
import type { Finding } from '../../../core/diagnostics/finding.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import type { Change, Plan, Step } from '../../../core/model/planned.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import { describeWorkloads } from '../../../core/model/workloads.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { readWorkloads } from '../../../core/trust/pinned/pinned-filter.ts'
import { count } from './few.ts'

const SENTENCES = 4

type Names = ReadonlyMap<TrustDomain, MemberName>

/** One or a few sentences; empty if there is no step. */
export function planSummary({ steps, members = [] }: Plan): string {
  if (steps.length === 0) return ''
  const names: Names = new Map(members.map(({ name, trustDomain }) => [trustDomain, name]))
  const said = [...callSentences(steps, names), ...rootSentences(steps, names)]
  const more = said.length - SENTENCES
  const effects = steps.some(({ changes }) => changes.length > 0)
  return [
    ...said.slice(0, SENTENCES),
    ...(more > 0 ? [`${count(more, 'further change')} below.`] : []),
    ...(said.length > 0 ? [] : [effects ? 'No caller gains or loses access.' : 'What proxies accept stays the same.']),
    ...drainSentence(steps),
  ].join(' ')
}

/** Why `apply` does not carry all of it out; before the steps, so that nobody reads a plan that nothing will follow. */
export function planObstacles({ steps, findings }: Plan): readonly string[] {
  if (steps.length === 0) return []
  const held = steps.filter(({ gates }) => gates.some(({ open }) => !open)).length
  const past = findings.some(({ code }) => code === 'impact-past-callers') && steps.some(({ changes }) => changes.some(widens))
  return [
    ...(outlookOf(findings) === 'fine' ? [] : ['This is not all that the federation file asks for: the errors below stop the rest.']),
    ...(findings.some(isAcceptedError) ? ['It covers only what Entente could see.'] : []),
    ...(held === 0
      ? []
      : [held === steps.length ? 'It cannot be carried out yet: every step waits.' : `${held} of ${steps.length} steps wait.`]),
    ...(past ? ['apply refuses it until you accept the impact (impact-past-callers below).'] : []),
  ]
}

const isAcceptedError = ({ severity, accepted }: Finding): boolean => severity === 'error' && accepted !== undefined

const widens = ({ effect }: Change): boolean => effect === 'widens'

interface Call {
  readonly effect: Change['effect']
  readonly from: string
  readonly to: string
}

function callSentences(steps: readonly Step[], names: Names): readonly string[] {
  const calls = steps.flatMap((step) => step.changes.flatMap((change) => callOf(step, change, names)))
  // The caller's own mesh reaches the host, too: one sentence says both.
  const hosts = steps.flatMap((step) =>
    step.changes
      .filter(({ of, trusted }) => of === 'host' && !calls.some((call) => isBetween(call, step.member, names.get(trusted))))
      .map((change) => hostOf(step, change, names)),
  )
  const all = [...calls, ...hosts]
  // A call that one object stops and another begins to accept goes on.
  const changed = all.filter((call) => !all.some((other) => other.effect !== call.effect && keyOf(other) === keyOf(call)))
  return [...groupBy(changed, (call) => `${call.effect} ${keyOf(call)}`).values()].flatMap(([call]) =>
    call === undefined ? [] : [`${call.from} may ${call.effect === 'widens' ? '' : 'no longer '}call ${call.to}.`],
  )
}

const keyOf = ({ from, to }: Call): string => `${from} ${to}`
const isBetween = ({ from, to }: Call, caller: MemberName, server: MemberName | undefined): boolean =>
  server !== undefined && belongsTo(from, caller) && belongsTo(to, server)
const belongsTo = (end: string, member: MemberName): boolean => end.startsWith(`${member}/`) || end.endsWith(` of ${member}`)

function callOf(step: Step, { effect, of, trusted, what }: Change, names: Names): readonly Call[] {
  const to = targetOf(step, trusted)
  return of === 'caller' && to !== undefined ? [{ effect, from: callerName(what, names.get(trusted) ?? trusted), to }] : []
}

function hostOf({ member }: Step, { effect, trusted, what }: Change, names: Names): Call {
  const [host = '', from = ''] = what.split(' from ')
  return { effect, from: workloadName(member, from), to: `${host} in ${names.get(trusted) ?? trusted}` }
}

/** The workloads whose callers the step changes. */
function targetOf({ member, changes, after, before }: Step, trusted: TrustDomain): string | undefined {
  const whole = changes.find(({ of, trusted: domain }) => of === 'workloads' && domain === trusted)
  if (whole !== undefined) return workloadName(member, whole.what)
  return placeOf(member, after ?? before)
}

/** The workloads that an object of Istio selects. */
function placeOf(member: MemberName, object: Manifest | undefined): string | undefined {
  if (object?.kind === 'EnvoyFilter') return workloadName(member, describeWorkloads(readWorkloads(object)))
  if (object?.kind === 'AuthorizationPolicy' || object?.kind === 'PeerAuthentication')
    return workloadName(member, describeWorkloads(readWorkloads(object, 'selector', 'matchLabels')))
  return undefined
}

/** `sample (app=server)` of cluster-b → cluster-b/sample/server. */
function workloadName(member: MemberName, described: string): string {
  if (described === 'all workloads of the mesh') return `every workload of ${member}`
  const [, namespace, app, rest = ''] = /^([^\s(]+) \(app=([^,)]+)\)(.*)$/.exec(described) ?? []
  return namespace === undefined ? `${described} of ${member}` : `${member}/${namespace}/${app}${rest}`
}

/** `cluster-a.example/ns/sample/sa/client` → cluster-a/sample/client. */
function callerName(principal: string, member: string): string {
  const [, ns, namespace, ...rest] = principal.split('/')
  const account = rest.at(-1)
  if (ns !== 'ns' || namespace === undefined || account === undefined) return `every identity of ${member}`
  return account === '*' ? `every account in ${namespace} of ${member}` : `${member}/${namespace}/${account}`
}

/** Roots that change while callers stay. */
function rootSentences(steps: readonly Step[], names: Names): readonly string[] {
  const said = steps.flatMap(({ member, changes }) => {
    const whole = new Set(changes.filter(({ of }) => of === 'workloads' || of === 'host').map(({ trusted }) => trusted))
    return changes
      .filter(({ of, trusted }) => of === 'root' && !whole.has(trusted))
      .map(
        ({ effect, trusted }) =>
          `${member} ${effect === 'widens' ? 'accepts another' : 'no longer accepts a'} root of ${names.get(trusted) ?? trusted}.`,
      )
  })
  return [...new Set(said)]
}

/** Several writes to the same workloads drain the same proxies. */
function drainSentence(steps: readonly Step[]): readonly string[] {
  const draining = steps.filter(({ drains }) => drains > 0)
  const places = groupBy(draining, ({ member, after, before }) => placeOf(member, after ?? before) ?? member)
  const proxies = [...places.values()].reduce((sum, group) => sum + Math.max(...group.map(({ drains }) => drains)), 0)
  return proxies === 0 ? [] : [`${count(proxies, 'proxy')} ${proxies === 1 ? 'drains' : 'drain'}.`]
}
