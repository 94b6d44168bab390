/** The states between which a mesh moves. */

import type { Finding } from '../diagnostics/finding.ts'
import { viewOf } from '../mesh/mesh-view.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { overlaps } from '../trust/co-selected.ts'
import { asItStands, newServers, withoutNewShares } from '../trust/held-trusts.ts'
import { bridged } from '../trust/mounted/unmounted-pods.ts'
import { NO_OBSTACLES, type Obstacles } from '../trust/obstacles.ts'
import { ownDomainsIn } from '../trust/own-domains.ts'
import { type Author, authorOf, readState } from '../trust/render.ts'
import { closed, narrowedInbound, narrowedOutbound } from '../trust/stage.ts'
import type { Inbound, MeshState, Outbound } from '../trust/state.ts'
import { wantedState } from '../trust/wanted-state.ts'
import { type Checked, check } from './hazards/checks.ts'
import { mountObstacles } from './hazards/mounted-files.ts'
import { obstacles } from './hazards/owned-objects.ts'
import { intermediates } from './hazards/unusable-anchors.ts'

export interface PlanOptions {
  /** `closing`: only what takes a whole domain out of some scope or host; what else is wanted stays as it is. */
  readonly only?: 'closing'
  /** Ask every workload for its certificate where a root is to be retired, instead of waiting for the time they may live. */
  readonly look?: boolean
  /** Members in which nothing may widen, and why: of what is wanted there, what only narrows is done. */
  readonly narrowOnly?: ReadonlyMap<MemberName, Finding>
}

/** What one mesh is to become, step by step: also what `apply` waits for after each phase. */
export interface Course {
  /** With what stands of held trusts. */
  readonly intent: Intent
  readonly before: MeshState
  readonly after: MeshState
  readonly author: Author
  readonly checked: Checked
}

/** The states between which a mesh moves; undefined when its objects could not be seen. */
export function course(said: Intent, seen: Observation, { only, narrowOnly }: PlanOptions = {}): Course | undefined {
  if (!seen.objects.ok) return undefined
  const view = viewOf(seen)
  const ours = view.ownedBy(said.owner)
  const before = readState(ours)
  const intent = asItStands(said, before)
  const written = authorOf(intent)
  const author = { ...written, own: ownDomainsIn(intent, written, before, seen, ours) }
  const pods = intent.member.home?.context === undefined ? undefined : view
  const wanted = withoutNewShares(bridged(wantedState(intent, before, author.own), before, pods), before, said)
  const mounts = pods === undefined ? NO_OBSTACLES : mountObstacles(intent, wanted, before, pods)
  const against = [
    obstacles(intent, wanted, author, view),
    mounts,
    intermediates(intent),
    newServers(said, wanted, before),
    overlaps(intent, wanted, view),
  ]
  const found = against.reduce(withObstacles, check(intent, wanted, seen))
  const checked = narrowOnly?.has(intent.member.name) ? { ...found, blocked: true } : found
  const after = only === 'closing' ? closed(before, wanted, author.own) : allowed(wanted, before, checked, author.own)
  // What people read of roots is not brought back by a file from before, either.
  const shares = new Map([...before.shares].filter(([name]) => after.shares.has(name)))
  return { intent, before, after: narrowOnly?.has(intent.member.name) ? { ...after, shares } : after, author, checked }
}

const withObstacles = (checked: Checked, { findings, inbound, outbound, wide = false }: Obstacles): Checked => ({
  ...checked,
  findings: [...checked.findings, ...findings],
  blockedInbound: new Set([...checked.blockedInbound, ...inbound]),
  blockedOutbound: new Set([...checked.blockedOutbound, ...outbound]),
  blockedWide: checked.blockedWide || wide,
})

/** What is wanted, less what something speaks against. */
function allowed(wanted: MeshState, before: MeshState, checked: Checked, own: ReadonlySet<TrustDomain>): MeshState {
  const inbound = [...wanted.inbound].flatMap(([key, scope]): [string, Inbound][] => {
    const strict = scope.strict && !checked.strictAlready.has(key)
    // The very scope where it stays as it is: what is rendered once need not be rendered again.
    if (!checked.blocked && !checked.blockedInbound.has(key)) return [[key, strict === scope.strict ? scope : { ...scope, strict }]]
    const was = before.inbound.get(key)
    return was === undefined ? [] : [[key, narrowedInbound(was, scope, own)]]
  })
  const outbound = [...wanted.outbound].flatMap(([key, scope]): [string, Outbound][] => {
    if (!checked.blocked && !checked.blockedOutbound.has(key)) return [[key, scope]]
    const was = before.outbound.get(key)
    return was === undefined ? [] : [[key, narrowedOutbound(was, scope, own)]]
  })
  return {
    inbound: new Map(inbound),
    outbound: new Map(outbound),
    shares: checked.blocked ? new Map([...wanted.shares].filter(([name]) => before.shares.has(name))) : wanted.shares,
    ...allowedWide(wanted.wide, before.wide, checked),
  }
}

function allowedWide(wanted: Inbound | undefined, before: Inbound | undefined, checked: Checked): Pick<MeshState, 'wide'> {
  if (wanted === undefined) return {}
  if (!checked.blocked && !checked.blockedWide) return { wide: wanted }
  return before === undefined ? {} : { wide: narrowedInbound(before, wanted, new Set()) }
}
