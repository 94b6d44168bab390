/** The README's federation, applied and observed: the input of verdicts, for tests that remove parts of it. */

import type { Manifest } from '../../src/core/model/manifest.ts'
import type { IstioFacts, Observation, ProxyConfig } from '../../src/core/model/observed.ts'
import type { MemberName } from '../../src/core/model/wanted.ts'
import { plan, simulate } from '../../src/core/plan/plan.ts'
import { A, authority, B, federation, member, NOW, type Spec, spec, wanted } from './federations.ts'
import { memoryMesh } from './meshes.ts'
import { ok, pod, service } from './observations.ts'

export const [a, b] = ['cluster-a', 'cluster-b'].map(member) as [MemberName, MemberName]
export const [caA, caB] = await Promise.all([authority(A), authority(B)])
const istiod = (ca: typeof caA, domain: string) => ca.leaf(`spiffe://${domain}/ns/istio-system/sa/istiod`)
const [fromA, fromB] = await Promise.all([istiod(caA, A), istiod(caB, B)])
export const CHAINS: ReadonlyMap<MemberName, readonly Uint8Array[]> = new Map([
  [a, fromA.chainDer],
  [b, fromB.chainDer],
])

export interface AppliedWorld {
  readonly change?: (s: Spec) => void
  /** In the cluster of b once ours is carried out. */
  readonly inB?: readonly Manifest[]
  /** The pods of both; default: a client and a server. */
  readonly pods?: readonly Manifest[]
  /** Beside them. */
  readonly more?: readonly Manifest[]
  readonly istio?: Partial<IstioFacts>
}

export const PODS: readonly Manifest[] = [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' })]

/** Both meshes have taken all steps of the plan, and then what others wrote. */
export async function applied({ change, inB = [], pods = PODS, more = [], istio = {} }: AppliedWorld = {}) {
  const of = federation(spec(change))
  const intents = wanted(of, caA.bundle, caB.bundle)
  const seen = new Map<MemberName, Observation>()
  for (const [name, { bundle }] of [
    [a, caA],
    [b, caB],
  ] as const) {
    const parts = { own: bundle, istio: { presented: ok(CHAINS.get(name) ?? []), ...istio } }
    const empty = await memoryMesh(name, { ...parts, objects: [...pods, service('sample/server'), ...more] }).observe({ namespaces: [] })
    const { steps } = plan(intents, new Map([[name, empty]]), NOW)
    const done = steps.filter((step) => step.member === name).reduce(simulate, empty)
    const objects = [...(done.objects.ok ? done.objects.value : []), ...(name === b ? inB : [])]
    const mesh = memoryMesh(name, { ...parts, objects })
    await mesh.proxies()
    seen.set(name, await mesh.observe({ namespaces: [] }))
  }
  return { of, intents, seen }
}

export type Applied = Awaited<ReturnType<typeof applied>>

/** Changes the observation of one mesh. */
export const sees = ({ seen }: Applied, name: MemberName, change: (was: Observation) => Partial<Observation>): void => {
  const was = seen.get(name) as Observation
  seen.set(name, { ...was, ...change(was) })
}

/** Of every proxy of a mesh. */
export const holds = (of: Applied, name: MemberName, change: (config: ProxyConfig) => Partial<ProxyConfig>): void =>
  sees(of, name, ({ proxies }) => ({
    proxies: proxies.ok
      ? ok(proxies.value.map((e) => (e.config === undefined ? e : { ...e, config: { ...e.config, ...change(e.config) } })))
      : proxies,
  }))
