/**
 * Judges an offered bundle against the approved bundles. These checks need more than one bundle.
 *
 * | code                   | severity | why                                                                             |
 * |------------------------|----------|---------------------------------------------------------------------------------|
 * | own-root               | error    | the offering side could issue identities of our own workloads                   |
 * | root-of-another-domain | error    | one CA would vouch for two trust domains                                        |
 * | public-root            | error    | anyone with a web certificate would be accepted                                 |
 * | sequence-rollback      | error    | a replayed old bundle would restore removed roots                               |
 * | sequence-reused        | error    | same sequence, other roots: neither is known to be newer (§4.1.1)               |
 * | sequence-missing       | warning  | from now on a replayed bundle cannot be detected                                |
 * | bundle-emptied         | warning  | removes every root: proxies would refuse every call of that domain              |
 * | root-swap              | warning  | no root in common: calls fail, and a hijacked publisher looks the same          |
 * | bundle-shrinks         | warning  | removes a root: correct at the end of a rotation, an outage before              |
 *
 * A bundle with an error cannot be approved. A bundle with a warning needs the owner's consent. Narrowing is not an
 * error: an owner must always be able to revoke. `inspect` reports problems of a single certificate, such as `expired`.
 */

import { sameSet } from '../basics/same-set.ts'
import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { rootOfAnotherDomain } from '../spiffe/root-findings.ts'
import { MAX_SEQUENCE } from '../spiffe/sequence.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { type Anchor, type Fingerprint, fingerprintOf } from '../x509/anchor.ts'
import { decodeBase64 } from '../x509/pem.ts'
import { publicKeyIn } from '../x509/public-key.ts'
import type { Recorded } from './projection.ts'

export interface JudgeContext {
  readonly approved: ReadonlyMap<TrustDomain, Bundle>
  /** The roots of the mesh that would trust the offer. */
  readonly own?: Bundle
  /** From `publicRoots`. */
  readonly publicRoots: ReadonlySet<Fingerprint>
  /**
   * From `recordedBundles`: the highest approved sequence and its roots. They take precedence over the approved bundle,
   * whose file may have been edited or may have lost its sequence with an approval.
   */
  readonly recorded?: ReadonlyMap<TrustDomain, Recorded>
  /** Skips the sequence checks: the owner restarts sequences, or the bundle is the approved one with fewer roots. */
  readonly anySequence?: boolean
}

/**
 * Public web roots, by certificate and by key. Another certificate with the same key is the same root, because verifiers
 * do not check a root's self-signature.
 * @param pems one certificate each, as in `rootCertificates` of `node:tls`
 */
export function publicRoots(pems: readonly string[]): ReadonlySet<Fingerprint> {
  const roots = new Set<Fingerprint>()
  for (const pem of pems) {
    const der = decodeBase64(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, '')))
    if (der !== undefined && der.length > 0) roots.add(fingerprintOf(der)).add(keyOf(der))
  }
  return roots
}

/** The SHA-256 of a certificate's SubjectPublicKeyInfo. */
const keyOf = (der: Uint8Array): Fingerprint => fingerprintOf(publicKeyIn(der).encoding)

export function judge(offer: Bundle, context: JudgeContext): readonly Finding[] {
  const owners = ownersOf(offer.trustDomain, context)
  const claims = offer.anchors.flatMap((anchor) => judgeRoot(anchor, offer.trustDomain, owners, context.publicRoots))
  const approved = context.approved.get(offer.trustDomain) ?? (context.own?.trustDomain === offer.trustDomain ? context.own : undefined)
  const sequence = context.anySequence === true ? [] : judgeSequence(offer, lastOf(approved, context.recorded?.get(offer.trustDomain)))
  return [...claims, ...sequence, ...(approved === undefined ? [] : judgeChange(offer, approved))]
}

const lastOf = (approved: Bundle | undefined, recorded: Recorded | undefined): Recorded => {
  const highest = recorded?.highest ?? approved?.sequence
  const roots = recorded?.roots ?? approved?.anchors.map(({ fingerprint }) => fingerprint) ?? []
  return { roots, ...(highest === undefined ? {} : { highest }) }
}

interface Owner {
  readonly trustDomain: TrustDomain
  readonly own: boolean
}

/** The trust domain of each root, by certificate and by key. The offering trust domain itself is left out. */
function ownersOf(offering: TrustDomain, { approved, own }: JudgeContext): ReadonlyMap<Fingerprint, Owner> {
  const owners = new Map<Fingerprint, Owner>()
  const bundles = [
    ...(own ? [{ ...own, own: true }] : []),
    ...[...approved.values()].map((bundle) => ({ ...bundle, own: bundle.trustDomain === own?.trustDomain })),
  ]
  for (const { trustDomain, anchors, own } of bundles.filter((bundle) => bundle.trustDomain !== offering)) {
    for (const { fingerprint, der } of anchors) {
      for (const name of [fingerprint, keyOf(der)]) if (!owners.has(name)) owners.set(name, { trustDomain, own })
    }
  }
  return owners
}

function judgeRoot(
  anchor: Anchor,
  offering: TrustDomain,
  owners: ReadonlyMap<Fingerprint, Owner>,
  web: ReadonlySet<Fingerprint>,
): Finding[] {
  const key = keyOf(anchor.der)
  const subject = about.root(offering, anchor.fingerprint)
  const owner = owners.get(anchor.fingerprint) ?? owners.get(key)
  const what = `${anchor.subject || 'this root'} ${owners.has(anchor.fingerprint) || web.has(anchor.fingerprint) ? 'is' : 'has the key of'}`
  if (owner?.own)
    return [
      error(
        'own-root',
        subject,
        `${what} our own root (${owner.trustDomain})`,
        'do not approve it; ask the partner how this root got into its bundle',
      ),
    ]
  if (owner) {
    return [
      rootOfAnotherDomain(
        subject,
        `${what} a root approved for ${owner.trustDomain}`,
        'ask both owners which mesh it belongs to; under a shared root either CA can sign for the other mesh, so give each mesh a separate root',
      ),
    ]
  }
  if (web.has(anchor.fingerprint) || web.has(key)) {
    return [
      error('public-root', subject, `${what} a public web root`, "offer the mesh's own root; anyone can get a certificate under this one"),
    ]
  }
  return []
}

function judgeSequence(offer: Bundle, { highest, roots }: Recorded): Finding[] {
  if (highest === undefined) return []
  const again = 'if its owner confirms that the publisher restarted sequences: entente approve … --reset-sequence'
  if (offer.sequence === undefined) {
    const last = highest === MAX_SEQUENCE
    return [
      warning(
        'sequence-missing',
        about.trustDomain(offer.trustDomain),
        `has no sequence; the highest approved one is ${highest}${last ? ', the last possible one' : ''}`,
        last ? again : 'ask the publisher to set spiffe_sequence',
      ),
    ]
  }
  if (offer.sequence < highest) {
    return [
      error(
        'sequence-rollback',
        about.trustDomain(offer.trustDomain),
        `has sequence ${offer.sequence}, older than the approved ${highest}`,
        `fetch it again: an old copy may be a replay; ${again}`,
      ),
    ]
  }
  if (offer.sequence > highest || sameRoots(offer, roots)) return []
  return [
    error(
      'sequence-reused',
      about.trustDomain(offer.trustDomain),
      `has the approved sequence ${offer.sequence} but other roots`,
      'ask the publisher to increase spiffe_sequence with every change',
    ),
  ]
}

function judgeChange(offer: Bundle, approved: Bundle): Finding[] {
  const offered = new Set(offer.anchors.map(({ fingerprint }) => fingerprint))
  const gone = approved.anchors.filter(({ fingerprint }) => !offered.has(fingerprint))
  if (gone.length === 0) return []
  const lost = `${gone.map(({ subject, fingerprint }) => `${subject || 'a root'} (${fingerprint.slice(0, 19)}…)`).join(', ')}`
  if (offer.anchors.length === 0) {
    return [
      warning(
        'bundle-emptied',
        about.trustDomain(offer.trustDomain),
        `contains no root; its approval would revoke ${lost}`,
        'approve it only if every call from and to this trust domain should stop',
      ),
    ]
  }
  if (gone.length === approved.anchors.length) {
    return [
      warning(
        'root-swap',
        about.trustDomain(offer.trustDomain),
        `has no root in common with the approved bundle; it lacks ${lost}`,
        'confirm it with its owner through another channel; a planned rotation first publishes the old and the new root together',
      ),
    ]
  }
  return [
    warning(
      'bundle-shrinks',
      about.trustDomain(offer.trustDomain),
      `lacks ${lost}`,
      'approve it when no valid workload certificate is under that root any more',
    ),
  ]
}

const sameRoots = ({ anchors }: Bundle, roots: readonly Fingerprint[]): boolean =>
  sameSet(
    anchors.map(({ fingerprint }) => fingerprint),
    roots,
  )
