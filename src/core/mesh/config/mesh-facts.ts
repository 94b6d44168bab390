/**
 * Reads the trust settings of a mesh config as istiod does. Live meshes, lint and impact all use this reader.
 *
 * Defaults and merging follow istio pkg/config/mesh/mesh.go (DefaultMeshConfig, ApplyMeshConfig) and
 * pilot/pkg/bootstrap/mesh.go at eed52ebb66ad: fields of the base win, aliases and extension providers are united,
 * defaultConfig merges.
 */
import { at, list, text } from '../../model/manifest.ts'
import { type Decoded, decode, type Fault, type FieldPath, pathText, type Stage, spelledPath } from './decode.ts'
import { protoName } from './mesh-fields.ts'
import { isPlaceholder } from './unfilled.ts'
import { validate } from './validate.ts'

export interface MeshReading extends Pick<Decoded, 'value' | 'unknown'> {
  /** Errors for which istiod rejects the whole mesh config; empty if it accepts it. Paths are those of the text. */
  readonly faults: readonly Fault[]
}

/** @param raw a mapping, or null: one document of YAML */
export function readMesh(raw: unknown, stage: Stage): MeshReading {
  const { value: decoded, faults, unknown } = decode(raw, stage)
  const lost = ONLY_CAMEL.filter((name) => decoded[name] !== undefined && !Object.hasOwn(raw as object, name))
  const value = Object.fromEntries(Object.entries(decoded).filter(([name]) => !lost.some((one) => one === name)))
  return {
    value,
    unknown: [...unknown, ...lost.map((name) => ({ path: [protoName(name)], known: [name] }))],
    faults: faults.length > 0 ? faults : validate(value, stage).map((fault) => ({ ...fault, path: spelledPath(raw, fault.path) })),
  }
}

/**
 * istiod decodes both spellings, but merges these two fields from the text, where it looks for the camelCase name only.
 */
const ONLY_CAMEL = ['defaultConfig', 'defaultProviders'] as const

export interface MeshFacts {
  /** In the spelling of the text; Istio's default if unset. */
  readonly trustDomain: string
  readonly aliases: readonly string[]
  readonly extraRoots: number
  /**
   * The last layer sets `caCertificates`, even to an empty list. Istio then uses that list instead of the lists before
   * it: jsonpb replaces an existing list and skips null.
   */
  readonly hidesRoots: boolean
  /** Trust domains of `caCertificates[].trustDomains`. */
  readonly extraDomains: readonly string[]
  /** Extension providers that CUSTOM policies can use. */
  readonly authorizers: readonly string[]
  readonly autoMtls: boolean
  readonly xdsAgent: boolean
  readonly meshId: string
  readonly rootNamespace: string
}

export const DEFAULT_TRUST_DOMAIN = 'cluster.local'
export const DEFAULT_ROOT_NAMESPACE = 'istio-system'

/** @param layers as `readMesh` returns them, without faults, in the order in which istiod applies them */
export function factsIn(layers: readonly MeshReading['value'][]): MeshFacts {
  const last = (...path: string[]): unknown => layers.map((layer) => at(layer, ...path)).findLast((value) => value !== undefined)
  const trustDomain = text(last('trustDomain')) || DEFAULT_TRUST_DOMAIN
  const roots = list(last('caCertificates'))
  return {
    trustDomain,
    aliases: [...new Set(layers.flatMap((layer) => list(layer.trustDomainAliases).map(text)))],
    extraRoots: roots.length,
    hidesRoots: at(layers.at(-1), 'caCertificates') !== undefined,
    extraDomains: [...new Set(roots.flatMap((entry) => list(at(entry, 'trustDomains')).map(text)))],
    authorizers: authorizersIn(layers),
    autoMtls: last('enableAutoMtls') !== false,
    // strconv.ParseBool, as the agent reads its environment.
    xdsAgent: /^(1|t|true)$/i.test(text(last('defaultConfig', 'proxyMetadata', XDS_AGENT))),
    meshId: text(last('defaultConfig', 'meshId')) || trustDomain,
    rootNamespace: text(last('rootNamespace')) || DEFAULT_ROOT_NAMESPACE,
  }
}

const XDS_AGENT = 'PROXY_CONFIG_XDS_AGENT'

/** A provider of a later layer replaces an earlier one of the same name. */
function authorizersIn(layers: readonly MeshReading['value'][]): readonly string[] {
  const providers = new Map(layers.flatMap((layer) => list(layer.extensionProviders).map((one) => [text(at(one, 'name')), one] as const)))
  return [...providers].flatMap(([name, one]) =>
    at(one, 'envoyExtAuthzHttp') !== undefined || at(one, 'envoyExtAuthzGrpc') !== undefined ? [name] : [],
  )
}

/** Finds a placeholder that a tool still has to replace in a field that decides about trust. */
export function placeholderIn(value: MeshReading['value']): string | undefined {
  const named = [value.trustDomain, value.rootNamespace, ...list(value.trustDomainAliases)]
  return named.filter(isPlaceholder).map(text)[0]
}

const AFTERWARDS =
  'A running istiod goes on with the last mesh config that it accepted. After its next restart it uses its defaults: trust domain cluster.local, no aliases'

/** Builds the message for a mesh config that istiod rejects. */
export function refusal(faults: readonly Fault[]): { readonly message: string; readonly hint: string; readonly path: FieldPath } {
  const [first] = faults
  const described = faults.slice(0, 3).map(({ path, problem }) => `${pathText(path)} ${problem}`)
  const more = faults.length > 3 ? `; and ${faults.length - 3} more` : ''
  return {
    message: `istiod refuses this mesh config as a whole: ${described.join('; ')}${more}. ${AFTERWARDS}`,
    hint: first?.hint ?? '',
    path: first?.path ?? [],
  }
}
