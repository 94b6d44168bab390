/**
 * Distribution `mesh`: roots in Istio's own list, for every workload of the mesh. istiod reads them from a ConfigMap in
 * addition to the mesh config (SHARED_MESH_CONFIG). Istio keeps one flat list: a root is not bound to its trust domain.
 *
 * Relies on Istio's source at eed52ebb66ad:
 * - pilot/pkg/bootstrap/mesh.go: istiod applies the shared config first, and the base overrides it field by field.
 * - pilot/pkg/trustbundle: with one malformed entry istiod keeps the old list, and after a restart does not start. So
 *   Entente writes only roots that it has validated.
 * - pilot/pkg/networking/core: `trustDomains` are added to the accepted SANs.
 */

import type { Manifest } from '../../model/manifest.ts'
import { at, isOurs, list, text } from '../../model/manifest.ts'
import { parseTrustDomain, type TrustDomain } from '../../spiffe/trust-domain.ts'
import { certificateIn } from '../../x509/certificate.ts'
import { printPem } from '../../x509/pem.ts'
import { readRoots } from '../pinned/pinned-filter.ts'
import type { Root, Roots } from '../state.ts'

/** The ConfigMap that istiod must read by SHARED_MESH_CONFIG. Entente owns all of it. */
export const SHARED_MESH_CONFIG = 'entente-mesh-config'
/** The callers rule for every workload of the mesh, in the root namespace. */
export const MESH_WIDE_POLICY = 'entente-accept-mesh'

const KEY = 'mesh'

/**
 * Writes one entry per root, because Istio checks only the first PEM block of an entry. JSON is valid YAML with one
 * form.
 */
export function meshConfigData(roots: Roots): Readonly<Record<string, string>> {
  const caCertificates = [...roots]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([domain, anchors]) =>
      [...anchors]
        .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
        .map(({ der }) => ({ pem: printPem(der), trustDomains: [domain] })),
    )
  return { [KEY]: `${JSON.stringify({ caCertificates }, null, 2)}\n` }
}

export const isMeshConfig = (object: Manifest): boolean =>
  object.kind === 'ConfigMap' && object.metadata.name === SHARED_MESH_CONFIG && isOurs(object)

export const isMeshWidePolicy = (object: Manifest): boolean =>
  object.kind === 'AuthorizationPolicy' && object.metadata.name === MESH_WIDE_POLICY && isOurs(object)

/**
 * Reads the roots by the domain each is meant for. Skips entries that are no certificates: they must not be written
 * again.
 */
export function readMeshConfig(object: Manifest): Roots {
  const roots = new Map<TrustDomain, readonly Root[]>()
  for (const entry of list(at(parsed(text(at(object, 'data', KEY))), 'caCertificates'))) {
    for (const domain of list(at(entry, 'trustDomains')).map(text)) {
      if (!/^[a-z0-9._-]{1,255}$/.test(domain)) continue
      const key = parseTrustDomain(domain)
      roots.set(key, [...(roots.get(key) ?? []), ...readRoots(text(at(entry, 'pem'))).filter(isCertificate)])
    }
  }
  return roots
}

const isCertificate = ({ der }: Root): boolean => certificateIn(der) !== undefined

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
