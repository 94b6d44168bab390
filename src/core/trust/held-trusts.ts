/**
 * Computes the part of held trusts that stays. A held trust is in the file and severed in the record. It accepts
 * nothing new. What it accepted before stays until its owner lifts the sever or ends the trust, and still narrows with
 * the file.
 */

import { sameServer } from '../mesh/gateway-server.ts'
import { bothTake, type Plaintext } from '../mesh/plaintext.ts'
import type { Accept, Held, Intent, Reach, Server, Workloads } from '../model/wanted.ts'
import { workloadsKey } from '../model/workloads.ts'
import { trustDomainOf } from '../spiffe/spiffe-id.ts'
import { NO_OBSTACLES, type Obstacles } from './obstacles.ts'
import { intersect } from './stage.ts'
import { acceptedBy, acceptedFrom, type Inbound, type MeshState, type Outbound, plaintextOf, type Root, type RootsFile } from './state.ts'

type Trust = Intent['trusts'][number]

/** Adds to the intent the parts of its held trusts that are present in `before`. */
export function asItStands(intent: Intent, before: MeshState): Intent {
  const standing = (intent.held ?? []).flatMap((trust) => partsOf(trust, before))
  return standing.length === 0 ? intent : { ...intent, trusts: [...intent.trusts, ...standing] }
}

/** Splits a held trust by set and host, because each may have different roots in place. */
function partsOf({ remedy: _, bundle, ...trust }: Held, before: MeshState): readonly Trust[] {
  const { trustDomain: domain } = trust
  const part = (held: readonly Root[] | undefined, more: Partial<Trust>): readonly Trust[] => {
    if (held === undefined || held.length === 0) return []
    const here = new Set(held.map(({ fingerprint }) => fingerprint))
    const anchors = bundle?.anchors.filter(({ fingerprint }) => here.has(fingerprint))
    // A root that replaces another cannot be added to a held trust. Without a bundle the root in place stays.
    const narrower = bundle !== undefined && anchors !== undefined && (anchors.length > 0 || bundle.anchors.length === 0)
    return [{ ...trust, accept: [], reach: [], ...(narrower ? { bundle: { ...bundle, anchors } } : {}), ...more }]
  }
  const { meshWide: asked, ...rest } = trust
  const meshWide = before.meshWide
  const callers = asked && intersect(meshWide?.callers.get(domain), asked.callers === 'all' ? undefined : asked.callers)
  return [
    ...rest.accept.flatMap((accept) => {
      const scope = before.inbound.get(workloadsKey(accept.at))
      const narrowed = scope && narrowAccept(accept, scope, domain)
      if (scope === undefined || narrowed === undefined) return []
      return without(part(acceptedBy(scope).get(domain), { accept: [narrowed], ...carriedAs(scope.file) }))
    }),
    ...rest.reach.flatMap((reach) => {
      const scope = before.outbound.get(workloadsKey(reach.from))
      return scope === undefined
        ? []
        : narrowReach(reach, scope, domain).flatMap(({ roots, file, ...one }) => without(part(roots, { reach: [one], ...carriedAs(file) })))
    }),
    ...(asked === undefined ? [] : part(meshWide?.roots.get(domain), { meshWide: { ...asked, callers: callers ?? 'all' } })),
    ...without(part(before.shares.get(trust.trusted)?.roots, {})),
  ]
}

/**
 * Roots in files reach only pods with the mount. A filter with inline roots would give them to all other pods of the
 * set too.
 */
const carriedAs = (file: RootsFile | undefined): Partial<Trust> => (file?.read === true ? { distribution: 'mounted' } : {})

const without = (trusts: readonly Trust[]): readonly Trust[] => trusts.map(({ meshWide: _, ...trust }) => trust)

/** @returns undefined if the file no longer names a server of the gateway that is in place */
function narrowAccept(accept: Accept, scope: Inbound, domain: Trust['trustDomain']): Accept | undefined {
  const callers = intersect(scope.callers.get(domain), accept.callers === 'all' ? undefined : accept.callers) ?? 'all'
  const { ports: _, gateway: __, ...rest } = accept
  const gateway = scope.gateway === undefined ? accept.gateway : (accept.gateway ?? scope.gateway).filter(isAmong(scope.gateway))
  if (gateway?.length === 0) return undefined
  const modes = scope.strict ? strictModes(bothTake(scope.plaintext, plaintextOf(accept).plaintext)) : modesOf(accept)
  return { ...rest, ...modes, callers, ...(gateway === undefined ? {} : { gateway }) }
}

const isAmong =
  (servers: readonly Server[]) =>
  (server: Server): boolean =>
    servers.some((other) => sameServer(other, server))

const modesOf = ({ mtls, ports }: Accept): Pick<Accept, 'mtls' | 'ports'> => ({ mtls, ...(ports === undefined ? {} : { ports }) })

/** Keeps our PeerAuthentication at least as strict as it is. */
const strictModes = (plaintext: Plaintext | undefined): Pick<Accept, 'mtls' | 'ports'> => ({
  mtls: 'enforce',
  ...(plaintext === undefined || plaintext === 'all'
    ? {}
    : { ports: new Map([...plaintext].map(([port, mode]) => [port, mode === 'DISABLE' ? 'disable' : 'permissive'] as const)) }),
})

interface Reached extends Reach {
  readonly roots: readonly Root[]
  readonly file: RootsFile | undefined
}

/** Narrows each host separately, with the server names that it has. */
function narrowReach({ from, services }: Reach, scope: Outbound, domain: Trust['trustDomain']): readonly Reached[] {
  const accepted = acceptedFrom(scope)
  return services.flatMap(({ host, servedBy }): readonly Reached[] => {
    const roots = accepted.get(host)?.get(domain) ?? []
    const named = scope.served.get(host)?.filter((principal) => trustDomainOf(principal) === domain)
    if (roots.length === 0 || named?.length === 0) return []
    const met = intersect(named, servedBy)
    const names = met?.length === 0 ? named : met
    return [{ from, roots, file: scope.files.get(host), services: [{ host, ...(names === undefined ? {} : { servedBy: names }) }] }]
  })
}

/** Omits a new ConfigMap with the roots of a held trust if it does not exist yet. */
export function withoutNewShares(wanted: MeshState, before: MeshState, { held = [], trusts }: Intent): MeshState {
  const only = new Set<string>(held.map(({ trusted }) => trusted).filter((name) => !trusts.some(({ trusted }) => trusted === name)))
  if (only.size === 0) return wanted
  return { ...wanted, shares: new Map([...wanted.shares].filter(([name]) => before.shares.has(name) || !only.has(name))) }
}

/**
 * Stops a set of gateways from gaining servers while it has roots of a held domain. Every server of a set accepts all
 * of its roots, so a server added by another trust would accept the held domain.
 */
export function newServers({ held = [] }: Intent, wanted: MeshState, before: MeshState): Obstacles {
  const widened = ({ at, gateway }: { readonly at: Workloads; readonly gateway?: readonly Server[] }): boolean => {
    const scope = before.inbound.get(workloadsKey(at))
    const were = scope?.gateway
    return were !== undefined && (gateway === undefined || !gateway.every(isAmong(were)))
  }
  const keys = [...wanted.inbound].flatMap(([key, scope]) =>
    held.some(({ trustDomain }) => acceptedBy(scope).has(trustDomain)) && widened(scope) ? [key] : [],
  )
  return keys.length === 0 ? NO_OBSTACLES : { ...NO_OBSTACLES, inbound: new Set(keys) }
}
