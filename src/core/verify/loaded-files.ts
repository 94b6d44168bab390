/** Compares the certificates that a proxy reports as loaded with the current content of its root files. */

import { type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { type MeshView, viewOf } from '../mesh/mesh-view.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Leaf, Observation, Seen } from '../model/observed.ts'
import type { Intent, Workloads } from '../model/wanted.ts'
import { filesIn } from '../trust/mounted/delivery.ts'
import { type CaSet, caSetOf } from '../trust/mounted/loaded-certificates.ts'
import { isLabelled } from '../trust/mounted/mount.ts'
import { readState } from '../trust/render.ts'

export interface Loaded {
  /** Proxies that loaded the current content of all their files. */
  readonly proxies: ReadonlySet<string>
  readonly findings: readonly Finding[]
}

/** @param answers by proxy, `POD.NAMESPACE` */
export function judgeLoaded(intent: Intent, observation: Observation, answers: ReadonlyMap<string, Seen<Leaf>>): Loaded {
  // Envoy's admin port lists the CA certificates of each context, and not the files that they came from.
  const expected = expectedOf(intent, viewOf(observation))
  const asked = [...expected].flatMap(([proxy, sets]) => {
    const answer = answers.get(proxy)
    return answer?.ok === true && answer.value.loaded !== undefined ? [{ proxy, good: agree(answer.value.loaded, sets) }] : []
  })
  const [good, stale] = [asked.filter((one) => one.good), asked.filter((one) => !one.good)]
  const { name } = intent.member
  return {
    proxies: new Set(good.map(({ proxy }) => proxy)),
    findings: [
      ...(good.length === 0
        ? []
        : [
            info(
              'file-loaded',
              about.member(name),
              `${good.map(({ proxy }) => proxy).join(', ')}: Envoy has loaded the files as they are`,
              '',
            ),
          ]),
      ...stale.map(({ proxy }) =>
        warning(
          'file-stale',
          about.proxy(proxy, name),
          'Envoy has loaded other roots than its files hold now: its kubelet has not brought them, or it refused what it got',
          'wait for the kubelet, or entente apply --nudge; its log says what it refused',
        ),
      ),
    ],
  }
}

/** The certificates that each proxy with the mount should have loaded: one set for each of its files. */
function expectedOf(intent: Intent, view: MeshView): ReadonlyMap<string, readonly CaSet[]> {
  const state = readState(view.ownedBy(intent.owner))
  const files = filesIn(view.of('ConfigMap'))
  const expected = new Map<string, CaSet[]>()
  const add = (at: Workloads, name: string): void => {
    const roots = files.rootsOf(at.namespace, name)
    // No ConfigMap holds the file: `file-missing` reports that.
    if (roots === undefined) return
    for (const pod of view.sidecarsIn(at).filter(isLabelled))
      expected.set(proxyOf(pod), [...(expected.get(proxyOf(pod)) ?? []), caSetOf([...roots.values()].flat())])
  }
  for (const { at, file } of state.inbound.values()) if (file.read) add(at, file.name)
  for (const { from, files: read } of state.outbound.values()) for (const file of read.values()) if (file.read) add(from, file.name)
  return expected
}

/** Requires that Envoy loaded every file. Envoy may hold further sets, from filters with inline roots. */
function agree(loaded: readonly CaSet[], files: readonly CaSet[]): boolean {
  const known = new Set(loaded.map((set) => set.join()))
  return files.every((set) => known.has(set.join()))
}
