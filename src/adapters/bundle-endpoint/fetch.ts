/**
 * Fetching a bundle, SPIFFE_Federation §5.2, both profiles. What comes back is bytes: judging them is `inspect`'s.
 * Every hop obeys the same rules, no answer is remembered, and nothing is sent but the GET.
 */
import type { IncomingMessage } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { shownUrl } from '../../core/credentials.ts'
import { FederationError } from '../../core/errors.ts'
import { type BundleEndpoint, parseEndpointUrl } from '../../core/spiffe/endpoint.ts'
import { trustDomainOfId } from '../../core/spiffe/spiffe-id.ts'
import { tlsOptions } from './tls.ts'

export interface FetchOptions {
  /** For all of it: names, connections, redirects and the last byte of the body. */
  readonly timeoutMilliseconds: number
}

const MAX_BYTES = 2 ** 20
const MAX_REDIRECTS = 5

/**
 * @returns the body of a 200 answer, at most 1 MiB
 * @throws FederationError endpoint-invalid (the URL, a redirect, or the configuration), endpoint-unreachable (no
 *   connection, or no end in time), endpoint-unverified (not the server it should be), endpoint-refused (another answer than
 *   a bundle)
 */
export async function fetchBundle(endpoint: BundleEndpoint, { timeoutMilliseconds }: FetchOptions): Promise<Uint8Array> {
  checkConfiguration(endpoint)
  const deadline = AbortSignal.timeout(timeoutMilliseconds)
  let url = parseEndpointUrl(endpoint.url)
  for (let redirects = 0; ; redirects++) {
    const answer = await get(url, tlsOptions(endpoint, url), deadline)
    if ('body' in answer) return answer.body
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

type Answer = { readonly body: Uint8Array } | { readonly location: string }

function get(url: URL, tls: RequestOptions, deadline: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = deferred<Answer>()
  // No agent: a kept connection would keep the verdict on a certificate.
  const outgoing = request(url, {
    ...tls,
    agent: false,
    signal: deadline,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
  })
  outgoing.on('error', (cause) => reject(explain(cause, url, deadline)))
  outgoing.on('response', (response) => {
    read(response, url)
      .then(resolve, (cause) => reject(explain(cause, url, deadline)))
      .finally(() => outgoing.destroy())
  })
  outgoing.end()
  return promise
}

async function read(response: IncomingMessage, url: URL): Promise<Answer> {
  const { statusCode = 0, headers } = response
  const refuse = (message: string): never => {
    throw new FederationError('endpoint-refused', shownUrl(url.href), message, { hint: 'ask whoever runs the endpoint' })
  }
  if ([301, 302, 303, 307, 308].includes(statusCode)) return { location: headers.location ?? refuse('redirects to nowhere') }
  if (statusCode !== 200) refuse(`answered with status ${statusCode}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') refuse('sent a compressed body, which was not asked for')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BYTES) refuse('sent more than 1 MiB')
    chunks.push(chunk)
  }
  if (!response.complete) refuse('hung up in the middle of the body')
  return { body: new Uint8Array(Buffer.concat(chunks)) }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (cause: unknown) => void } {
  let resolve: (value: T) => void = () => undefined
  let reject: (cause: unknown) => void = () => undefined
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** OpenSSL's verdicts on a chain, and Node's on a name. */
const UNVERIFIED =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT|ERR_OSSL_X509|PERMITTED_|EXCLUDED_)/

function explain(cause: unknown, url: URL, deadline: AbortSignal): unknown {
  if (cause instanceof FederationError) return cause
  const { code = '', message } = cause as NodeJS.ErrnoException
  if (deadline.aborted)
    return new FederationError('endpoint-unreachable', shownUrl(url.href), 'did not finish in time', {
      cause,
      hint: 'raise --timeout if the network is slow',
    })
  if (UNVERIFIED.test(code)) {
    return new FederationError('endpoint-unverified', shownUrl(url.href), `its certificate was not accepted: ${message}`, {
      cause,
      hint: 'check the roots that the endpoint is to be verified with',
    })
  }
  return new FederationError('endpoint-unreachable', shownUrl(url.href), message, {
    cause,
    hint: 'check the URL, and that the endpoint is up',
  })
}
