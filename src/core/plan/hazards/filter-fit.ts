/**
 * Checks, before anything is written, that the filters of a set of workloads match the filter chains that istiod builds
 * for its listeners. The table CHAINS lists these filter chains by mTLS mode and protocol.
 */
import { groupBy } from '../../basics/group-by.ts'
import { error, type Finding } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import { CHAINS } from '../../mesh/envoy/filter-merge.table.ts'
import { type Chain, type ChainPatch, chainPatches, misfit } from '../../mesh/envoy/filter-merge.ts'
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
    const known = new Map<string, string | undefined>()
    const judge = onceForAlike((workload) => {
      // The filter stays while the mTLS mode changes: it must match the listeners of the old mode and of the new one.
      const modes = (policies.length === 0 ? [[]] : [[], policies]).map((more) => view.modeOf(workload, rootNamespace, more))
      return { wrong: modes.map((mode) => remember(known, mode, () => misfitOf(patches, mode))).find((what) => what !== undefined) }
    })
    return view.subjectsOf(at, view.injectedIn(at), rootNamespace).flatMap((subject) => {
      const { wrong } = judge(subject)
      if (wrong === undefined) return []
      return [
        error(
          'filter-unfit',
          about.scope(describeWorkloads(at), member),
          `${subject.name}, ${wrong}`,
          'leave these workloads out of the scope, and report it with the version of Istio',
        ),
      ]
    })
  })
}

function remember(known: Map<string, string | undefined>, mode: Effective, find: () => string | undefined): string | undefined {
  const key = mode.ports.size === 0 ? mode.mode : JSON.stringify([mode.mode, [...mode.ports]])
  const found = known.has(key) ? known.get(key) : find()
  known.set(key, found)
  return found
}

/** A Service declares the protocol of a port, and it may change: a filter has to match every protocol. */
const PROTOCOLS = ['unnamed', 'http', 'tcp', 'auto'] as const

interface Shape {
  /** mTLS mode and protocol: `STRICT http`. */
  readonly shape: string
  readonly chain: Chain
}

/** The different chains of a mode, each with the first protocol that has it. */
const shapesOf = (mode: Mode): readonly Shape[] => {
  const all = PROTOCOLS.map((protocol) => `${mode} ${protocol}`).flatMap((shape) =>
    (CHAINS[shape] ?? []).map((chain) => ({ shape, chain })),
  )
  return [...groupBy(all, ({ chain }) => JSON.stringify(chain)).values()].flatMap((alike) => alike.slice(0, 1))
}

const SHAPES: Readonly<Record<Mode, readonly Shape[]>> = {
  STRICT: shapesOf('STRICT'),
  PERMISSIVE: shapesOf('PERMISSIVE'),
  DISABLE: shapesOf('DISABLE'),
}

/** The fault of the first chain that the patches do not match; undefined if they match all. */
function misfitOf(patches: readonly ChainPatch[], { mode, ports }: Effective): string | undefined {
  for (const [port, set] of [['every other port', mode] as const, ...[...ports].map(([port, set]) => [`port ${port}`, set] as const)])
    for (const { shape, chain } of SHAPES[set]) {
      const wrong = misfit(chain, patches)
      if (wrong !== undefined) return `${ports.size === 0 ? 'every port' : port}, where it is ${shape}: ${wrong}`
    }
  return undefined
}
