/** Lists the workloads of a mesh that need the mount, those that lack it, and the effect of a restart of each. */

import { error, type Finding } from '../../diagnostics/finding.ts'
import { about, type Subject } from '../../diagnostics/subject.ts'
import { MeshView } from '../../mesh/mesh-view.ts'
import { controllerOf } from '../../mesh/pods.ts'
import { at, type Manifest } from '../../model/manifest.ts'
import type { Intent, MemberName, Workloads } from '../../model/wanted.ts'
import { describeWorkloads, workloadsKey } from '../../model/workloads.ts'
import { fileMissing, notMounted } from '../../trust/live/proxy-findings.ts'
import { hasVolume, isLabelled, templateHasMount } from '../../trust/mounted/mount.ts'
import { unmounted } from '../../trust/mounted/unmounted-pods.ts'
import type { Obstacles } from '../../trust/obstacles.ts'
import type { MeshState, RootsFile } from '../../trust/state.ts'

/** One controller, or one pod without a controller, with pods in a mounted set. */
export interface Carrier {
  readonly member: MemberName
  readonly namespace: string
  readonly kind: string
  readonly name: string
  /** Descriptions of the mounted sets that its pods are in. */
  readonly sets: readonly string[]
  readonly pods: readonly string[]
  /** Of `pods`, those without the mount. */
  readonly lacking: readonly string[]
  /** `bare`: pods made from the template lack the mount; undefined: the template is unknown. */
  readonly template?: 'mounted' | 'bare'
  /** A pinned filter holds the roots while pods lack the mount. */
  readonly pinned: boolean
}

interface MountedSet {
  readonly at: Workloads
  readonly pinned: boolean
}

function mountedSets(state: MeshState, before: MeshState): readonly MountedSet[] {
  const inbound = [...state.inbound].flatMap(([key, { at, file }]) =>
    file.read ? [{ at, pinned: (before.inbound.get(key)?.roots.size ?? 0) > 0 }] : [],
  )
  const outbound = [...state.outbound].flatMap(([key, { from, files }]) =>
    [...files.values()].some((file) => file.read)
      ? [{ at: from, pinned: [...(before.outbound.get(key)?.hosts.values() ?? [])].some((roots) => roots.size > 0) }]
      : [],
  )
  const sets = new Map<string, MountedSet>()
  for (const set of [...inbound, ...outbound]) {
    const key = workloadsKey(set.at)
    sets.set(key, { at: set.at, pinned: set.pinned || sets.get(key)?.pinned === true })
  }
  return [...sets.values()]
}

/**
 * @param state the wanted state
 * @param before the current state
 * @param templates Deployments, StatefulSets and DaemonSets, as far as Entente may read them
 */
export function carriers(
  { member }: Intent,
  state: MeshState,
  before: MeshState,
  objects: readonly Manifest[],
  templates: readonly Manifest[],
): readonly Carrier[] {
  const known = new Map(templates.map((of) => [`${of.kind} ${of.metadata.namespace}/${of.metadata.name}`, of]))
  const view = new MeshView(objects)
  const found = new Map<string, Carrier>()
  for (const { at: set, pinned } of mountedSets(state, before)) {
    for (const pod of view.injectedIn(set)) {
      const { kind, name } = controllerOf(pod) ?? { kind: 'Pod', name: pod.metadata.name }
      const key = `${kind} ${set.namespace}/${name}`
      const template = known.get(key)
      const was = found.get(key) ?? {
        member: member.name,
        namespace: set.namespace,
        kind,
        name,
        sets: [],
        pods: [],
        lacking: [],
        pinned: false,
        ...(template === undefined ? {} : { template: templateHasMount(at(template, 'spec', 'template')) ? 'mounted' : 'bare' }),
      }
      const add = (to: readonly string[], what: string): readonly string[] => (to.includes(what) ? to : [...to, what])
      found.set(key, {
        ...was,
        sets: add(was.sets, describeWorkloads(set)),
        pods: add(was.pods, pod.metadata.name),
        lacking: isLabelled(pod) ? was.lacking : add(was.lacking, pod.metadata.name),
        pinned: was.pinned || pinned,
      })
    }
  }
  return [...found.values()].sort((a, b) => (keyOfCarrier(a) < keyOfCarrier(b) ? -1 : 1))
}

const keyOfCarrier = ({ namespace, kind, name }: Carrier): string => `${namespace}/${kind}/${name}`

/** True if every wanted file exists: a pod that starts now has it. */
export function filesStand(wanted: MeshState, before: MeshState): boolean {
  const there = (file: RootsFile, was: RootsFile | undefined): boolean => !file.read || (was?.roots.size ?? 0) > 0
  return (
    [...wanted.inbound].every(([key, { file }]) => there(file, before.inbound.get(key)?.file)) &&
    [...wanted.outbound].every(([key, { files }]) =>
      [...files].every(([host, file]) => there(file, before.outbound.get(key)?.files.get(host))),
    )
  )
}

/**
 * Reports pods that the filter with files would select but that have no volume for the file, and pods without the
 * label, which it does not select.
 */
export function mountObstacles({ member }: Intent, wanted: MeshState, before: MeshState, view: MeshView): Obstacles {
  const sets = mountedSets(wanted, before)
  const broken = sets.flatMap((set) => {
    const pods = view.injectedIn(set.at).filter((pod) => isLabelled(pod) && !hasVolume(pod))
    return pods.length === 0 ? [] : [{ ...set, pods }]
  })
  const stopped = new Set(broken.map(({ at }) => workloadsKey(at)))
  return {
    findings: [
      ...broken.map(({ at, pods }) =>
        error(
          'mount-missing',
          about.scope(describeWorkloads(at), member.name),
          `${names(pods)}: the label of the mount without the mount; a listener whose file is missing is rejected, and a new pod never becomes ready`,
          'entente mount prints what belongs into their template: label and annotations together',
        ),
      ),
      ...sets.flatMap(({ at, pinned }) => lacking(about.scope(describeWorkloads(at), member.name), unmounted(view, at), pinned)),
      ...missingFiles(member.name, before),
    ],
    inbound: stopped,
    outbound: stopped,
  }
}

function lacking(where: Subject, pods: readonly Manifest[], pinned: boolean): readonly Finding[] {
  if (pods.length === 0) return []
  return [notMounted(where, { pods: names(pods) }, pinned)]
}

/**
 * Files that a filter reads and that are missing or empty. Proxies that loaded such a file keep its roots. A proxy that
 * starts now never becomes ready.
 */
export function goneFiles(state: MeshState): readonly { readonly at: Workloads; readonly file: RootsFile }[] {
  return [
    ...[...state.inbound.values()].map(({ at, file }) => ({ at, file })),
    ...[...state.outbound.values()].flatMap(({ from, files }) => [...files.values()].map((file) => ({ at: from, file }))),
  ].filter(({ file }) => file.read && file.roots.size === 0)
}

function missingFiles(member: MemberName, before: MeshState): readonly Finding[] {
  return goneFiles(before).map(({ at, file }) =>
    fileMissing(about.scope(describeWorkloads(at), member), `${file.name} of namespace ${at.namespace}`, true),
  )
}

const names = (pods: readonly Manifest[]): string => {
  const [shown, more] = [pods.slice(0, 3).map((pod) => pod.metadata.name), pods.length - 3]
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
