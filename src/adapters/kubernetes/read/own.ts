/**
 * The mesh's own roots, as istiod distributes them to every namespace: ConfigMap istio-ca-root-cert. Entente never reads
 * the Secret cacerts. An istiod with ENABLE_CLUSTER_TRUST_BUNDLE_API no longer writes that ConfigMap: it keeps the
 * ClusterTrustBundle `istio.io:istiod-ca:root-cert` instead (istio pilot/pkg/config/kube/clustertrustbundle and
 * pilot/pkg/serviceregistry/kube/controller/multicluster.go, eed52ebb66ad).
 */

import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Subject } from '../../../core/diagnostics/subject.ts'
import { keepsTrustBundle, TRUST_BUNDLE } from '../../../core/mesh/istiod-flags.ts'
import { at, list, text } from '../../../core/model/manifest.ts'
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { sameRoots } from '../../../core/x509/pem.ts'
import { CLUSTER_TRUST_BUNDLE, CONFIG_MAP } from '../resources.ts'
import type { KubeClient } from '../transport/client.ts'

const OWN_ROOTS = 'istio-ca-root-cert'
const KEY = 'root-cert.pem'

export interface OwnRoots {
  /** The text as it is in the ConfigMap. */
  readonly pem: string
  /** When istiod wrote it last; undefined if the API server does not report that. */
  readonly since?: Date
}

/** Of an istiod, as its pod has it. */
export interface IstiodEnv {
  readonly env: Readonly<Record<string, string>>
}

/** @throws FederationError not-found, bundle-malformed, own-roots-differ, forbidden, … */
export async function readOwnRoots(client: KubeClient, namespace: string, istiods: readonly IstiodEnv[] = []): Promise<OwnRoots> {
  const [map, bundle] = await Promise.all([client.raw(CONFIG_MAP, namespace, OWN_ROOTS), readTrustBundle(client, istiods)])
  if (bundle === undefined) return inConfigMap(client.subject, namespace, map)
  const frozen = text(at(map, 'data', KEY))
  if (frozen !== '' && !sameRoots(frozen, bundle.pem)) throw rootsDiffer(client.subject, namespace)
  return bundle
}

/**
 * The roots in the ClusterTrustBundle; undefined where no istiod keeps one, or it could not make it yet.
 * @throws FederationError forbidden, …
 */
export async function readTrustBundle(client: KubeClient, istiods: readonly IstiodEnv[]): Promise<OwnRoots | undefined> {
  if (!keepsTrustBundle(istiods)) return undefined
  for (const resource of CLUSTER_TRUST_BUNDLE) {
    const found = await client.raw(resource, undefined, TRUST_BUNDLE).catch((cause: unknown) => {
      // This API server does not serve that version.
      if (cause instanceof FederationError && cause.code === 'not-found') return undefined
      throw cause
    })
    const pem = text(at(found, 'spec', 'trustBundle'))
    if (pem !== '') return { pem, ...sinceOf(found, 'f:spec', 'f:trustBundle') }
  }
  return undefined
}

const rootsDiffer = (subject: Subject | string, namespace: string): FederationError =>
  new FederationError(
    'own-roots-differ',
    subject,
    `ConfigMap ${namespace}/${OWN_ROOTS} has other roots than ClusterTrustBundle ${TRUST_BUNDLE}: with ENABLE_CLUSTER_TRUST_BUNDLE_API istiod keeps the latter only, so the ConfigMap is out of date, and so is every workload that mounts it`,
    {
      hint: `restart the workloads that still mount the ConfigMap, then: kubectl -n ${namespace} delete configmap ${OWN_ROOTS}`,
    },
  )

function inConfigMap(subject: Subject | string, namespace: string, map: unknown): OwnRoots {
  if (map === undefined)
    throw new FederationError('not-found', subject, `there is no ConfigMap ${namespace}/${OWN_ROOTS}`, {
      hint: 'check that istiod runs, and istio.namespace in the federation file',
    })
  const pem = text(at(map, 'data', KEY))
  if (pem === '')
    throw new FederationError('bundle-malformed', subject, `ConfigMap ${namespace}/${OWN_ROOTS} has no ${KEY}`, {
      hint: 'check that istiod runs, and istio.namespace in the federation file',
    })
  return { pem, ...sinceOf(map, 'f:data', `f:${KEY}`) }
}

/** When somebody last wrote that field. */
function sinceOf(object: unknown, ...field: readonly string[]): { readonly since?: Date } {
  const writes = list(at(object, 'metadata', 'managedFields'))
    .filter((entry) => at(entry, 'fieldsV1', ...field) !== undefined)
    .map((entry) => Date.parse(text(at(entry, 'time'))))
    .filter((time) => !Number.isNaN(time))
  return writes.length === 0 ? {} : { since: new Date(Math.max(...writes)) }
}

/**
 * Under the mesh's trust domain. Dates are ignored: an expired root of the mesh is still a known root.
 * @throws FederationError bundle-malformed, bundle-refused
 */
export const parseOwnRoots = (trustDomain: TrustDomain, pem: string, now: Date): Bundle =>
  parseBundle(trustDomain, Buffer.from(pem), { now, format: 'pem', tolerate: 'dates' })
