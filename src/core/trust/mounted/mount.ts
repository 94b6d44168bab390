/** Recognises pods with the mount, and builds the metadata that a pod template needs for it. */

import { proxiesIn } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at, list, strings, text } from '../../model/manifest.ts'
import { MAPS, MOUNT_LABEL, MOUNT_PATH } from './bundle-map.ts'

/** True if the filters that read files select the pod. */
export const isLabelled = (pod: Manifest): boolean => pod.metadata.labels?.[MOUNT_LABEL.key] === MOUNT_LABEL.value

/** Checks that the pod's sidecar mounts the volume. */
export const hasVolume = (pod: Manifest): boolean =>
  proxiesIn(pod).some((proxy) => list(at(proxy, 'volumeMounts')).some((mount) => text(at(mount, 'mountPath')) === MOUNT_PATH))

export const VOLUME_NAME = 'entente-trust'
/**
 * Istio's injector reads volumes of the proxy from these annotations (istio manifests, injection template of the
 * sidecar).
 */
const USER_VOLUME = 'sidecar.istio.io/userVolume'
const USER_VOLUME_MOUNT = 'sidecar.istio.io/userVolumeMount'

/** Every ConfigMap is optional: pods must start in a namespace that has no trust and so no ConfigMap. */
export const VOLUME = { projected: { sources: MAPS.map((name) => ({ configMap: { name, optional: true } })) } } as const
export const VOLUME_MOUNT = { mountPath: MOUNT_PATH, readOnly: true } as const

export interface TemplateMetadata {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * Adds the mount to the labels and annotations of a pod template and keeps its existing volumes. Undefined: the
 * existing annotations cannot be parsed.
 */
export function mountFor(template: unknown): TemplateMetadata | undefined {
  const annotations = strings(at(template, 'metadata', 'annotations'))
  const volumes = joined(annotations[USER_VOLUME], VOLUME)
  const mounts = joined(annotations[USER_VOLUME_MOUNT], VOLUME_MOUNT)
  if (volumes === undefined || mounts === undefined) return undefined
  return { labels: { [MOUNT_LABEL.key]: MOUNT_LABEL.value }, annotations: { [USER_VOLUME]: volumes, [USER_VOLUME_MOUNT]: mounts } }
}

/** The mount for a template without volumes for the proxy. */
export const MOUNT: TemplateMetadata = {
  labels: { [MOUNT_LABEL.key]: MOUNT_LABEL.value },
  annotations: {
    [USER_VOLUME]: JSON.stringify({ [VOLUME_NAME]: VOLUME }),
    [USER_VOLUME_MOUNT]: JSON.stringify({ [VOLUME_NAME]: VOLUME_MOUNT }),
  },
}

/** Checks that pods created from a template will have the mount. */
export function templateHasMount(template: unknown): boolean {
  const wanted = mountFor(template)
  if (wanted === undefined) return false
  const has = (key: 'labels' | 'annotations'): boolean => {
    const there = strings(at(template, 'metadata', key))
    return Object.entries(wanted[key]).every(([name, value]) => there[name] === value)
  }
  return has('labels') && has('annotations')
}

function joined(there: string | undefined, more: unknown): string | undefined {
  try {
    const known: unknown = JSON.parse(there ?? '{}')
    if (typeof known !== 'object' || known === null || Array.isArray(known)) return undefined
    return JSON.stringify({ ...known, [VOLUME_NAME]: more })
  } catch {
    return undefined
  }
}
