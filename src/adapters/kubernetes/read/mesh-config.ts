/**
 * The mesh config of a live mesh: ConfigMap `istio` (key `mesh`), or `istio-<rev>` of a revision, over the one that
 * SHARED_MESH_CONFIG names. core/mesh/config reads its text.
 */

import { FederationError } from '../../../core/diagnostics/errors.ts'
import { type Subject, subjectText, textOf } from '../../../core/diagnostics/subject.ts'
import type { Stage } from '../../../core/mesh/config/decode.ts'
import { factsIn, type MeshFacts, type MeshReading, placeholderIn, readMesh, refusal } from '../../../core/mesh/config/mesh-facts.ts'
import { baseConfig, type Source } from '../../../core/mesh/config-owner.ts'
import { at, list, strings, text } from '../../../core/model/manifest.ts'
import { parseTrustDomain, type TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { isMeshConfig } from '../../../core/trust/mesh-wide/mesh-roots.ts'
import { checkValue } from '../../edge/checked-json.ts'
import { MAX_DEPTH, tooDeepAt } from '../../yaml/depth.ts'
import { readDocuments } from '../../yaml/documents.ts'
import { CONFIG_MAP } from '../resources.ts'
import { type KubeClient, parseLive } from '../transport/client.ts'
import type { IstiodPod } from './pods.ts'

export interface MeshConfig extends MeshFacts {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
}

/** The ConfigMaps that a revision reads, in the order of application. */
export function sourcesOf(revision: string, env: Readonly<Record<string, string>>): readonly string[] {
  const shared = env.SHARED_MESH_CONFIG
  return [...(shared === undefined ? [] : [shared]), baseConfig(revision)]
}

/** @throws FederationError mesh-config-refused if istiod refuses one; mesh-config-unreadable if the YAML or a trust domain is invalid */
export function parseMeshConfig(subject: Subject | string, texts: readonly string[], stage: Stage = 'as-is'): MeshConfig {
  const layers = texts.map((one) => layer(subject, one, stage))
  const facts = factsIn(layers)
  const domain = (value: string): TrustDomain => {
    try {
      return parseTrustDomain(value)
    } catch (cause) {
      throw unreadable(subject, `its trust domain ${JSON.stringify(value)} is invalid`, cause)
    }
  }
  return { ...facts, trustDomain: domain(facts.trustDomain), aliases: facts.aliases.map(domain) }
}

/** A ConfigMap holds no more; a malicious API server may send more. */
const MAX_TEXT = 1024 * 1024
/** The library compares every key of a mapping with every other: 5,000 take a quarter of a second. */
const MAX_KEYS = 5_000
/** More than the number of control planes in any cluster. */
const MAX_REVISIONS = 32

/** An upper bound of its number of keys: each has a colon, a comma or a question mark. */
function keysIn(source: string): number {
  let keys = 0
  for (const char of source) if (char === ':' || char === ',' || char === '?') keys++
  return keys
}

function layer(subject: Subject | string, source: string, stage: Stage): MeshReading['value'] {
  if (source.length > MAX_TEXT) throw unreadable(subject, 'it is too large')
  if (tooDeepAt(source) !== undefined) throw unreadable(subject, 'it is nested too deeply')
  if (keysIn(source) > MAX_KEYS) throw unreadable(subject, 'it is too large')
  // istiod reads the first document, too.
  const [document] = readDocuments(textOf(subject), textOf(subject), source).documents
  if (document?.fault !== undefined) throw unreadable(subject, `it is not YAML: ${document.fault.message}`)
  const value = document?.value ?? null
  try {
    checkValue(value, MAX_DEPTH)
  } catch (cause) {
    throw unreadable(subject, `it ${cause instanceof Error ? cause.message : cause}`, cause)
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(subject, 'it is not a mapping')
  const read = readMesh(value, stage)
  if (read.faults.length > 0) {
    const { message, hint } = refusal(read.faults)
    throw new FederationError('mesh-config-refused', subject, message, { hint })
  }
  const placeholder = stage === 'template' ? placeholderIn(read.value) : undefined
  if (placeholder !== undefined) throw unreadable(subject, `it holds the placeholder ${JSON.stringify(placeholder)}: fill it in first`)
  return read.value
}

const unreadable = (subject: Subject | string, message: string, cause?: unknown): FederationError =>
  new FederationError('mesh-config-unreadable', subject, `the mesh config cannot be read: ${message}`, {
    hint: 'kubectl -n istio-system get configmap istio -o jsonpath={.data.mesh}',
    cause,
  })

/**
 * The mesh config of all revisions together. They share one CA, so one trust domain. Aliases and extra roots are united.
 * Auto mTLS is on only if every revision has it on.
 * @throws FederationError mesh-config-unreadable, also if revisions have different trust domains
 */
export async function readMeshConfig(
  client: KubeClient,
  namespace: string,
  pods: readonly IstiodPod[],
): Promise<MeshConfig & { readonly sources: readonly Source[] }> {
  const revisions = new Map(pods.map((pod) => [pod.revision, pod.env]))
  if (revisions.size === 0) revisions.set('default', {})
  if (revisions.size > MAX_REVISIONS) throw unreadable(client.subject, `it has more than ${MAX_REVISIONS} revisions of istiod`)
  const read = await Promise.all([...revisions].map(([revision, env]) => readRevision(client, namespace, sourcesOf(revision, env))))
  const configs = read.map(({ config }) => config)
  const [first, ...rest] = configs as [MeshConfig, ...MeshConfig[]]
  const other = rest.find((c) => c.trustDomain !== first.trustDomain)
  if (other !== undefined)
    throw unreadable(client.subject, `revisions disagree: trust domain ${first.trustDomain} and ${other.trustDomain}`)
  return {
    ...first,
    aliases: [...new Set(configs.flatMap((c) => c.aliases))],
    extraRoots: Math.max(...configs.map((c) => c.extraRoots)),
    hidesRoots: configs.some((c) => c.hidesRoots),
    extraDomains: [...new Set(configs.flatMap((c) => c.extraDomains))],
    authorizers: [...new Set(configs.flatMap((c) => c.authorizers))],
    autoMtls: configs.every((c) => c.autoMtls),
    xdsAgent: configs.every((c) => c.xdsAgent),
    sources: [...new Map(read.flatMap(({ sources }) => sources).map((source) => [source.name, source])).values()],
  }
}

async function readRevision(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
): Promise<{ readonly config: MeshConfig; readonly sources: readonly Source[] }> {
  const found = await Promise.all(names.map((name) => client.raw(CONFIG_MAP, namespace, name)))
  if (found.at(-1) === undefined) throw unreadable(client.subject, `there is no ConfigMap ${namespace}/${names.at(-1)}`)
  const maps = found.filter((map) => map !== undefined)
  const config = parseMeshConfig(
    `${subjectText(client.subject)} ConfigMap ${namespace}/${names.join(', ')}`,
    // The objects that Entente writes contain what the federation file says, and nothing else.
    maps.flatMap((map) => (isMeshConfig(parseLive(client.subject, map, CONFIG_MAP)) ? [] : text(at(map, 'data', 'mesh')))),
  )
  return { config, sources: maps.map(sourceOf) }
}

function sourceOf(map: unknown): Source {
  const metadata = at(map, 'metadata')
  const managers = list(at(metadata, 'managedFields'))
    .filter((entry) => at(entry, 'fieldsV1', 'f:data', 'f:mesh') !== undefined)
    .map((entry) => ({ name: text(at(entry, 'manager')), at: text(at(entry, 'time')) }))
  return {
    name: text(at(metadata, 'name')),
    labels: strings(at(metadata, 'labels')),
    annotations: strings(at(metadata, 'annotations')),
    owners: list(at(metadata, 'ownerReferences')).map((owner) => text(at(owner, 'kind'))),
    managers,
  }
}
