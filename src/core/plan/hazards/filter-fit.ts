/**
 * Checks, before anything is written, that the filters of a set of workloads match the filter chains that istiod builds
 * for its listeners. The table CHAINS lists these filter chains by mTLS mode and protocol.
 */
import { error, type Finding } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import { CHAINS } from '../../mesh/envoy/filter-merge.table.ts'
import { type ChainPatch, chainPatches, misfit } from '../../mesh/envoy/filter-merge.ts'
import { type MeshView, onceForAlike } from '../../mesh/mesh-view.ts'
import { type Effective, type Mode, peerPolicy } from '../../mesh/mtls.ts'
import type { Manifest } from '../../model/manifest.ts'
import { describeWorkloads } from '../../model/workloads.ts'
import { readWorkloads } from '../../trust/pinned/pinned-filter.ts'

/**
 * @param wanted the wanted objects of one set of workloads
 * @param view the existing objects, ours and those of others
 */
export function unfit(wanted: readonly Manifest[], view: MeshView, rootNamespace: string, member: string): readonly Finding[] {
  const policies = wanted.filter(({ kind }) => kind === 'PeerAuthentication').map(peerPolicy)
  return wanted.flatMap((filter) => {
    const patches = filter.kind === 'EnvoyFilter' ? chainPatches(filter, 'SIDECAR_INBOUND') : []
    if (patches.length === 0) return []
    const at = readWorkloads(filter)
    const known = new Map<string, readonly string[]>()
    const judge = onceForAlike((workload) => {
      // The filter stays while the mTLS mode changes: it must match the listeners of the old mode and of the new one.
      const modes = (policies.length === 0 ? [[]] : [[], policies]).map((more) => view.modeOf(workload, rootNamespace, more))
      return new Set(modes.flatMap((mode) => remember(known, mode, () => misfitsOf(patches, mode))))
    })
    return view.subjectsOf(at, view.injectedIn(at), rootNamespace).flatMap(({ name, ...workload }) => {
      const wrong = judge(workload)
      return [...wrong]
        .slice(0, 1)
        .map((what) =>
          error(
            'filter-unfit',
            about.scope(describeWorkloads(at), member),
            `${name}, ${what}`,
            'leave these workloads out of the scope, and report it with the version of Istio',
          ),
        )
    })
  })
}

function remember(known: Map<string, readonly string[]>, mode: Effective, find: () => readonly string[]): readonly string[] {
  const key = JSON.stringify([mode.mode, [...mode.ports]])
  const found = known.get(key) ?? find()
  known.set(key, found)
  return found
}

/** A Service declares the protocol of a port, and it may change: a filter has to match every protocol. */
const PROTOCOLS = ['unnamed', 'http', 'tcp', 'auto'] as const

const misfitsOf = (patches: readonly ChainPatch[], { mode, ports }: Effective): readonly string[] =>
  [['every other port', mode] as const, ...[...ports].map(([port, set]): readonly [string, Mode] => [`port ${port}`, set])].flatMap(
    ([port, set]) =>
      PROTOCOLS.flatMap((protocol) => {
        const shape = `${set} ${protocol}`
        return (CHAINS[shape] ?? []).flatMap((chain) => {
          const wrong = misfit(chain, patches)
          return wrong === undefined ? [] : [`${ports.size === 0 ? 'every port' : port}, where it is ${shape}: ${wrong}`]
        })
      }),
  )
