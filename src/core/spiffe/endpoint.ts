/**
 * Bundle endpoints in a client's configuration, SPIFFE_Federation §5:
 * https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md
 */
import { shownUrl, withoutCredentials } from '../diagnostics/credentials.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { printable } from '../x509/syntax/printable.ts'
import type { Bundle } from './bundle.ts'
import type { SpiffeId } from './spiffe-id.ts'

/** What identifies a bundle endpoint. The roots that verify it are kept apart: they change. */
export type EndpointAddress =
  | { readonly profile: 'https_web'; readonly url: string }
  | { readonly profile: 'https_spiffe'; readonly url: string; readonly endpointId: SpiffeId }

export const sameEndpoint = (one: EndpointAddress, other: EndpointAddress): boolean =>
  one.url === other.url &&
  one.profile === other.profile &&
  (one.profile === 'https_web' || (other.profile === 'https_spiffe' && one.endpointId === other.endpointId))

/** The configuration is explicit; the client infers nothing from the URL (§5.1). */
export type BundleEndpoint =
  | {
      readonly profile: 'https_web'
      readonly url: string
      /** PEM roots that the client trusts instead of the public ones. */
      readonly webRoots?: string
    }
  | {
      readonly profile: 'https_spiffe'
      readonly url: string
      /** The SPIFFE ID that the server must present. */
      readonly endpointId: SpiffeId
      /**
       * The latest bundle of the endpoint's own trust domain. That domain may differ from the fetched one (§5.2.2.2).
       */
      readonly endpointBundle: Bundle
    }

/**
 * Parses the URL of a bundle endpoint or of a redirect to one: https, no userinfo (§5.2.1.1, §5.2.2.1).
 * @param base the URL that a relative redirect is resolved against
 * @throws FederationError endpoint-invalid
 */
export function parseEndpointUrl(text: string, base?: URL): URL {
  const refuse = (message: string): never => {
    throw new FederationError('endpoint-invalid', printable(shownUrl(text)), message, { hint: 'want https://HOST/PATH' })
  }
  if (!URL.canParse(text, base?.href)) return refuse('is not a URL')
  const url = new URL(text, base)
  if (url.protocol !== 'https:') refuse('must be https')
  if (url.username !== '' || url.password !== '' || withoutCredentials(text).includes('…@')) refuse('must not hold a user name or password')
  url.hash = ''
  return url
}
