/**
 * Two workloads and one call between them: mutual TLS and HTTP/1.1 over loopback, by node:tls and OpenSSL.
 *
 * As between two sidecars, each side verifies the other. After the TLS handshake, the server's filters and policies
 * evaluate the caller. One thing differs: Node cannot send the alert that Envoy sends, so a server that rejects closes the
 * connection.
 */
import { createServer, type Server as HttpsServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { printRoots } from '../core/trust/pinned/pinned-filter.ts'
import type { CertificateNames } from '../core/x509/syntax/subject-alt-names.ts'
import type { Identity } from './authority.ts'
import type { Peer } from './trust.ts'
import { type Allow, type Entrance, isAllowed, isDenied, isStranger, namesRefused, type Trust } from './trust.ts'
import { chainFrom, chainOf, identityIn, Refusal, rootsOf, validate } from './validator.ts'

export interface Client {
  readonly identity: Identity
  /** Undefined: verifies no server, as an attacker does. */
  readonly trust?: Trust
  readonly host: string
  /** The SPIFFE ID that the server must have, as istiod learns it from the endpoints. */
  readonly expects: string
  /** `/` if absent. */
  readonly path?: string
}

export interface Server extends Entrance {
  readonly identity: Identity
  /** The mesh's own policies. */
  readonly allows: readonly Allow[]
}

export type Outcome =
  | { readonly verdict: 'accepted' | 'forbidden'; readonly serverSaw: string; readonly clientSaw: string }
  | { readonly verdict: 'refused'; readonly by: 'client' | 'server'; readonly code: string; readonly message: string }

const TIMEOUT_MS = 5000
/** Node reports only the name of the error to a server; these are OpenSSL's words for it. */
const WORDS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CERT_HAS_EXPIRED: 'certificate has expired',
}

/** Starts the server for this one call. @throws Error if the call fails for another reason than a rejection */
export async function call(client: Client, server: Server, now: Date): Promise<Outcome> {
  let refusal: Refusal | undefined
  const listening = await listen(server, now, (refused) => {
    refusal = refused
  })
  try {
    return await ask(client, (listening.address() as AddressInfo).port, now)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown) {
      const closed = thrown.code === 'ECONNRESET' || thrown.code === 'EPIPE'
      if (closed && refusal !== undefined) return { verdict: 'refused', by: 'server', code: refusal.code, message: refusal.message }
      if (!closed) return { verdict: 'refused', by: 'client', code: String(thrown.code), message: thrown.message }
    }
    throw thrown
  } finally {
    listening.closeAllConnections()
    await new Promise((resolve) => listening.close(resolve))
  }
}

function listen(entrance: Server, now: Date, refuse: (refusal: Refusal) => void): Promise<HttpsServer> {
  const { identity, trust, guards, callers, allows } = entrance
  const server = createServer({
    cert: identity.chain,
    key: identity.key,
    ca: printRoots(rootsOf(trust)),
    requestCert: true,
    // This accepts no caller by itself: otherwise Node would hide OpenSSL's reason. `admit` decides.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  })
  const admitted = new WeakMap<object, Peer>()
  server.prependListener('secureConnection', (socket) => {
    try {
      admitted.set(socket, admit(socket, entrance, now))
    } catch (thrown) {
      socket.destroy()
      if (!(thrown instanceof Refusal)) throw thrown
      refuse(thrown)
    }
  })
  server.on('request', (asked, answer) => {
    const peer = admitted.get(asked.socket)
    // Only an admitted request reaches this; any other gets no answer.
    if (peer === undefined) return void asked.socket.destroy()
    const { names } = peer
    const passes = !isStranger(guards, peer) && !isDenied(callers, names)
    const allowed = allows.every((allow) => allow.path !== asked.url || isAllowed(allow, names))
    answer.statusCode = passes && allowed ? 200 : 403
    answer.end(shown(names))
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function admit(socket: TLSSocket, { trust, guards }: Entrance, now: Date): Peer {
  if (!socket.authorized) {
    // A code, although the types say Error.
    const code = String(socket.authorizationError)
    throw new Refusal(code, WORDS[code] ?? code)
  }
  const peer = validate(chainOf(socket), trust, now)
  const refused = namesRefused(guards, peer)
  if (refused.length > 0) throw new Refusal('MORE_THAN_ONE_NAME', `the certificate also has ${refused.join(', ')}`)
  return peer
}

const shown = ({ uris, dns, subject }: CertificateNames): string => [...uris, ...dns, ...(subject === '' ? [] : [subject])].join(', ')

function ask({ identity, trust, host, expects, path = '/' }: Client, port: number, now: Date): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const asking = request({
      host: '127.0.0.1',
      port,
      servername: host,
      headers: { host },
      path,
      cert: identity.chain,
      key: identity.key,
      agent: false,
      minVersion: 'TLSv1.2',
      timeout: TIMEOUT_MS,
      ...(trust === undefined ? { rejectUnauthorized: false } : { ca: printRoots(rootsOf(trust)) }),
      // node:tls calls this after OpenSSL has verified the chain against `ca`, with the certificates above the leaf.
      checkServerIdentity: (_, certificate) => {
        try {
          if (trust === undefined) return undefined
          const { names } = validate(chainFrom(certificate as DetailedPeerCertificate), trust, now)
          // Envoy compares with every alternative name, and one match is enough.
          return [...names.uris, ...names.dns].includes(expects)
            ? undefined
            : new Refusal('OTHER_IDENTITY', `the server is ${shown(names)}, not ${expects}`)
        } catch (thrown) {
          return thrown instanceof Error ? thrown : new Error(String(thrown))
        }
      },
    })
    asking.on('timeout', () => asking.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asking.on('error', reject)
    asking.on('response', (answer) => {
      const clientSaw = identityIn(chainOf(answer.socket as TLSSocket)).id
      let serverSaw = ''
      answer.setEncoding('utf8').on('data', (text: string) => {
        serverSaw += text
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ verdict: answer.statusCode === 200 ? 'accepted' : 'forbidden', serverSaw, clientSaw }))
    })
    asking.end()
  })
}
