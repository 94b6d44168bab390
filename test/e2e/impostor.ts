/** Another server in place of `server.sample` of b, which serves a chosen leaf to every caller. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Bed } from '../testbed/bed.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { GATEWAY } from '../testbed/objects.ts'
import type { Identity } from '../testbed/pki.ts'
import { programArgs } from '../testbed/programs.ts'
import { until } from '../testbed/run.ts'

const SLICE = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace: 'sample', name: 'server-1' }

type Endpoints = readonly { readonly addresses: readonly string[]; readonly targetRef: object }[]

/** The object that makes istiod treat the impostor as a workload of the mesh. */
const LABELS = { 'security.istio.io/tlsMode': 'istio', 'topology.istio.io/network': 'network-b' }

/** Runs `during` while calls to `server.sample` of b reach the impostor, which istiod treats as a pod of the server's account. */
export async function withImpostor<T>(bed: Bed, leaf: Identity, during: () => Promise<T>): Promise<T> {
  const pod = await bed.b.pod({
    namespace: 'sample',
    name: 'impostor',
    labels: LABELS,
    serviceAccount: 'server',
    proxy: 'none',
    app: false,
  })
  const listener = await listen(pod.netns, leaf)
  const endpoints = ((await bed.b.kube.get(SLICE)) as (KubeObject & { endpoints: Endpoints }) | undefined)?.endpoints ?? []
  const gateway = bed.b.pods.find((other) => other.name === GATEWAY)
  const passesTo = (address: string) =>
    until(`the gateway to pass to ${address}`, async () => (await gateway?.admin('/clusters'))?.includes(`${address}:8080`))
  try {
    const there = { addresses: [pod.address], targetRef: { kind: 'Pod', namespace: 'sample', name: pod.name } }
    await bed.b.kube.patch(SLICE, { endpoints: endpoints.map((endpoint) => ({ ...endpoint, ...there })) })
    await passesTo(pod.address)
    return await during()
  } finally {
    await bed.b.kube.patch(SLICE, { endpoints })
    await passesTo(endpoints[0]?.addresses[0] ?? '')
    listener.stdin?.end()
    await pod.stop()
  }
}

async function listen(netns: string, leaf: Identity): Promise<ChildProcess> {
  const { command, cwd } = programArgs('impostor.ts')
  const child = spawn('ip', ['netns', 'exec', netns, ...command], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin?.write(`${JSON.stringify(leaf)}\n`)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}
