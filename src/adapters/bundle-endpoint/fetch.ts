/**
 * Fetches a bundle, SPIFFE_Federation §5.2, both profiles. The result is bytes; `inspect` evaluates them.
 * Every hop obeys the same rules, no answer is cached, and only the GET is sent.
 */
import type { ClientRequest } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { shownUrl } from '../../core/diagnostics/credentials.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type BundleEndpoint, parseEndpointUrl } from '../../core/spiffe/endpoint.ts'
import { trustDomainOfId } from '../../core/spiffe/spiffe-id.ts'
import { exchange, Misbehaved } from '../edge/exchange.ts'
import { tlsOptions, unverifiedOptions } from './tls.ts'

export interface FetchOptions {
  /** Covers everything: names, connections, redirects and the last byte of the body. */
  readonly timeoutMilliseconds: number
}

const MAX_BYTES = 2 ** 20
const MAX_REDIRECTS = 5
const MAX_CHAIN = 16

/** A bundle as an endpoint served it. */
export interface Served {
  readonly body: Uint8Array
  /** The certificates of the last server, the leaf first, and the anchor that OpenSSL chose. */
  readonly chain: readonly Uint8Array[]
}

export const fetchBundle = async (endpoint: BundleEndpoint, options: FetchOptions): Promise<Uint8Array> =>
  (await fetchServed(endpoint, options)).body

/**
 * The body of the first answer of a server whose certificate nobody verified. It proves nothing: the caller compares it with
 * fingerprints from another channel, and fetches again under the roots that it found.
 * @throws FederationError as `fetchBundle`, except endpoint-unverified
 */
export async function fetchUnverified(address: string, { timeoutMilliseconds }: FetchOptions): Promise<Uint8Array> {
  const url = parseEndpointUrl(address)
  const answer = await get(url, unverifiedOptions(url), performance.now() + timeoutMilliseconds)
  if ('body' in answer) return answer.body
  throw refuse(url, 'sent a redirect, which Entente does not follow before it can verify the server')
}

/**
 * @returns the body of a 200 answer, at most 1 MiB, and the chain of the server that sent it
 * @throws FederationError endpoint-invalid (the URL, a redirect, or the configuration), endpoint-unreachable (no
 *   connection, or no end in time), endpoint-unverified (not the server it should be), endpoint-refused (another answer than
 *   a bundle)
 */
export async function fetchServed(endpoint: BundleEndpoint, { timeoutMilliseconds }: FetchOptions): Promise<Served> {
  checkConfiguration(endpoint)
  const until = performance.now() + timeoutMilliseconds
  let url = parseEndpointUrl(endpoint.url)
  for (let redirects = 0; ; redirects++) {
    const answer = await get(url, tlsOptions(endpoint, url), until)
    if ('body' in answer) return answer
    if (redirects === MAX_REDIRECTS)
      throw new FederationError('endpoint-refused', shownUrl(endpoint.url), `redirects more than ${MAX_REDIRECTS} times`)
    url = parseEndpointUrl(answer.location, url)
  }
}

function checkConfiguration(endpoint: BundleEndpoint): void {
  if (endpoint.profile === 'https_web') return
  const { endpointId, endpointBundle } = endpoint
  if (trustDomainOfId(endpointId) === endpointBundle.trustDomain) return
  throw new FederationError(
    'endpoint-invalid',
    shownUrl(endpoint.url),
    `the bundle for ${endpointId} is of ${endpointBundle.trustDomain}, another trust domain`,
    {
      hint: "give the bundle of the endpoint's own trust domain",
    },
  )
}

type Answer = Served | { readonly location: string }

async function get(url: URL, tls: RequestOptions, until: number): Promise<Answer> {
  const timeoutMs = Math.max(0, until - performance.now())
  let bytes = 0
  const take = (more: number): void => {
    bytes += more
    if (bytes > MAX_BYTES) throw refuse(url, 'sent more than 1 MiB')
  }
  // No agent: a kept connection would reuse the verdict on a certificate.
  let chain: readonly Uint8Array[] = []
  const make = (): ClientRequest =>
    request(url, { ...tls, agent: false, headers: { accept: 'application/json', 'accept-encoding': 'identity' } }).on(
      'response',
      (response) => {
        chain = chainOf(response.socket as TLSSocket)
      },
    )
  try {
    const { status, headers, body } = await exchange(make, undefined, { subject: shownUrl(url.href), timeoutMs, take })
    if ([301, 302, 303, 307, 308].includes(status)) {
      if (headers.location === undefined) throw refuse(url, 'sent a redirect without a Location')
      return { location: headers.location }
    }
    if (status !== 200) throw refuse(url, `answered with status ${status}`)
    return { body: new Uint8Array(body), chain }
  } catch (cause) {
    throw cause instanceof Misbehaved ? refuse(url, cause.message) : explain(cause, url, until)
  }
}

/** Node links each certificate to its issuer, and a root to itself. */
function chainOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let here: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (here?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new Uint8Array(here.raw))
    here = here.issuerCertificate === here ? undefined : here.issuerCertificate
  }
  return chain
}

const refuse = (url: URL, message: string): FederationError =>
  new FederationError('endpoint-refused', shownUrl(url.href), message, { hint: 'ask the operator of the endpoint' })

/** OpenSSL's verdicts on a chain, and Node's on a host name. */
const UNVERIFIED =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT|ERR_OSSL_X509|PERMITTED_|EXCLUDED_)/

function explain(cause: unknown, url: URL, until: number): unknown {
  if (cause instanceof FederationError) return cause
  const { code = '', message } = cause as NodeJS.ErrnoException
  if (performance.now() >= until - 1)
    return new FederationError('endpoint-unreachable', shownUrl(url.href), 'did not answer completely in time', {
      cause,
      hint: 'raise --timeout if the network is slow',
    })
  if (UNVERIFIED.test(code)) {
    return new FederationError('endpoint-unverified', shownUrl(url.href), `Entente rejected its certificate: ${message}`, {
      cause,
      hint: 'check the roots that verify the endpoint',
    })
  }
  return new FederationError('endpoint-unreachable', shownUrl(url.href), message, {
    cause,
    hint: 'check the URL, and that the endpoint runs',
  })
}
