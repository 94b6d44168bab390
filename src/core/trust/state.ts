/**
 * What one mesh lets in, as Entente writes it: the value between an Intent and its objects. Rendering prints it,
 * reading recovers it, planning moves from one to another.
 */

import { exceptions, type Plaintext } from '../mesh/plaintext.ts'
import type { Accept, Approval, Intent, MemberName, Server, Workloads } from '../model/wanted.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Anchor } from '../x509/anchor.ts'
import type { Served } from './callers/served-by.ts'

export type Root = Pick<Anchor, 'fingerprint' | 'der'>
/** Roots by the trust domain they are bound to, the mesh's own domain included. Empty: no filter at all. */
export type Roots = ReadonlyMap<TrustDomain, readonly Root[]>

/** Roots in a file that pods with the mount have: `mounted`. */
export interface RootsFile {
  readonly name: string
  readonly roots: Roots
  /** A filter makes those pods judge by it. A file that nobody reads lets nobody in. */
  readonly read: boolean
  /** The ConfigMaps that it stands in: one, or two while it moves from one to the other. */
  readonly volumes: readonly number[]
}

export const NO_FILE: RootsFile = { name: '', roots: new Map(), read: false, volumes: [] }

/** Where foreign callers come in. */
export interface Inbound {
  readonly at: Workloads
  /** Inside the filter of all pods in the set. */
  readonly roots: Roots
  /** In the file of those that have the mount; where a filter reads it, it goes before `roots`. */
  readonly file: RootsFile
  /** Callers let past, by trusted domain; a domain without an entry is not restricted. */
  readonly callers: ReadonlyMap<TrustDomain, readonly Principal[]>
  /** Callers that the filters themselves let past, `TRUST-DOMAIN/*` for all of one. Absent: they check no names (docs/decisions/0023-one-name.md). */
  readonly admitted?: readonly Principal[] | undefined
  /** Ours to write: a PeerAuthentication STRICT for exactly these workloads. */
  readonly strict: boolean
  /** Where plaintext may come in, too; with `strict`, what our PeerAuthentication excepts. */
  readonly plaintext?: Plaintext
  /** They are gateways: only these servers judge by the roots. */
  readonly gateway?: readonly Server[]
}

/** Which workloads call foreign services. */
export interface Outbound {
  readonly from: Workloads
  /** Inside the filter. */
  readonly hosts: ReadonlyMap<string, Roots>
  /** In files, a file for each host. */
  readonly files: ReadonlyMap<string, RootsFile>
  /** Whom servers may be, by name. */
  readonly served: Served
}

/** A foreign bundle as a ConfigMap of PEM: the walk-through's way to share a root; for people and other tools. */
export interface Share {
  readonly trusted: MemberName
  readonly trustDomain: TrustDomain
  readonly roots: readonly Root[]
  /** The last approval, and the end if there is one. */
  readonly approval?: Approval
  readonly until?: Date
}

export interface MeshState {
  readonly inbound: ReadonlyMap<string, Inbound>
  readonly outbound: ReadonlyMap<string, Outbound>
  readonly shares: ReadonlyMap<string, Share>
  /** What every workload of the mesh accepts, besides its own roots: in Istio's own list, bound to no domain. */
  readonly wide?: Inbound
  /** By name: what an apply gave to one workload first. It is read, and never wanted: it goes. */
  readonly canaries?: ReadonlyMap<string, Canary>
}

/** What one workload has ahead of a filter, instead of what that filter says. */
export interface Canary {
  /** The name of the filter. */
  readonly of: string
  readonly at: Workloads
  readonly inbound?: Inbound
  readonly outbound?: Outbound
}

export const EMPTY: MeshState = { inbound: new Map(), outbound: new Map(), shares: new Map() }
export const noInbound = (at: Workloads): Inbound => ({ at, roots: new Map(), file: NO_FILE, callers: new Map(), strict: false })
export const noOutbound = (from: Workloads): Outbound => ({ from, hosts: new Map(), files: new Map(), served: new Map() })

/** What some pod of the set judges callers by. */
export const acceptedBy = ({ roots, file }: Pick<Inbound, 'roots' | 'file'>): Roots => (file.read ? unionRoots(roots, file.roots) : roots)

/** What some pod of the set judges servers by, for each host. */
export const acceptedFrom = ({ hosts, files }: Outbound): ReadonlyMap<string, Roots> =>
  files.size === 0
    ? hosts
    : new Map(
        [...new Set([...hosts.keys(), ...files.keys()])].map((host) => [
          host,
          acceptedBy({ roots: hosts.get(host) ?? new Map(), file: files.get(host) ?? NO_FILE }),
        ]),
      )

/** The roots of either, by domain. */
export function unionRoots(b: Roots, a: Roots): Roots {
  if (b.size === 0) return a
  if (a.size === 0 || a === b) return b
  return new Map([...new Set([...b.keys(), ...a.keys()])].map((domain) => [domain, merged(b.get(domain) ?? [], a.get(domain) ?? [])]))
}

const merged = (b: readonly Root[], a: readonly Root[]): readonly Root[] => (b === a ? a : distinctRoots([...b, ...a]))

/** Each of them once. */
export const distinctRoots = (roots: readonly Root[]): readonly Root[] => [
  ...new Map(roots.map((root) => [root.fingerprint, root])).values(),
]

/** Entries of one set say the same here, by parseFederation. */
export function plaintextOf({ mtls, ports }: Pick<Accept, 'mtls' | 'ports'>): Pick<Inbound, 'plaintext'> {
  const plaintext =
    mtls === 'permissive'
      ? 'all'
      : exceptions([...(ports ?? [])].map(([port, set]) => [port, set === 'disable' ? 'DISABLE' : 'PERMISSIVE']))
  return plaintext === undefined ? {} : { plaintext }
}

/** The domains that a mesh's own roots vouch for. */
export const ownDomains = (intent: Intent): readonly TrustDomain[] => [intent.member.trustDomain, ...intent.member.aliases]
