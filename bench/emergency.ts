/**
 * From `entente sever --emergency` to the first caller of the domain that is refused, beside a bare `kubectl apply` of the same DENY
 * policy, on the test bed: `sudo npx tsx bench/emergency.ts` (npm run build first). Each probe is a new connection.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bed } from '../test/testbed/bed.ts'
import { handshake } from '../test/testbed/handshake.ts'
import { walkthrough } from '../test/testbed/topology.ts'
import { federation, row, run, until } from './commands.ts'
import { median } from './measure.ts'

const RUNS = 7
const NAME = 'entente-accept-app-server'

const FEDERATION = federation(
  '{ truster: cluster-b, trusted: cluster-a, distribution: pinned, accept: [{ namespace: sample, selector: { app: server }, mtls: enforce, callers: [cluster-a.example/ns/sample/sa/client] }] }',
)
const DENY = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: NAME, namespace: 'sample' },
  spec: {
    selector: { matchLabels: { app: 'server' } },
    action: 'DENY',
    rules: [{ from: [{ source: { principals: ['cluster-a.example/*'] } }] }],
  },
}

const bed = await Bed.up({ progress: (line) => console.error(line) })
const folder = await mkdtemp(join(tmpdir(), 'entente-bench-'))
try {
  const { client, server } = await walkthrough(bed)
  const leaf = await bed.a.mint(client.spiffeId)
  const file = join(folder, 'federation.yaml')
  const policy = join(folder, 'deny.json')
  await writeFile(policy, JSON.stringify(DENY))
  const entente = (...args: readonly string[]): Promise<void> => run(process.execPath, ['dist/cli/main.js', ...args], bed.kubeconfig)
  await entente('init', '--context', 'cluster-a', '--context', 'cluster-b', '--out', folder, '--yes')
  const isIn = async (): Promise<boolean> => (await handshake(server.address, leaf)).status === 200

  /** @returns milliseconds until the first refusal, and until the command was done */
  const measure = async (shut: () => Promise<void>): Promise<{ readonly refused: number; readonly done: number }> => {
    await writeFile(file, FEDERATION)
    await entente('apply', '-f', file, '--yes', '--reason', 'bench')
    await until(isIn)
    const begun = performance.now()
    const shutting = shut().then(() => performance.now() - begun)
    await until(async () => !(await isIn()))
    const refused = performance.now() - begun
    return { refused, done: await shutting }
  }
  const ours: number[] = []
  const whole: number[] = []
  const bare: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const { refused, done } = await measure(() =>
      entente('sever', 'cluster-b', 'cluster-a', '-f', file, '--emergency', '--reason', 'bench'),
    )
    ours.push(refused)
    whole.push(done)
    await writeFile(file, FEDERATION)
    await entente('sever', '--lift', 'cluster-b', 'cluster-a', '-f', file, '--yes', '--reason', 'bench')
    await entente('approve', 'cluster-a', '-f', file, '--yes', '--reason', 'bench')
    bare.push((await measure(() => run('kubectl', ['--context', 'cluster-b', 'apply', '-f', policy], bed.kubeconfig))).refused)
  }
  console.log(row('entente sever --emergency → first refusal', ours))
  console.log(row('kubectl apply of the policy → first refusal', bare))
  console.log(`ratio                                       ${(median(ours) / median(bare)).toFixed(2)}`)
  console.log(row('entente sever --emergency, to its end', whole))
  const severs = (await readFile(join(folder, 'audit.jsonl'), 'utf8')).split('\n').filter((line) => line.includes('"action":"sever"'))
  console.log(`${severs.length} of ${RUNS} on the record`)
} finally {
  await bed.down()
  await rm(folder, { recursive: true, force: true })
}
