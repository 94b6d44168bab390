/** How each profile knows its server. */
import { isIP } from 'node:net'
import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import { shownUrl } from '../../core/diagnostics/credentials.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { BundleEndpoint } from '../../core/spiffe/endpoint.ts'
import { svidIdOf } from '../../core/spiffe/svid.ts'
import { readCertificate } from '../../core/x509/certificate.ts'
import { printPem } from '../../core/x509/pem.ts'

export function tlsOptions(endpoint: BundleEndpoint, url: URL): ConnectionOptions {
  const common: ConnectionOptions = {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 && { servername: url.hostname }),
  }
  if (endpoint.profile === 'https_web') {
    // Absent means the public roots. An empty string would mean them too, so it must not come from a file.
    if (endpoint.webRoots === undefined) return common
    if (!endpoint.webRoots.includes('-----BEGIN'))
      throw new FederationError('endpoint-invalid', shownUrl(endpoint.url), 'the roots given to verify it with are empty')
    return { ...common, ca: [endpoint.webRoots] }
  }
  const { endpointBundle, endpointId } = endpoint
  return {
    ...common,
    // An empty array trusts nobody.
    ca: endpointBundle.anchors.map(({ der }) => printPem(der)),
    // An anchor that is not self-issued is an anchor all the same.
    ...({ allowPartialTrustChain: true } as ConnectionOptions),
    // Called once OpenSSL has verified the chain, in place of the check of the host name.
    checkServerIdentity: (_host, peer) => checkId(peer, endpointId, url),
  }
}

/** §5.2.2.3: an X509-SVID for exactly the configured ID. */
function checkId(peer: PeerCertificate, expected: string, url: URL): Error | undefined {
  const refuse = (message: string): FederationError =>
    new FederationError('endpoint-unverified', shownUrl(url.href), message, { hint: 'check --endpoint-spiffe-id, and who answers there' })
  try {
    const id = svidIdOf(readCertificate(new Uint8Array(peer.raw), 'its certificate'))
    return id === expected ? undefined : refuse(`is ${id}, not ${expected}`)
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : 'its certificate cannot be read')
  }
}
