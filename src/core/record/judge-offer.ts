/**
 * Judging an offered bundle against what is approved already: the guards that need more than one bundle.
 *
 * | code                   | severity | why                                                                             |
 * |------------------------|----------|---------------------------------------------------------------------------------|
 * | own-root               | error    | the offering side could name our own workloads                                  |
 * | root-of-another-domain | error    | one CA would vouch for two trust domains                                        |
 * | public-root            | error    | anyone with a web certificate would come in                                     |
 * | sequence-rollback      | error    | a replayed old bundle brings back roots that were taken out                     |
 * | sequence-reused        | error    | same sequence, other roots: which one is newer cannot be told (§4.1.1)          |
 * | sequence-missing       | warning  | from now on old and new cannot be told apart                                    |
 * | bundle-emptied         | warning  | narrows to nothing: every call of that domain will be refused                   |
 * | root-swap              | warning  | no root in common: live workloads break, and a hijacked publisher looks like it |
 * | bundle-shrinks         | warning  | narrows: right at the end of a rotation, an outage before                       |
 *
 * An error means: not to be approved. A warning means: never without the owner's consent. Narrowing is no error here,
 * because what should be revoked must stay revocable. `expired`, `not-self-issued` and the like are `inspect`'s to tell.
 */

import { error, type Finding, warning } from '../diagnostics/finding.ts'
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
   * From `recordedBundles`: the highest approved sequence, and the roots it came with. They count before what the approved
   * bundle says, whose file may have been edited, or have lost its sequence with an approval.
   */
  readonly recorded?: ReadonlyMap<TrustDomain, Recorded>
  /** Sequences are not compared: the owner begins them again, or the bundle is the approved one with fewer roots. */
  readonly anySequence?: boolean
}

/**
 * Roots of the web, as certificates and as keys: the same key in another certificate is the same root, since nobody
 * checks a root's own signature.
 * @param pems one certificate each, as `node:tls` has them in `rootCertificates`
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

/** Whose each root is, by certificate and by key, the offering trust domain itself left out. */
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
  const subject = `${offering} ${anchor.fingerprint}`
  const owner = owners.get(anchor.fingerprint) ?? owners.get(key)
  const what = `${anchor.subject || 'this root'} ${owners.has(anchor.fingerprint) || web.has(anchor.fingerprint) ? 'is' : 'has the key of'}`
  if (owner?.own)
    return [
      error(
        'own-root',
        subject,
        `${what} our own root (${owner.trustDomain})`,
        'a partner has no business offering it: ask how it got there',
      ),
    ]
  if (owner) {
    return [
      rootOfAnotherDomain(
        subject,
        `${what} a root approved for ${owner.trustDomain}`,
        'ask both owners whose it is; where one root is over both, either CA can sign for the other: give each mesh a root of its own',
      ),
    ]
  }
  if (web.has(anchor.fingerprint) || web.has(key)) {
    return [
      error('public-root', subject, `${what} a public web root`, "offer the mesh's own root; anybody can get a certificate under this one"),
    ]
  }
  return []
}

function judgeSequence(offer: Bundle, { highest, roots }: Recorded): Finding[] {
  if (highest === undefined) return []
  const again = 'if the publisher began again, and its owner says so: entente approve … --reset-sequence'
  if (offer.sequence === undefined) {
    const last = highest === MAX_SEQUENCE
    return [
      warning(
        'sequence-missing',
        offer.trustDomain,
        `has no sequence; the highest approved one is ${highest}${last ? ', after which there is none' : ''}`,
        last ? again : 'ask the publisher to set spiffe_sequence',
      ),
    ]
  }
  if (offer.sequence < highest) {
    return [
      error(
        'sequence-rollback',
        offer.trustDomain,
        `has sequence ${offer.sequence}, older than the approved ${highest}`,
        `fetch it anew; an old copy may be a replay; ${again}`,
      ),
    ]
  }
  if (offer.sequence > highest || sameRoots(offer, roots)) return []
  return [
    error(
      'sequence-reused',
      offer.trustDomain,
      `has other roots under the approved sequence ${offer.sequence}`,
      'ask the publisher to raise spiffe_sequence with every change',
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
        offer.trustDomain,
        `holds no root any more; it revokes ${lost}`,
        'approve only if every call from and to it should stop',
      ),
    ]
  }
  if (gone.length === approved.anchors.length) {
    return [
      warning(
        'root-swap',
        offer.trustDomain,
        `has no root in common with the approved bundle; it drops ${lost}`,
        'ask its owner by another way; a planned rotation publishes old and new together first',
      ),
    ]
  }
  return [warning('bundle-shrinks', offer.trustDomain, `drops ${lost}`, 'approve when no workload certificate is under it any more')]
}

function sameRoots({ anchors }: Bundle, roots: readonly Fingerprint[]): boolean {
  const approved = new Set(roots)
  return approved.size === anchors.length && anchors.every(({ fingerprint }) => approved.has(fingerprint))
}
