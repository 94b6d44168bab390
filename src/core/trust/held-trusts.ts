/**
 * Held trusts: what stands of them, and no more. A trust that the file has and the record severs opens nothing; what it
 * let in before stays until its owner lifts the sever or ends the trust, and still narrows with the file.
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

/** The intent with the part of its held trusts that `before` has. */
export function asItStands(intent: Intent, before: MeshState): Intent {
  const standing = (intent.held ?? []).flatMap((trust) => partsOf(trust, before))
  return standing.length === 0 ? intent : { ...intent, trusts: [...intent.trusts, ...standing] }
}

/** One trust for each set and host, as each may have roots of its own in place. */
function partsOf({ remedy: _, bundle, ...trust }: Held, before: MeshState): readonly Trust[] {
  const { trustDomain: domain } = trust
  const part = (held: readonly Root[] | undefined, more: Partial<Trust>): readonly Trust[] => {
    if (held === undefined || held.length === 0) return []
    const here = new Set(held.map(({ fingerprint }) => fingerprint))
    const anchors = bundle?.anchors.filter(({ fingerprint }) => here.has(fingerprint))
    // A root that follows another cannot come: without a bundle the one in place stays.
    const narrower = bundle !== undefined && anchors !== undefined && (anchors.length > 0 || bundle.anchors.length === 0)
    return [{ ...trust, accept: [], reach: [], ...(narrower ? { bundle: { ...bundle, anchors } } : {}), ...more }]
  }
  const { wide: asked, ...rest } = trust
  const wide = before.wide
  const callers = asked && intersect(wide?.callers.get(domain), asked.callers === 'all' ? undefined : asked.callers)
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
    ...(asked === undefined ? [] : part(wide?.roots.get(domain), { wide: { ...asked, callers: callers ?? 'all' } })),
    ...without(part(before.shares.get(trust.trusted)?.roots, {})),
  ]
}

/** Roots in files reach the pods that have the mount; a filter would bring them to all the others, too. */
const carriedAs = (file: RootsFile | undefined): Partial<Trust> => (file?.read === true ? { distribution: 'mounted' } : {})

const without = (trusts: readonly Trust[]): readonly Trust[] => trusts.map(({ wide: _, ...trust }) => trust)

/** @returns undefined where no server of the gateway that it has is asked for any more */
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

/** Our PeerAuthentication stays as strict as it is. */
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

/** Each host by itself, with the names of servers that it has. */
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

/** A ConfigMap with the roots of a held trust is not made anew for what stands elsewhere. */
export function withoutNewShares(wanted: MeshState, before: MeshState, { held = [], trusts }: Intent): MeshState {
  const only = new Set<string>(held.map(({ trusted }) => trusted).filter((name) => !trusts.some(({ trusted }) => trusted === name)))
  if (only.size === 0) return wanted
  return { ...wanted, shares: new Map([...wanted.shares].filter(([name]) => before.shares.has(name) || !only.has(name))) }
}

/** A gateway's servers judge by all roots of its set: a server that another trust adds would let the held domain in there, too. */
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
