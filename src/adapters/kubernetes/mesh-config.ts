/**
 * The mesh's own words about itself: ConfigMap `istio` (key `mesh`), or `istio-<rev>` of a revision, over the one that
 * SHARED_MESH_CONFIG names. Defaults and merging: istio pkg/config/mesh/mesh.go (DefaultMeshConfig, ApplyMeshConfig)
 * and pilot/pkg/bootstrap/mesh.go at eed52ebb66ad: fields of the base win, aliases are united, defaultConfig merges.
 */
import { parse } from 'yaml'
import { FederationError } from '../../core/errors.ts'
import { isMeshConfig } from '../../core/istio/mesh-wide.ts'
import { at, list, text } from '../../core/manifest.ts'
import { parseTrustDomain, type TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { tooDeepAt } from '../yaml/depth.ts'
import type { KubeClient } from './client.ts'
import type { IstiodPod } from './pods.ts'
import { CONFIG_MAP } from './resources.ts'

export interface MeshConfig {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
  readonly extraRoots: number
  /** Trust domains of `caCertificates[].trustDomains`. */
  readonly extraDomains: readonly string[]
  /** Extension providers that CUSTOM policies may ask. */
  readonly authorizers: readonly string[]
  readonly autoMtls: boolean
  readonly xdsAgent: boolean
  readonly meshId: string
  readonly rootNamespace: string
}

/** Which ConfigMaps a revision reads, the one that is applied first in front. */
export function sourcesOf(revision: string, env: Readonly<Record<string, string>>): readonly string[] {
  const base = revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`
  const shared = env.SHARED_MESH_CONFIG
  return shared === undefined ? [base] : [shared, base]
}

/** @throws FederationError mesh-config-unreadable when YAML or a trust domain is not one */
export function parseMeshConfig(subject: string, texts: readonly string[]): MeshConfig {
  const layers = texts.map((one) => layer(subject, one))
  const last = (...path: string[]): unknown => layers.map((l) => at(l, ...path)).findLast((value) => value !== undefined && value !== null)
  const domain = (value: unknown): TrustDomain => {
    try {
      return parseTrustDomain(text(value))
    } catch (cause) {
      throw unreadable(subject, `its trust domain ${JSON.stringify(value)} is not one`, cause)
    }
  }
  const trustDomain = domain(last('trustDomain') || 'cluster.local')
  return {
    trustDomain,
    aliases: [...new Set(layers.flatMap((l) => list(at(l, 'trustDomainAliases')).map(domain)))],
    extraRoots: list(last('caCertificates')).length,
    extraDomains: [...new Set(list(last('caCertificates')).flatMap((entry) => list(at(entry, 'trustDomains')).map(text)))],
    authorizers: list(last('extensionProviders'))
      .filter((one) => at(one, 'envoyExtAuthzHttp') !== undefined || at(one, 'envoyExtAuthzGrpc') !== undefined)
      .map((one) => text(at(one, 'name'))),
    autoMtls: last('enableAutoMtls') !== false,
    xdsAgent: String(last('defaultConfig', 'proxyMetadata', 'PROXY_CONFIG_XDS_AGENT')) === 'true',
    meshId: text(last('defaultConfig', 'meshId')) || trustDomain,
    rootNamespace: text(last('rootNamespace')) || 'istio-system',
  }
}

function layer(subject: string, source: string): unknown {
  if (tooDeepAt(source) !== undefined) throw unreadable(subject, 'it is nested too deeply')
  let value: unknown
  try {
    value = parse(source, { version: '1.1', schema: 'yaml-1.1', maxAliasCount: 100, logLevel: 'error' })
  } catch (cause) {
    throw unreadable(subject, `it is not YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : cause}`, cause)
  }
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return value ?? {}
  throw unreadable(subject, 'it is not a mapping')
}

const unreadable = (subject: string, message: string, cause?: unknown): FederationError =>
  new FederationError('mesh-config-unreadable', subject, `the mesh config cannot be read: ${message}`, {
    hint: 'kubectl -n istio-system get configmap istio -o jsonpath={.data.mesh}',
    cause,
  })

/**
 * The mesh config of all revisions together. They share one CA, so one trust domain; aliases and extra roots are what
 * any of them accepts, and auto mTLS is on only where every revision has it on.
 * @throws FederationError mesh-config-unreadable also when revisions disagree about the trust domain
 */
export async function readMeshConfig(client: KubeClient, namespace: string, pods: readonly IstiodPod[]): Promise<MeshConfig> {
  const revisions = new Map(pods.map((pod) => [pod.revision, pod.env]))
  if (revisions.size === 0) revisions.set('default', {})
  const configs = await Promise.all([...revisions].map(([revision, env]) => readRevision(client, namespace, sourcesOf(revision, env))))
  const [first, ...rest] = configs as [MeshConfig, ...MeshConfig[]]
  const other = rest.find((c) => c.trustDomain !== first.trustDomain)
  if (other !== undefined)
    throw unreadable(client.subject, `revisions disagree: trust domain ${first.trustDomain} and ${other.trustDomain}`)
  return {
    ...first,
    aliases: [...new Set(configs.flatMap((c) => c.aliases))],
    extraRoots: Math.max(...configs.map((c) => c.extraRoots)),
    extraDomains: [...new Set(configs.flatMap((c) => c.extraDomains))],
    authorizers: [...new Set(configs.flatMap((c) => c.authorizers))],
    autoMtls: configs.every((c) => c.autoMtls),
    xdsAgent: configs.every((c) => c.xdsAgent),
  }
}

async function readRevision(client: KubeClient, namespace: string, names: readonly string[]): Promise<MeshConfig> {
  const found = await Promise.all(names.map((name) => client.find(CONFIG_MAP, namespace, name)))
  const base = found.at(-1)
  if (base === undefined) {
    throw unreadable(client.subject, `there is no ConfigMap ${namespace}/${names.at(-1)}`)
  }
  return parseMeshConfig(
    `${client.subject} ConfigMap ${namespace}/${names.join(', ')}`,
    // What is in ours is what a federation says, and only that.
    found.flatMap((map) => (map === undefined || isMeshConfig(map) ? [] : text(at(map, 'data', 'mesh')) || [])),
  )
}
