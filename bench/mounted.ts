/**
 * How soon a change of roots decides handshakes, and what it costs Envoy: roots in a mounted file beside roots inside the filter, in one
 * run on the test bed: `sudo npx tsx bench/mounted.ts`. The kubelet is a stand-in, so its time is left out: a file's time starts with the
 * rename of `..data`, or with the ConfigMap's write and a nudge; a filter's time with its write to the API server.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Workloads } from '../src/core/model/wanted.ts'
import { parseTrustDomain } from '../src/core/spiffe/trust-domain.ts'
import { acceptFile, MAPS, MOUNT_LABEL, MOUNT_PATH, mountedInboundFilter, printFile } from '../src/core/trust/mounted/bundle-map.ts'
import { inboundFilter } from '../src/core/trust/pinned/pinned-filter.ts'
import { NO_FILE, noInbound, type Root, type Roots } from '../src/core/trust/state.ts'
import { fingerprintOf } from '../src/core/x509/anchor.ts'
import { Bed } from '../test/testbed/bed.ts'
import { handshake } from '../test/testbed/handshake.ts'
import { createRoot } from '../test/testbed/pki.ts'
import type { Pod } from '../test/testbed/pod.ts'
import { until } from '../test/testbed/run.ts'
import { volumeDirectory, writeVolume } from '../test/testbed/volumes.ts'

const RUNS = 20
const MANY = 1_000
const NAMESPACE = 'sample'
const VOLUME = 'entente-trust'
/** Envoy keeps the listener from before a change for this long. */
const DRAIN_MS = 47_000

const domainOf = (letter: 'a' | 'b') => parseTrustDomain(`cluster-${letter}.example`)
const own = new Set([domainOf('b')])

const rootOf = (pem: string): Root => {
  const der = new X509Certificate(pem).raw
  return { fingerprint: fingerprintOf(der), der }
}

const trustMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: MAPS[0], namespace: NAMESPACE } }
const filter = (name: string) => ({
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name, namespace: NAMESPACE },
})
const filterOf = (roots: Roots) => inboundFilter({ ...noInbound({ namespace: NAMESPACE, labels: { app: 'pinned' } }), roots }, own)
const dataOf = (roots: Roots) => ({ [acceptFile({ namespace: NAMESPACE, labels: { app: 'mounted' } })]: printFile(roots) })
const kib = (bytes: number): string => `${Math.round(bytes / 1024).toLocaleString('en')} KiB`

/** One pod, and how its roots are changed. @returns when the time starts, in milliseconds */
interface Subject {
  readonly name: string
  readonly pod: Pod
  readonly set: (roots: Roots) => Promise<number>
}

const bed = await Bed.up({ progress: (line) => console.error(line) })
try {
  const caller = await bed.a.mint('spiffe://cluster-a.example/ns/sample/sa/client')
  const few: Roots = new Map([[domainOf('b'), [rootOf(bed.b.istiod.ca.root.certificate)]]])
  const plusA = (roots: Roots): Roots => new Map([...roots, [domainOf('a'), [rootOf(bed.a.istiod.ca.root.certificate)]]])
  const others = await Promise.all(Array.from({ length: MANY - 2 }, (_, i) => createRoot(`CN=Root CA ${i}`)))
  const many: Roots = new Map([
    ...few,
    ...others.map((root, i) => [parseTrustDomain(`mesh-${i}.example`), [rootOf(root.certificate)]] as const),
  ])

  const strict = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'strict', namespace: NAMESPACE } }
  const pinned = await bed.b.pod({ namespace: NAMESPACE, name: 'pinned' })
  await bed.b.kube.apply({ ...strict, spec: { mtls: { mode: 'STRICT' } } })
  const mounted = await mountedPod(few, plusA(many))
  const subjects: readonly Subject[] = [
    { name: 'file, from its swap', pod: mounted, set: swap },
    { name: 'file, from the ConfigMap and a nudge', pod: mounted, set: writeMap },
    { name: 'inside the filter', pod: pinned, set: writeFilter },
  ]

  console.log('from a change of roots to the first handshake decided by it, median (and range) in ms')
  for (const subject of subjects) {
    console.log(row(`  2 domains, ${subject.name}`, await changes(subject, few, RUNS)))
    await sleep(DRAIN_MS)
    const before = await memory(subject.pod)
    console.log(row(`  ${MANY} domains, ${subject.name}`, await changes(subject, many, 3)))
    await subject.set(plusA(many))
    await sleep(2_000)
    console.log(`  memory of Envoy, ${before.text} before; ${(await memory(subject.pod)).text} 2 s after the last change`)
    await sleep(DRAIN_MS)
    const after = await memory(subject.pod)
    console.log(`  ${after.text} once it has drained: ${kib(after.allocated - before.allocated)} more allocated`)
    await subject.set(few)
  }
  const sizes = [printFile(plusA(many)), JSON.stringify(filterOf(plusA(many)))].map((text) => kib(Buffer.byteLength(text)))
  console.log(`size of ${MANY} domains: file ${sizes[0]}, filter ${sizes[1]}`)

  /** Alternates between letting A in and not. */
  async function changes(subject: Subject, base: Roots, runs: number): Promise<readonly number[]> {
    await subject.set(base)
    await decided(subject.pod, false)
    const took: number[] = []
    for (let i = 0; i < runs; i++) {
      const begun = await subject.set(i % 2 === 0 ? plusA(base) : base)
      await decided(subject.pod, i % 2 === 0)
      took.push(performance.now() - begun)
    }
    return took
  }

  async function decided(pod: Pod, accepted: boolean): Promise<void> {
    await until(
      `${pod.name} to ${accepted ? 'accept' : 'refuse'}`,
      async () => (await handshake(pod.address, caller)).accepted === accepted,
      30_000,
      1,
    )
  }
} finally {
  await bed.down()
}

async function mountedPod(roots: Roots, all: Roots): Promise<Pod> {
  const at: Workloads = { namespace: NAMESPACE, labels: { app: 'mounted' } }
  await bed.b.kube.apply({ ...trustMap, data: { [acceptFile(at)]: printFile(roots) } })
  const annotations = {
    'sidecar.istio.io/userVolume': JSON.stringify({ [VOLUME]: { configMap: { name: MAPS[0] } } }),
    'sidecar.istio.io/userVolumeMount': JSON.stringify({ [VOLUME]: { mountPath: MOUNT_PATH, readOnly: true } }),
  }
  const labels = { [MOUNT_LABEL.key]: MOUNT_LABEL.value }
  const pod = await bed.b.pod({ namespace: NAMESPACE, name: 'mounted', labels, annotations })
  const scope = { ...noInbound(at), file: { ...NO_FILE, name: acceptFile(at), roots: all, read: true, volumes: [0] } }
  await bed.b.kube.apply({ ...filter('mounted'), spec: mountedInboundFilter(scope, own) })
  await until('its filter', async () => (await pod.admin('/config_dump')).includes(MOUNT_PATH))
  return pod
}

async function swap(roots: Roots): Promise<number> {
  bed.setKubelet({ paused: true })
  const data = dataOf(roots)
  await sleep(100) // the kubelet looks at its settings
  writeVolume(volumeDirectory('ent-b-sample-mounted', VOLUME), data)
  return performance.now()
}

async function writeMap(roots: Roots): Promise<number> {
  bed.setKubelet({ syncMs: 600_000 })
  const begun = performance.now()
  const data = dataOf(roots)
  await bed.b.kube.patch({ apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE, name: MAPS[0] }, { data })
  await sleep(50) // no order holds between the kubelet's two watches
  const annotations = { 'entente.dev/nudged': new Date().toISOString() }
  await bed.b.kube.patch({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE, name: 'mounted' }, { metadata: { annotations } })
  return begun
}

async function writeFilter(roots: Roots): Promise<number> {
  const begun = performance.now()
  await bed.b.kube.apply({ ...filter('pinned'), spec: filterOf(roots) })
  return begun
}

async function memory(pod: Pod): Promise<{ readonly allocated: number; readonly text: string }> {
  const allocated = Number((JSON.parse(await pod.admin('/memory')) as { allocated: string }).allocated)
  const status = readFileSync(`/proc/${(await pod.pids()).envoy}/status`, 'utf8')
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
  return { allocated, text: `${kib(allocated)} allocated (${kib(resident)} resident)` }
}

function row(name: string, values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, middle, high] = [0, Math.floor(sorted.length / 2), sorted.length - 1].map((i) => (sorted[i] ?? Number.NaN).toFixed(0))
  return `${name}: ${middle} (${low} to ${high})`
}
