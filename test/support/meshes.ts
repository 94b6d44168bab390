/**
 * A mesh in memory, for tests of apply: the API server, istiod and Envoy as far as they matter there. Each proxy's
 * configuration is derived from the objects it would see. The proxy acknowledges it some polls after the push, rejects it,
 * or is disconnected.
 */

import type { Mesh } from '../../src/app/ports.ts'
import type { RecordStore, World } from '../../src/app/world.ts'
import { FederationError } from '../../src/core/diagnostics/errors.ts'
import { effectiveMode, type Mode } from '../../src/core/mesh/mtls.ts'
import { hasSidecar, isIn, proxyOf } from '../../src/core/mesh/pods.ts'
import type { Digest } from '../../src/core/model/digest.ts'
import type { Manifest } from '../../src/core/model/manifest.ts'
import { keyOf, sameContent, strings, title } from '../../src/core/model/manifest.ts'
import type { Evidence, Interest, Pins, ProxyConfig, Seen } from '../../src/core/model/observed.ts'
import type { Step } from '../../src/core/model/planned.ts'
import type { AuditEntry } from '../../src/core/model/recorded.ts'
import type { MemberName } from '../../src/core/model/wanted.ts'
import { workloadsSlug } from '../../src/core/model/workloads.ts'
import { NO_RECORD, project } from '../../src/core/record/projection.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import { MESH_WIDE_POLICY } from '../../src/core/trust/mesh-wide/mesh-roots.ts'
import { isLabelled } from '../../src/core/trust/mounted/mount.ts'
import { readState } from '../../src/core/trust/render.ts'
import type { Roots } from '../../src/core/trust/state.ts'
import { NOW } from './federations.ts'
import { observation, ok, type Parts } from './observations.ts'

export interface MemoryMesh extends Mesh {
  /** Tests need no interest: all proxies are shown. */
  proxies(interest?: Interest): Promise<Seen<readonly Evidence[]>>
  objects: readonly Manifest[]
  /** Every write that was carried out, in order, as `PHASE VERB KIND`. */
  readonly writes: string[]
  /** Polls until a push is acknowledged; by proxy, otherwise 1. */
  readonly slow: Map<string, number>
  readonly unheard: Set<string>
  /** Envoy's words about a configuration it does not take. */
  refuses: (proxy: string, config: ProxyConfig) => string | undefined
  /** Called before each write: throws to simulate a crash. */
  beforeWrite: (step: Step) => void
  /** Called after each write: what others do meanwhile. */
  afterWrite: (step: Step) => void
  head: Digest | undefined
  /** The number of full observations. */
  looked: number
  /** The pods whose kubelets were nudged. */
  readonly nudged: string[]
}

export interface MemoryOptions extends Parts {
  readonly live?: boolean
}

interface Push {
  readonly nonce: number
  readonly config: ProxyConfig
  polls: number
}

export function memoryMesh(name: MemberName, { live = true, ...parts }: MemoryOptions): MemoryMesh {
  const pushes = new Map<string, Push>()
  let nonce = 0
  const pods = () => mesh.objects.filter((o) => o.kind === 'Pod' && hasSidecar(o))
  const push = (): void => {
    for (const pod of pods()) {
      const config = configOf(pod, mesh.objects, parts.own)
      const last = pushes.get(proxyOf(pod))
      if (last === undefined || print(last.config) !== print(config)) {
        nonce += 1
        pushes.set(proxyOf(pod), { nonce, config, polls: mesh.slow.get(proxyOf(pod)) ?? 1 })
      }
    }
  }
  const refused = (proxy: string, config: ProxyConfig): string | undefined => mesh.refuses(proxy, config)
  const listen = (): readonly Evidence[] => {
    push()
    return pods().map((pod): Evidence => {
      const proxy = proxyOf(pod)
      const last = pushes.get(proxy) as Push
      const base = {
        proxy,
        namespace: pod.metadata.namespace ?? '',
        pod: pod.metadata.name,
        version: '1.31.0',
        sent: { listeners: `${last.nonce}`, clusters: `${last.nonce}` },
      }
      if (mesh.unheard.has(proxy)) return { ...base, heard: false, acknowledged: false }
      last.polls -= 1
      const words = refused(proxy, last.config)
      return {
        ...base,
        heard: true,
        config: last.config,
        acknowledged: words === undefined && last.polls < 0,
        ...(words === undefined ? {} : { rejected: words }),
      }
    })
  }
  const mesh: MemoryMesh = {
    member: name,
    live,
    objects: parts.objects ?? [],
    writes: [],
    slow: new Map(),
    unheard: new Set(),
    refuses: () => undefined,
    beforeWrite: () => {},
    afterWrite: () => {},
    head: undefined,
    looked: 0,
    nudged: [],
    async observe() {
      mesh.looked += 1
      return { ...observation({ ...parts, objects: mesh.objects }), proxies: ok(listen()) }
    },
    proxies: async () => ok(listen()),
    find: async (object) => mesh.objects.find((o) => keyOf(o) === keyOf(object)),
    async write(step) {
      mesh.beforeWrite(step)
      const object = (step.after ?? step.before) as Manifest
      const held = mesh.objects.find((o) => keyOf(o) === keyOf(object))
      const same = held === undefined ? step.before === undefined : step.before !== undefined && sameContent(held, step.before)
      if (!same) throw new FederationError('changed-meanwhile', name, `${title(object)} has changed since the plan was made`)
      const rest = mesh.objects.filter((o) => o !== held)
      const born = { ...step.after?.metadata, creationTimestamp: held?.metadata.creationTimestamp ?? '2026-06-01T00:00:00Z' }
      mesh.objects = step.after === undefined ? rest : [...rest, { ...step.after, metadata: { ...step.after.metadata, ...born } }]
      mesh.writes.push(
        `${step.phase} ${step.after === undefined ? 'remove' : step.before === undefined ? 'create' : 'update'} ${object.kind}`,
      )
      mesh.afterWrite(step)
    },
    nudge: async (pods) => void mesh.nudged.push(...pods.map(({ name }) => name)),
    witness: async () => mesh.head,
    async moveWitness(was, is) {
      if (mesh.head !== was) throw new FederationError('record-busy', name, 'another apply is at work')
      mesh.head = is
    },
  }
  return mesh
}

const print = (config: ProxyConfig): string => JSON.stringify(config, (_, value) => (value instanceof Map ? [...value] : value))
const pinsOf = (roots: Roots): Pins => new Map([...roots].map(([domain, list]) => [domain, list.map((root) => root.fingerprint).sort()]))

/** The configuration that istiod would send to the pod's proxy. */
export function configOf(pod: Manifest, objects: readonly Manifest[], own: Bundle): ProxyConfig {
  const state = readState(objects)
  const namespace = pod.metadata.namespace ?? ''
  const inbound = [...state.inbound.values()].filter((scope) => isIn(pod, scope.at))
  const reaching = [...state.outbound.values()].filter((scope) => isIn(pod, scope.from))
  // A canary is the last of the filters, so it decides.
  const ahead = [...(state.canaries?.values() ?? [])].filter(({ at }) => isIn(pod, at))
  const [filter] = [...ahead.flatMap((canary) => canary.inbound ?? []), ...inbound.filter((scope) => scope.roots.size > 0)]
  const outbound = [...ahead.flatMap((canary) => canary.outbound ?? []), ...reaching]
  const { mode, ports } = effectiveMode({ namespace, labels: strings(pod.metadata.labels) }, objects, 'istio-system')
  // Of the filters for pods with the mount the same, and they come after the others.
  const mounted = isLabelled(pod)
    ? [...ahead.flatMap((canary) => canary.inbound ?? []), ...inbound].find(({ file }) => file.read)
    : undefined
  // The canary's roots are in the file that it reads, not in the canary itself.
  const rootsOf = [...state.inbound.values()].find(({ file }) => file.name !== '' && file.name === mounted?.file.name)
  const domains = [
    own.trustDomain,
    ...(filter?.roots.keys() ?? []),
    ...(rootsOf?.file.roots.keys() ?? []),
    ...(state.meshWide?.roots.keys() ?? []),
  ]
  // The filters for names of all of them stand in each chain.
  const guards = [...inbound, ...ahead.flatMap((canary) => canary.inbound ?? [])].flatMap(({ admitted }) =>
    admitted === undefined ? [] : [{ own: [own.trustDomain], callers: admitted }],
  )
  const chains = (set: Mode, port?: number): ProxyConfig['inbound'] => {
    const chain = { name: port === undefined ? 'virtualInbound' : `0.0.0.0_${port}`, ...(port === undefined ? {} : { port }) }
    const mutual = {
      ...chain,
      tls: 'mutual' as const,
      sanPrefixes: [...new Set(domains)].map((d) => `spiffe://${d}/`),
      ...(mounted !== undefined ? { file: mounted.file.name } : filter === undefined ? {} : { pins: pinsOf(filter.roots) }),
      ...(guards.length === 0 ? {} : { guards }),
    }
    return [...(set === 'DISABLE' ? [] : [mutual]), ...(set === 'STRICT' ? [] : [{ ...chain, tls: 'none' as const, sanPrefixes: [] }])]
  }
  return {
    inbound: [...chains(mode), ...[...ports].flatMap(([port, set]) => chains(set, port))],
    outbound: objects
      .filter((o) => o.kind === 'Service')
      .map((o) => {
        const host = `${o.metadata.name}.${o.metadata.namespace}.svc.cluster.local`
        const file = isLabelled(pod) ? outbound.map((scope) => scope.files.get(host)).find((held) => held?.read) : undefined
        const pins = outbound.map((scope) => scope.hosts.get(host)).find((roots) => (roots?.size ?? 0) > 0)
        const served = outbound.map((scope) => scope.served.get(host)).find((names) => names !== undefined)
        const learnt = [...(file?.roots.keys() ?? pins?.keys() ?? [own.trustDomain])].map(
          (domain) => `${domain}/ns/${o.metadata.namespace}/sa/${o.metadata.name}`,
        )
        const sans = (served ?? learnt).map((name) => `spiffe://${name}`)
        const roots = file !== undefined ? { file: file.name } : pins === undefined ? {} : { pins: pinsOf(pins) }
        return { host, port: 80, subset: '', mutual: true, sans, endpoints: 1, ...roots }
      }),
    denies: [...inbound, ...(state.meshWide === undefined ? [] : [state.meshWide])].flatMap((scope) =>
      [...scope.callers].map(([trustDomain, named]) => ({
        policy: `${scope.at.namespace}/${scope === state.meshWide ? MESH_WIDE_POLICY : `entente-accept-${workloadsSlug(scope.at)}`}`,
        trustDomain,
        except: [...named].sort(),
      })),
    ),
  }
}

export interface MemoryRecord extends RecordStore {
  readonly lines: AuditEntry[]
}

export function memoryRecord(entries: readonly AuditEntry[] = []): MemoryRecord {
  const lines = [...entries]
  let view = NO_RECORD
  return {
    lines,
    view: async () => {
      view = project(lines.slice(view.hashes.length), view)
      return view
    },
    append: async (entry) => {
      lines.push(entry)
    },
  }
}

export interface MemoryWorld extends World {
  readonly record: MemoryRecord
  /** The reported steps, as `MEMBER PHASE KIND`. */
  readonly reported: string[]
  readonly elapsedMs: () => number
}

/** The clock advances only in `sleep`. */
export function memoryWorld(meshes: readonly MemoryMesh[], record: MemoryRecord = memoryRecord()): MemoryWorld {
  let clock = NOW.getTime()
  const reported: string[] = []
  return {
    meshes: new Map(meshes.map((mesh) => [mesh.member, mesh])),
    record,
    reported,
    now: () => new Date(clock),
    elapsedMs: () => clock - NOW.getTime(),
    sleep: async (milliseconds) => {
      clock += milliseconds
    },
    report: (event) => void reported.push(`${event.member} ${event.phase} ${event.kind}`),
  }
}
