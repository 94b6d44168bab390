/** Bundle endpoints as a client is configured with them, SPIFFE_Federation §5: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md */
import { shownUrl, withoutCredentials } from '../diagnostics/credentials.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { printable } from '../x509/syntax/printable.ts'
import type { Bundle } from './bundle.ts'
import type { SpiffeId } from './spiffe-id.ts'

/** Everything is given, nothing inferred from the URL (§5.1). */
export type BundleEndpoint =
  | {
      readonly profile: 'https_web'
      readonly url: string
      /** PEM roots to trust in place of the public ones. */
      readonly webRoots?: string
    }
  | {
      readonly profile: 'https_spiffe'
      readonly url: string
      /** Whom the server must be. */
      readonly endpointId: SpiffeId
      /** The latest bundle of the endpoint's own trust domain, which need not be the one that is fetched (§5.2.2.2). */
      readonly endpointBundle: Bundle
    }

/**
 * The URL of a bundle endpoint, or a redirect to one: https, no userinfo (§5.2.1.1, §5.2.2.1).
 * @param base what a relative redirect is relative to
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
