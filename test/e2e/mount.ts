/** The label and annotations with which a pod reads its trust bundles from a ConfigMap. */
import { MAPS, MOUNT_LABEL, MOUNT_PATH } from '../../src/core/trust/mounted/bundle-map.ts'

const volume = { projected: { sources: MAPS.map((name) => ({ configMap: { name, optional: true } })) } }

export const WITH_MOUNT = {
  labels: { [MOUNT_LABEL.key]: MOUNT_LABEL.value },
  annotations: {
    'sidecar.istio.io/userVolume': JSON.stringify({ 'entente-trust': volume }),
    'sidecar.istio.io/userVolumeMount': JSON.stringify({ 'entente-trust': { mountPath: MOUNT_PATH, readOnly: true } }),
  },
}
