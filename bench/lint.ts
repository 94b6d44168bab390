/**
 * Linting many objects, read from text to findings, beside parsing the same text with the `yaml` library alone: what a
 * linter that does nothing yet would have to pay. Every tenth object has something to find. Also all of it as one List,
 * as JSON, and in a form that only the library can read.
 *
 *     npx tsx bench/lint.ts
 */
import { parseAllDocuments, stringify } from 'yaml'
import { readDocuments } from '../src/adapters/yaml/documents.ts'
import { lint } from '../src/core/lint/lint.ts'
import { document, NOW } from '../test/support/federations.ts'
import { bestOf } from './measure.ts'

const SIZES = [2_500, 5_000, 10_000, 20_000]
const AT_MOST_MS = 3_000
const NAMESPACES = 500

const metadata = (i: number) => ({ name: `object-${i}`, namespace: `team-${i % NAMESPACES}`, labels: { app: `app-${i}`, tier: 'web' } })
const labels = (i: number) => ({ matchLabels: { app: `app-${i}` } })

/** What stands in a Git tree of a mesh. The remainder of the number by ten chooses the kind; the last one has faults. */
const KINDS: readonly ((i: number) => object)[] = [
  (i) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(i),
    spec: {
      replicas: 2,
      selector: labels(i),
      template: {
        metadata: { labels: { app: `app-${i}` }, annotations: { 'sidecar.istio.io/inject': 'true' } },
        spec: {
          serviceAccountName: `app-${i}`,
          containers: [
            {
              name: 'app',
              image: `registry.example/app-${i}:1.${i}.0`,
              ports: [{ containerPort: 8080, name: 'http' }],
              env: [{ name: 'PORT', value: '8080' }],
              resources: { requests: { cpu: '100m', memory: '128Mi' } },
            },
          ],
        },
      },
    },
  }),
  (i) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(i),
    spec: { selector: { app: `app-${i}` }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  }),
  (i) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(i) }),
  (i) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(i), data: { 'app.conf': `listen 8080\nname app-${i}\nworkers 4\n` } }),
  (i) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: metadata(i),
    spec: {
      selector: labels(i),
      action: 'ALLOW',
      rules: [
        {
          from: [
            { source: { principals: [`cluster-a.example/ns/team-${i % 7}/sa/client`, `cluster-b.example/ns/team-${i % 7}/sa/client`] } },
          ],
          to: [{ operation: { methods: ['GET', 'POST'], paths: ['/api/*'] } }],
        },
      ],
    },
  }),
  (i) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: metadata(i),
    spec: { selector: labels(i), mtls: { mode: 'STRICT' } },
  }),
  (i) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: metadata(i),
    spec: {
      hosts: [`app-${i}`],
      http: [
        {
          match: [{ uri: { prefix: '/' } }],
          route: [{ destination: { host: `app-${i}`, port: { number: 80 } }, weight: 100 }],
          timeout: '5s',
        },
      ],
    },
  }),
  (i) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: metadata(i),
    spec: {
      host: `app-${i}`,
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' }, connectionPool: { http: { http1MaxPendingRequests: 100 } } },
    },
  }),
  (i) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata(i),
    data: { token: Buffer.from(`not a secret ${i}`).toString('base64') },
  }),
  (i) => ({
    apiVersion: 'security.istio.io/v1beta1',
    kind: 'PeerAuthentication',
    metadata: metadata(i),
    spec: { selector: labels(i), mtls: { mode: 'STRICT' }, trustDomainAliases: ['cluster-b.example'], modes: {} },
  }),
]

const objects = (count: number): readonly object[] =>
  Array.from({ length: count }, (_, i) => (KINDS[i % KINDS.length] as (typeof KINDS)[number])(i))

const [federation] = readDocuments('federation.yaml', 'federation.yaml', stringify(document())).documents
const linted = (text: string) =>
  lint([readDocuments('all.yaml', 'all.yaml', text)], { now: NOW, member: 'cluster-b', ...(federation && { federation }) })

console.log('\nlint, every tenth object with two findings, best of 3 runs\n')
console.log('objects     MB   findings     lint              parsing alone    ratio')
for (const size of SIZES) {
  const text = objects(size)
    .map((object) => stringify(object))
    .join('---\n')
  const found = linted(text).findings.length
  if (found !== size / 5) throw new Error(`${found} findings, not ${size / 5}`)
  const own = bestOf(() => linted(text), 3)
  const parsing = bestOf(() => parseAllDocuments(text).map((one) => one.toJS()), size > 10_000 ? 1 : 2)
  const late = size === 10_000 && own > AT_MOST_MS
  if (late) process.exitCode = 1
  console.log(
    `${`${size}`.padStart(7)} ${(text.length / 2 ** 20).toFixed(1).padStart(6)} ${`${found}`.padStart(10)} ${own.toFixed(0).padStart(7)} ms ${((own / size) * 1000).toFixed(0).padStart(4)} µs/object ${parsing.toFixed(0).padStart(7)} ms ${(own / parsing).toFixed(2).padStart(8)}x${late ? `   SLOW: at most ${AT_MOST_MS} ms` : ''}`,
  )
}

const list = { apiVersion: 'v1', kind: 'List', items: objects(10_000) }
const forms: Readonly<Record<string, string>> = {
  'one List, as kubectl get -o yaml prints it': stringify(list),
  'one List, as JSON': JSON.stringify(list, null, 4),
  'with an anchor in each, which only the library reads': objects(2_500)
    .map((object) => stringify(object).replace('labels:', 'labels: &l'))
    .join('---\n'),
}
console.log('')
for (const [form, text] of Object.entries(forms))
  console.log(
    `${bestOf(() => linted(text), 2)
      .toFixed(0)
      .padStart(6)} ms   ${form} (${text.match(/object-/g)?.length} objects)`,
  )
