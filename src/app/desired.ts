/** Reads the federation file, the approved bundles and the record. */

import { FederationError } from '../core/diagnostics/errors.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import { about } from '../core/diagnostics/subject.ts'
import { offerFindings, stale, unconfirmedAdditions } from '../core/exchange/follow-findings.ts'
import { withPublication } from '../core/exchange/publication.ts'
import { intents } from '../core/federation/intents.ts'
import type { Federation, Member, MemberName, Severed } from '../core/model/wanted.ts'
import { applyUnfinished } from '../core/record/interrupted-apply.ts'
import { type RecordView, unfinished } from '../core/record/projection.ts'
import { sameEndpoint } from '../core/spiffe/endpoint.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'
import type { Desired, FollowMemory, Pair } from './ports-desired.ts'
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
  const { handed, findings } = await ports.evidence(federation, record)
  return {
    federation,
    approved,
    record,
    intents: wanted.intents.map((intent) => withPublication(intent, record)),
    handed,
    findings: [
      ...wanted.findings,
      ...ports.record.findings(),
      ...interrupted(record),
      ...findings,
      ...followFindings(federation, record, await ports.memories.read(), ports.now()),
    ],
  }
}

/** What the last fetches of bundle endpoints said, and roots that no person confirmed. */
function followFindings(
  { members }: Federation,
  record: RecordView,
  memories: ReadonlyMap<TrustDomain, FollowMemory>,
  now: Date,
): readonly Finding[] {
  return [...members.values()].flatMap((member): readonly Finding[] => {
    const domain = record.domains.get(member.trustDomain)
    const unconfirmed = unconfirmedAdditions(member, domain)
    const memory = memories.get(member.trustDomain)
    if (member.bundleEndpoint === undefined) return unconfirmed
    const known = memory !== undefined && sameEndpoint(memory.endpoint, member.bundleEndpoint) ? memory : undefined
    const approved = domain?.newest?.roots ?? new Set()
    const roots = known?.watched?.roots ?? []
    const offer =
      known?.success === undefined || known.success.decision.kind === 'approve'
        ? []
        : offerFindings({
            member,
            decision: known.success.decision,
            roots,
            added: roots.filter((root) => !approved.has(root)),
            removed: known.watched === undefined ? [] : [...approved].filter((root) => !roots.includes(root)),
          })
    // An approval after the fetch answers the offer.
    const answered = known?.watched !== undefined && roots.length === approved.size && roots.every((root) => approved.has(root))
    return [...unconfirmed, ...(answered ? [] : offer), ...stale(member, known?.success?.at, known?.failure?.finding, known ?? {}, now)]
  })
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
