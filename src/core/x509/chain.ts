/**
 * Finds the anchor that verifies a certificate chain by RFC 5280 §6. It checks signatures, dates, CA flags, key usage,
 * path lengths, name constraints and unknown critical extensions, over every possible path.
 */
import { FederationError } from '../diagnostics/errors.ts'
import type { Anchor } from './anchor.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { basicConstraintsOf, keyUsageOf } from './extensions.ts'
import { namesOutside } from './name-constraints.ts'
import { isSignedBy } from './signature.ts'
import { unknownCritical } from './strict.ts'
import { fieldsOf, sameBytes } from './syntax/certificate-fields.ts'

/** Enough for any real hierarchy. The limits bound the work that a hostile chain can cause. */
const MAX_CERTIFICATES = 16
const MAX_SIGNATURES = 100

export interface Vouched {
  readonly anchor?: Anchor
  /** Why no anchor verifies the chain, in words for a person. */
  readonly reason?: string
}

/**
 * Applies RFC 5280 §6 to every possible path, with the keys and signatures that Go and BoringSSL verify. It does not
 * check extended key usage (see purposes.ts), host names, policies or revocation.
 * @param chain DER, the leaf first, intermediates in any order; a root in it counts only if it is an anchor
 */
export function anchorOf(chain: readonly Uint8Array[], anchors: readonly Anchor[], now: Date): Vouched {
  const { path, reason } = pathTo(chain, anchors, now)
  if (path !== undefined) return { anchor: path.anchor }
  return reason === undefined ? {} : { reason }
}

export interface Found {
  readonly path?: Path
  /** Why there is no path. */
  readonly reason?: string
}

/**
 * Does the same as `anchorOf` and also returns the certificates of the path.
 * @param fits the preferred kind of path: the first path that fits is returned, otherwise the first path
 */
export function pathTo(
  chain: readonly Uint8Array[],
  anchors: readonly Anchor[],
  now: Date,
  fits: (path: Path) => boolean = () => true,
): Found {
  const search = searchFor(chain, anchors, now)
  if (!(search instanceof Search)) return search
  let outside: string | undefined
  let first: Path | undefined
  for (const path of search.paths()) {
    const wrong = namesOutside(path.certificates)
    outside ??= wrong
    if (wrong !== undefined) continue
    if (fits(path)) return { path }
    first ??= path
  }
  return first === undefined ? { reason: outside ?? search.reason } : { path: first }
}

/** The signature of `anchorOf`. */
export type Vouching = (chain: readonly Uint8Array[], anchors: readonly Anchor[], now: Date) => Vouched

/**
 * Verifies each chain once for a set of anchors and an instant. Use it for one call only: it caches by array identity.
 */
export function vouching(): Vouching {
  const known = new Map<readonly Uint8Array[], Map<string, Vouched>>()
  return (chain, anchors, now) => {
    const answers = known.get(chain) ?? new Map<string, Vouched>()
    known.set(chain, answers)
    const key = [now.getTime(), ...anchors.map(({ fingerprint }) => fingerprint)].join()
    const answer = answers.get(key) ?? anchorOf(chain, anchors, now)
    answers.set(key, answer)
    return answer
  }
}

/** A path from the leaf to an anchor. `Search` checks all but the name constraints; `pathTo` checks those. */
export interface Path {
  readonly anchor: Anchor
  /** The leaf first, the anchor last. */
  readonly certificates: readonly Certificate[]
}

function searchFor(chain: readonly Uint8Array[], anchors: readonly Anchor[], now: Date): Search | { readonly reason: string } {
  if (chain.length > MAX_CERTIFICATES)
    return { reason: `${chain.length} certificates were presented; at most ${MAX_CERTIFICATES} are looked at` }
  try {
    const [leaf, ...others] = chain.map((der, i) => readCertificate(der, i === 0 ? 'leaf' : `certificate ${i + 1}`))
    return leaf === undefined ? { reason: 'no certificate was presented' } : new Search(leaf, others, anchors, now)
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { reason: cause.message }
  }
}

class Search {
  private readonly leaf: Certificate
  private readonly others: readonly Certificate[]
  private readonly anchors: readonly { readonly anchor: Anchor; readonly subject: Uint8Array }[]
  private readonly now: Date
  private signatures = 0
  /** The first obstacle on the way that came furthest. */
  private obstacle = { depth: -1, reason: '' }

  constructor(leaf: Certificate, others: readonly Certificate[], anchors: readonly Anchor[], now: Date) {
    this.leaf = leaf
    this.others = others
    this.anchors = anchors.map((anchor) => ({ anchor, subject: fieldsOf(anchor.der).subject }))
    this.now = now
  }

  /** Why there is no path, once `paths` has found none. */
  get reason(): string {
    return this.obstacle.reason
  }

  *paths(): Generator<Path> {
    const unusable = this.staleness(this.leaf) ?? notUnderstood(this.leaf) ?? unusableKey(this.leaf)
    if (unusable) return this.meet(0, unusable)
    const itself = this.anchors.find(({ anchor }) => anchor.fingerprint === this.leaf.fingerprint)
    if (itself) yield { anchor: itself.anchor, certificates: [this.leaf] }
    yield* this.above(this.leaf, [])
  }

  /** @param below the certificates between the leaf and this one, the leaf left out */
  private *above(certificate: Certificate, below: readonly Certificate[]): Generator<Path> {
    const named = this.anchors.filter(({ subject }) => sameBytes(subject, certificate.fields.issuer))
    for (const { anchor } of named) {
      const root = readCertificate(anchor.der, 'root')
      if (this.issued(root, certificate, below)) yield { anchor, certificates: [this.leaf, ...below, root] }
    }
    const intermediates = this.others.filter(
      (other) =>
        !below.includes(other) &&
        other.fingerprint !== certificate.fingerprint &&
        sameBytes(other.fields.subject, certificate.fields.issuer),
    )
    for (const issuer of intermediates) {
      if (this.issued(issuer, certificate, below)) yield* this.above(issuer, [...below, issuer])
    }
    if (named.length + intermediates.length === 0) {
      const above = certificate.selfIssued
        ? 'is self-signed and'
        : `was issued by ${quoted(certificate.issuer)}, which was not presented and`
      this.meet(below.length, `${called(certificate)} ${above} is not among the trusted roots`)
    }
  }

  private issued(issuer: Certificate, certificate: Certificate, below: readonly Certificate[]): boolean {
    const reason = this.signed(issuer, certificate) ?? this.staleness(issuer) ?? unfit(issuer, below) ?? notUnderstood(issuer)
    if (reason) this.meet(below.length, reason)
    return reason === undefined
  }

  private signed(issuer: Certificate, certificate: Certificate): string | undefined {
    this.signatures++
    if (this.signatures > MAX_SIGNATURES) return 'there are too many ways to build the chain'
    if (certificate.signing.scheme === undefined)
      return `${called(certificate)} is signed with ${certificate.signing.called}, which Go refuses`
    const unusable = unusableKey(issuer)
    if (unusable !== undefined) return unusable
    return isSignedBy(certificate, issuer)
      ? undefined
      : `${called(certificate)} names ${quoted(issuer.subject)} as its issuer, but another key of that name signed it`
  }

  private staleness({ notBefore, notAfter, ...certificate }: Certificate): string | undefined {
    if (this.now > notAfter) return `${called(certificate)} expired at ${notAfter.toISOString()}`
    return this.now < notBefore ? `${called(certificate)} is not valid before ${notBefore.toISOString()}` : undefined
  }

  private meet(depth: number, reason: string): void {
    if (depth > this.obstacle.depth) this.obstacle = { depth, reason }
  }
}

/** Go's crypto/rsa (checkKeySize) does not verify with smaller keys. */
const MIN_RSA_BITS = 1024

function unusableKey(certificate: Certificate): string | undefined {
  const { algorithm, bits, refused } = certificate.key
  if (refused !== undefined) return `${called(certificate)} has ${refused.why}`
  return algorithm === 'RSA' && bits < MIN_RSA_BITS
    ? `${called(certificate)} has an RSA key of ${bits} bits, and Go refuses those below ${MIN_RSA_BITS}`
    : undefined
}

function unfit(issuer: Certificate, below: readonly Certificate[]): string | undefined {
  const { isCA, pathLength } = basicConstraintsOf(issuer.fields)
  if (!isCA) return `${called(issuer)} is not a CA, so it cannot vouch for another`
  if (keyUsageOf(issuer.fields)?.keyCertSign === false) return `the key usage of ${called(issuer)} does not let it sign certificates`
  const length = below.filter(({ selfIssued }) => !selfIssued).length
  return pathLength !== undefined && length > pathLength
    ? `${called(issuer)} allows ${pathLength} intermediates below it, and there are ${length}`
    : undefined
}

function notUnderstood(certificate: Certificate): string | undefined {
  const [oid] = unknownCritical(certificate.fields)
  return oid === undefined ? undefined : `${called(certificate)} has the critical extension ${oid}, which nobody here understands`
}

export const called = ({ subject, uriSANs }: Pick<Certificate, 'subject' | 'uriSANs'>): string =>
  subject ? quoted(subject) : (uriSANs[0] ?? 'a certificate without a name')
const quoted = (name: string): string => (name ? `"${name}"` : 'an issuer without a name')
