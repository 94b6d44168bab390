/** Checks that the entries of a federation file do not conflict. Each problem also names the other entry. */
import type { Trust, Workloads } from '../model/wanted.ts'
import { describeWorkloads, relation, workloadsKey } from '../model/workloads.ts'
import type { TrustEntry } from './expand/long-form.ts'
import type { Path, Report } from './expand/places.ts'

/** An entry without namespace is for the whole mesh. A mounted file exists per namespace, so this needs distribution pinned. */
export const isEverywhere = (
  { namespace }: { readonly namespace?: string | undefined },
  { distribution }: Pick<TrustEntry, 'distribution'>,
): boolean => namespace === undefined && distribution === 'pinned'

export function reportRepeatedPairs(entries: readonly TrustEntry[], report: Report): void {
  const seen = new Map<string, Path>()
  entries.forEach((entry, i) => {
    // A pair may have distribution pinned in addition to mesh, to restrict some workloads further.
    const pair = `${entry.truster} ${entry.trusted}${entry.distribution === 'mesh' ? ' mesh' : ''}`
    const path = ['spec', 'trust', i]
    const other = seen.get(pair)
    if (other !== undefined)
      report(path, `a second entry for ${entry.truster} trusting ${entry.trusted}`, 'merge the two entries into one', other)
    else seen.set(pair, path)
  })
}

/** A set of workloads that an entry selects. */
interface Selected {
  readonly at: Workloads
  readonly distribution: string
  readonly path: Path
}

/** Two accept entries (or two reach entries) of one namespace must select the same workloads, or provably disjoint ones. */
export function reportOverlaps(entries: readonly TrustEntry[], report: Report): void {
  for (const side of ['accept', 'reach'] as const) {
    /** For each truster and namespace, the different sets there. */
    const seen = new Map<string, Map<string, Selected>>()
    const firsts = new Map<string, Selected>()
    entries.forEach((entry, i) => {
      ;(entry[side] ?? []).forEach((item, j) => {
        const everywhere = side === 'accept' && isEverywhere(item, entry)
        if (item.namespace === undefined && !everywhere) return
        const at: Workloads = {
          namespace: item.namespace ?? '',
          ...(everywhere ? { everywhere } : {}),
          ...(item.selector === undefined ? {} : { labels: item.selector }),
        }
        const here = { at, distribution: entry.distribution, path: ['spec', 'trust', i, side, j] }
        const place = `${entry.truster} ${item.namespace ?? '*'}`
        const others = seen.get(place) ?? new Map<string, Selected>()
        const key = workloadsKey(at)
        const same = others.get(key)
        if (same !== undefined && same.distribution !== entry.distribution) {
          report(
            ['spec', 'trust', i, 'distribution'],
            `another entry already gives ${describeWorkloads(at)} distribution ${same.distribution}`,
            `a set of workloads has one distribution: write ${same.distribution} here, or ${entry.distribution} in the other entry`,
            same.path,
          )
        }
        // The whole mesh overlaps every other set of the same truster.
        const beyond = everywhere ? firsts.get(entry.truster) : [...(seen.get(`${entry.truster} *`)?.values() ?? [])][0]
        const known = same === undefined ? [...others.values(), ...(beyond === undefined ? [] : [beyond])] : []
        const other = known.find((one) => relation(at, one.at) === 'overlapping')
        if (!everywhere && !firsts.has(entry.truster)) firsts.set(entry.truster, here)
        if (other !== undefined)
          report(
            here.path,
            `scope-overlap: ${describeWorkloads(at)} and ${describeWorkloads(other.at)} may select the same workload`,
            mendOverlap(at, other.at, item.serviceAccount),
            other.path,
          )
        if (same === undefined) seen.set(place, others.set(key, here))
      })
    })
  }
}

/** An edit of the entry `at` after which the two select equal sets. */
function mendOverlap(at: Workloads, other: Workloads, account: string | undefined): string {
  if (at.everywhere || other.everywhere)
    return 'for this truster, write every accept entry without a namespace, or every one with a namespace'
  const selector = other.labels === undefined ? '' : `selector: { ${labelsText(other.labels)} }`
  const entry = selector === '' ? 'remove the selector here' : `write ${selector} here`
  // An end of a call may be in the short form, which has no place for a selector.
  const end = `write this end as { member: …, namespace: ${at.namespace}, serviceAccount: ${account}${selector === '' ? '' : `, ${selector}`} }`
  return `${account === undefined ? entry : end} (Entente merges entries with equal selectors), or give both another value of one label`
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(
      ([key, value]) =>
        `${key}: ${/^[A-Za-z][A-Za-z0-9-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|[yn])$/i.test(value) ? value : JSON.stringify(value)}`,
    )
    .join(', ')

/** Entries of one set of workloads become one policy, so they must agree. */
export function reportModes(trusts: readonly Trust[], report: Report): void {
  const seen = new Map<string, { readonly says: string; readonly path: Path }>()
  for (const [i, trust] of trusts.entries()) {
    for (const [j, { at, mtls, ports, gateway }] of trust.accept.entries()) {
      const key = `${trust.truster} ${workloadsKey(at)}`
      const says = JSON.stringify([gateway !== undefined, mtls === 'permissive', [...(ports ?? [])].sort(([a], [b]) => a - b)])
      const path = ['spec', 'trust', i, 'accept', j]
      const other = seen.get(key)
      if (other !== undefined && other.says !== says) {
        report(
          path,
          `mtls, ports or gateway of ${describeWorkloads(at)} differ from another entry for the same workloads`,
          'write the same values in both entries',
          other.path,
        )
      }
      if (other === undefined) seen.set(key, { says, path })
    }
  }
}
