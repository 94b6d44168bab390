/** What is known from the last fetches of bundle endpoints, as `plan`, `status` and `verify` use it. */
import { DAY_MS } from '../../core/basics/day.ts'
import { sameSet } from '../../core/basics/same-set.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { isRecent, offerFindings, stale, unconfirmedAdditions } from '../../core/exchange/follow-findings.ts'
import type { Federation, Intent, Member } from '../../core/model/wanted.ts'
import type { RecordView } from '../../core/record/projection.ts'
import { sameEndpoint } from '../../core/spiffe/endpoint.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { certificateIn } from '../../core/x509/certificate.ts'
import type { FollowMemory } from '../ports-desired.ts'

type Memories = ReadonlyMap<TrustDomain, FollowMemory>

/** What was fetched from the endpoint that the file names now. */
function memoryOf({ trustDomain, bundleEndpoint }: Member, memories: Memories): FollowMemory | undefined {
  const memory = memories.get(trustDomain)
  return memory !== undefined && bundleEndpoint !== undefined && sameEndpoint(memory.endpoint, bundleEndpoint) ? memory : undefined
}

/** What the last fetches of bundle endpoints said, and roots that no person confirmed. */
export function followFindings({ members }: Federation, record: RecordView, memories: Memories, now: Date): readonly Finding[] {
  return [...members.values()].flatMap((member): readonly Finding[] => {
    const domain = record.domains.get(member.trustDomain)
    const unconfirmed = unconfirmedAdditions(member, domain)
    if (member.bundleEndpoint === undefined) return unconfirmed
    const known = memoryOf(member, memories)
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
    const answered = known?.watched !== undefined && sameSet(roots, approved)
    return [...unconfirmed, ...(answered ? [] : offer), ...stale(member, known?.success?.at, known?.failure?.finding, known ?? {}, now)]
  })
}

/**
 * The longest time between the issue of an endpoint's certificate and its use as evidence. After a switch of the CA, the
 * gateway keeps the certificate that the old root vouches for until Istio renews it, by default within 24 h.
 */
const MOST_AGE_MS = DAY_MS

/**
 * Adds what a partner's endpoint presented at a recent fetch: its CA signed that chain. A certificate that has expired, or
 * that was issued long ago, says nothing about the present.
 */
export function withEndpointChains(intent: Intent, { members }: Federation, memories: Memories, now: Date): Intent {
  if (memories.size === 0) return intent
  const trusts = intent.trusts.map((trust) => {
    const member = members.get(trust.trusted)
    const known = trust.elsewhere === true && member !== undefined ? memoryOf(member, memories) : undefined
    const [leaf] = known?.chain ?? []
    const recent = known?.failure === undefined && isRecent(known?.success?.at, known ?? {}, now)
    return recent && leaf !== undefined && isCurrent(leaf, now) && known?.chain !== undefined
      ? { ...trust, endpointChain: known.chain }
      : trust
  })
  return { ...intent, trusts }
}

function isCurrent(leaf: Uint8Array, now: Date): boolean {
  const certificate = certificateIn(leaf)
  return certificate !== undefined && certificate.notAfter > now && now.getTime() - certificate.notBefore.getTime() <= MOST_AGE_MS
}
