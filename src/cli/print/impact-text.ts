/** Prints an impact for people. */
import type { ChangeOfTrust } from '../../app/inspect/impact-question.ts'
import type { ImpactView, PolicyImpactView } from '../../core/view/impact-view.ts'
import { few } from './layout/few.ts'
import type { Look } from './layout/look.ts'
import { type Shown, show, stacked } from './screen.ts'
import { count, findingsText, painter, table } from './text.ts'

const MAX_PATTERNS = 12

/** @param file the mesh config after the change, as the user named it */
export function changeText(change: ChangeOfTrust, file = ''): string {
  switch (change.kind) {
    case 'planned':
      return `${change.member}, from the live state to the federation file`
    case 'supposed':
      return `${change.member}, if it trusted ${change.trusted} (${change.as}) in its current state`
    case 'added':
      return `${change.mesh}, once it trusts ${change.trusted} (${change.as})`
    case 'edited':
      return `${change.mesh}, from one mesh config to the other (${file})`
  }
}

/** @param title the change, and where it is made */
export function impactText(title: string, { policies, identities, findings }: ImpactView, look: Look): Shown {
  const paint = painter(look.color)
  const widened = policies.filter(({ newlyAccepted }) => newlyAccepted.length > 0)
  const parts = [
    show`${paint('bold', title)}\n${summary(widened.length, policies.length)}`,
    ...widened.map((policy) => policyText(policy, paint)),
    ...(identities.length === 0
      ? []
      : [
          table([
            ['IDENTITY', 'BEFORE', 'AFTER'],
            ...identities.map(({ id, before, after }) => [id, before, before === after ? after : paint('yellow', after)]),
          ]),
        ]),
    ...(findings.length === 0 ? [] : [findingsText(findings, look)]),
  ]
  return stacked(parts, '\n\n')
}

function summary(widened: number, all: number): string {
  if (all === 0) return 'No AuthorizationPolicy selects these workloads.'
  if (widened === 0) return `${count(all, 'policy').replace('policys', 'policies')} evaluated; none accepts an additional identity.`
  return `${widened} of ${all} policies ${widened === 1 ? 'accepts' : 'accept'} an additional identity.`
}

function policyText(policy: PolicyImpactView, paint: ReturnType<typeof painter>): Shown {
  const { namespace, name, action, newlyAccepted, maybe, except, at, because, closedBy, examples } = policy
  const more = newlyAccepted.length - MAX_PATTERNS
  return stacked([
    show`${paint('bold', `AuthorizationPolicy ${namespace}/${name}`)}   ${action}   at ${few(at, 3)}`,
    ...newlyAccepted
      .slice(0, MAX_PATTERNS)
      .map((pattern) => show`  ${paint('yellow', '+')} ${pattern}${maybe.includes(pattern) ? '   maybe' : ''}`),
    ...(more > 0 ? [`    and ${more} more`] : []),
    ...(except.length === 0 ? [] : [`    except ${few(except, 6)}`]),
    ...(examples.length === 0 ? [] : [`    for example ${examples.join(', ')}`]),
    `    because ${because}`,
    ...closedBy.map((way) => show`    ${paint('green', 'to close it')}: ${way}`),
  ])
}
