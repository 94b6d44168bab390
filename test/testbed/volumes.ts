/**
 * ConfigMap volumes of a pod's proxy: asked for as Istio's injection lets its users ask, laid out on disk as a kubelet does it.
 * Sources: Istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml (`userVolume`, `userVolumeMount`);
 * Kubernetes v1.36.3 pkg/volume/configmap/configmap.go (MakePayload), pkg/volume/projected/projected.go (collectData),
 * pkg/volume/util/atomic_writer.go.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { KubeObject } from './kube.ts'
import { runFile } from './layout.ts'

/** A ConfigMap as a volume of a pod's spec asks for it. */
export interface ConfigMapSource {
  readonly name: string
  readonly optional?: boolean
  readonly items?: readonly { readonly key: string; readonly path: string }[]
}

/** A volume of a pod's spec: one ConfigMap, or several in one directory. */
export interface Volume {
  readonly name: string
  readonly configMap?: ConfigMapSource & { readonly defaultMode?: number }
  readonly projected?: { readonly sources: readonly { readonly configMap: ConfigMapSource }[]; readonly defaultMode?: number }
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

const PREFIX = 'sidecar.istio.io/'
/** The link that the writer replaces atomically. It owns all names with this prefix. */
const DATA = '..data'

/** The injection template's result for a pod's annotations: volumes of the pod, mounts of `istio-proxy`. */
export function userVolumes(annotations: Readonly<Record<string, string>> = {}): { volumes: Volume[]; mounts: VolumeMount[] } {
  const entries = (name: string): [string, object][] =>
    Object.entries(JSON.parse(annotations[PREFIX + name] ?? '{}') as Record<string, object>)
  return {
    volumes: entries('userVolume').map(([name, source]) => ({ ...source, name })),
    mounts: entries('userVolumeMount').map(([name, mount]) => ({ mountPath: '', ...mount, name })),
  }
}

/** Where a pod's volume is, outside of the pod. */
export const volumeDirectory = (netns: string, volume: string): string => runFile('pods', netns, 'volumes', volume)

/** A kubelet starts no container of a pod before this is so. */
export const isSetUp = (directory: string): boolean => existsSync(path.join(directory, DATA))

/**
 * The files of a volume; of two ConfigMaps with the same key, the later one's.
 * @throws Error if one is missing: the kubelet then tries again, and the existing files stay
testbed/programs/load.ts
 */
export function payloadOf(volume: Volume, configMap: (name: string) => KubeObject | undefined): Readonly<Record<string, string>> {
  const sources = volume.configMap === undefined ? (volume.projected?.sources.map((source) => source.configMap) ?? []) : [volume.configMap]
  return Object.assign({}, ...sources.map((source) => filesOf(source, configMap(source.name)))) as Readonly<Record<string, string>>
}

function filesOf({ name, optional = false, items }: ConfigMapSource, map: KubeObject | undefined): Readonly<Record<string, string>> {
  if (map === undefined && !optional) throw new Error(`configmap "${name}" not found`)
  const data = (map?.data ?? {}) as Readonly<Record<string, string>>
  if (items === undefined) return data
  const missing = items.find(({ key }) => !(key in data))
  if (missing !== undefined && !optional) throw new Error(`configmap references non-existent config key: ${missing.key}`)
  return Object.fromEntries(items.flatMap(({ key, path }) => (data[key] === undefined ? [] : [[path, data[key]]])))
}

export const modeOf = ({ configMap, projected }: Volume): number => configMap?.defaultMode ?? projected?.defaultMode ?? 0o644

/** AtomicWriter.Write, for files without directories: all files change at one moment, by a rename of `..data`. @returns whether it wrote */
export function writeVolume(directory: string, payload: Readonly<Record<string, string>>, mode = 0o644): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const data = path.join(directory, DATA)
  const old = existsSync(data) ? readlinkSync(data) : undefined
  const changed = old === undefined || !holds(path.join(directory, old), payload)
  if (changed) swap(directory, payload, mode)
  const visible = readdirSync(directory).filter((name) => !name.startsWith('..'))
  for (const name of Object.keys(payload)) if (!visible.includes(name)) symlinkSync(path.join(DATA, name), path.join(directory, name))
  for (const name of visible) if (!(name in payload)) unlinkSync(path.join(directory, name))
  if (changed && old !== undefined) rmSync(path.join(directory, old), { recursive: true, force: true })
  return changed
}

function swap(directory: string, payload: Readonly<Record<string, string>>, mode: number): void {
  const stamp = new Date().toISOString().replaceAll('-', '_').replace('T', '_').replaceAll(':', '_').slice(0, 19)
  const fresh = mkdtempSync(path.join(directory, `..${stamp}.`))
  chmodSync(fresh, 0o755)
  for (const [name, content] of Object.entries(payload)) writeFileSync(path.join(fresh, name), content, { mode })
  symlinkSync(path.basename(fresh), path.join(directory, '..data_tmp'))
  renameSync(path.join(directory, '..data_tmp'), path.join(directory, DATA))
}

function holds(directory: string, payload: Readonly<Record<string, string>>): boolean {
  const names = readdirSync(directory)
  if (names.length !== Object.keys(payload).length) return false
  return names.every((name) => readFileSync(path.join(directory, name), 'utf8') === payload[name])
}

/**
 * Shell lines that make volumes visible to one process: they run in its own mount namespace. A mount point that is not there is made on
 * an overlay of its top-level directory, so that nothing is left on the machine.
 */
export function mountScript(netns: string, mounts: readonly VolumeMount[]): string {
  return mounts
    .map(({ name, mountPath }) => mountOne(volumeDirectory(netns, name), mountPath, runFile('pods', netns, 'overlay')))
    .join('\n')
}

function mountOne(from: string, to: string, overlay: string): string {
  const top = `/${to.split('/')[1]}`
  const own = `${overlay}${top}`
  const options = `lowerdir=${top},upperdir=${own}/upper,workdir=${own}/work`
  return `if [ ! -d '${to}' ]; then
  mkdir -p '${own}/upper' '${own}/work' && mount -t overlay overlay -o '${options}' '${top}' && mkdir -p '${to}'
fi
mount --bind '${from}' '${to}' && mount -o remount,bind,ro '${to}'`
}
