/**
 * `impact` over policies as a mesh has them: ten in each namespace, of every kind, beside three in the root namespace;
 * 50 trust domains come in at once, with 20 accounts each to take examples from. Beside it, as a yardstick, the same
 * policies are read and written as JSON.
 *
 *     npx tsx bench/impact.ts
 */
import { impact } from '../src/core/impact/impact.ts'
import { type Policy, readPolicy } from '../src/core/impact/policy/policy.ts'
import type { Admission } from '../src/core/impact/situation.ts'
import type { Manifest } from '../src/core/model/manifest.ts'

const SIZES = [1_250, 2_500, 5_000, 10_000]
const IN_NAMESPACE = 10
const DOMAINS = Array.from({ length: 50 }, (_, i) => `cluster-${i}.example`)
const RUNS = 3
/** Seconds for 5,000 policies. */
const LIMIT = 2

const BEFORE: Admission = { trustDomain: 'home.example', aliases: [], extra: [], pinned: [], rootNamespace: 'istio-system' }
const AFTER: Admission = { ...BEFORE, extra: DOMAINS }

const source = (fields: object): object => ({ from: [{ source: fields }] })
const app = (i: number): object => ({ selector: { matchLabels: { app: `app-${i}` } } })

function specs(namespace: string, n: number): readonly object[] {
  return [
    { rules: [source({ namespaces: [namespace] })] },
    { ...app(1), rules: [source({ principals: [`home.example/ns/${namespace}/sa/web`] })] },
    { ...app(2), rules: [source({ principals: ['*/ns/monitoring/sa/prometheus'] }), source({ serviceAccounts: ['web', 'shop/api'] })] },
    { ...app(3), action: 'DENY', rules: [source({ principals: [`home.example/ns/${namespace}/sa/legacy`] })] },
    {
      ...app(4),
      rules: [{ ...source({ trustDomains: [DOMAINS[n % DOMAINS.length]] }), to: [{ operation: { methods: ['GET'], paths: ['/api/*'] } }] }],
    },
    {
      ...app(5),
      rules: [{ ...source({ notNamespaces: ['default'] }), when: [{ key: 'request.auth.claims[group]', values: ['admins'] }] }],
    },
    {
      ...app(6),
      action: 'DENY',
      rules: [{ ...source({ notPrincipals: [`home.example/ns/${namespace}/*`] }), to: [{ operation: { methods: ['POST'] } }] }],
    },
    { ...app(6), rules: [source({ requestPrincipals: ['*'] }), source({ namespaces: ['shop-*'] })] },
    { ...app(7), action: 'AUDIT', rules: [{}] },
    { ...app(8), rules: [source({ notTrustDomains: ['evil.example'], ipBlocks: ['10.0.0.0/8'] })] },
  ]
}

const object = (namespace: string, name: string, spec: object): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { namespace, name },
  spec,
})

const ROOT = [
  object('istio-system', 'no-strangers', { action: 'DENY', rules: [source({ namespaces: ['quarantine'] })] }),
  object('istio-system', 'canary', { ...app(3), rules: [source({ principals: ['home.example/*'] })] }),
  object('istio-system', 'audit', { action: 'AUDIT', rules: [{}] }),
]

const objectsOf = (size: number): readonly Manifest[] => [
  ...ROOT,
  ...Array.from({ length: size / IN_NAMESPACE }, (_, n) =>
    specs(`ns-${n}`, n).map((spec, i) => object(`ns-${n}`, `policy-${i}`, spec)),
  ).flat(),
]

const accounts = DOMAINS.flatMap((domain) =>
  Array.from({ length: 20 }, (_, i) => `spiffe://${domain}/ns/ns-${i}/sa/${i % 2 === 0 ? 'web' : 'api'}`),
)

interface Took {
  readonly wall: number
  /** What the process itself used: on a busy machine the wall tells of others, too. */
  readonly cpu: number
}

/** The best of several runs, in milliseconds. */
function time(work: () => unknown): Took {
  let best: Took = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY }
  for (let i = 0; i < RUNS; i++) {
    const [start, used] = [performance.now(), process.cpuUsage()]
    work()
    const { user, system } = process.cpuUsage(used)
    best = { wall: Math.min(best.wall, performance.now() - start), cpu: Math.min(best.cpu, (user + system) / 1000) }
  }
  return best
}

function judged(objects: readonly Manifest[]): number {
  // Anew each time: nothing is remembered between runs.
  const policies: readonly Policy[] = objects.map((one) => readPolicy(one).policy)
  return impact({ admission: BEFORE, policies }, { admission: AFTER, policies }, { accounts }).policies.filter(
    ({ widenings }) => widenings.length > 0,
  ).length
}

console.log(`\nimpact, ${IN_NAMESPACE} policies in each namespace, ${DOMAINS.length} trust domains come in, best of ${RUNS} runs\n`)
const cell = (milliseconds: number): string => `${milliseconds.toFixed(0).padStart(6)} ms`
console.log('policies  namespaces  widened       wall   processor  a policy      against reading and writing JSON')
for (const size of SIZES) {
  const objects = objectsOf(size)
  const widened = judged(objects)
  const { wall, cpu } = time(() => judged(objects))
  const yardstick = time(() => JSON.parse(JSON.stringify(objects)))
  const late = size === 5_000 && cpu > LIMIT * 1000
  console.log(
    `${`${size}`.padStart(8)} ${`${size / IN_NAMESPACE}`.padStart(11)} ${`${widened}`.padStart(8)} ${cell(wall)} ${cell(cpu)}  ${(cpu / size).toFixed(3)} ms  ${(cpu / yardstick.cpu).toFixed(0).padStart(4)}x${late ? `   SLOW (at most ${LIMIT} s)` : ''}`,
  )
  if (late) process.exitCode = 1
}
