/**
 * A change of roots in 1 and in 200 namespaces, on the test bed, beside trust-manager in the same run: `sudo npx tsx bench/namespaces.ts`
 * (npm run build first; Go builds trust-manager the first time). From when the change is made until the last object has it.
 */

import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprintOf } from '../src/core/x509/anchor.ts'
import { Bed } from '../test/testbed/bed.ts'
import { kubeconfig } from '../test/testbed/control-plane.ts'
import { runFile } from '../test/testbed/layout.ts'
import { createRoot } from '../test/testbed/pki.ts'
import { start } from '../test/testbed/processes.ts'
import { until } from '../test/testbed/run.ts'
import { watch } from '../test/testbed/watch.ts'
import { federation, run } from './commands.ts'
import { median, spread } from './measure.ts'
import { trustManager, webhookCertificate } from './trust-manager.ts'

const SIZES = [1, 200]
const RUNS = 3
const LABEL = 'bench.example/size'
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' }
const KINDS = { pinned: { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' }, mounted: CONFIG_MAP }
const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'istio-system' },
  spec: { mtls: { mode: 'STRICT' } },
}

const manager = await trustManager()
const bed = await Bed.up({ progress: (line) => console.error(line) })
const folder = await mkdtemp(join(tmpdir(), 'entente-bench-'))
try {
  const { kube } = bed.b
  const namespaces = (size: number): readonly string[] => Array.from({ length: size }, (_, i) => `n${size}-${i}`)
  await kube.apply(STRICT)
  for (const size of SIZES)
    for (const name of namespaces(size))
      await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { [LABEL]: `${size}` } } })

  // Watched, as a list of 200 every so often would be load of its own.
  const seen = new Map<string, string>()
  for (const list of ['/api/v1/configmaps', '/apis/networking.istio.io/v1alpha3/envoyfilters'])
    void watch(bed.b.api.access, list, ({ type, object: { kind, metadata, ...rest } }) => {
      const key = `${kind} ${metadata.namespace}/${metadata.name}`
      if (type === 'DELETED') seen.delete(key)
      else seen.set(key, JSON.stringify(rest))
    })
  /** Until so many objects in these namespaces say it. */
  const all = ({ kind }: { kind: string }, size: number, text: string): Promise<unknown> => {
    const told = () => [...seen].filter(([key, said]) => key.startsWith(`${kind} n${size}-`) && said.includes(text))
    return until(`${size} × ${kind}`, async () => told().length >= size, 120_000, 10)
  }

  await bed.b.kubectl(['apply', '--server-side', '-f', manager.crds])
  await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'trust' } })
  const config = runFile('trust-manager.kubeconfig')
  await writeFile(config, kubeconfig({ b: bed.b.api.access }), { mode: 0o600 })
  const tls = await webhookCertificate()
  for (const [name, binary] of [
    ['stock', manager.stock],
    ['its client limit lifted', manager.unlimited],
  ] as const) {
    const process = start('trust-manager', binary, [
      ...['--kubeconfig', config, '--leader-elect=false', '--trust-namespace', 'trust'],
      ...[
        '--webhook-certificate-dir',
        tls,
        '--webhook-host',
        '127.0.0.1',
        '--webhook-port',
        '9443',
        '--metrics-port',
        '0',
        '--readiness-probe-port',
        '0',
      ],
    ])
    try {
      for (const size of SIZES) {
        const bundle = { apiVersion: 'trust.cert-manager.io/v1alpha1', kind: 'Bundle', metadata: { name: `bench-${size}` } }
        const source = { ...CONFIG_MAP, metadata: { name: `source-${size}`, namespace: 'trust' } }
        const change = async (i: number): Promise<number> => {
          const root = await createRoot(`CN=trust-manager ${name} ${size} ${i}`)
          const begun = performance.now()
          await kube.apply({ ...source, data: { 'root.pem': root.certificate } })
          await all(CONFIG_MAP, size, root.certificate.split('\n')[3] ?? '')
          return performance.now() - begun
        }
        await kube.apply({ ...source, data: { 'root.pem': (await createRoot('CN=first')).certificate } })
        await kube.apply({
          ...bundle,
          spec: {
            sources: [{ configMap: { name: source.metadata.name, key: 'root.pem' } }],
            target: { configMap: { key: 'root.pem' }, namespaceSelector: { matchLabels: { [LABEL]: `${size}` } } },
          },
        })
        await change(-1)
        const took: number[] = []
        for (let i = 0; i < (name === 'stock' && size > 1 ? 1 : RUNS); i++) {
          await sleep(2_000) // its limit knows bursts
          took.push(await change(i))
        }
        console.log(`trust-manager, ${name}, ${size} namespaces: ${spread(took)} ms, median ${median(took).toFixed(0)}`)
        await kube.delete({ apiVersion: bundle.apiVersion, kind: bundle.kind, name: bundle.metadata.name })
      }
    } finally {
      await process.stop()
    }
  }

  const entente = (args: readonly string[], heard?: (text: string) => void) =>
    run(process.execPath, ['dist/cli/main.js', ...args], bed.kubeconfig, heard)
  const file = join(folder, 'federation.yaml')
  await entente(['init', '--context', 'cluster-a', '--context', 'cluster-b', '--out', folder, '--yes'])
  for (const distribution of ['pinned', 'mounted'] as const)
    for (const size of SIZES) {
      const accept = namespaces(size).map(
        (namespace) => `{ namespace: ${namespace}, mtls: require, callers: [cluster-a.example/ns/x/sa/y] }`,
      )
      await writeFile(
        file,
        federation(`{ truster: cluster-b, trusted: cluster-a, distribution: ${distribution}, accept: [${accept.join(', ')}] }`),
      )
      const apply = (heard?: (text: string) => void) =>
        entente(['apply', '-f', file, '--yes', '--override-gate', 'bench', '--reason', 'bench'], heard)
      await apply()
      const took = { written: [] as number[], whole: [] as number[] }
      for (let i = 0; i < RUNS; i++) {
        // Its own root, and another one each time: the second comes as a replacement does, beside the first.
        const root = await createRoot(`CN=next ${distribution} ${size} ${i}`)
        const bundle = join(folder, 'next.pem')
        const pems = [bed.a.istiod.ca.root.certificate, root.certificate]
        await writeFile(bundle, pems.join(''))
        const prints = pems.flatMap((pem) => ['--fingerprint', fingerprintOf(new X509Certificate(pem).raw)])
        await entente(['approve', 'cluster-a', '-f', file, '--bundle', bundle, ...prints, '--yes', '--reason', 'bench'])
        let written = Number.NaN
        const begun = performance.now()
        const applying = apply((text) => {
          if (/cluster-b open: (updating|creating)/.test(text) && Number.isNaN(written)) written = performance.now()
        })
        const needle = new X509Certificate(root.certificate).raw.toString('base64').slice(200, 240)
        await all(KINDS[distribution], size, needle)
        const end = performance.now()
        await applying
        took.written.push(end - written)
        took.whole.push(end - begun)
      }
      console.log(
        `entente, ${distribution}, ${size} namespaces: from its first write of that phase ${spread(took.written)} ms; from the command ${spread(took.whole)} ms`,
      )
      await writeFile(file, federation())
      await apply()
    }
} finally {
  await bed.down()
  await rm(folder, { recursive: true, force: true })
}
process.exit() // the watches have no end
