/** What Entente reports about one direction of trust, as the file has it: each code has its one producer here. */
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import type { MemberName } from '../model/wanted.ts'

interface Pair {
  readonly truster: MemberName
  readonly trusted: MemberName
}

/**
 * The direction that is missing, without which calls fail.
 * @param missing what `truster` lacks towards `trusted`
 * @param there how `trusted` uses the other direction
 * @param proven `verify` found it: an error
 */
export function oneWay(
  { truster, trusted }: Pair,
  missing: 'accept' | 'reach',
  { severed, proven = false }: { readonly severed: boolean; readonly proven?: boolean },
): Finding {
  const what =
    missing === 'reach'
      ? `${trusted} accepts callers of ${truster}, but no workload of ${truster} accepts servers of ${trusted}`
      : `workloads of ${trusted} call ${truster}, but no workload of ${truster} accepts callers of ${trusted}`
  const hint = severed
    ? `${truster} severed ${trusted}: if the other direction is to end too, entente sever ${trusted} ${truster}`
    : `add a trust with truster: ${truster}, trusted: ${trusted} and ${missing}, then entente apply`
  return (proven ? error : warning)(
    'one-way',
    proven ? truster : `${truster} trusting ${trusted}`,
    `${what}: calls fail on the side of ${truster}, which lacks the root of ${trusted}`,
    hint,
  )
}

/** @param before a switch of the CA restarts istiod, with which the calls may begin to fail */
export function anyServer({ truster, trusted }: Pair, host: string, before?: 'switch'): Finding {
  const subject = `${truster} trusting ${trusted}`
  const expects = 'istiod then expects the servers under its own trust domain, until their endpoints change'
  return before === 'switch'
    ? warning(
        'any-server',
        subject,
        `the switch restarts istiod of ${truster}, and calls to ${host} may fail from then on: ${expects}`,
        'before the switch, name its servers with servedBy in federation.yaml, then entente apply',
      )
    : info(
        'any-server',
        subject,
        `any identity that ${trusted} advertises may serve ${host}; and when istiod of ${truster} restarts, as it does when its CA switches, calls there may fail for minutes: ${expects}`,
        'name it with servedBy: then the filter names the servers, and a restart costs no call',
      )
}
