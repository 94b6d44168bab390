/**
 * From `entente apply` to the first accepted call, beside a bare `kubectl apply` of the same objects, on the test bed:
 * `sudo npx tsx bench/apply.ts` (npm run build first). Nothing waits in the bare one: it opens callers and roots at once.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bed } from '../test/testbed/bed.ts'
import { walkthrough } from '../test/testbed/topology.ts'
import { call } from '../test/testbed/traffic.ts'
import { Beyond } from './beyond.ts'
import { federation, row, run, until } from './commands.ts'
import { median } from './measure.ts'

const RUNS = 5

const FEDERATION = federation(
  '{ truster: cluster-b, trusted: cluster-a, distribution: pinned, accept: [{ namespace: sample, selector: { app: server }, mtls: enforce, callers: [cluster-a.example/ns/sample/sa/client] }] }',
  '{ truster: cluster-a, trusted: cluster-b, distribution: pinned, reach: [{ namespace: sample, selector: { app: client }, services: [{ host: server.sample.svc.cluster.local }] }] }',
)

const bed = await Bed.up({ progress: (line) => console.error(line) })
const folder = await mkdtemp(join(tmpdir(), 'entente-bench-'))
try {
  const { client, server } = await walkthrough(bed)
  const inReach = new Map([
    ['cluster-a', client],
    ['cluster-b', server],
  ])
  const file = join(folder, 'federation.yaml')
  const entente = (args: readonly string[], heard?: (text: string) => void): Promise<void> =>
    run(process.execPath, ['dist/cli/main.js', ...args], bed.kubeconfig, heard)
  await entente(['init', '--context', 'cluster-a', '--context', 'cluster-b', '--out', folder, '--yes'])
  await writeFile(file, FEDERATION)
  await entente(['render', '-f', file, '--out', join(folder, 'rendered')])
  const kubectl = (verb: 'apply' | 'delete', ...more: string[]): Promise<unknown> =>
    Promise.all(
      ['cluster-a', 'cluster-b'].map((member) =>
        run('kubectl', ['--context', member, verb, '-R', '-f', join(folder, 'rendered', member), ...more], bed.kubeconfig),
      ),
    )
  const accepted = async (): Promise<boolean> => (await call(client, 'server.sample', { timeoutMs: 1000 })).status === 200

  const measure = async (open: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now()
    const opening = open()
    await until(accepted)
    const took = performance.now() - begun
    await opening
    await kubectl('delete')
    await until(async () => !(await accepted()))
    return took
  }
  const ours: number[] = []
  const bare: number[] = []
  const beyond: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const waited = new Beyond(inReach)
    ours.push(await measure(() => entente(['apply', '-f', file, '--yes', '--reason', 'bench'], (text) => waited.heard(text))))
    beyond.push(await waited.milliseconds())
    bare.push(await measure(() => kubectl('apply')))
  }
  console.log(row('entente apply → 200', ours))
  console.log(row('kubectl apply → 200', bare))
  console.log(`ratio                 ${(median(ours) / median(bare)).toFixed(2)}`)
  console.log(row('waiting beyond the proxies’ own acknowledgement, both phases', beyond))
} finally {
  await bed.down()
  await rm(folder, { recursive: true, force: true })
}
