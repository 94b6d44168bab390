/** Evaluates an offered bundle, and writes it to the record and to the approved bundles. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { asWarning, type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Member } from '../../core/model/wanted.ts'
import { judge } from '../../core/record/judge-offer.ts'
import { highestOf, recordedBundles } from '../../core/record/projection.ts'
import { seal } from '../../core/record/record.ts'
import { sameNames } from '../../core/verify/roots-share-name.ts'
import { type Fingerprint, parseFingerprint } from '../../core/x509/anchor.ts'
import type { Desired } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { highestIn, type Offer, type SentBundle, usable } from './offer.ts'

export interface Accepting {
  /** The bundle that the member's owner sent, used instead of the roots in the member's cluster. */
  readonly sent?: SentBundle
  /** Roots that the bundle must hold. For a sent bundle: every one of its roots. */
  readonly fingerprint?: readonly string[]
  readonly reason: string
  /** Sequence numbers restart with this bundle; the record says so. */
  readonly resetSequence?: boolean
  /** The id of the invitation that is accepted. */
  readonly invitation?: string
}

export type AcceptPorts = Pick<Ports, 'bundles' | 'record' | 'publicRoots' | 'actor' | 'now' | 'report' | 'agree'>

/**
 * Evaluates an offer, shows it, asks for consent, and writes it to the record and to the approved bundles.
 * @param beforehand runs after consent and before the first write
 * @throws FederationError bundle-refused, fingerprint-mismatch, not-confirmed: then nothing was changed
 */
export async function accept(
  ports: AcceptPorts,
  desired: Desired,
  member: Member,
  offer: Offer,
  accepting: Accepting,
  beforehand: () => Promise<void> = async () => {},
): Promise<void> {
  const { bundle, source } = offer
  const { reason, resetSequence: reset = false } = accepting
  const before = usable(desired).get(member.trustDomain)
  const findings = await judgeOffer(ports, desired, member, offer, reset)
  ports.report({ kind: 'offered', bundle, before, source, findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', about.member(member.name), 'Entente rejects the whole bundle; nothing was changed', {
      hint: 'correct what the findings above name, then approve again',
    })
  checkFingerprints(offer, accepting, member)
  const highest = highestOf(reset ? undefined : highestIn(desired, member), bundle.sequence)
  if (reset) ports.report({ kind: 'sequence-reset', trustDomain: member.trustDomain, from: highest })
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
    ...(member.bundleEndpoint === undefined ? {} : { endpoint: member.bundleEndpoint }),
    ...(accepting.invitation === undefined ? {} : { invitation: accepting.invitation }),
  }
  await beforehand()
  await ports.record.append(seal((await ports.record.view()).head, draft))
  await ports.bundles.write(bundle)
}

/** The findings about an offer, by the approved bundles and the record. Each error refuses it. */
export async function judgeOffer(
  ports: Pick<Ports, 'publicRoots' | 'now'>,
  desired: Desired,
  member: Member,
  { bundle, presented, fewer = false }: Offer,
  reset: boolean,
): Promise<readonly Finding[]> {
  const valid = bundle.anchors.filter(({ notAfter }) => notAfter > ports.now())
  // An approval alone does no harm: plan and apply hold back steps that would put both roots into one list.
  const alike = sameNames(about.member(member.name), valid, [presented]).map(asWarning)
  const judged = judge(bundle, {
    approved: usable(desired),
    publicRoots: await ports.publicRoots(),
    recorded: recordedBundles(desired.record),
    anySequence: reset || fewer,
  })
  return [...unreadable(desired, member), ...judged, ...alike]
}

/**
 * An unreadable bundle is not an absent one. Another domain's bundle may hold a root of this offer; this domain's bundle
 * may be newer than the offer.
 */
function unreadable({ approved }: Desired, member: Member): readonly Finding[] {
  return [...approved].flatMap(([domain, seen]): Finding[] => {
    if (seen.ok) return []
    if (domain !== member.trustDomain) return [{ ...seen.error, hint: 'restore it from Git first: this offer cannot be compared with it' }]
    const message = `${seen.error.message}; Entente cannot compare this approval with it, so the offer may be older`
    return [{ ...seen.error, severity: 'warning', message, hint: 'restore it from Git first, if you can' }]
  })
}

/**
 * For a bundle that was sent or fetched from an endpoint, the fingerprint of every root is required, whoever consents. The roots that the member's own API
 * server returns count as the owner's statement.
 * @throws FederationError fingerprint-mismatch
 */
export function checkFingerprints(
  { bundle, named = false }: Pick<Offer, 'bundle' | 'named'>,
  { sent, fingerprint = [] }: Pick<Accepting, 'sent' | 'fingerprint'>,
  member: Member,
): void {
  const given = new Set(fingerprint.map(parseFingerprint))
  if (sent === undefined && !named && given.size === 0) return
  const roots = new Set<Fingerprint>(bundle.anchors.map((anchor) => anchor.fingerprint))
  const unnamed = [...roots].filter((root) => !given.has(root))
  const unknown = [...given].filter((root) => !roots.has(root))
  if (unnamed.length === 0 && unknown.length === 0) return
  const said = [
    ...unnamed.map((root) => `${root} is in the bundle, but you did not give its fingerprint`),
    ...unknown.map((root) => `${root} is a fingerprint that you gave, but is not in the bundle`),
  ]
  throw new FederationError('fingerprint-mismatch', about.member(member.name), `${said.join('; ')}; nothing was changed`, {
    hint: `get the fingerprints from the owner over another channel: entente approve ${member.name} --bundle FILE --fingerprint sha256:…`,
  })
}
