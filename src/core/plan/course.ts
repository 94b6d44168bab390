/** The states between which a mesh moves. */

import type { Finding } from '../diagnostics/finding.ts'
import { isPublication } from '../exchange/publication.ts'
import { viewOf } from '../mesh/mesh-view.ts'
import { content, type Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { overlaps } from '../trust/co-selected.ts'
import { asItStands, newServers, withoutNewShares } from '../trust/held-trusts.ts'
import { keepingPinned } from '../trust/mounted/unmounted-pods.ts'
import { NO_OBSTACLES, type Obstacles } from '../trust/obstacles.ts'
import { ownDomainsIn } from '../trust/own-domains.ts'
import { type Author, authorOf } from '../trust/render.ts'
import { closed, narrowedInbound, narrowedOutbound } from '../trust/stage.ts'
import type { Inbound, MeshState, Outbound } from '../trust/state.ts'
import { stateInPlace } from '../trust/state-in-place.ts'
import { wantedState } from '../trust/wanted-state.ts'
import { type Checked, check } from './hazards/checks.ts'
import { mountObstacles } from './hazards/mounted-files.ts'
import { obstacles } from './hazards/owned-objects.ts'
import { intermediates } from './hazards/unusable-anchors.ts'

export interface PlanOptions {
  /** `closing`: only remove whole domains from scopes and hosts; leave everything else unchanged. */
  readonly only?: 'closing'
  /**
   * Before a root is retired, ask every workload for its certificate, and do not wait for the maximum certificate
   * lifetime.
   */
  readonly look?: boolean
  /** Members in which trust may only narrow, each with the reason: Entente carries out only narrowing changes there. */
  readonly narrowOnly?: ReadonlyMap<MemberName, Finding>
}

/** The states through which one mesh moves. `apply` waits for the same states after each phase. */
export interface Course {
  /** Includes the current content of held trusts. */
  readonly intent: Intent
  readonly before: MeshState
  readonly after: MeshState
  readonly author: Author
  readonly checked: Checked
  /** The content of this owner's objects that are in place. */
  readonly objects: readonly Manifest[]
}

/** Computes the states between which a mesh moves; undefined if Entente could not read its objects. */
export function course(said: Intent, seen: Observation, { only, narrowOnly }: PlanOptions = {}): Course | undefined {
  if (!seen.objects.ok) return undefined
  const view = viewOf(seen)
  const ours = view.ownedBy(said.owner).filter((object) => !isPublication(object))
  const written = authorOf(said)
  const { state: before, rendered } = stateInPlace(said, ours, written)
  const intent = asItStands(said, before)
  const own = ownDomainsIn(intent, written, before, seen, ours)
  // The same author and the same state: their objects need not be rendered again.
  const author = own.size === written.own.size ? written : { ...written, own }
  const pods = intent.member.home?.context === undefined ? undefined : view
  const wanted =
    rendered !== undefined && intent === said && author === written
      ? before
      : withoutNewShares(keepingPinned(wantedState(intent, before, author.own), before, pods), before, said)
  const mounts = pods === undefined ? NO_OBSTACLES : mountObstacles(intent, wanted, before, pods)
  const against = [
    obstacles(intent, wanted, author, view, new Set(rendered)),
    mounts,
    intermediates(intent),
    newServers(said, wanted, before),
    overlaps(intent, wanted, view),
  ]
  const found = against.reduce(withObstacles, check(intent, wanted, seen))
  const checked = narrowOnly?.has(intent.member.name) ? { ...found, blocked: true } : found
  const after = only === 'closing' ? closed(before, wanted, author.own) : allowed(wanted, before, checked, author.own)
  // An older federation file must not restore removed ConfigMaps of published roots either.
  const shares = new Map([...before.shares].filter(([name]) => after.shares.has(name)))
  return {
    intent,
    before,
    after: narrowOnly?.has(intent.member.name) ? { ...after, shares } : after,
    author,
    checked,
    objects: rendered ?? ours.map(content),
  }
}

const withObstacles = (checked: Checked, { findings, inbound, outbound, meshWide = false }: Obstacles): Checked => ({
  ...checked,
  findings: [...checked.findings, ...findings],
  blockedInbound: new Set([...checked.blockedInbound, ...inbound]),
  blockedOutbound: new Set([...checked.blockedOutbound, ...outbound]),
  blockedMeshWide: checked.blockedMeshWide || meshWide,
})

/** The wanted state; blocked scopes narrow to what both the current and the wanted state accept. */
function allowed(wanted: MeshState, before: MeshState, checked: Checked, own: ReadonlySet<TrustDomain>): MeshState {
  const inbound = [...wanted.inbound].flatMap(([key, scope]): [string, Inbound][] => {
    const strict = scope.strict && !checked.strictAlready.has(key)
    // Reuse the same object if nothing changes, so that rendering can use its cache.
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
    ...allowedMeshWide(wanted.meshWide, before.meshWide, checked),
  }
}

function allowedMeshWide(wanted: Inbound | undefined, before: Inbound | undefined, checked: Checked): Pick<MeshState, 'meshWide'> {
  if (wanted === undefined) return {}
  if (!checked.blocked && !checked.blockedMeshWide) return { meshWide: wanted }
  return before === undefined ? {} : { meshWide: narrowedInbound(before, wanted, new Set()) }
}
