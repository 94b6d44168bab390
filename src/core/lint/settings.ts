/**
 * The forms in which people write Istio's own settings: the ConfigMap `istio`, Helm values (also of an umbrella chart, a
 * HelmRelease or an Argo CD Application), an IstioOperator, the Sail operator's Istio, and istiod's Deployment.
 */
import type { MeshReading } from '../mesh/config/mesh-facts.ts'
import { at, list, text } from '../model/manifest.ts'
import { field, type Resource } from './resource.ts'
import { isMap, type View, viewOf, within } from './source.ts'

export interface WrittenMesh {
  readonly view: View
  /** Why istiod refuses it as a whole: then nothing of it is in force. */
  readonly faults: MeshReading['faults']
  readonly unknown: MeshReading['unknown']
}

export interface Settings {
  readonly resource: Resource
  /**
   * As istiod reads it: fields by their camelCase names, without those it does not know. `unreadable`: there is one, and it
   * is not YAML.
   */
  readonly mesh?: View
  /** As it is written, where there is one. */
  readonly written?: WrittenMesh
  readonly unreadable?: string
  readonly values?: View
  /** istiod's environment, as far as this document decides it; undefined: it says nothing of istiod. */
  readonly env?: ReadonlyMap<string, string>
  /** Nothing outside the document adds to its mesh config: the ConfigMap as istiod reads it. */
  readonly whole: boolean
}

export function settingsOf(resource: Resource): readonly Settings[] {
  const { kind, group } = resource
  if (kind === 'ConfigMap') return configMap(resource)
  if (kind === 'Deployment') return deployment(resource)
  if (kind === 'IstioOperator') return operator(resource)
  if (kind === '') return loose(resource).flatMap((view) => fromValues(resource, view))
  const paths: readonly (readonly (string | number)[])[] =
    group === 'sailoperator.io' || kind === 'HelmRelease'
      ? [['spec', 'values']]
      : kind === 'Application'
        ? [['spec', 'source', 'helm'], ...list(field(resource, 'spec', 'sources')).map((_, i) => ['spec', 'sources', i, 'helm'])]
        : []
  return paths.flatMap((path) => {
    const here = kind === 'Application' ? argoValues(within(resource, ...path)) : [within(resource, ...path)]
    return here
      .filter(({ value }) => (kind === 'Application' || kind === 'HelmRelease' ? isValues(value) : isMap(value)))
      .flatMap((view) => fromValues(resource, view))
  })
}

function argoValues(helm: View): readonly View[] {
  const embedded = helm.source.embedded([...helm.path, 'values'])
  return [within(helm, 'valuesObject'), ...(embedded === undefined ? [] : [viewOf(embedded)])]
}

/** Values of the istiod chart: nothing in them says so but their names. */
function isValues(value: unknown): boolean {
  return isMap(value) && (isMap(value.meshConfig) || isMap(value.pilot) || isMap(at(value, 'global', 'proxy')))
}

/** In a values file: at the top, under `values:` as in an IstioOperator, or under the name of a subchart. */
function loose(resource: Resource): readonly View[] {
  if (isValues(resource.value)) return [resource]
  return Object.entries(resource.value as object).flatMap(([key, value]) => (isValues(value) ? [within(resource, key)] : []))
}

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

const envList = (value: unknown): readonly (readonly [string, string])[] =>
  list(value).map((item) => [text(at(item, 'name')), String(at(item, 'value') ?? '')])

function deployment(resource: Resource): readonly Settings[] {
  const istiod = list(field(resource, 'spec', 'template', 'spec', 'containers')).find((container) => at(container, 'name') === 'discovery')
  return istiod === undefined ? [] : [{ resource, env: new Map(envList(at(istiod, 'env'))), whole: false }]
}

function configMap(resource: Resource): readonly Settings[] {
  const data = field(resource, 'data')
  if (!isMap(data)) return []
  const settings: Settings[] = []
  for (const key of ['mesh', 'values', 'values.yaml']) {
    const source = key in data ? resource.source.embedded([...resource.path, 'data', key]) : undefined
    if (source === undefined) continue
    if (key === 'mesh') {
      const read = source.fault === undefined && (source.value === null || isMap(source.value))
      settings.push({
        resource,
        whole: true,
        ...(read ? { mesh: viewOf(source) } : { unreadable: source.fault?.message ?? 'is not a mapping' }),
      })
    } else if (isValues(source.value)) settings.push(...fromValues(resource, viewOf(source)))
  }
  return settings
}
