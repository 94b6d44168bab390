/** The mesh's own roots, as every namespace has them: ConfigMap istio-ca-root-cert. Never the Secret cacerts. */
import { FederationError } from '../../core/errors.ts'
import { at, text } from '../../core/manifest.ts'
import { type Bundle, parseBundle } from '../../core/spiffe/bundle.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { KubeClient } from './client.ts'
import { CONFIG_MAP } from './resources.ts'

const OWN_ROOTS = 'istio-ca-root-cert'
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

/**
 * Under the mesh's trust domain. Dates are no reason to look away: an expired root of our own is known all the same.
 * @throws FederationError bundle-malformed, bundle-refused
 */
export const parseOwnRoots = (trustDomain: TrustDomain, pem: string, now: Date): Bundle =>
  parseBundle(trustDomain, Buffer.from(pem), { now, format: 'pem', tolerate: 'dates' })
