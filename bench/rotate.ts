/**
 * A whole rotation with everybody calling, 100 requests a second for each flow: `sudo npx tsx bench/rotate.ts [pinned|mounted]` (builds
 * nothing: npm run build first). Leaves live one minute. What counts is that no request fails: all that did are told, and how many
 * of them an istiod's restart costs by itself (test/e2e/remote.ts); how long they took is told beside it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { WITH_MOUNT } from '../test/e2e/mount.ts'
import { mutual } from '../test/e2e/mutual.ts'
import { failuresText, knowsServers, Restarts } from '../test/e2e/remote.ts'
import { cli } from '../test/support/cli.ts'
import { Bed } from '../test/testbed/bed.ts'
import { load } from '../test/testbed/load.ts'
import { until } from '../test/testbed/run.ts'
import { call } from '../test/testbed/traffic.ts'

const EVERY_MS = 10
const distribution = process.argv.includes('mounted') ? 'mounted' : 'pinned'

const bed = await Bed.up({ leafTtl: '1m', progress: (line) => console.error(line) })
const directory = mkdtempSync(path.join(tmpdir(), 'entente-bench-'))
try {
  await bed.join()
  const mount = distribution === 'mounted' ? WITH_MOUNT : {}
  const [client, buyer, server, neighbour] = await Promise.all([
    bed.a.pod({ namespace: 'sample', name: 'client', ...mount }),
    bed.a.pod({ namespace: 'sample', name: 'buyer' }),
    bed.b.pod({ namespace: 'sample', name: 'server', ...mount }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.a.gateway(),
    bed.b.gateway(),
  ])
  for (const pod of [client, server]) await bed.service('sample', pod.name, [pod])
  await entente('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes')
  writeFileSync(path.join(directory, 'federation.yaml'), JSON.stringify(federation()))
  await entente('apply', '--yes', '--reason', 'bench')

  const across = [
    { client, server },
    { client: server, server: client },
  ]
  const flows = [
    { name: 'A to B', from: client, host: 'server.sample' },
    { name: 'B to A', from: server, host: 'client.sample' },
    { name: 'inside A', from: buyer, host: 'client.sample' },
    { name: 'inside B', from: neighbour, host: 'server.sample' },
  ]
  for (const ends of across) await knowsServers(bed, ends)
  for (const { name, from, host } of flows) await until(name, async () => (await call(from, host)).status === 200, 60_000)
  const restarts = new Restarts(bed, ...across)
  const running = await Promise.all(flows.map(async (flow) => ({ ...flow, load: await load(flow.from, flow.host, { everyMs: EVERY_MS }) })))

  const begun = Date.now()
  const old = { a: bed.a.istiod.ca, b: bed.b.istiod.ca }
  const [a, b] = await restarts.during(() => Promise.all([bed.a.addRoot(), bed.b.addRoot()]))
  await rotated('switch')
  await restarts.during(() => Promise.all([bed.a.newRoot(a, [old.a]), bed.b.newRoot(b, [old.b])]))
  await rotated('retire')
  await restarts.during(() => Promise.all([bed.a.newRoot(a), bed.b.newRoot(b)]))
  await rotated('steady')

  const seconds = (Date.now() - begun) / 1000
  console.log(`both roots under ${distribution}, ${1000 / EVERY_MS} requests a second for each flow, ${seconds.toFixed(0)} s:`)
  for (const { name, from, load } of running) {
    const { total, failures } = await load.stop()
    const took = load.samples.map(({ ms }) => ms).sort((one, other) => one - other)
    const at = (part: number): string => `${(took[Math.floor(took.length * part)] ?? Number.NaN).toFixed(0)} ms`
    const failed = failuresText(restarts.causes(failures, from))
    const pace = (total / seconds).toFixed(0)
    console.log(`  ${name}: ${total} requests (${pace} a second), ${failed}; median ${at(0.5)}, 99 of 100 within ${at(0.99)}`)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
  await bed.down()
}

/** Brings both rotations that far, one after the other: what there is to wait for passes for both. */
async function rotated(phase: string): Promise<void> {
  for (const member of ['cluster-a', 'cluster-b']) await entente('rotate', member, '--yes', '--reason', 'bench')
  for (const member of ['cluster-a', 'cluster-b']) await entente('rotate', member, '--yes', '--reason', 'bench', '--wait', phase)
}

async function entente(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await cli(args, { cwd: directory, kubeconfig: bed.kubeconfig, timeoutMs: 10 * 60_000 })
  if (code !== 0) throw new Error(`entente ${args.join(' ')}: exit ${code}: ${stderr}`)
}

function federation(): object {
  const members = ['a', 'b'].map((cluster) => ({
    name: `cluster-${cluster}`,
    trustDomain: `cluster-${cluster}.example`,
    network: `network-${cluster}`,
    cluster: { context: `cluster-${cluster}` },
    kubeletSync: '1s',
  }))
  const spec = {
    members,
    trust: [mutual('a', distribution, 'client', 'server'), mutual('b', distribution, 'server', 'client')],
    severed: [],
  }
  return { apiVersion: 'entente.dev/v1alpha1', kind: 'Federation', metadata: { name: 'bench' }, spec }
}
