/**
 * Keeps pods without the mount working. An existing pinned filter stays in addition to the mounted one, with the same
 * roots, until the last of these pods is rolled out with the mount.
 */

import type { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Intent, Workloads } from '../../model/wanted.ts'
import { asItStands } from '../held-trusts.ts'
import { readState } from '../render.ts'
import { type Inbound, type MeshState, NO_FILE, type Outbound, type Roots } from '../state.ts'
import { wantedState } from '../wanted-state.ts'
import { isLabelled } from './mount.ts'

/** Sidecars of a set without the mount. */
export const unmounted = (view: MeshView, at: Workloads): readonly Manifest[] => view.injectedIn(at).filter((pod) => !isLabelled(pod))

/**
 * Computes the wanted state over the existing one, with the pinned filters for pods without the mount.
 * @param view objects of all owners
 */
export function wantedNow(intent: Intent, view: MeshView): MeshState {
  const before = readState(view.ownedBy(intent.owner))
  return keepingPinned(wantedState(asItStands(intent, before), before), before, view)
}

/**
 * @param view with all pods of the namespaces; undefined if no cluster can be read: then every set counts as having
 *   pods without the mount
 */
export function keepingPinned(wanted: MeshState, before: MeshState, view: MeshView | undefined): MeshState {
  const waits = (at: Workloads): boolean => view === undefined || unmounted(view, at).length > 0
  return {
    ...wanted,
    inbound: new Map([...wanted.inbound].map(([key, scope]) => [key, keepPinnedInbound(scope, before.inbound.get(key), waits)])),
    outbound: new Map([...wanted.outbound].map(([key, scope]) => [key, keepPinnedOutbound(scope, before.outbound.get(key), waits)])),
  }
}

type Waits = (at: Workloads) => boolean

function keepPinnedInbound(scope: Inbound, was: Inbound | undefined, waits: Waits): Inbound {
  const stands = scope.file.read && (was?.roots.size ?? 0) > 0
  return stands && waits(scope.at) ? { ...scope, roots: scope.file.roots } : scope
}

function keepPinnedOutbound(scope: Outbound, was: Outbound | undefined, waits: Waits): Outbound {
  const held = [...scope.files.keys()].filter((host) => (was?.hosts.get(host)?.size ?? 0) > 0)
  if (held.length === 0 || !waits(scope.from)) return scope
  const inline = held.map((host): [string, Roots] => [host, (scope.files.get(host) ?? NO_FILE).roots])
  return { ...scope, hosts: new Map([...scope.hosts, ...inline]) }
}
