/** Judging an offered bundle, and putting it on the record and among the approved ones. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { asWarning, type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import type { Member } from '../../core/model/wanted.ts'
import { judge } from '../../core/record/judge-offer.ts'
import { highestOf, recordedBundles } from '../../core/record/projection.ts'
import { seal } from '../../core/record/record.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { sameNames } from '../../core/verify/roots-share-name.ts'
import { type Fingerprint, parseFingerprint } from '../../core/x509/anchor.ts'
import type { Desired } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { highestIn, type Offer, type SentBundle, usable } from './offer.ts'

export interface Accepting {
  /** Its owner's bundle, instead of what the member's own cluster says. */
  readonly sent?: SentBundle
  /** Roots that the bundle must hold; of a sent bundle, every one of them. */
  readonly fingerprint?: readonly string[]
  readonly reason: string
  /** Sequences begin again with this bundle, on the record. */
  readonly resetSequence?: boolean
}

export type AcceptPorts = Pick<Ports, 'bundles' | 'record' | 'publicRoots' | 'actor' | 'now' | 'tell' | 'agree'>

/**
 * Judges an offer, shows it, asks, and puts it on the record and among the approved bundles.
 * @throws FederationError bundle-refused, fingerprint-mismatch, not-confirmed: then nothing was changed
 */
export async function accept(ports: AcceptPorts, desired: Desired, member: Member, offer: Offer, accepting: Accepting): Promise<void> {
  const { bundle, source } = offer
  const { reason, resetSequence: reset = false } = accepting
  const before = usable(desired).get(member.trustDomain)
  const findings = await judgeOffer(ports, desired, member, offer, reset)
  ports.tell({ kind: 'offered', bundle, before, source, findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', member.name, 'the bundle is refused whole; nothing was changed', {
      hint: 'see the findings above',
    })
  checkFingerprints(bundle, accepting, member)
  const highest = highestOf(reset ? undefined : highestIn(desired, member), bundle.sequence)
  if (reset) ports.tell({ kind: 'sequence-reset', trustDomain: member.trustDomain, from: highest })
  await ports.agree({ kind: 'approve', member: member.name })
  const draft = {
    actor: ports.actor,
    at: ports.now(),
    reason,
    action: 'approve' as const,
    trustDomain: member.trustDomain,
    roots: bundle.anchors.map((anchor) => anchor.fingerprint),
    source,
    ...(highest === undefined ? {} : { sequence: `${highest}` }),
    ...(reset ? { sequenceReset: true as const } : {}),
  }
  await ports.record.append(seal((await ports.record.view()).head, draft))
  await ports.bundles.write(bundle)
}

async function judgeOffer(
  ports: Pick<Ports, 'publicRoots' | 'now'>,
  desired: Desired,
  member: Member,
  { bundle, presented, fewer = false }: Offer,
  reset: boolean,
): Promise<readonly Finding[]> {
  const valid = bundle.anchors.filter(({ notAfter }) => notAfter > ports.now())
  // Approved, they do no harm yet: plan and apply hold back what would put both into one list.
  const alike = sameNames(member.name, valid, [presented]).map(asWarning)
  const judged = judge(bundle, {
    approved: usable(desired),
    publicRoots: await ports.publicRoots(),
    recorded: recordedBundles(desired.record),
    anySequence: reset || fewer,
  })
  return [...unreadable(desired, member), ...judged, ...alike]
}

/** What could not be read is not absent: of another domain, this offer may hold a root of it; of its own, it may be older. */
function unreadable({ approved }: Desired, member: Member): readonly Finding[] {
  return [...approved].flatMap(([domain, seen]): Finding[] => {
    if (seen.ok) return []
    if (domain !== member.trustDomain) return [{ ...seen.error, hint: 'restore it from Git first: this offer cannot be compared with it' }]
    const message = `${seen.error.message}; what this approval changes, and whether it goes back, cannot be told`
    return [{ ...seen.error, severity: 'warning', message, hint: 'restore it from Git first, if you can' }]
  })
}

/**
 * Of a sent bundle every root wants its fingerprint, whoever agrees; what our own API server says is the owner's word.
 * @throws FederationError fingerprint-mismatch
 */
export function checkFingerprints(bundle: Bundle, { sent, fingerprint = [] }: Accepting, member: Member): void {
  const given = new Set(fingerprint.map(parseFingerprint))
  if (sent === undefined && given.size === 0) return
  const roots = new Set<Fingerprint>(bundle.anchors.map((anchor) => anchor.fingerprint))
  const unnamed = [...roots].filter((root) => !given.has(root))
  const unknown = [...given].filter((root) => !roots.has(root))
  if (unnamed.length === 0 && unknown.length === 0) return
  const said = [
    ...unnamed.map((root) => `${root} is in the bundle and was not given`),
    ...unknown.map((root) => `${root} was given and is not in the bundle`),
  ]
  throw new FederationError('fingerprint-mismatch', member.name, `${said.join('; ')}; nothing was changed`, {
    hint: 'get the fingerprints from the owner over another channel, and give each with --fingerprint',
  })
}
