/** Checks that compare every two members. A comparison makes one check if no pair has a problem, else one check per bad pair. */

import { minorOf } from '../mesh/version.ts'
import { about, type Check, type CheckName } from './check.ts'
import { ownRootsOf } from './mesh-identity.ts'
import { clusterIdOf, nameOf, networkOf, type ObservedCluster, saidBy } from './observed-cluster.ts'

/** istiod dates notBefore two minutes back (istio security/pkg/pki/util/generate_cert.go, eed52ebb66ad). */
const GRACE_MS = 120_000
const NOTABLE_MS = 30_000
const MINORS = 2

interface Comparison<T> {
  readonly name: CheckName
  readonly of: (observed: ObservedCluster) => T | undefined
  /** The problem between these two members; undefined if there is none. */
  readonly wrong: (
    a: T,
    b: T,
    names: string,
  ) => { readonly verdict: 'warn' | 'fail'; readonly evidence: string; readonly remedy: string } | undefined
  readonly well: (values: readonly T[]) => string
}

function compare<T>(all: readonly ObservedCluster[], { name, of, wrong, well }: Comparison<T>): readonly Check[] {
  const known = all.flatMap((observed) => {
    const value = of(observed)
    return value === undefined ? [] : [{ member: nameOf(observed), value }]
  })
  const members = known.map(({ member }) => member)
  if (known.length < 2) return [about(name, members, all.map(nameOf).join(', ')).skipped('fewer than two clusters gave a value to compare')]
  const bad = known.flatMap((a, i) =>
    known.slice(i + 1).flatMap((b) => {
      const found = wrong(a.value, b.value, `${a.member} and ${b.member}`)
      return found === undefined
        ? []
        : [about(name, [a.member, b.member], `${a.member}, ${b.member}`)[found.verdict](found.evidence, found.remedy)]
    }),
  )
  return bad.length > 0 ? bad : [about(name, members, members.join(', ')).ok(well(known.map(({ value }) => value)))]
}

export const amongChecks = (all: readonly ObservedCluster[], now: Date): readonly Check[] => [
  ...compare(all, {
    name: 'api-server-distinct',
    of: ({ seen }) => (seen.api.ok ? seen.api.value.uid : undefined),
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'fail',
            evidence: `${names} are the same cluster: namespace kube-system has the UID ${a} in both`,
            remedy: 'correct the context of one of them: Entente would remove the objects of one member as leftovers of the other',
          }
        : undefined,
    well: (uids) => `${uids.length} different clusters, by the UID of kube-system`,
  }),
  ...compare(all, {
    name: 'clocks-agree',
    of: ({ seen }) => (seen.api.ok ? seen.api.value.clock : undefined),
    wrong: (a, b, names) => {
      const apart = Math.abs(a.aheadMs - b.aheadMs) - a.withinMs - b.withinMs
      if (apart < NOTABLE_MS) return undefined
      const evidence = `the clocks of ${names} differ by ${Math.round(Math.abs(a.aheadMs - b.aheadMs) / 1000)} s, by the Date header of their API servers`
      return apart > GRACE_MS
        ? {
            verdict: 'fail',
            evidence: `${evidence}: a certificate that one mesh has just signed is not yet valid in the other`,
            remedy: 'correct the clocks (NTP) of the nodes that are behind',
          }
        : { verdict: 'warn', evidence, remedy: 'check NTP on the nodes' }
    },
    well: () => `the clocks differ by less than ${NOTABLE_MS / 1000} s`,
  }),
  ...compare(all, {
    name: 'istio-versions-close',
    of: ({ seen }) => {
      const said = saidBy(seen.istiods)
      return said.ok ? said.value.flatMap(({ version }) => minorOf(version) ?? [])[0] : undefined
    },
    wrong: (a, b, names) =>
      Math.abs(a - b) > MINORS
        ? {
            verdict: 'warn',
            evidence: `${names} run Istio 1.${a} and 1.${b}, more than ${MINORS} minor versions apart`,
            remedy: 'upgrade the older one: it may not support what the newer one uses',
          }
        : undefined,
    well: (minors) => [...new Set(minors)].map((minor) => `1.${minor}`).join(', '),
  }),
  ...compare(all, {
    name: 'trust-domains-unique',
    of: ({ seen }) => (seen.mesh.ok ? seen.mesh.value.trustDomain : undefined),
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'fail',
            evidence: `${names} both use the trust domain ${a}: a SPIFFE ID does not show which mesh it belongs to`,
            remedy: 'set another meshConfig.trustDomain in one of them, and restart its workloads',
          }
        : undefined,
    well: (domains) => domains.join(', '),
  }),
  ...compare(all, {
    name: 'roots-distinct',
    of: (observed) => {
      const own = ownRootsOf(observed, now)
      return own.ok ? own.value.map(({ fingerprint }) => fingerprint) : undefined
    },
    wrong: (a, b, names) => {
      const shared = a.find((fingerprint) => b.includes(fingerprint))
      return shared === undefined
        ? undefined
        : {
            verdict: 'fail',
            evidence: `${names} share the root ${shared}: the CA of either mesh can issue identities of the other, and proxies cannot tell the difference`,
            remedy: 'give one of them a separate root; two meshes that are meant to share a root need no federation',
          }
    },
    well: (roots) => `${roots.flat().length} roots`,
  }),
  ...compare(all, {
    name: 'networks-distinct',
    of: (observed) => networkOf(observed) || undefined,
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'warn',
            evidence: `${names} are both in network ${a}: istiod sends calls directly to pods, not through a gateway`,
            remedy:
              'this is correct only if their pods reach each other directly; otherwise label the Istio namespace of one with another network',
          }
        : undefined,
    well: (networks) => networks.join(', '),
  }),
  ...compare(all, {
    name: 'cluster-id',
    of: clusterIdOf,
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'fail',
            evidence: `the istiods of ${names} both use the cluster ID ${a}: istiod ignores a remote secret of that name, or treats it as its local cluster`,
            remedy: 'set global.multiCluster.clusterName (CLUSTER_ID) to a different name in each',
          }
        : undefined,
    well: (ids) => ids.join(', '),
  }),
]
