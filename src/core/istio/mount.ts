/** Which pods have the mount: known by the pod itself, never by what a template says. */
import { at, list, text } from '../manifest.ts'
import type { Manifest } from '../model.ts'
import { MOUNT_LABEL, MOUNT_PATH } from './mounted.ts'

const proxies = (pod: Manifest): readonly unknown[] =>
  [...list(at(pod, 'spec', 'containers')), ...list(at(pod, 'spec', 'initContainers'))].filter((c) => at(c, 'name') === 'istio-proxy')

/** Selected by the filters that read files. */
export const isLabelled = (pod: Manifest): boolean => pod.metadata.labels?.[MOUNT_LABEL.key] === MOUNT_LABEL.value

/** Whether its sidecar has the volume. */
export const hasVolume = (pod: Manifest): boolean =>
  proxies(pod).some((proxy) => list(at(proxy, 'volumeMounts')).some((mount) => text(at(mount, 'mountPath')) === MOUNT_PATH))
