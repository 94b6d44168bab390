/**
 * Reads the chain that an istiod serves on its XDS port (15012), which shows the root that its CA signs under now. This
 * code only reads it: the caller evaluates it against roots that an owner approved.
 */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type DetailedPeerCertificate, type PeerCertificate, type TLSSocket } from 'node:tls'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Subject } from '../../core/diagnostics/subject.ts'

export const XDS_PORT = 15012
const CONNECT_MS = 1_000
const HANDSHAKE_MS = 5_000
/** The time limit of the direct connection is short, because there is a second way. */
const PROOF_MS = 2_000

/**
 * The chain as received, DER, leaf before its issuers.
 * @throws FederationError istiod-unreachable
 */
export async function presentedOver(stream: Duplex, name: string, subject: Subject | string): Promise<readonly Uint8Array[]> {
  try {
    // With an empty `ca`, node cannot complete the chain with a known root; without `ca` it would use the public roots.
    const socket = await handshake({ socket: stream, servername: name, ca: [], rejectUnauthorized: false })
    const chain = chainOf(socket)
    socket.destroy()
    return chain
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FederationError('istiod-unreachable', subject, `port ${XDS_PORT}: ${why}`, { hint: 'check that istiod runs', cause })
  } finally {
    stream.destroy()
  }
}

/**
 * Checks that an istiod of this mesh answers at that address: its certificate verifies under the mesh's own roots and has
 * one of istiod's names. Private addresses are reused, and another server there would receive a token.
 * @param roots PEM, as in ConfigMap istio-ca-root-cert
 */
export async function answersAsIstiod(ip: string, names: readonly string[], roots: string, port = XDS_PORT): Promise<boolean> {
  const stream = dial({ host: ip, port })
  stream.setTimeout(CONNECT_MS, () => stream.destroy(new Error('no answer')))
  try {
    await once(stream, 'connect')
    stream.setTimeout(0)
    const checkServerIdentity = (_: string, { raw }: PeerCertificate): Error | undefined => {
      const leaf = new X509Certificate(raw)
      return names.some((name) => leaf.checkHost(name, { wildcards: false }) !== undefined)
        ? undefined
        : new Error('its certificate has no name of istiod')
    }
    const verified = { servername: names[0] ?? '', ca: [roots], rejectUnauthorized: true, checkServerIdentity }
    const socket = await handshake({ socket: stream, ...verified }, PROOF_MS)
    socket.destroy()
    return true
  } catch {
    return false
  } finally {
    stream.destroy()
  }
}

async function handshake(options: ConnectionOptions, timeoutMs = HANDSHAKE_MS): Promise<TLSSocket> {
  const socket = connect({ ALPNProtocols: ['h2'], ...options })
  const timer = setTimeout(() => socket.destroy(new Error(`no TLS handshake within ${timeoutMs / 1000} s`)), timeoutMs)
  // A stream that ends early ends the handshake without an error event.
  const ended = once(socket, 'close').then(() => Promise.reject(new Error('the connection was closed')))
  ended.catch(() => {})
  try {
    await Promise.race([once(socket, 'secureConnect'), ended])
    socket.on('error', () => {})
    return socket
  } catch (cause) {
    socket.on('error', () => {})
    socket.destroy()
    throw cause
  } finally {
    clearTimeout(timer)
  }
}

/** The chain that the other side sent, DER, leaf before its issuers. */
export function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // The last certificate names itself as its issuer.
  while (next?.raw !== undefined && !chain.some((der) => Buffer.compare(der, next?.raw as Buffer) === 0)) {
    chain.push(next.raw)
    next = next.issuerCertificate
  }
  return chain
}
