/**
 * The trust that Entente configures in one mesh: the value between an Intent and its objects. `render` prints it,
 * `read` recovers it, and a plan moves from one to another.
 */

import { exceptions, type Plaintext } from '../mesh/plaintext.ts'
import type { Accept, Approval, Intent, MemberName, Server, Workloads } from '../model/wanted.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Anchor } from '../x509/anchor.ts'
import type { Served } from './callers/served-by.ts'

export type Root = Pick<Anchor, 'fingerprint' | 'der'>
/** Roots by the trust domain they are bound to, including the mesh's own domain. Empty: no filter. */
export type Roots = ReadonlyMap<TrustDomain, readonly Root[]>

/** Distribution `mounted`: roots in a file of pods with the mount. */
export interface RootsFile {
  readonly name: string
  readonly roots: Roots
  /** A filter makes those pods use the file. Without it, the file accepts no caller. */
  readonly read: boolean
  /** Indexes of the ConfigMaps that hold the file: one, or two while it moves. */
  readonly volumes: readonly number[]
}

export const NO_FILE: RootsFile = { name: '', roots: new Map(), read: false, volumes: [] }

/** One set of workloads that accepts foreign callers. */
export interface Inbound {
  readonly at: Workloads
  /** Roots inside the filter for all pods of the set. */
  readonly roots: Roots
  /** Roots in the file of pods with the mount. If a filter reads the file, it takes precedence over `roots`. */
  readonly file: RootsFile
  /** Accepted callers by trusted domain. A domain without an entry is not restricted. */
  readonly callers: ReadonlyMap<TrustDomain, readonly Principal[]>
  /**
   * Callers that the filters themselves accept, `TRUST-DOMAIN/*` for a whole domain. Absent: the filters check no names
   * (docs/decisions/0023-one-name.md).
   */
  readonly admitted?: readonly Principal[] | undefined
  /** Entente writes a STRICT PeerAuthentication for exactly these workloads. */
  readonly strict: boolean
  /** Ports that may accept plaintext; with `strict`, the exceptions of our PeerAuthentication. */
  readonly plaintext?: Plaintext
  /** The workloads are gateways, and only these servers use the roots. */
  readonly gateway?: readonly Server[]
}

/** One set of workloads that calls foreign services. */
export interface Outbound {
  readonly from: Workloads
  /** Roots inside the filter, by host. */
  readonly hosts: ReadonlyMap<string, Roots>
  /** Files of roots, one per host. */
  readonly files: ReadonlyMap<string, RootsFile>
  /** Accepted identities of servers, by host. */
  readonly served: Served
}

/** A foreign bundle as a ConfigMap of PEM. The walk-through shares roots this way. For people and other tools. */
export interface Share {
  readonly trusted: MemberName
  readonly trustDomain: TrustDomain
  readonly roots: readonly Root[]
  /** The last approval, and the end of the trust if it has one. */
  readonly approval?: Approval
  readonly until?: Date
}

export interface MeshState {
  readonly inbound: ReadonlyMap<string, Inbound>
  readonly outbound: ReadonlyMap<string, Outbound>
  readonly shares: ReadonlyMap<string, Share>
  /** Roots that every workload of the mesh accepts in addition to its own: Istio's own list, bound to no domain. */
  readonly meshWide?: Inbound
  /**
   * Canaries by name: filters that an apply wrote for one workload first. They are read and never wanted, so a plan
   * removes them.
   */
  readonly canaries?: ReadonlyMap<string, Canary>
}

/** A filter for one workload that overrides the filter it is named after. */
export interface Canary {
  readonly of: string
  readonly at: Workloads
  readonly inbound?: Inbound
  readonly outbound?: Outbound
}

export const EMPTY: MeshState = { inbound: new Map(), outbound: new Map(), shares: new Map() }
export const noInbound = (at: Workloads): Inbound => ({ at, roots: new Map(), file: NO_FILE, callers: new Map(), strict: false })
export const noOutbound = (from: Workloads): Outbound => ({ from, hosts: new Map(), files: new Map(), served: new Map() })

/** Roots by which at least one pod of the set verifies callers. */
export const acceptedBy = ({ roots, file }: Pick<Inbound, 'roots' | 'file'>): Roots => (file.read ? unionRoots(roots, file.roots) : roots)

/** Roots by which at least one pod of the set verifies servers, for each host. */
export const acceptedFrom = ({ hosts, files }: Outbound): ReadonlyMap<string, Roots> =>
  files.size === 0
    ? hosts
    : new Map(
        [...new Set([...hosts.keys(), ...files.keys()])].map((host) => [
          host,
          acceptedBy({ roots: hosts.get(host) ?? new Map(), file: files.get(host) ?? NO_FILE }),
        ]),
      )

/** Union of the roots, by domain. */
export function unionRoots(b: Roots, a: Roots): Roots {
  if (b.size === 0) return a
  if (a.size === 0 || a === b) return b
  return new Map([...new Set([...b.keys(), ...a.keys()])].map((domain) => [domain, merged(b.get(domain) ?? [], a.get(domain) ?? [])]))
}

const merged = (b: readonly Root[], a: readonly Root[]): readonly Root[] => (b === a ? a : distinctRoots([...b, ...a]))

export const distinctRoots = (roots: readonly Root[]): readonly Root[] => [
  ...new Map(roots.map((root) => [root.fingerprint, root])).values(),
]

/** All entries of one set agree here: parseFederation checks it. */
export function plaintextOf({ mtls, ports }: Pick<Accept, 'mtls' | 'ports'>): Pick<Inbound, 'plaintext'> {
  const plaintext =
    mtls === 'permissive'
      ? 'all'
      : exceptions([...(ports ?? [])].map(([port, set]) => [port, set === 'disable' ? 'DISABLE' : 'PERMISSIVE']))
  return plaintext === undefined ? {} : { plaintext }
}

/** Domains for which the mesh's own roots issue identities. */
export const ownDomains = (intent: Intent): readonly TrustDomain[] => [intent.member.trustDomain, ...intent.member.aliases]
