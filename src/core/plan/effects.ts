/** Computes how the write of one object changes trust, and how many proxies drain connections because of it. */

import { describeServer } from '../mesh/gateway-server.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Change } from '../model/planned.ts'
import type { Workloads } from '../model/wanted.ts'
import { describeWorkloads, workloadsKey } from '../model/workloads.ts'
import { type Principal, trustDomainOf } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { isCanary } from '../trust/canary/canary-filter.ts'
import { isMeshConfig, isMeshWidePolicy } from '../trust/mesh-wide/mesh-roots.ts'
import { isTrustMap, readMountedFilter, readTrustMap } from '../trust/mounted/bundle-map.ts'
import { inboundPrefixes, readGateway, readGuard, readWorkloads, targetsOf } from '../trust/pinned/pinned-filter.ts'
import { acceptName, mountedName, reachName, readState } from '../trust/render.ts'
import { covers } from '../trust/stage.ts'
import { type Inbound, type MeshState, NO_FILE, noInbound, noOutbound, type Outbound, type Roots, type RootsFile } from '../trust/state.ts'

type Accepted = ReadonlyMap<
  TrustDomain,
  { readonly roots: readonly string[]; readonly callers: readonly Principal[]; readonly servers: readonly string[]; readonly where: string }
>

/**
 * The effect of writing one object between two stages. A proxy admits a caller only if both the roots and the policy
 * accept it. A policy without a root therefore changes nothing.
 */
export function changesOf(
  before: Manifest | undefined,
  after: Manifest | undefined,
  from: MeshState,
  to: MeshState,
  own: ReadonlySet<TrustDomain>,
): readonly Change[] {
  const objects = [before, after].filter((object) => object !== undefined)
  if (objects.some(isCanary)) return objects.flatMap((object) => canaryGoes(object, from, to, own))
  if (objects.some((object) => isMeshConfig(object) || isMeshWidePolicy(object)))
    return meshWideChanges(objects[0] as Manifest, from, to, own)
  const places = objects.map(placesOf)
  const inbound = [...new Set(places.flatMap((place) => place.inbound))].flatMap((key) => {
    const was = from.inbound.get(key)
    const becomes = to.inbound.get(key)
    const scope = was ?? becomes
    if (scope === undefined) return []
    const b = was ?? noInbound(scope.at)
    const a = becomes ?? noInbound(scope.at)
    const moved = movedInbound(objects[0] as Manifest, b, a)
    return inParts(b.file.read || moved.file.read, describeWorkloads(scope.at), (mount, where) => {
      const goesOn = (trusted: TrustDomain): boolean => [b, moved].every((one) => partOf(one, !mount).roots.has(trusted))
      return inShort(compare(acceptedBy(partOf(b, mount), own, where), acceptedBy(partOf(moved, mount), own, where), own), goesOn)
    })
  })
  const outbound = [...new Set(places.flatMap((place) => place.outbound))].flatMap((key) => {
    const was = from.outbound.get(key)
    const becomes = to.outbound.get(key)
    const scope = was ?? becomes
    if (scope === undefined) return []
    const b = was ?? noOutbound(scope.from)
    const a = becomes ?? noOutbound(scope.from)
    const moved = movedOutbound(objects[0] as Manifest, b, a)
    const reads = [...b.files.values(), ...moved.files.values()].some((file) => file.read)
    return inParts(reads, describeWorkloads(scope.from), (mount, where) => {
      const goesOn = (trusted: TrustDomain): boolean =>
        [b, moved].every((one) => [...hostsOf(one, !mount).values()].some((roots) => roots.has(trusted)))
      return inShort(compareHosts(believed(b, mount), believed(moved, mount), own, where), goesOn)
    })
  })
  return [...inbound, ...nameChanges(before, after), ...outbound]
}

/**
 * Changes of the names that an inbound filter admits. For a new or removed filter, the changes of its workloads
 * suffice.
 */
function nameChanges(before: Manifest | undefined, after: Manifest | undefined): readonly Change[] {
  if (before === undefined || after === undefined) return []
  const [b, a] = [readGuard(before), readGuard(after)]
  const domains = new Set(inboundPrefixes(after).map((prefix) => prefix.slice('spiffe://'.length, -1) as TrustDomain))
  if (b === undefined || a === undefined) {
    const effect = b === undefined ? 'narrows' : 'widens'
    return a === b ? [] : [...domains].map((trusted) => ({ effect, of: 'names', trusted, what: 'one name in each certificate' }))
  }
  const changes = [...beyond(a.callers, b.callers, 'widens'), ...beyond(b.callers, a.callers, 'narrows')]
  return changes.filter(({ trusted }) => domains.has(trusted))
}

/** Callers that none of the others covers: a caller that a pattern covered before is no change. */
const beyond = (some: readonly Principal[], others: readonly Principal[], effect: Change['effect']): readonly Change[] =>
  uncovered(some, others).map((what) => ({ effect, of: 'caller', trusted: trustDomainOf(what), what }))

const uncovered = (some: readonly Principal[] = [], others: readonly Principal[] = []): readonly Principal[] =>
  some.filter((principal) => !others.some((other) => covers(other, principal)))

function meshWideChanges(object: Manifest, from: MeshState, to: MeshState, own: ReadonlySet<TrustDomain>): readonly Change[] {
  const nothing = noInbound((from.meshWide ?? to.meshWide)?.at ?? { namespace: '' })
  const [b, a] = [from.meshWide ?? nothing, to.meshWide ?? nothing]
  const moved = isMeshConfig(object) ? { ...b, roots: a.roots } : { ...b, callers: a.callers }
  const where = 'all workloads of the mesh'
  return compare(acceptedBy(b, own, where), acceptedBy(moved, own, where), own)
}

/** If a filter reads files, computes pods with and without the mount separately; equal changes appear once. */
function inParts(reads: boolean, where: string, changes: (mount: boolean, where: string) => readonly Change[]): readonly Change[] {
  if (!reads) return changes(false, where)
  const [with_, without] = [changes(true, where), changes(false, where)]
  if (JSON.stringify(with_) === JSON.stringify(without)) return with_
  return [...changes(true, `${where} with the mount`), ...changes(false, `${where} without the mount`)]
}

/**
 * If pods with or without the mount gain or lose a whole domain that the other pods keep, omits the changes of single
 * roots and callers.
 */
function inShort(changes: readonly Change[], goesOn: (trusted: TrustDomain) => boolean): readonly Change[] {
  const whole = new Set(changes.flatMap(({ of, trusted }) => (of === 'workloads' || of === 'host' ? [trusted] : [])))
  return changes.filter(({ of, trusted }) => of === 'workloads' || of === 'host' || !whole.has(trusted) || !goesOn(trusted))
}

const partOf = (scope: Inbound, mount: boolean): Inbound => (mount && scope.file.read ? { ...scope, roots: scope.file.roots } : scope)

const hostsOf = ({ hosts, files }: Outbound, mount: boolean): ReadonlyMap<string, Roots> =>
  mount ? new Map([...hosts, ...[...files].flatMap(([host, { read, roots }]) => (read ? [[host, roots] as const] : []))]) : hosts

/** The roots and server identities that pods with or without the mount accept for each host. */
const believed = (scope: Outbound, mount: boolean): Believed => ({ hosts: hostsOf(scope, mount), served: scope.served })

type Believed = Pick<Outbound, 'hosts' | 'served'>

/**
 * Applies only the part that the object decides. A filter decides the roots or that a file is read, a ConfigMap the
 * roots in the file, a policy the callers.
 */
function movedInbound(object: Manifest, b: Inbound, a: Inbound): Inbound {
  if (isTrustMap(object)) return { ...b, file: { ...b.file, roots: a.file.roots } }
  if (object.kind !== 'EnvoyFilter') return { ...b, callers: a.callers }
  if (readsFiles(object)) return { ...b, file: { ...b.file, read: a.file.read } }
  return { ...b, roots: a.roots, ...(a.gateway === undefined ? {} : { gateway: a.gateway }) }
}

const readsFiles = (object: Manifest): boolean => readMountedFilter(object).length > 0

function movedOutbound(object: Manifest, b: Outbound, a: Outbound): Outbound {
  const files = (move: (was: RootsFile, is: RootsFile) => RootsFile): Outbound['files'] =>
    new Map(
      [...new Set([...b.files.keys(), ...a.files.keys()])].map((host) => [
        host,
        move(b.files.get(host) ?? NO_FILE, a.files.get(host) ?? NO_FILE),
      ]),
    )
  if (isTrustMap(object)) return { ...b, files: files((was, is) => ({ ...was, roots: is.roots })) }
  if (readsFiles(object)) return { ...b, served: a.served, files: files((was, is) => ({ ...was, read: is.read })) }
  return { ...b, hosts: a.hosts, served: a.served }
}

/** The changes when a canary is removed: its workload returns to the state of its set. */
function canaryGoes(object: Manifest, from: MeshState, to: MeshState, own: ReadonlySet<TrustDomain>): readonly Change[] {
  const { of, at, inbound, outbound } = [...(readState([object]).canaries?.values() ?? [])][0] ?? {}
  if (at === undefined) return []
  const mount = readsFiles(object)
  const named = (name: string): boolean => of === name || of === mountedName(name)
  const scope = [...to.inbound.values()].find((other) => named(acceptName(other.at)))
  const reach = [...to.outbound.values()].find((other) => named(reachName(other.from)))
  const callers = scope?.callers ?? new Map()
  const where = describeWorkloads(at)
  const [then, thenTo] = [scope ?? noInbound(at), reach ?? noOutbound(at)]
  // A canary object names its file but does not hold its roots; the ConfigMap holds them.
  const files = new Map([
    ...[...from.inbound.values()].map(({ file }) => [file.name, file.roots] as const),
    ...[...from.outbound.values()].flatMap((other) => [...other.files.values()].map((file) => [file.name, file.roots] as const)),
  ])
  const held = (file: RootsFile): RootsFile => ({ ...file, roots: files.get(file.name) ?? file.roots })
  const canaryScope = inbound && { ...inbound, callers, file: held(inbound.file) }
  const reached = outbound && { ...outbound, files: new Map([...outbound.files].map(([host, file]) => [host, held(file)])) }
  const changes = [
    ...(canaryScope === undefined
      ? []
      : compare(acceptedBy(partOf(canaryScope, mount), own, where), acceptedBy(partOf(then, mount), own, where), own)),
    ...(reached === undefined ? [] : compareHosts(believed(reached, mount), believed(thenTo, mount), own, where)),
  ]
  return changes.filter(({ effect }) => effect === 'narrows')
}

/** The keys of the scopes whose roots or callers the object decides. */
function placesOf(object: Manifest): { readonly inbound: readonly string[]; readonly outbound: readonly string[] } {
  if (object.kind === 'AuthorizationPolicy') {
    return { inbound: [workloadsKey(readWorkloads(object, 'selector', 'matchLabels'))], outbound: [] }
  }
  const owners = isTrustMap(object) ? readTrustMap(object) : object.kind === 'EnvoyFilter' ? readMountedFilter(object) : []
  if (owners.length > 0) {
    const keys = (host: boolean): readonly string[] =>
      owners.filter(({ owner }) => (owner.host !== undefined) === host).map(({ owner }) => workloadsKey(owner.of))
    return { inbound: keys(false), outbound: keys(true) }
  }
  if (object.kind !== 'EnvoyFilter') return { inbound: [], outbound: [] }
  const key = workloadsKey(readWorkloads(object))
  const targets = targetsOf(object)
  return { inbound: targets.includes('FILTER_CHAIN') ? [key] : [], outbound: targets.includes('CLUSTER') ? [key] : [] }
}

function acceptedBy(scope: Inbound, own: ReadonlySet<TrustDomain>, where: string): Accepted {
  return new Map(
    [...scope.roots].map(([domain, roots]) => {
      const named: readonly Principal[] | undefined = scope.callers.get(domain)
      return [
        domain,
        {
          roots: roots.map((root) => root.fingerprint),
          callers: own.has(domain) ? [] : (named ?? [`${domain}/*` as Principal]),
          servers: own.has(domain) ? [] : (scope.gateway ?? []).map((server) => `${where}, ${describeServer(server)}`),
          where,
        },
      ]
    }),
  )
}

/** Proxies accept our own domain without a filter too: only a change of its roots within a filter is a change. */
function compare(before: Accepted, after: Accepted, own: ReadonlySet<TrustDomain>): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((trusted) => {
    const b = before.get(trusted)
    const a = after.get(trusted)
    if (own.has(trusted) && (b === undefined || a === undefined)) return []
    const where =
      b === undefined || a === undefined
        ? [{ effect: a === undefined ? 'narrows' : 'widens', of: 'workloads', trusted, what: (a ?? b)?.where ?? '' } as const]
        : []
    return [
      ...where,
      ...diff('root', trusted, b?.roots ?? [], a?.roots ?? []),
      ...beyond(a?.callers ?? [], b?.callers ?? [], 'widens'),
      ...beyond(b?.callers ?? [], a?.callers ?? [], 'narrows'),
      ...diff('workloads', trusted, b?.servers ?? [], a?.servers ?? []),
    ]
  })
}

function compareHosts(was: Believed, willBe: Believed, own: ReadonlySet<TrustDomain>, at: string): Change[] {
  const hosts = [...new Set([...was.hosts.keys(), ...willBe.hosts.keys()])]
  return hosts.flatMap((host) => {
    const b: Roots = was.hosts.get(host) ?? new Map()
    const a: Roots = willBe.hosts.get(host) ?? new Map()
    const [before, after] = [was.served.get(host), willBe.served.get(host)]
    return [...new Set([...b.keys(), ...a.keys()])].flatMap((trusted): Change[] => {
      const was = b.get(trusted)?.map((root) => root.fingerprint) ?? []
      const is = a.get(trusted)?.map((root) => root.fingerprint) ?? []
      if (own.has(trusted) && (was.length === 0 || is.length === 0)) return []
      const opened: Change[] =
        was.length === 0 && is.length > 0 ? [{ effect: 'widens', of: 'host', trusted, what: `${host} from ${at}` }] : []
      const closed: Change[] =
        was.length > 0 && is.length === 0 ? [{ effect: 'narrows', of: 'host', trusted, what: `${host} from ${at}` }] : []
      const served = own.has(trusted) || is.length === 0 ? [] : diffServers(host, trusted, was.length === 0 ? [] : before, after)
      return [...opened, ...closed, ...diff('root', trusted, was, is), ...served]
    })
  })
}

type Named = readonly Principal[] | undefined

/**
 * Changes of the accepted servers of a host that is reachable afterwards; none if it is new and istiod names its
 * servers.
 */
function diffServers(host: string, trusted: TrustDomain, before: Named, after: Named): Change[] {
  if (after === undefined && before?.length === 0) return []
  const anybody = `${trusted}/*` as Principal
  const [was, is] = [before, after].map((named) => named?.filter((principal) => trustDomainOf(principal) === trusted) ?? [anybody])
  const changes = (effect: Change['effect'], named: readonly Principal[]): Change[] =>
    named.map((principal) => ({ effect, of: 'server', trusted, what: `${principal} of ${host}` }))
  return [...changes('widens', uncovered(is, was)), ...changes('narrows', uncovered(was, is))]
}

function diff(of: 'root' | 'workloads', trusted: TrustDomain, before: readonly string[], after: readonly string[]): Change[] {
  const added = after.filter((what) => !before.includes(what)).map((what): Change => ({ effect: 'widens', of, trusted, what }))
  const removed = before.filter((what) => !after.includes(what)).map((what): Change => ({ effect: 'narrows', of, trusted, what }))
  return [...added, ...removed]
}

/**
 * Every inbound change makes Envoy drain the listener: it closes idle connections, and the remaining ones after 45 s.
 */
export function drained(object: Manifest, view: MeshView): number {
  // The mesh config sets the names that listeners accept, and a policy of the root namespace applies to every workload.
  if (isMeshConfig(object) || isMeshWidePolicy(object))
    return view.of('Pod').filter((pod) => view.hasSidecar(pod) && !view.isGateway(pod)).length
  const at = inboundPlace(object)
  if (at === undefined) return 0
  const gateways = targetsOf(object).includes('FILTER_CHAIN') && readGateway(object) !== undefined
  return view.podsIn(at).filter((pod) => view.hasSidecar(pod) && view.isGateway(pod) === gateways).length
}

/** The workloads whose inbound listener the object changes. */
function inboundPlace(object: Manifest): Workloads | undefined {
  if (object.kind === 'PeerAuthentication' || object.kind === 'AuthorizationPolicy') return readWorkloads(object, 'selector', 'matchLabels')
  return targetsOf(object).includes('FILTER_CHAIN') ? readWorkloads(object) : undefined
}
