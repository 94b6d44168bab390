/** Findings about one direction of trust in the federation file. Each of these codes is produced only here. */

import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { MemberName } from '../model/wanted.ts'

interface Pair {
  readonly truster: MemberName
  readonly trusted: MemberName
}

/**
 * A call needs trust in both directions, and one is missing.
 * @param missing what `truster` lacks towards `trusted`
 * @param severed the missing direction was severed
 * @param proven `verify` observed it, so it is an error
 */
export function oneWay(
  { truster, trusted }: Pair,
  missing: 'accept' | 'reach',
  { severed, proven = false }: { readonly severed: boolean; readonly proven?: boolean },
): Finding {
  const what =
    missing === 'reach'
      ? `${trusted} accepts callers from ${truster}, but no workload of ${truster} accepts servers of ${trusted}`
      : `workloads of ${trusted} call ${truster}, but no workload of ${truster} accepts callers from ${trusted}`
  const hint = severed
    ? `${truster} severed ${trusted}; to end the other direction too: entente sever ${trusted} ${truster} --reason "WHY"`
    : `add a trust with truster: ${truster}, trusted: ${trusted} and ${missing}, then entente apply`
  return (proven ? error : warning)(
    'one-way',
    proven ? about.member(truster) : about.trust({ truster, trusted }),
    `${what}: calls fail, because proxies of ${truster} do not have the root of ${trusted}`,
    hint,
  )
}

/** @param before `switch`: a CA switch lies ahead; it restarts istiod, and calls may fail from then on */
export function anyServer({ truster, trusted }: Pair, host: string, before?: 'switch'): Finding {
  const subject = about.trust({ truster, trusted })
  const expects = 'after a restart istiod expects these servers under its own trust domain until their endpoints change'
  return before === 'switch'
    ? warning(
        'any-server',
        subject,
        `the CA switch restarts istiod of ${truster}, and calls to ${host} may then fail: ${expects}`,
        'before the switch, name the servers with servedBy in federation.yaml, then entente apply',
      )
    : info(
        'any-server',
        subject,
        `any identity that ${trusted} advertises may serve ${host}; when istiod of ${truster} restarts, for example at a CA switch, calls to ${host} may fail for minutes: ${expects}`,
        'name the servers with servedBy in federation.yaml: the filter then names them, and a restart of istiod breaks no call',
      )
}
