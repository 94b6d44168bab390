/**
 * Detects two federations that select the same pods. Of the filters of both, Envoy uses the last one, and each callers
 * rule denies the callers of the other federation. Federations can share a cluster only if no pod is in scopes of both.
 */

import { groupBy } from '../basics/group-by.ts'
import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { isLive, proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import { isOurs, OWNER, ownerOf } from '../model/manifest.ts'
import type { Intent, Trust, Workloads } from '../model/wanted.ts'
import { describeWorkloads, relation, workloadsKey } from '../model/workloads.ts'
import type { Obstacles } from './obstacles.ts'
import { readState } from './render.ts'
import { acceptedBy, acceptedFrom, type Inbound, type MeshState, type Outbound } from './state.ts'

/** The objects that another federation has in this mesh. */
export interface Other {
  readonly owner: string
  readonly state: MeshState
}

const known = new WeakMap<readonly Manifest[], Map<string, readonly Other[]>>()

/** Reads the other federations of a mesh, by the owner label of their objects. */
export function othersIn(objects: readonly Manifest[], owner: string): readonly Other[] {
  const made = known.get(objects) ?? new Map<string, readonly Other[]>()
  known.set(objects, made)
  const held = made.get(owner) ?? readOthers(objects, owner)
  made.set(owner, held)
  return held
}

const readOthers = (objects: readonly Manifest[], owner: string): readonly Other[] =>
  [
    ...groupBy(
      objects.filter((object) => isOurs(object) && ownerOf(object) !== owner),
      nameOf,
    ),
  ].map(([name, theirs]) => ({
    owner: name,
    state: readState(theirs),
  }))

const nameOf = (object: Manifest): string => object.metadata.labels?.[OWNER] ?? '(none)'

/** One set of workloads that both federations select. */
interface Common {
  readonly owner: string
  readonly side: 'inbound' | 'outbound' | 'meshWide'
  /** Our set, and its key in the state. */
  readonly at: Workloads
  readonly key: string
  readonly theirs: Workloads
  /** The proxies in both sets; empty if no pod is in both now. */
  readonly proxies: readonly string[]
  readonly hosts: readonly string[]
}

/** Finds sets of `state` that share pods with sets of other federations, or may share pods later. */
function commonIn(owner: string, state: MeshState, view: MeshView): readonly Common[] {
  return othersIn(view.objects, owner).flatMap((other): readonly Common[] => {
    const inbound = [...state.inbound].filter(([, scope]) => judges(scope))
    const theirs = [...other.state.inbound.values()].filter(judges)
    const doors = inbound.flatMap(([key, ours]) =>
      theirs.flatMap((scope): readonly Common[] => {
        if (relation(ours.at, scope.at) === 'disjoint') return []
        const proxies = both(view.proxiesIn(ours), view.proxiesIn(scope))
        return [{ owner: other.owner, side: 'inbound', at: ours.at, key, theirs: scope.at, proxies, hosts: [] }]
      }),
    )
    const exits = [...state.outbound].flatMap(([key, ours]) =>
      [...other.state.outbound.values()].flatMap((scope): readonly Common[] => {
        const hosts = hostsOf(ours).filter((host) => hostsOf(scope).includes(host))
        if (hosts.length === 0 || relation(ours.from, scope.from) === 'disjoint') return []
        const proxies = both(view.sidecarsIn(ours.from), view.sidecarsIn(scope.from))
        return [{ owner: other.owner, side: 'outbound', at: ours.from, key, theirs: scope.from, proxies, hosts }]
      }),
    )
    return [...doors, ...exits, ...meshWideWith(state, other, view)]
  })
}

/**
 * Handles `mesh` distribution. A filter of another federation overrides the mesh's list of roots, and the callers rules
 * of both federations apply everywhere.
 */
function meshWideWith(state: MeshState, { owner, state: other }: Other, view: MeshView): readonly Common[] {
  const all = (): readonly string[] =>
    view
      .of('Pod')
      .filter((pod) => view.hasSidecar(pod) && isLive(pod) && !view.isGateway(pod))
      .map(proxyOf)
  const found: Common[] = []
  const add = (side: Common['side'], key: string, at: Workloads, theirs: Workloads, proxies: readonly string[]): void =>
    void found.push({ owner, side, key, at, theirs, proxies, hosts: [] })
  const { meshWide } = state
  if (meshWide !== undefined && other.meshWide !== undefined) add('meshWide', '', everywhere(meshWide), everywhere(other.meshWide), all())
  if (meshWide !== undefined)
    for (const scope of [...other.inbound.values()].filter(judges))
      add('meshWide', '', everywhere(meshWide), scope.at, view.proxiesIn(scope).map(proxyOf))
  if (other.meshWide !== undefined)
    for (const [key, scope] of [...state.inbound].filter(([, one]) => judges(one)))
      add('inbound', key, scope.at, everywhere(other.meshWide), view.proxiesIn(scope).map(proxyOf))
  return found
}

const everywhere = ({ at }: Inbound): Workloads => ({ namespace: at.namespace, everywhere: true })
const judges = (scope: Inbound): boolean => acceptedBy(scope).size > 0 || scope.callers.size > 0 || scope.file.read
const hostsOf = (scope: Outbound): readonly string[] =>
  [...acceptedFrom(scope)].flatMap(([host, roots]) => (roots.size > 0 || scope.files.get(host)?.read === true ? [host] : []))

function both(ours: readonly Manifest[], theirs: readonly Manifest[]): readonly string[] {
  const there = new Set(theirs.map(proxyOf))
  return ours.map(proxyOf).filter((proxy) => there.has(proxy))
}

const few = (all: readonly string[]): string =>
  all.length <= 3 ? all.join(', ') : `${all.slice(0, 3).join(', ')} and ${all.length - 3} more`

function overlapFinding(member: string, { owner, side, at, theirs, proxies, hosts }: Common): Finding {
  const where = about.scope(describeWorkloads(at), member)
  const them = `the federation ${owner} selects ${describeWorkloads(theirs)}`
  const what =
    side === 'outbound'
      ? `for ${few(hosts)}: of the filters of both the last one decides`
      : 'of the filters of both the last one decides, and the callers rules of each deny the callers of the other'
  const hint = `let one of the two speak for these pods: narrow the selector here or in ${owner}, or move the trust there`
  return proxies.length > 0
    ? error('federations-overlap', where, `${them}, and ${few(proxies)} ${proxies.length === 1 ? 'is' : 'are'} in both; ${what}`, hint)
    : warning('federations-overlap', where, `${them}, and a pod may come to be in both; ${what}`, hint)
}

/** Reports the overlaps, and stops sets from widening while they share pods with another federation. */
export function overlaps(intent: Intent, wanted: MeshState, view: MeshView): Obstacles {
  const common = commonIn(intent.owner, wanted, view)
  const stopped = (side: Common['side']): ReadonlySet<string> =>
    new Set(common.flatMap((one) => (one.side === side && one.proxies.length > 0 ? [one.key] : [])))
  return {
    findings: common.map((one) => overlapFinding(intent.member.name, one)),
    inbound: stopped('inbound'),
    outbound: stopped('outbound'),
    meshWide: stopped('meshWide').size > 0,
  }
}

/**
 * Reports the overlaps of one trust at pods that are in both now. Today's evidence does not prove which callers these
 * pods will accept.
 */
export function overlapping(
  { owner, member }: Intent,
  { accept, reach, meshWide }: Pick<Trust, 'accept' | 'reach' | 'meshWide'>,
  state: MeshState,
  view: MeshView,
): readonly Finding[] {
  const keys = {
    inbound: new Set(accept.map(({ at }) => workloadsKey(at))),
    outbound: new Set(reach.map(({ from }) => workloadsKey(from))),
    meshWide: new Set(meshWide === undefined ? [] : ['']),
  }
  return commonIn(owner, state, view)
    .filter(({ side, key, proxies }) => proxies.length > 0 && keys[side].has(key))
    .map((one) => overlapFinding(member.name, one))
}
