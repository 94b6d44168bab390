/**
 * What a peer's certificate proves, to a side that has a Trust: as with Envoy's validator, the first URI SAN decides.
 *
 * OpenSSL has verified the presented chain against all the roots of the Trust by then (`ca` of node:tls). Node takes no
 * other set of roots once the peer's name is known, so the binding to the trust domain is core's `anchorOf`, with the
 * roots of that domain only: names and dates are compared, and every signature is verified by OpenSSL again.
 */

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { FederationError } from '../core/diagnostics/errors.ts'
import { parseTrustDomain } from '../core/spiffe/trust-domain.ts'
import { parseAnchor } from '../core/x509/anchor.ts'
import { anchorOf } from '../core/x509/chain.ts'
import { namesIn } from '../core/x509/syntax/subject-alt-names.ts'
import type { Peer, Trust } from './trust.ts'

/** Why a peer's certificate is not taken. */
export class Refusal extends Error {
  /** OpenSSL's name of it, or ours. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The roots that OpenSSL gets. */
export const rootsOf = (trust: Trust) => (trust.kind === 'flat' ? trust.roots : [...trust.roots.values()].flat())

/**
 * @param chain DER, the leaf first
 * @throws Refusal
 */
export function validate(chain: readonly Uint8Array[], trust: Trust, now: Date): Peer {
  const peer = identityIn(chain)
  if (trust.kind === 'flat') {
    if (!trust.domains.includes(peer.domain)) throw new Refusal('SAN_NOT_ACCEPTED', `no identity of ${peer.domain} is accepted here`)
    return peer
  }
  const roots = trust.roots.get(peer.domain)
  if (roots === undefined) throw new Refusal('NO_ROOTS_FOR_DOMAIN', `no root is accepted for ${peer.domain} here`)
  const anchors = roots.map(({ der }) => parseAnchor(der))
  const { anchor } = anchorOf(chain, anchors, now)
  if (anchor === undefined) throw new Refusal('OTHER_ROOT', `the chain does not lead to a root of ${peer.domain}`)
  return peer
}

/** The SPIFFE ID of a leaf by its first URI SAN: Envoy's validator looks at no other name. @throws Refusal */
export function identityIn([leaf]: readonly Uint8Array[]): Peer {
  if (leaf === undefined) throw new Refusal('NO_CERTIFICATE', 'no certificate was shown')
  const names = namesIn(leaf)
  const id = names?.uris[0]
  const domain = /^spiffe:\/\/([^/]+)\/.+$/.exec(id ?? '')?.[1]
  if (names === undefined || id === undefined || domain === undefined)
    throw new Refusal('NO_SPIFFE_ID', 'the first URI SAN is not a SPIFFE ID')
  try {
    return { id, domain: parseTrustDomain(domain), names }
  } catch (cause) {
    throw new Refusal('NO_SPIFFE_ID', cause instanceof FederationError ? cause.message : String(cause))
  }
}

/** DER, the leaf first; what OpenSSL found above the presented chain is among it, and counts for nothing here. */
export function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  return chainFrom(socket.getPeerCertificate(true))
}

export function chainFrom(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let certificate: DetailedPeerCertificate | undefined = leaf
  // The last one is its own issuer.
  while (certificate?.raw !== undefined && !chain.some((der) => Buffer.compare(der, certificate?.raw ?? der) === 0)) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
