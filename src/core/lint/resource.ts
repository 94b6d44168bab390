/** Reads Kubernetes objects from documents: expands lists, and validates names and labels. */

import { about, type Subject, subjectText } from '../diagnostics/subject.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text } from '../model/manifest.ts'
import { printable } from '../x509/syntax/printable.ts'
import { isMap, type Path, type Source, type Spot, type View } from './source.ts'

export interface Resource extends View {
  readonly manifest: Manifest
  /** The API group; empty for core, and for documents that are not an object, such as Helm values. */
  readonly group: string
  readonly kind: string
  readonly namespace: string
  /** `PeerAuthentication default/allow-cluster-b`; the file's name if the document is not an object. */
  readonly title: string
  /** The same as data, for findings. */
  readonly about: Subject
}

/**
 * The objects of a document, or of the list that it holds (JSON patches, playbooks). A document that is not an object
 * (Helm values) becomes one resource without a kind.
 */
export function resourcesOf(source: Source): readonly Resource[] {
  const found: Resource[] = []
  const add = (value: unknown, path: Path): void => {
    if (!isMap(value)) return
    const kind = text(value.kind)
    if (kind.endsWith('List') && Array.isArray(value.items) && path.length < 9) {
      for (const [i, item] of list(value.items).entries()) add(item, [...path, 'items', i])
    } else found.push(resourceOf(source, value, path, kind))
  }
  if (Array.isArray(source.value)) for (const [i, item] of source.value.entries()) add(item, [i])
  else add(source.value, [])
  return found
}

function resourceOf(source: Source, value: Readonly<Record<string, unknown>>, path: Path, kind: string): Resource {
  const metadata = isMap(value.metadata) ? value.metadata : {}
  const apiVersion = text(value.apiVersion)
  const name = text(metadata.name) || text(metadata.generateName)
  const namespace = text(metadata.namespace)
  const known = kind === '' ? about.file(fileName(source.file)) : about.object(shownName(kind, name, namespace))
  const manifest: Manifest = {
    ...value,
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === '' ? {} : { namespace }),
      ...(typeof metadata.creationTimestamp === 'string' ? { creationTimestamp: metadata.creationTimestamp } : {}),
      labels: strings(metadata.labels),
      annotations: strings(metadata.annotations),
    },
  }
  return {
    source,
    path,
    value,
    manifest,
    group: apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '',
    kind,
    namespace,
    title: subjectText(known),
    about: known,
  }
}

/** Names in a file that nobody checked yet. */
const shownName = (kind: string, name: string, namespace: string) => ({
  kind: printable(kind),
  metadata: { name: printable(name), ...(namespace === '' ? {} : { namespace: printable(namespace) }) },
})

const fileName = (file: string): string => (file === '-' ? 'stdin' : printable(file.slice(file.lastIndexOf('/') + 1)))

/** The position of a part of the object; the object itself begins at its first line. */
export const spotIn = (resource: Resource, ...path: Path): Spot => resource.source.spot([...resource.path, ...path])

export const field = (resource: Resource, ...path: Path): unknown => at(resource.value, ...path)

export const isAuthorizationPolicy = ({ kind, group }: Resource): boolean => kind === 'AuthorizationPolicy' && group === 'security.istio.io'
