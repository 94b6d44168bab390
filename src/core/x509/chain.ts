/**
 * Which anchor vouches for a presented chain. Quick and synchronous: names, signatures, dates, CA flags and path
 * lengths, not name constraints; `verifyChain` is RFC 5280 in full.
 */
import { FederationError } from '../errors.ts'
import type { Anchor } from './anchor.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { basicConstraintsOf, keyUsageOf } from './extensions.ts'
import { fieldsOf, sameBytes } from './fields.ts'

/** Enough for any real hierarchy; a hostile chain must not buy us work. */
const MAX_CERTIFICATES = 16
const MAX_SIGNATURES = 100

export interface Vouched {
  readonly anchor?: Anchor
  /** Why none does, as a person would say it. */
  readonly reason?: string
}

/** @param chain DER, the leaf first, intermediates in any order; a root among them counts only if it is an anchor */
export function anchorOf(chain: readonly Uint8Array[], anchors: readonly Anchor[], now: Date): Vouched {
  if (chain.length === 0) return { reason: 'no certificate was presented' }
  if (chain.length > MAX_CERTIFICATES)
    return { reason: `${chain.length} certificates were presented; at most ${MAX_CERTIFICATES} are looked at` }
  try {
    const [leaf, ...others] = chain.map((der, i) => readCertificate(der, i === 0 ? 'leaf' : `certificate ${i + 1}`))
    return leaf === undefined ? {} : new Search(others, anchors, now).from(leaf)
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { reason: cause.message }
  }
}

class Search {
  private readonly others: readonly Certificate[]
  private readonly anchors: readonly { readonly anchor: Anchor; readonly subject: Uint8Array }[]
  private readonly now: Date
  private signatures = 0
  /** The first obstacle on the way that came furthest. */
  private obstacle = { depth: -1, reason: '' }

  constructor(others: readonly Certificate[], anchors: readonly Anchor[], now: Date) {
    this.others = others
    this.anchors = anchors.map((anchor) => ({ anchor, subject: fieldsOf(anchor.der).subject }))
    this.now = now
  }

  from(leaf: Certificate): Vouched {
    const stale = this.staleness(leaf)
    if (stale) return { reason: stale }
    const anchor = this.above(leaf, [])
    return anchor ? { anchor } : { reason: this.obstacle.reason }
  }

  /** @param below the certificates between the leaf and this one, the leaf left out */
  private above(certificate: Certificate, below: readonly Certificate[]): Anchor | undefined {
    const named = this.anchors.filter(({ subject }) => sameBytes(subject, certificate.fields.issuer))
    for (const { anchor } of named) {
      if (this.issued(readCertificate(anchor.der, 'root'), certificate, below)) return anchor
    }
    const intermediates = this.others.filter(
      (other) => !below.includes(other) && other !== certificate && sameBytes(other.fields.subject, certificate.fields.issuer),
    )
    for (const issuer of intermediates) {
      if (!this.issued(issuer, certificate, below)) continue
      const found = this.above(issuer, [...below, issuer])
      if (found) return found
    }
    if (named.length + intermediates.length === 0) {
      this.meet(
        below.length,
        `${called(certificate)} was issued by ${quoted(certificate.issuer)}, which is no root given here and was not presented`,
      )
    }
    return undefined
  }

  private issued(issuer: Certificate, certificate: Certificate, below: readonly Certificate[]): boolean {
    const reason = this.signed(issuer, certificate) ?? this.staleness(issuer) ?? unfit(issuer, below)
    if (reason) this.meet(below.length, reason)
    return reason === undefined
  }

  private signed(issuer: Certificate, certificate: Certificate): string | undefined {
    this.signatures++
    if (this.signatures > MAX_SIGNATURES) return 'too many ways to build the chain'
    return certificate.x509.verify(issuer.x509.publicKey)
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

function unfit(issuer: Certificate, below: readonly Certificate[]): string | undefined {
  const { isCA, pathLength } = basicConstraintsOf(issuer.fields)
  if (!isCA) return `${called(issuer)} is not a CA, so it cannot vouch for another`
  if (keyUsageOf(issuer.fields)?.keyCertSign === false) return `the key usage of ${called(issuer)} does not let it sign certificates`
  const length = below.filter(({ selfIssued }) => !selfIssued).length
  return pathLength !== undefined && length > pathLength
    ? `${called(issuer)} allows ${pathLength} intermediates below it, and there are ${length}`
    : undefined
}

const called = ({ subject, uriSANs }: Pick<Certificate, 'subject' | 'uriSANs'>): string =>
  subject ? quoted(subject) : (uriSANs[0] ?? 'a certificate without a name')
const quoted = (name: string): string => (name ? `"${name}"` : 'an issuer without a name')
