/**
 * Distribution `mesh`: roots in Istio's own list, for every workload of the mesh, by the ConfigMap that istiod reads
 * besides the mesh config (SHARED_MESH_CONFIG). Istio keeps one flat list: a root is not bound to its trust domain.
 *
 * Relies on, in Istio's source at eed52ebb66ad: pilot/pkg/bootstrap/mesh.go (the shared one is applied first, the base
 * overrides it field by field), pilot/pkg/trustbundle (one malformed entry and istiod keeps the old list, and does not
 * start again: every root here is one that was judged), pilot/pkg/networking/core (trustDomains join the SANs taken).
 */

import type { Manifest } from '../../model/manifest.ts'
import { at, isOurs, list, text } from '../../model/manifest.ts'
import { parseTrustDomain, type TrustDomain } from '../../spiffe/trust-domain.ts'
import { certificateIn } from '../../x509/certificate.ts'
import { printPem } from '../../x509/pem.ts'
import { readRoots } from '../pinned/pinned-filter.ts'
import type { Root, Roots } from '../state.ts'

/** The ConfigMap that istiod must be told to read, by SHARED_MESH_CONFIG. Wholly ours. */
export const SHARED_MESH_CONFIG = 'entente-mesh-config'
/** The callers rule for every workload of the mesh, in the root namespace. */
export const WIDE_POLICY = 'entente-accept-mesh'

const KEY = 'mesh'

/** One entry for each root: of an entry, Istio checks the first PEM block only. JSON is YAML, and has one form. */
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

export const isWidePolicy = (object: Manifest): boolean =>
  object.kind === 'AuthorizationPolicy' && object.metadata.name === WIDE_POLICY && isOurs(object)

/** The roots in it, by the domain each is meant for. What is no certificate is not: it must not be written again. */
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
