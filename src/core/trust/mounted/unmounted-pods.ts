/**
 * Pods that have no mount yet go on as they were: where a pinned filter stands, it stays beside the mounted one, with the
 * same roots, until the last of them is rolled.
 */

import { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import { ownerOf } from '../../model/manifest.ts'
import type { Intent, Workloads } from '../../model/wanted.ts'
import { asItStands } from '../held-trusts.ts'
import { readState } from '../render.ts'
import { type Inbound, type MeshState, NO_FILE, type Outbound, type Roots } from '../state.ts'
import { wantedState } from '../wanted-state.ts'
import { isLabelled } from './mount.ts'

/** The sidecars of a set that have no mount. */
export const unmounted = (view: MeshView, at: Workloads): readonly Manifest[] => view.injectedIn(at).filter((pod) => !isLabelled(pod))

/** What the intent asks for of what is in place, pods without the mount included. @param objects of everybody */
export function wantedNow(intent: Intent, objects: readonly Manifest[]): MeshState {
  const before = readState(objects.filter((object) => ownerOf(object) === intent.owner))
  return bridged(wantedState(asItStands(intent, before), before), before, new MeshView(objects))
}

/** @param view with all pods of the namespaces; undefined where nobody can look: then none is known to be rolled */
export function bridged(wanted: MeshState, before: MeshState, view: MeshView | undefined): MeshState {
  const waits = (at: Workloads): boolean => view === undefined || unmounted(view, at).length > 0
  return {
    ...wanted,
    inbound: new Map([...wanted.inbound].map(([key, scope]) => [key, bridgeInbound(scope, before.inbound.get(key), waits)])),
    outbound: new Map([...wanted.outbound].map(([key, scope]) => [key, bridgeOutbound(scope, before.outbound.get(key), waits)])),
  }
}

type Waits = (at: Workloads) => boolean

function bridgeInbound(scope: Inbound, was: Inbound | undefined, waits: Waits): Inbound {
  const stands = scope.file.read && (was?.roots.size ?? 0) > 0
  return stands && waits(scope.at) ? { ...scope, roots: scope.file.roots } : scope
}

function bridgeOutbound(scope: Outbound, was: Outbound | undefined, waits: Waits): Outbound {
  const held = [...scope.files.keys()].filter((host) => (was?.hosts.get(host)?.size ?? 0) > 0)
  if (held.length === 0 || !waits(scope.from)) return scope
  const inline = held.map((host): [string, Roots] => [host, (scope.files.get(host) ?? NO_FILE).roots])
  return { ...scope, hosts: new Map([...scope.hosts, ...inline]) }
}
