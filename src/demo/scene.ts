/** The participants: two meshes, their workloads, and what each workload trusts by the current manifests. */
import { join } from 'node:path'
import { readTree } from '../adapters/directory/tree.ts'
import type { Manifest } from '../core/model/manifest.ts'
import { parseTrustDomain, type TrustDomain } from '../core/spiffe/trust-domain.ts'
import { readRoots } from '../core/trust/pinned/pinned-filter.ts'
import type { Root } from '../core/trust/state.ts'
import { type Authority, type Identity, makeAuthority, type OtherNames } from './authority.ts'
import { call, type Outcome } from './peer.ts'
import { type Allow, entranceOf, outboundTrust, ownTrust, type Pod, type Trust, withoutFilters } from './trust.ts'

export type Side = 'a' | 'b'

export interface Workload extends Pod {
  /** The workload's name in the demo: `a/client`. */
  readonly name: string
  readonly side: Side
  readonly identity: Identity
  /** The host name of its service. */
  readonly host: string
}

export interface CallOptions {
  /** The caller verifies no server, as `curl -k` does. */
  readonly careless?: boolean
  /** The server uses its roots as one list, without a filter of Entente. */
  readonly flat?: boolean
  readonly path?: string
}

export interface Scene {
  readonly directory: string
  readonly authorities: Readonly<Record<Side, Authority>>
  readonly people: Readonly<Record<'client' | 'guest' | 'orders' | 'server' | 'reports', Workload>>
  /** Workloads of cluster-a whose certificates also name identities of cluster-b, signed by cluster-a's CA. */
  readonly impostors: readonly Workload[]
  call(from: Workload, to: Workload, options?: CallOptions): Promise<Outcome>
}

const DOMAINS: Readonly<Record<Side, TrustDomain>> = {
  a: parseTrustDomain('cluster-a.example'),
  b: parseTrustDomain('cluster-b.example'),
}

/** Cluster-b's own policies, at every workload there. */
const ALLOWS: Readonly<Record<Side, readonly Allow[]>> = {
  a: [],
  b: [{ path: '/admin', principals: [`${DOMAINS.b}/ns/sample/sa/admin`], namespaces: ['admin-ns'] }],
}
const CLIENT = `spiffe://${DOMAINS.a}/ns/sample/sa/client`
const ADMIN = `spiffe://${DOMAINS.b}/ns/sample/sa/admin`

export async function makeScene(directory: string, now: () => Date): Promise<Scene> {
  const [a, b] = await Promise.all([makeAuthority(DOMAINS.a, now()), makeAuthority(DOMAINS.b, now())])
  const authorities = { a, b }
  const own = { a: ownTrust(DOMAINS.a, rootOf(a)), b: ownTrust(DOMAINS.b, rootOf(b)) }
  /** @param id as its own mesh's CA signs it, with `more` names */
  const hire = async (
    side: Side,
    app: string,
    id = `spiffe://${DOMAINS[side]}/ns/sample/sa/${app}`,
    more: OtherNames = {},
  ): Promise<Workload> => ({
    name: `${side}/${app}`,
    side,
    namespace: 'sample',
    labels: { app },
    host: `${app}.sample.svc.cluster.local`,
    identity: await authorities[side].mint(id, more),
  })
  const [client, guest, orders, server, reports, ...impostors] = await Promise.all([
    hire('a', 'client'),
    hire('a', 'guest'),
    hire('a', 'orders'),
    hire('b', 'server'),
    hire('b', 'reports'),
    hire('a', 'impostor', ADMIN),
    hire('a', 'two-uris', CLIENT, { uri: ADMIN }),
    hire('a', 'uri-and-dns', CLIENT, { dns: ADMIN }),
    hire('a', 'uri-and-subject', CLIENT, { subject: 'CN=b/ns/admin-ns/sa' }),
  ])
  const manifests = async (side: Side): Promise<readonly Manifest[]> =>
    [...(await readTree(join(directory, 'clusters', side))).values()].map(({ object }) => object)
  return {
    directory,
    authorities,
    people: { client, guest, orders, server, reports },
    impostors,
    call: async (from, to, { careless = false, flat = false, path = '/' } = {}) => {
      const [callers, servers] = await Promise.all([manifests(from.side), manifests(to.side)])
      const entrance = entranceOf(servers, to, own[to.side])
      const checks: { trust?: Trust } = careless ? {} : { trust: outboundTrust(callers, from, to.host, own[from.side]) }
      return call(
        { identity: from.identity, host: to.host, expects: to.identity.id, path, ...checks },
        { identity: to.identity, allows: ALLOWS[to.side], ...(flat ? withoutFilters(entrance) : entrance) },
        now(),
      )
    },
  }
}

function rootOf({ rootPem, trustDomain }: Authority): Root {
  const [root] = readRoots(rootPem)
  if (root === undefined) throw new TypeError(`no root of ${trustDomain}`)
  return root
}
