/**
 * Finds Istio's settings. One rule finds most of them: a mapping `meshConfig` at any depth, also in YAML within a
 * string; the mapping around it holds Helm values. Forms without a `meshConfig` have their own entry in FORMS: the
 * ConfigMap `istio`, istiod's Deployment, an IstioOperator, OpenShift Service Mesh 2, Kyma.
 */
import type { MeshReading } from '../../mesh/config/mesh-facts.ts'
import { at, list, text } from '../../model/manifest.ts'
import { field, type Resource, resourcesOf } from '../resource.ts'
import { isIstioGroup } from '../schema/config-schema.ts'
import { isMap, type Path, type Source, type View, viewOf, walk, within } from '../source.ts'
import { assembled, helmValue, meshConfigPath, type Piece } from './assembled.ts'
import { type NotRead, notReadIn, notReadText, notReadWithin } from './not-read.ts'

export interface MeshAsWritten {
  readonly view: View
  /** Why istiod rejects the whole mesh config: then no part of it is in force. */
  readonly faults: MeshReading['faults']
  readonly unknown: MeshReading['unknown']
}

export interface Settings {
  readonly resource: Resource
  /**
   * The mesh config as written; after `asIstiodReads`, as istiod reads it: fields by their camelCase names, without
   * unknown fields. `unreadable`: there is a mesh config, but it is not YAML.
   */
  readonly mesh?: View
  /** The mesh config as written, if there is one, with istiod's faults and unknown fields. */
  readonly written?: MeshAsWritten
  readonly unreadable?: string
  readonly values?: View
  /** The part of istiod's environment that this document sets; undefined: it does not configure istiod. */
  readonly env?: ReadonlyMap<string, string>
  /** True for the ConfigMap that istiod reads: nothing outside the document adds to its mesh config. */
  readonly whole: boolean
}

export interface Found {
  readonly settings: readonly Settings[]
  readonly notRead: readonly NotRead[]
}

/** By kind; `group`: only in that API group. */
const FORMS: ReadonlyMap<string, { readonly group?: string; readonly read: (of: Resource) => readonly Settings[] }> = new Map([
  ['ConfigMap', { read: configMap }],
  ['Deployment', { read: deployment }],
  ['IstioOperator', { read: operator }],
  ['ServiceMeshControlPlane', { group: 'maistra.io', read: serviceMesh2 }],
  ['Istio', { group: 'operator.kyma-project.io', read: kyma }],
])

const NOTHING: Found = { settings: [], notRead: [] }

/** The maximum depth of YAML text within YAML text that lint reads. */
const MAX_NESTED = 3
const MAX_TEXT = 1024 * 1024

/** @param depth the number of enclosing texts */
export function settingsIn(resource: Resource, depth = 0): Found {
  const form = FORMS.get(resource.kind)
  const own = form !== undefined && (form.group ?? resource.group) === resource.group ? form.read(resource) : []
  if (!mayHold(resource)) return own.length === 0 ? NOTHING : { settings: own, notRead: [] }
  const found = search(resource, resource, depth)
  return { settings: [...own, ...found.settings], notRead: [...notReadIn(resource), ...found.notRead] }
}

/** Groups whose objects hold no Helm values. */
const PLAIN: ReadonlySet<string> = new Set([
  'apps',
  'batch',
  'autoscaling',
  'policy',
  'rbac.authorization.k8s.io',
  'networking.k8s.io',
  'gateway.networking.k8s.io',
  'apiextensions.k8s.io',
  'admissionregistration.k8s.io',
])

function mayHold({ kind, group, manifest }: Resource): boolean {
  // Values may have their own field `kind`, such as those of Istio's gateway chart.
  if (group === '') return manifest.apiVersion === '' || kind === 'ConfigMap' || kind === 'Secret'
  return kind !== 'IstioOperator' && !PLAIN.has(group) && !isIstioGroup(group)
}

/** Matches a string that may hold settings. */
const HINT = /meshConfig|(?:\b(?:pilot|global|mesh)|trustDomain)["']?[ \t]*:/

/** @param view an object, Helm values, or YAML in a string of them */
function search(view: View, resource: Resource, depth: number): Found {
  const settings: Settings[] = []
  const notRead: NotRead[] = []
  const add = (found: Found): void => {
    settings.push(...found.settings)
    notRead.push(...found.notRead)
  }
  const look = (path: Path, value: unknown): void => {
    if (isMap(value)) {
      if (isValues(value, path)) settings.push(...fromValues(resource, within(view, ...path)))
      if (isMap(value.set)) add(fromParameters(within(view, ...path, 'set'), resource))
      if (typeof value.op === 'string') add(fromPatch(within(view, ...path), resource, depth))
    } else if (Array.isArray(value)) add(fromParameters(within(view, ...path), resource))
    else if (typeof value === 'string' && !isMeshText(resource, view, path)) add(fromText(within(view, ...path), resource, depth))
  }
  look([], view.value)
  walk(view.value, (path, key, value) => {
    if (typeof value !== 'string' && typeof value !== 'object') return undefined
    if ((key === 'meshConfig' && isMap(value)) || isCopy(resource, view, path)) return false
    if (typeof value !== 'string' || HINT.test(value)) look([...path], value)
    notRead.push(...notReadWithin(view, path, key, resource))
    return undefined
  })
  return { settings, notRead }
}

/**
 * Copies of an object that programs write, and that may be outdated: kubectl keeps the object that it applied last, and
 * Argo CD the one that it synced last. The istiod chart also keeps its values in the ConfigMap with the mesh config
 * that it renders from them; no program reads these values.
 */
const COPIES = /^(?:metadata|status|operation|data\/(?:original|merged)-values)$/

const isCopy = (resource: Resource, view: View, below: Path): boolean =>
  below.length <= 2 && resource.manifest.apiVersion !== '' && isItself(resource, view) && COPIES.test(below.join('/'))

const isItself = (resource: Resource, { source, path }: View): boolean => source === resource.source && path.length === resource.path.length

/** Text that the form of the ConfigMap reads as a whole mesh config. */
const isMeshText = (resource: Resource, view: View, below: Path): boolean =>
  resource.kind === 'ConfigMap' && isItself(resource, view) && below.join('/') === 'data/mesh'

function fromText(view: View, resource: Resource, depth: number): Found {
  const content = text(view.value)
  const refused = (why: string): Found => ({ settings: [], notRead: notReadText(view, resource, why) })
  if (content.length > MAX_TEXT) return refused(`its text is larger than ${MAX_TEXT >> 20} MiB`)
  if (depth >= MAX_NESTED) return refused(`it is text in text, more than ${MAX_NESTED} deep`)
  const inner = view.source.embedded(view.path)
  if (inner === undefined) return { settings: [], notRead: [] }
  if (inner.fault !== undefined) return refused(`it ${inner.fault.message}`)
  const later = inner.later === true ? notReadText(view, resource, 'only the first document of its text is') : []
  if (typeof inner.value !== 'object' || inner.value === null) {
    return { settings: [], notRead: notReadText(view, resource, 'it is not YAML') }
  }
  const found = text(at(inner.value, 'apiVersion')) === '' ? [search(viewOf(inner), resource, depth + 1)] : objectsIn(inner, depth + 1)
  return { settings: found.flatMap((f) => f.settings), notRead: [...later, ...found.flatMap((f) => f.notRead)] }
}

const objectsIn = (inner: Source, depth: number): readonly Found[] => resourcesOf(inner).map((resource) => settingsIn(resource, depth))

/** Reads lists of single settings: `parameters` of Argo CD, `set` of helmfile, K3s and helm. */
function fromParameters(view: View, resource: Resource): Found {
  const rows = Array.isArray(view.value)
    ? view.value.flatMap((item, i) =>
        isMap(item) && typeof item.name === 'string'
          ? [{ name: item.name, value: item.value ?? item.values, asText: item.forceString === true, from: [i, 'value'] }]
          : [],
      )
    : Object.entries(view.value as object).map(([name, value]) => ({ name, value, asText: false, from: [name] }))
  const pieces = new Map<string, Piece[]>()
  for (const { name, value, asText, from } of rows) {
    const place = meshConfigPath(name)
    if (place === undefined || value === undefined || value === null) continue
    const those = pieces.get(place.within) ?? []
    pieces.set(place.within, those)
    those.push({ path: place.path, value: helmValue(value, asText || view.path.at(-1) === 'setString'), from: [...view.path, ...from] })
  }
  const settings = [...pieces.values()].map((those) => ({ resource, whole: false, mesh: assembled(view.source, those, view.path) }))
  return { settings, notRead: [] }
}

/** Reads an operation of a JSON patch if it sets a part of the mesh config itself. */
function fromPatch(view: View, resource: Resource, depth: number): Found {
  const target = text(at(view.value, 'path'))
  const value = within(view, 'value')
  if (!/\/meshConfig(?:\/|$)|^\/data\/mesh$/.test(target)) return { settings: [], notRead: [] }
  if (target.endsWith('/meshConfig') && isMap(value.value)) return { settings: [{ resource, whole: false, mesh: value }], notRead: [] }
  const inner = target === '/data/mesh' && depth < MAX_NESTED ? view.source.embedded(value.path) : undefined
  if (inner !== undefined) return { settings: [wholeMesh(resource, inner)], notRead: [] }
  const place = meshConfigPath(target.slice(1).replaceAll('/', '.'))
  if (place === undefined || value.value === undefined) return { settings: [], notRead: [] }
  // In a JSON pointer, `-` is the end of a list.
  const steps = place.path.map((step) => (step === '-' ? 0 : /^\d{1,3}$/.test(String(step)) ? Number(step) : step))
  const piece = { path: steps, value: value.value }
  return { settings: [{ resource, whole: false, mesh: assembled(view.source, [{ ...piece, from: value.path }], view.path) }], notRead: [] }
}

/** Recognizes values of the istiod chart: only the names of their keys identify them. */
function isValues(value: Readonly<Record<string, unknown>>, path: Path): boolean {
  if (isMap(value.meshConfig)) return !isSchema(value.meshConfig)
  // There, an IstioOperator and OpenShift Service Mesh list the components of a control plane.
  if (path.at(-1) === 'components') return false
  return (isMap(value.pilot) && !isSchema(value.pilot)) || isMap(at(value, 'global', 'proxy'))
}

/** The values.schema.json of a chart has the same key names. */
const isSchema = (value: Readonly<Record<string, unknown>>): boolean =>
  typeof value.type === 'string' || typeof value.$ref === 'string' || isMap(value.properties)

function fromValues(resource: Resource, values: View): readonly Settings[] {
  const mesh = within(values, 'meshConfig')
  const env = { ...mapOf(at(values.value, 'env')), ...mapOf(at(values.value, 'pilot', 'env')) }
  return [{ resource, values, env: new Map(Object.entries(env)), whole: false, ...(isMap(mesh.value) ? { mesh } : {}) }]
}

function mapOf(value: unknown): Readonly<Record<string, string>> {
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, String(item)])) : {}
}

function operator(resource: Resource): readonly Settings[] {
  const values = within(resource, 'spec', 'values')
  const [fromIts] = isMap(values.value) ? fromValues(resource, values) : []
  const mesh = within(resource, 'spec', 'meshConfig')
  const env = new Map([...(fromIts?.env ?? []), ...envList(field(resource, 'spec', 'components', 'pilot', 'k8s', 'env'))])
  const own: Settings = { resource, env, whole: false, ...(isMap(values.value) ? { values } : {}), ...(isMap(mesh.value) ? { mesh } : {}) }
  return fromIts?.mesh === undefined ? [own] : [own, { resource, mesh: fromIts.mesh, env, whole: false }]
}

/** OpenShift Service Mesh 2 has other names for the trust domain and its aliases. */
function serviceMesh2(resource: Resource): readonly Settings[] {
  const trust: Path = ['spec', 'security', 'trust']
  return fromFields(resource, trust, { domain: 'trustDomain', additionalDomains: 'trustDomainAliases' })
}

function kyma(resource: Resource): readonly Settings[] {
  return fromFields(resource, ['spec', 'config'], { trustDomain: 'trustDomain' })
}

/** @param names each field of the resource, with the field of the mesh config that is made from it */
function fromFields(resource: Resource, at: Path, names: Readonly<Record<string, string>>): readonly Settings[] {
  const pieces = Object.entries(names).flatMap(([theirs, ours]): readonly Piece[] => {
    const value = field(resource, ...at, theirs)
    return value === undefined || value === null ? [] : [{ path: [ours], value, from: [...resource.path, ...at, theirs] }]
  })
  if (pieces.length === 0) return []
  return [{ resource, whole: false, mesh: assembled(resource.source, pieces, [...resource.path, ...at]) }]
}

const envList = (value: unknown): readonly (readonly [string, string])[] =>
  list(value).map((item) => [text(at(item, 'name')), String(at(item, 'value') ?? '')])

function deployment(resource: Resource): readonly Settings[] {
  const istiod = list(field(resource, 'spec', 'template', 'spec', 'containers')).find((container) => at(container, 'name') === 'discovery')
  return istiod === undefined ? [] : [{ resource, env: new Map(envList(at(istiod, 'env'))), whole: false }]
}

function configMap(resource: Resource): readonly Settings[] {
  const place = within(resource, 'data', 'mesh')
  if (typeof place.value !== 'string') return []
  const source = resource.source.embedded(place.path)
  if (source !== undefined) return [wholeMesh(resource, source)]
  return /^istio(?:-|$)/.test(resource.manifest.metadata.name) ? [{ resource, whole: true, mesh: { ...place, value: {} } }] : []
}

function wholeMesh(resource: Resource, source: Source): Settings {
  const read = source.fault === undefined && (source.value === null || isMap(source.value))
  return {
    resource,
    whole: true,
    ...(read ? { mesh: viewOf(source) } : { unreadable: source.fault?.message ?? 'is not a mapping' }),
  }
}
