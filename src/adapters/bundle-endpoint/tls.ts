/** How each profile authenticates the server. */
import { isIP } from 'node:net'
import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import { shownUrl } from '../../core/diagnostics/credentials.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { BundleEndpoint } from '../../core/spiffe/endpoint.ts'
import { svidIdOf } from '../../core/spiffe/svid.ts'
import { readCertificate } from '../../core/x509/certificate.ts'
import { printPem } from '../../core/x509/pem.ts'

const common = (url: URL): ConnectionOptions => ({
  rejectUnauthorized: true,
  minVersion: 'TLSv1.2',
  ...(isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 && { servername: url.hostname }),
})

/** For the first fetch of an invitation, whose roots are not known yet. */
export const unverifiedOptions = (url: URL): ConnectionOptions => ({ ...common(url), rejectUnauthorized: false })

export function tlsOptions(endpoint: BundleEndpoint, url: URL): ConnectionOptions {
  if (endpoint.profile === 'https_web') {
    // Absent means the public roots. An empty string would mean them too, so an empty file must not pass.
    if (endpoint.webRoots === undefined) return common(url)
    if (!endpoint.webRoots.includes('-----BEGIN'))
      throw new FederationError('endpoint-invalid', shownUrl(endpoint.url), 'the file with the roots to verify it is empty')
    return { ...common(url), ca: [endpoint.webRoots] }
  }
  const { endpointBundle, endpointId } = endpoint
  return {
    ...common(url),
    // With an empty array OpenSSL trusts nothing.
    ca: endpointBundle.anchors.map(({ der }) => printPem(der)),
    // A trust anchor need not be self-issued.
    ...({ allowPartialTrustChain: true } as ConnectionOptions),
    // Node calls this after OpenSSL has verified the chain, instead of its host name check.
    checkServerIdentity: (_host, peer) => checkId(peer, endpointId, url),
  }
}

/** §5.2.2.3: an X509-SVID for exactly the configured ID. */
function checkId(peer: PeerCertificate, expected: string, url: URL): Error | undefined {
  const refuse = (message: string): FederationError =>
    new FederationError('endpoint-unverified', shownUrl(url.href), message, {
      hint: 'check --endpoint-spiffe-id, and which server answers at that URL',
    })
  try {
    const id = svidIdOf(readCertificate(new Uint8Array(peer.raw), 'its certificate'))
    return id === expected ? undefined : refuse(`is ${id}, not ${expected}`)
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : 'its certificate cannot be read')
  }
}
