/**
 * Finds mesh configs in documents, for commands that need one. Reads every form that lint reads, and a document that is
 * a mesh config itself.
 */
import { fieldsOf } from '../../mesh/config/mesh-fields.ts'
import { at, text } from '../../model/manifest.ts'
import { type Resource, resourcesOf } from '../resource.ts'
import { isMap, type LintFile, type Spot, spotOf } from '../source.ts'
import { type NotRead, notAmong } from './not-read.ts'
import { type Settings, settingsIn } from './settings.ts'

export interface WrittenMesh {
  /** The title of the object, or the name of the file. */
  readonly title: string
  readonly spot: Spot
  /** YAML, in the order in which the layers are applied. */
  readonly layers: readonly string[]
  /** True for the ConfigMap that istiod reads: it already contains all other layers. */
  readonly whole: boolean
}

export interface MeshesIn {
  readonly meshes: readonly WrittenMesh[]
  readonly notRead: readonly NotRead[]
  /** Documents that are no object and no mesh config, and that hold no values with one. */
  readonly strangers: readonly Resource[]
}

/** @param files files in which every document is readable */
export function meshConfigsIn(files: readonly LintFile[]): MeshesIn {
  const resources = files.flatMap((file) => file.documents).flatMap(resourcesOf)
  const read = resources.map((resource) => ({ resource, found: settingsIn(resource), alone: standsAlone(resource) }))
  const meshes = read.flatMap(({ resource, found, alone }): readonly WrittenMesh[] =>
    alone
      ? [{ title: resource.title, spot: spotOf(resource), layers: [JSON.stringify(resource.value)], whole: false }]
      : meshesOf(resource, found.settings),
  )
  const whole = meshes.filter((mesh) => mesh.whole)
  const notRead = read.flatMap(({ found }) => found.notRead)
  return {
    meshes: whole.length > 0 ? whole : meshes,
    notRead: whole.length > 0 ? notRead.filter(({ resource }) => resource.kind === 'ConfigMap') : notAmong(notRead, files, resources),
    strangers: read.flatMap(({ resource, found, alone }) =>
      resource.kind === '' && !alone && found.settings.every(({ mesh }) => mesh === undefined) ? [resource] : [],
    ),
  }
}

/** In both spellings that istiod reads. */
const FIELDS: ReadonlySet<string> = new Set(fieldsOf('MeshConfig').flatMap(({ json, proto }) => [json, proto]))

/** Recognizes the output of `kubectl get configmap istio -o jsonpath={.data.mesh}` by any field of a mesh config. */
const standsAlone = ({ kind, value }: Resource): boolean => kind === '' && isMap(value) && Object.keys(value).some((key) => FIELDS.has(key))

/** In these kinds, the parts are merged in order; in any other kind, each part is a separate mesh config. */
const LAYERED: ReadonlySet<string> = new Set(['IstioOperator', 'ServiceMeshControlPlane'])

function meshesOf(resource: Resource, settings: readonly Settings[]): readonly WrittenMesh[] {
  const all = settings.flatMap((one) => {
    const layer = textOf(one)
    return layer === undefined
      ? []
      : [{ title: one.resource.title, spot: spotOf(one.mesh ?? one.resource), layers: [layer], whole: one.whole }]
  })
  if (all.length < 2 || !LAYERED.has(resource.kind)) return all
  // spec.meshConfig is the first part, and overrides spec.values.meshConfig (istio operator/pkg/render, eed52ebb66ad).
  return [{ title: resource.title, spot: spotOf(resource), layers: all.flatMap(({ layers }) => layers).reverse(), whole: false }]
}

/** For a ConfigMap, the unchanged text: istiod reads that text. */
function textOf({ resource, mesh, whole, unreadable }: Settings): string | undefined {
  const written = at(resource.value, 'data', 'mesh')
  if (whole && resource.kind === 'ConfigMap' && typeof written === 'string') return written
  if (unreadable !== undefined) return text(at(resource.value, 'value'))
  return mesh === undefined ? undefined : JSON.stringify(mesh.value)
}
