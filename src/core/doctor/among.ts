/** What must differ, or agree, between any two members. One check for all that are well, one for each pair that is not. */

import { minorOf } from '../mesh/version.ts'
import { about, type Check, type CheckName } from './check.ts'
import { clusterIdOf, type Looked, nameOf, networkOf, saidBy } from './looked.ts'
import { ownRootsOf } from './mesh-identity.ts'

/** Istio's certificates begin two minutes before they were signed (istio security/pkg/pki/util/generate_cert.go, eed52ebb66ad). */
const GRACE_MS = 120_000
const NOTABLE_MS = 30_000
const MINORS = 2

interface Comparison<T> {
  readonly name: CheckName
  readonly of: (looked: Looked) => T | undefined
  /** What is wrong with these two; undefined: nothing. */
  readonly wrong: (
    a: T,
    b: T,
    names: string,
  ) => { readonly verdict: 'warn' | 'fail'; readonly told: string; readonly remedy: string } | undefined
  readonly well: (values: readonly T[]) => string
}

function compare<T>(all: readonly Looked[], { name, of, wrong, well }: Comparison<T>): readonly Check[] {
  const known = all.flatMap((looked) => {
    const value = of(looked)
    return value === undefined ? [] : [{ member: nameOf(looked), value }]
  })
  const members = known.map(({ member }) => member)
  if (known.length < 2) return [about(name, members, all.map(nameOf).join(', ')).skipped('fewer than two clusters could be compared')]
  const bad = known.flatMap((a, i) =>
    known.slice(i + 1).flatMap((b) => {
      const found = wrong(a.value, b.value, `${a.member} and ${b.member}`)
      return found === undefined
        ? []
        : [about(name, [a.member, b.member], `${a.member}, ${b.member}`)[found.verdict](found.told, found.remedy)]
    }),
  )
  return bad.length > 0 ? bad : [about(name, members, members.join(', ')).ok(well(known.map(({ value }) => value)))]
}

export const amongChecks = (all: readonly Looked[], now: Date): readonly Check[] => [
  ...compare(all, {
    name: 'api-server-distinct',
    of: ({ seen }) => (seen.api.ok ? seen.api.value.uid : undefined),
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'fail',
            told: `${names} are one cluster (its namespace kube-system has the UID ${a})`,
            remedy: 'correct the context of one of them: each would take the other’s objects for leftovers',
          }
        : undefined,
    well: (uids) => `${uids.length} clusters, by the UID of kube-system`,
  }),
  ...compare(all, {
    name: 'clocks-agree',
    of: ({ seen }) => (seen.api.ok ? seen.api.value.clock : undefined),
    wrong: (a, b, names) => {
      const apart = Math.abs(a.aheadMs - b.aheadMs) - a.withinMs - b.withinMs
      if (apart < NOTABLE_MS) return undefined
      const told = `${names} are ${Math.round(Math.abs(a.aheadMs - b.aheadMs) / 1000)} s apart, by the Date of their API servers`
      return apart > GRACE_MS
        ? {
            verdict: 'fail',
            told: `${told}: a certificate that one has just signed is not valid yet for the other`,
            remedy: 'set the clocks (NTP) of the nodes that lag',
          }
        : { verdict: 'warn', told, remedy: 'look at NTP on the nodes' }
    },
    well: () => `less than ${NOTABLE_MS / 1000} s apart`,
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
            told: `${names}: 1.${a} and 1.${b}`,
            remedy: 'upgrade the older one: what a newer istiod writes for its proxies the older one may not know',
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
            told: `${names} are both ${a}: whose identity it is cannot be told`,
            remedy: 'give one of them another meshConfig.trustDomain, and restart its workloads',
          }
        : undefined,
    well: (domains) => domains.join(', '),
  }),
  ...compare(all, {
    name: 'roots-distinct',
    of: (looked) => {
      const own = ownRootsOf(looked, now)
      return own.ok ? own.value.map(({ fingerprint }) => fingerprint) : undefined
    },
    wrong: (a, b, names) => {
      const shared = a.find((fingerprint) => b.includes(fingerprint))
      return shared === undefined
        ? undefined
        : {
            verdict: 'fail',
            told: `${names} share the root ${shared}: either CA vouches for both, and no trust can tell them apart`,
            remedy: 'meshes of one root need no federation; or give one of them a root of its own',
          }
    },
    well: (roots) => `${roots.flat().length} roots`,
  }),
  ...compare(all, {
    name: 'networks-distinct',
    of: (looked) => networkOf(looked) || undefined,
    wrong: (a, b, names) =>
      a === b
        ? {
            verdict: 'warn',
            told: `${names} are both in ${a}: calls go from pod to pod and through no gateway`,
            remedy: `that is right only where their pods reach each other; else label the Istio namespace of one with another network`,
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
            told: `${names} are both cluster ${a} to their istiods: a remote secret of that name is ignored, or taken for the local cluster`,
            remedy: 'set global.multiCluster.clusterName (CLUSTER_ID) of each to a name of its own',
          }
        : undefined,
    well: (ids) => ids.join(', '),
  }),
]
