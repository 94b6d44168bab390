/** The mesh's own roots, as every namespace has them: ConfigMap istio-ca-root-cert. Never the Secret cacerts. */
import { X509Certificate } from 'node:crypto'
import { FederationError } from '../../core/errors.ts'
import { at, text } from '../../core/manifest.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { fingerprintOf } from '../../core/x509/anchor.ts'
import type { KubeClient } from './client.ts'
import { CONFIG_MAP } from './resources.ts'

export const OWN_ROOTS = 'istio-ca-root-cert'
const KEY = 'root-cert.pem'

/** The PEM as it stands there. @throws FederationError not-found, bundle-malformed, forbidden, … */
export async function readOwnRoots(client: KubeClient, namespace: string): Promise<string> {
  const map = await client.get(CONFIG_MAP, namespace, OWN_ROOTS)
  const pem = text(at(map, 'data', KEY))
  if (pem !== '') return pem
  throw new FederationError('bundle-malformed', client.subject, `ConfigMap ${namespace}/${OWN_ROOTS} has no ${KEY}`, {
    hint: 'is istiod running there?',
  })
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** @throws FederationError bundle-malformed */
export function parseOwnRoots(subject: string, trustDomain: TrustDomain, pem: string): Bundle {
  const anchors = (pem.match(BLOCK) ?? []).map((block) => {
    try {
      const { raw, subject: name, validFrom, validTo } = new X509Certificate(block)
      return { fingerprint: fingerprintOf(raw), der: raw, subject: name, notBefore: new Date(validFrom), notAfter: new Date(validTo) }
    } catch (cause) {
      throw new FederationError('bundle-malformed', subject, `a block of ${KEY} is not a certificate`, { cause })
    }
  })
  if (anchors.length === 0) throw new FederationError('bundle-malformed', subject, `${KEY} holds no certificate`)
  return { trustDomain, anchors }
}
