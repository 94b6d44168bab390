/**
 * The mesh's own roots, as istiod distributes them to every namespace: ConfigMap istio-ca-root-cert. Entente never reads
 * the Secret cacerts.
 */
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { at, list, text } from '../../../core/model/manifest.ts'
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { CONFIG_MAP } from '../resources.ts'
import type { KubeClient } from '../transport/client.ts'

const OWN_ROOTS = 'istio-ca-root-cert'
const KEY = 'root-cert.pem'

export interface OwnRoots {
  /** The text as it is in the ConfigMap. */
  readonly pem: string
  /** When istiod wrote it last; undefined if the API server does not report that. */
  readonly since?: Date
}

/** @throws FederationError not-found, bundle-malformed, forbidden, … */
export async function readOwnRoots(client: KubeClient, namespace: string): Promise<OwnRoots> {
  const map = await client.raw(CONFIG_MAP, namespace, OWN_ROOTS)
  if (map === undefined)
    throw new FederationError('not-found', client.subject, `there is no ConfigMap ${namespace}/${OWN_ROOTS}`, {
      hint: 'check that istiod runs, and istio.namespace in the federation file',
    })
  const pem = text(at(map, 'data', KEY))
  if (pem === '')
    throw new FederationError('bundle-malformed', client.subject, `ConfigMap ${namespace}/${OWN_ROOTS} has no ${KEY}`, {
      hint: 'check that istiod runs, and istio.namespace in the federation file',
    })
  const writes = list(at(map, 'metadata', 'managedFields'))
    .filter((field) => at(field, 'fieldsV1', 'f:data', `f:${KEY}`) !== undefined)
    .map((field) => Date.parse(text(at(field, 'time'))))
    .filter((time) => !Number.isNaN(time))
  return { pem, ...(writes.length === 0 ? {} : { since: new Date(Math.max(...writes)) }) }
}

/**
 * Under the mesh's trust domain. Dates are ignored: an expired root of the mesh is still a known root.
 * @throws FederationError bundle-malformed, bundle-refused
 */
export const parseOwnRoots = (trustDomain: TrustDomain, pem: string, now: Date): Bundle =>
  parseBundle(trustDomain, Buffer.from(pem), { now, format: 'pem', tolerate: 'dates' })
