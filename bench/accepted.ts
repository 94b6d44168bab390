/**
 * From a change to the first handshake that is accepted, for `pinned` and for `mesh`, on the test bed: `sudo npx tsx bench/accepted.ts`
 * (npm run build first). Beside each other in one run: a bare write of the object that opens, `kubectl apply` of it, and `entente apply`,
 * which begins with nothing in place: from the command, and from when it writes what opens.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTree } from '../src/adapters/directory/tree.ts'
import { SHARED_MESH_CONFIG } from '../src/core/trust/mesh-wide/mesh-roots.ts'
import { Bed } from '../test/testbed/bed.ts'
import { handshake } from '../test/testbed/handshake.ts'
import { referenceTo } from '../test/testbed/kube.ts'
import { until } from '../test/testbed/run.ts'
import { federation, run } from './commands.ts'
import { median, spread } from './measure.ts'

const RUNS = 5
const CALLERS = '[cluster-a.example/ns/sample/sa/client]'
const ACCEPT = {
  pinned: `{ namespace: sample, selector: { app: server }, mtls: require, callers: ${CALLERS} }`,
  mesh: `{ mtls: require, callers: ${CALLERS} }`,
}
const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'istio-system' },
  spec: { mtls: { mode: 'STRICT' } },
}

const bed = await Bed.up({ multiroot: true, istiodEnv: { SHARED_MESH_CONFIG }, progress: (line) => console.error(line) })
const folder = await mkdtemp(join(tmpdir(), 'entente-bench-'))
try {
  await bed.b.kube.apply(STRICT)
  const server = await bed.b.pod({ namespace: 'sample', name: 'server' })
  const caller = await bed.a.mint('spiffe://cluster-a.example/ns/sample/sa/client')
  const file = join(folder, 'federation.yaml')
  const accepts = (wanted: boolean): Promise<boolean> =>
    until(`${wanted ? 'a' : 'no'} call to be let in`, async () => (await handshake(server.address, caller)).accepted === wanted, 30_000, 1)
  const entente = (args: readonly string[], heard?: (text: string) => void) =>
    run(process.execPath, ['dist/cli/main.js', ...args], bed.kubeconfig, heard)
  const apply = (heard?: (text: string) => void) => entente(['apply', '-f', file, '--yes', '--reason', 'bench'], heard)
  await entente(['init', '--context', 'cluster-a', '--context', 'cluster-b', '--out', folder, '--yes'])

  for (const distribution of ['pinned', 'mesh'] as const) {
    const trust = `{ truster: cluster-b, trusted: cluster-a, distribution: ${distribution}, accept: [${ACCEPT[distribution]}] }`
    const took = { write: [] as number[], kubectl: [] as number[], entente: [] as number[], written: [] as number[] }
    for (let i = 0; i < RUNS; i++) {
      await writeFile(file, federation(trust))
      await entente(['render', '-f', file, '--out', join(folder, distribution)])
      let opened = Number.NaN
      const heard = (text: string): void => {
        if (/cluster-b open: creating/.test(text) && Number.isNaN(opened)) opened = performance.now()
      }
      const begun = performance.now()
      const applying = apply(heard)
      await accepts(true)
      const end = performance.now()
      await applying
      took.entente.push(end - begun)
      took.written.push(end - opened)

      // What opens, alone, while all that restricts stands.
      const tree = [...(await readTree(join(folder, distribution, 'cluster-b'))).values()]
      const opens = tree.filter(({ object }) => object.metadata.annotations?.['argocd.argoproj.io/sync-wave'] === '1')
      const close = async (): Promise<void> => {
        for (const { object } of opens) await bed.b.kube.delete(referenceTo(object as never))
        await accepts(false)
      }
      await close()
      const measure = async (open: () => Promise<unknown>): Promise<number> => {
        const begun = performance.now()
        const opening = open()
        await accepts(true)
        const took = performance.now() - begun
        await opening
        return took
      }
      took.write.push(await measure(() => Promise.all(opens.map(({ object }) => bed.b.kube.apply(object as never)))))
      await close()
      const files = opens.flatMap(({ file }) => ['-f', join(folder, distribution, 'cluster-b', file)])
      took.kubectl.push(await measure(() => run('kubectl', ['--context', 'cluster-b', 'apply', '--server-side', ...files], bed.kubeconfig)))
      await close()
      await writeFile(file, federation())
      await run(
        'kubectl',
        ['--context', 'cluster-b', 'delete', '-R', '-f', join(folder, distribution, 'cluster-b'), '--ignore-not-found'],
        bed.kubeconfig,
      )
      await apply()
    }
    console.log(`${distribution}, median (range) in ms to the first accepted handshake`)
    console.log(`  a bare write of what opens         ${spread(took.write)}`)
    console.log(`  kubectl apply of it                ${spread(took.kubectl)}`)
    console.log(
      `  entente apply, from when it writes ${spread(took.written)}: ${(median(took.written) / median(took.write)).toFixed(2)} of the bare write`,
    )
    console.log(`  entente apply, from the command    ${spread(took.entente)}`)
  }
} finally {
  await bed.down()
  await rm(folder, { recursive: true, force: true })
}
