/**
 * The checks of a validator on X509-SVIDs, X509-SVID §4, §5.2:
 * https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md
 */
import { FederationError } from '../diagnostics/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { extendedKeyUsageOf, keyUsageOf, OID } from '../x509/extensions.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

const [SERVER_AUTH, CLIENT_AUTH] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']

/**
 * Returns the SPIFFE ID of a leaf. It does not verify the signature; `anchorOf` does.
 * @throws FederationError chain-malformed when it is not an X509-SVID of a workload; spiffe-id-invalid
 */
export function svidIdOf(leaf: Certificate): SpiffeId {
  const refuse = (message: string): never => {
    throw new FederationError('chain-malformed', leaf.subject || 'leaf', `not an X509-SVID: ${message}`)
  }
  const [id, ...more] = leaf.uriSANs
  if (id === undefined) return refuse('it has no URI SAN')
  if (more.length > 0) refuse(`it has ${more.length + 1} URI SANs, and exactly one is allowed (§2)`)
  if (leaf.isCA) refuse('it is a CA certificate, which must not be used for authentication (§3.2)')
  const usage = keyUsageOf(leaf.fields)
  if (usage?.keyCertSign || usage?.cRLSign) refuse('its key usage lets it sign certificates or CRLs (§4.3)')
  if (!usage?.digitalSignature) refuse('its key usage does not have digitalSignature (§4.3)')
  const extended = extendedKeyUsageOf(leaf.fields)
  if (extended && !(extended.includes(SERVER_AUTH) && extended.includes(CLIENT_AUTH))) {
    refuse('its extended key usage is not for servers and clients both (§4.4)')
  }
  if (leaf.subject === '' && leaf.fields.extensions.get(OID.subjectAltName)?.critical === false) {
    refuse('its subject is empty and the URI SAN not critical (§3.1)')
  }
  return parseSpiffeId(id)
}
