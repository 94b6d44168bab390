/**
 * Finds settings of istiod in a form that lint does not read. Lint names each of them: without a message, a reader
 * would assume that lint checked it.
 */
import { at, list, text } from '../../model/manifest.ts'
import { printable } from '../../x509/syntax/printable.ts'
import type { Resource } from '../resource.ts'
import { isMap, type View, within } from '../source.ts'

export interface NotRead {
  readonly resource: Resource
  readonly view: View
  readonly message: string
  readonly hint: string
  /** The file or object that it refers to. If that is among the files, lint reads the setting there. */
  readonly refersTo?: { readonly file: string } | { readonly kind: string; readonly name: string }
}

const RENDERED = 'lint what is rendered: helm template, helmfile template, kustomize build, argocd app manifests'

/** Keys of lists (or of one text) that name files of Helm values: Argo CD, Flux, kustomize. */
const FILES: ReadonlySet<string> = new Set(['valueFiles', 'valuesFiles', 'valuesFile', 'additionalValuesFiles'])
/** Keys of lists that name ConfigMaps and Secrets with Helm values: Flux, K3s. */
const OBJECTS: ReadonlySet<string> = new Set(['valuesFrom', 'valuesSecrets'])
/** In helmfile, these lists hold file names in addition to mappings. */
const MIXED: ReadonlySet<string> = new Set(['values', 'secrets'])

/** @param path within the view; its last step is `key` */
export function notReadWithin(
  view: View,
  path: readonly (string | number)[],
  key: string | number,
  resource: Resource,
): readonly NotRead[] {
  if (typeof key !== 'string') return []
  const [files, objects, mixed] = [FILES.has(key), OBJECTS.has(key), MIXED.has(key) && resource.kind === '']
  if ((!files && !objects && !mixed && key !== 'fileParameters') || !isOfIstiod(view, path)) return []
  const place = within(view, ...path)
  const items = Array.isArray(place.value) ? list(place.value).map((_, i) => within(place, i)) : [place]
  return items.flatMap((item): readonly NotRead[] => {
    if (objects) return [object(item, key, resource)]
    const file = key === 'fileParameters' ? text(at(item.value, 'path')) : text(item.value)
    if (file === '' || (mixed && !/^[^\n]+\.(?:ya?ml|json|gotmpl)$/.test(file))) return []
    const refersTo = key === 'fileParameters' ? {} : { refersTo: { file } }
    return [{ resource, view: item, message: `${key}: ${printable(file)} is not among the files${UNJUDGED}`, hint: GIVE, ...refersTo }]
  })
}

const UNJUDGED = ': it was not read, and what it sets of the mesh config is not judged'
const GIVE = `give it with this; or ${RENDERED}`

function object(item: View, key: string, resource: Resource): NotRead {
  const name = text(at(item.value, 'name'))
  const kind = key === 'valuesSecrets' ? 'Secret' : text(at(item.value, 'kind')) || 'ConfigMap'
  return {
    resource,
    view: item,
    message: `${key}: ${printable(kind)} ${printable(name)} is not among the files${UNJUDGED}`,
    hint: GIVE,
    ...(kind === 'ConfigMap' ? { refersTo: { kind, name } } : {}),
  }
}

/** Keys of commands for a shell: other text may mention a setting without applying it. */
const RUNS = /^(?:run|(?:before_|after_)?script|commands?|args|cmds?|inlineScript)$/

/** `--set meshConfig.x=y`, `--set-string=a.meshConfig.x=y` */
function setsMesh(script: string): boolean {
  const words = script.split(/\s/)
  return words.some((word, i) => word.startsWith('--set') && (word.includes('=') ? word : (words[i + 1] ?? '')).includes('meshConfig.'))
}

/** Reports a text that sets a mesh config, as YAML or as an argument of helm; other texts produce no result. */
export function notReadText(view: View, resource: Resource, why: string): readonly NotRead[] {
  const content = text(view.value)
  if (view.path.some((step) => RUNS.test(String(step))) && setsMesh(content)) {
    const message = 'sets the mesh config by an argument of helm: it was not read, and is not judged'
    return [{ resource, view, message, hint: 'put it into a file of values and lint that' }]
  }
  if (!/(?:^|[\s{,"'])(?:meshConfig|trustDomain|trustDomainAliases)["']?[ \t]{0,9}:/.test(content)) return []
  return [{ resource, view, message: `names a mesh config, and ${why}: it was not read, and is not judged`, hint: RENDERED }]
}

/** The parts that no form reads: further documents in a mesh config, and all of OpenShift Service Mesh 1. */
export function notReadIn(resource: Resource): readonly NotRead[] {
  if (resource.kind === 'ConfigMap' && typeof at(resource.value, 'data', 'mesh') === 'string') {
    const view = within(resource, 'data', 'mesh')
    if (resource.source.embedded(view.path)?.later !== true) return []
    const message = 'data.mesh holds several documents: istiod reads the first only, and so does this'
    return [{ resource, view, message, hint: 'put all of the mesh config into one document' }]
  }
  if (resource.manifest.apiVersion !== 'maistra.io/v1' || resource.kind !== 'ServiceMeshControlPlane') return []
  const message = 'ServiceMeshControlPlane of maistra.io/v1: this form is not read, and what it sets of the mesh config is not judged'
  return [{ resource, view: within(resource, 'spec'), message, hint: 'lint the ConfigMap istio-NAME that its operator writes' }]
}

/** Istio charts without a mesh config. */
const OTHER_CHARTS = /^(?:base|gateway|cni|istio-cni|ztunnel|istio-(?:base|gateway|ingress(?:gateway)?|egress(?:gateway)?)|crds?)$/

/** Judges by the names in the surrounding mappings whether they configure a chart with a mesh config. */
function isOfIstiod(view: View, path: readonly (string | number)[]): boolean {
  for (let i = path.length - 1; i >= 0; i--) {
    const around = at(view.value, ...path.slice(0, i))
    if (!isMap(around)) continue
    const chart = isMap(around.chart) ? text(at(around.chart, 'spec', 'chart')) : text(around.chart)
    const source = chart || text(around.path) || (typeof around.repo === 'string' ? text(around.name) : '')
    const names = [source, text(around.name), text(around.releaseName), text(around.repoURL), text(around.repo)]
    if (source === '') continue
    if (OTHER_CHARTS.test(source.split('/').at(-1) ?? '')) return false
    return [...names, text(at(view.value, 'metadata', 'name'))].some((name) => /istio|mesh/i.test(name))
  }
  return false
}

/** The settings whose file or object is not among the given ones. */
export function notAmong(
  all: readonly NotRead[],
  files: readonly { readonly file: string }[],
  resources: readonly Resource[],
): readonly NotRead[] {
  return all.filter(({ refersTo }) => {
    if (refersTo === undefined) return true
    if ('name' in refersTo) return !resources.some((r) => r.kind === refersTo.kind && r.manifest.metadata.name === refersTo.name)
    const tail = refersTo.file.replace(/^(?:\$[\w-]+\/|\.{0,2}\/)+/, '')
    return tail.includes('://') || !files.some(({ file }) => file === tail || file.endsWith(`/${tail}`))
  })
}
