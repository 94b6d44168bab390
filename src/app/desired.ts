/** Reads the federation file, the approved bundles and the record. */

import { FederationError } from '../core/diagnostics/errors.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import { about } from '../core/diagnostics/subject.ts'
import { withPublication } from '../core/exchange/publication.ts'
import { intents } from '../core/federation/intents.ts'
import type { Federation, Member, MemberName, Severed } from '../core/model/wanted.ts'
import { applyUnfinished } from '../core/record/interrupted-apply.ts'
import { type RecordView, unfinished } from '../core/record/projection.ts'
import { followFindings, withEndpointChains } from './exchange/followed.ts'
import type { Desired, Pair } from './ports-desired.ts'
import type { Ports } from './use-case.ts'

export type DesiredPorts = Pick<Ports, 'desired' | 'bundles' | 'record' | 'memories' | 'evidence' | 'now'>

/**
 * @param severed pairs that are closed, whether the file says so or not
 * @throws FederationError file-unreadable, federation-invalid, record-broken, evidence-malformed
 */
export async function readDesired(ports: DesiredPorts, severed?: Severed): Promise<Desired> {
  const read = await ports.desired.federation()
  const federation = severed === undefined ? read : { ...read, severed: [...read.severed, severed] }
  const [approved, record] = await Promise.all([ports.bundles.read(federation, ports.now()), ports.record.view()])
  const wanted = intents(federation, approved, record, ports.now())
  const [memories, now] = [await ports.memories.read(), ports.now()]
  const { givenEvidence, findings } = await ports.evidence(federation, record)
  return {
    federation,
    approved,
    record,
    intents: wanted.intents.map((intent) => withEndpointChains(withPublication(intent, record), federation, memories, now)),
    givenEvidence,
    findings: [
      ...wanted.findings,
      ...ports.record.findings(),
      ...interrupted(record),
      ...findings,
      ...followFindings(federation, record, memories, now),
    ],
  }
}

function interrupted(record: RecordView): readonly Finding[] {
  const begin = unfinished(record)
  return begin === undefined ? [] : [applyUnfinished(begin)]
}

/** @throws FederationError usage if the federation has no such member */
export function memberOf({ members }: Federation, name: string): Member {
  const member = members.get(name as MemberName)
  if (member !== undefined) return member
  throw new FederationError('usage', about.member(name), 'is not a member of this federation', {
    hint: `members: ${[...members.keys()].join(', ')}`,
  })
}

/** @throws FederationError usage if the federation has no such member */
export const membersOf = (federation: Federation, { truster, trusted }: Pair): readonly [Member, Member] => [
  memberOf(federation, truster),
  memberOf(federation, trusted),
]

/** The pair, in the form that entries use. */
export function domainsOf(federation: Federation, pair: Pair) {
  const [truster, trusted] = membersOf(federation, pair)
  return { trusterDomain: truster.trustDomain, trustedDomain: trusted.trustDomain }
}
