/**
 * What a peer's certificate proves to a side that has a Trust: as with Envoy's validator, the first URI SAN decides.
 *
 * OpenSSL has already verified the received chain against all the roots of the Trust (`ca` of node:tls). Node accepts no
 * other set of roots after the peer's name is known. So the binding to the trust domain is core's `anchorOf`, with the
 * roots of that domain only: it compares names and dates, and OpenSSL verifies every signature again.
 */

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { FederationError } from '../core/diagnostics/errors.ts'
import { parseTrustDomain } from '../core/spiffe/trust-domain.ts'
import { parseAnchor } from '../core/x509/anchor.ts'
import { anchorOf } from '../core/x509/chain.ts'
import { namesIn } from '../core/x509/syntax/subject-alt-names.ts'
import type { Peer, Trust } from './trust.ts'

/** Why a peer's certificate is rejected. */
export class Refusal extends Error {
  /** OpenSSL's name of it, or Entente's. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The roots that OpenSSL uses. */
export const rootsOf = (trust: Trust) => (trust.kind === 'flat' ? trust.roots : [...trust.roots.values()].flat())

/**
 * @param chain DER, the leaf before its issuers
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

/** The SPIFFE ID of a leaf by its first URI SAN: Envoy's validator uses no other name. @throws Refusal */
export function identityIn([leaf]: readonly Uint8Array[]): Peer {
  if (leaf === undefined) throw new Refusal('NO_CERTIFICATE', 'the peer sent no certificate')
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

/** DER, the leaf before its issuers. OpenSSL may have added certificates above the received chain; they do not count here. */
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
