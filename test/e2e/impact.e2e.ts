/** `impact` against real istiod and Envoy: its predictions match the responses to requests, for each policy and setting. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDocument } from 'yaml'
import { parseMeshConfig } from '../../src/adapters/kubernetes/read/mesh-config.ts'
import { Judge, judge } from '../../src/core/impact/judge-request.ts'
import { readPolicy } from '../../src/core/impact/policy/policy.ts'
import { verdictOf } from '../../src/core/impact/policy/truth.ts'
import type { Admission } from '../../src/core/impact/situation.ts'
import { at, text } from '../../src/core/model/manifest.ts'
import type { ImpactView } from '../../src/core/view/impact-view.ts'
import { Bed } from '../testbed/bed.ts'
import type { KubeObject } from '../testbed/kube.ts'
import type { Identity } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { Battery, type Shot } from '../testbed/volley.ts'
import { type Asked, CASES, type PolicyCase, WIDE_CASES, type Written } from './impact-cases.ts'
import { aReaches, bAccepts, CALLER, codes, expectCode, Shop } from './shop.ts'

const MESH = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'istio-system', name: 'istio' }
const POLICY = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' } as const
const PODS = 6
const HOST = 'server.shop'

/** Local and foreign callers, namesakes of each other, and callers of a domain that was not named. */
const CALLERS = [
  'b cluster-b.example/ns/sample/sa/client',
  'b cluster-b.example/ns/foo/sa/web',
  'b cluster-b.example/ns/sample/sa/web-admin',
  'a cluster-a.example/ns/sample/sa/client',
  'a cluster-a.example/ns/foo/sa/web',
  'a cluster-a.example/ns/bar-1/sa/web-admin',
  'a cluster-a.example/ns/ns1/sa/admin',
  'a cluster-c.example/ns/sample/sa/client',
].map((line) => ({ ca: line.slice(0, 1) as 'a' | 'b', id: `spiffe://${line.slice(2)}` }))

let bed: Bed
let targets: readonly Pod[]
let battery: Battery
let plain: string
const leaves: Record<string, Identity> = {}

beforeAll(async () => {
  bed = await Bed.shared({ multiroot: true, progress: (line) => console.log(line) })
  plain = text(at(await bed.b.kube.get(MESH), 'data', 'mesh'))
  const starting = Array.from({ length: PODS }, (_, i) => bed.b.pod({ namespace: `ns${i + 1}`, name: `server-${i + 1}` }))
  const outsider = bed.b.pod({ namespace: 'outside', name: 'caller', proxy: 'none', app: false })
  targets = await Promise.all(starting)
  await Promise.all(targets.map((pod) => bed.service(pod.namespace, pod.name, [pod])))
  await bed.b.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } })
  for (const { ca, id } of CALLERS) leaves[id] = await bed[ca].mint(id)
  battery = new Battery(await outsider, leaves)
})
afterAll(async () => {
  battery?.stop()
  await bed?.giveBack()
})

/** A case for each pod; what reaches every pod alone. */
const ROUNDS: readonly (readonly PolicyCase[])[] = [
  ...Array.from({ length: Math.ceil(CASES.length / PODS) }, (_, i) => CASES.slice(i * PODS, (i + 1) * PODS)),
  ...WIDE_CASES.map((of) => [of]),
]

const SETTINGS = {
  baseline: () => ({}),
  caCertificates: () => ({ caCertificates: [{ pem: bed.a.istiod.ca.root.certificate, trustDomains: ['cluster-a.example'] }] }),
  aliases: () => ({ caCertificates: [{ pem: bed.a.istiod.ca.root.certificate }], trustDomainAliases: ['cluster-a.example'] }),
}

const PROVIDER = { name: 'checker', envoyExtAuthzHttp: { service: 'server-1.ns1.svc.cluster.local', port: 80 } }

/** The mesh config as written, once proxies judge by it. */
async function configure(setting: object, foreign: boolean): Promise<string> {
  const document = parseDocument(plain)
  for (const [key, value] of Object.entries({ ...setting, extensionProviders: [PROVIDER] })) document.set(key, value)
  const mesh = document.toString()
  await bed.b.kube.patch(MESH, { data: { mesh } })
  await until(
    'the proxies to judge by the new mesh config',
    async () => {
      const shots = targets.flatMap((pod) => CALLERS.map(({ id }) => shot(pod, id, {})))
      const results = await battery.fire(shots)
      return results.every(({ status }, i) => {
        const id = shots[i]?.leaf ?? ''
        return (status === 200) === (id.includes('cluster-b') || (foreign && id.includes('cluster-a')))
      })
    },
    60_000,
    300,
  )
  return mesh
}

const shot = (pod: Pod, leaf: string, { method = 'GET', path = '/', headers }: Asked): Shot => ({
  leaf,
  address: pod.address,
  port: 8080,
  method,
  path,
  host: HOST,
  ...(headers && { headers }),
})

const filled = <T>(value: T, pod: Pod): T =>
  JSON.parse(JSON.stringify(value).replaceAll('@pod', pod.name).replaceAll('"@-root"', `"${pod.namespace}-root"`)) as T

const objectOf = (written: Written, pod: Pod): KubeObject => {
  const { name, namespace = pod.namespace, annotations, spec } = filled(written, pod)
  return {
    ...POLICY,
    metadata: { name, namespace: namespace === 'elsewhere' ? 'elsewhere' : namespace, ...(annotations && { annotations }) },
    spec,
  }
}

let round = 0
/** Applies one case to each pod, and waits until every proxy has it: a last policy, which only audits, marks the spot. */
async function settle(cases: readonly PolicyCase[]): Promise<void> {
  round += 1
  await Promise.all(
    targets.map(async (pod, i) => {
      await bed.b.kube.apply(...(cases[i]?.policies ?? []).map((written) => objectOf(written, pod)))
      await bed.b.kube.apply({
        ...POLICY,
        metadata: { name: 'mark', namespace: pod.namespace },
        spec: { action: 'AUDIT', rules: [{ to: [{ operation: { paths: [`/round-${round}`] } }] }] },
      })
    }),
  )
  await Promise.all(
    targets.map((pod) =>
      until(
        `${pod.name} to have round ${round}`,
        async () => inForce(await pod.admin('/config_dump?resource=dynamic_listeners')).includes(`/round-${round}"`),
        60_000,
      ),
    ),
  )
}

/** Listeners that serve, not those that warm up. */
const inForce = (dump: string): string =>
  JSON.stringify((JSON.parse(dump) as { configs?: readonly unknown[] }).configs?.map((listener) => at(listener, 'active_state')) ?? [])

async function clear(cases: readonly PolicyCase[]): Promise<void> {
  await Promise.all(
    targets.flatMap((pod, i) =>
      (cases[i]?.policies ?? []).map((written) => {
        const { metadata } = objectOf(written, pod)
        return bed.b.kube.delete({ ...POLICY, namespace: metadata.namespace ?? '', name: metadata.name })
      }),
    ),
  )
}

interface Met {
  readonly what: string
  readonly predicted: string
  readonly met: string
}

/** The response to each caller at each pod, next to the prediction. */
async function compare(cases: readonly PolicyCase[], admission: Admission): Promise<readonly Met[]> {
  const rows = cases.flatMap((of, i) => {
    const pod = targets[i] as Pod
    const policies = of.policies.map((written) => readPolicy(objectOf(written, pod)).policy)
    const bench = new Judge({ admission, policies }).bench({ namespace: pod.namespace, labels: { app: pod.name } })
    return (of.asked ?? [{}]).flatMap((asked) =>
      CALLERS.map(({ id }) => {
        const { method, path, port, host } = shot(pod, id, asked)
        return {
          shot: shot(pod, id, asked),
          what: `${of.name}: ${id} ${method} ${path}`,
          predicted: verdictOf(judge(id, bench, { method, path, host, port: String(port) })),
        }
      }),
    )
  })
  const results = await battery.fire(rows.map((row) => row.shot))
  return rows.map(({ what, predicted }, i) => {
    const { status, alert, error } = results[i] ?? {}
    // The test server answers 200 to everything; a refused certificate shows as an alert or a reset.
    const met =
      status === 200
        ? 'allow'
        : status === 403 || alert !== undefined || /ECONNRESET|closed/.test(error ?? '')
          ? 'deny'
          : `${status} ${error}`
    return { what, predicted, met }
  })
}

describe.each(Object.entries(SETTINGS))('impact under %s', (name, setting) => {
  it('predicts the responses that callers get', async () => {
    const mesh = await configure(setting(), name !== 'baseline')
    const admission = admissionOf(mesh)
    const met: Met[] = []
    for (const cases of ROUNDS) {
      await settle(cases)
      met.push(...(await compare(cases, admission)))
      await clear(cases)
    }
    await settle([])
    expect(met.filter(({ predicted, met }) => predicted !== met && predicted !== 'maybe')).toEqual([])
    const count = (verdict: string): number => met.filter(({ predicted }) => predicted === verdict).length
    console.log(
      `${name}: ${ROUNDS.flat().length} cases, ${met.length} requests: ${count('allow')} allow, ${count('deny')} deny, ${count('maybe')} maybe`,
    )
    // `maybe` is allowed only in cases that announce it.
    expect(met.filter(({ predicted, what }) => predicted === 'maybe' && !what.includes('maybe'))).toEqual([])
  }, 300_000)
})

describe('impact on the clusters themselves', () => {
  let shop: Shop
  const named = (name: string, spec: object): KubeObject => ({ ...POLICY, metadata: { name, namespace: 'ns1' }, spec })
  const FROM_SAMPLE = { selector: { matchLabels: { app: 'server-1' } }, rules: [{ from: [{ source: { namespaces: ['sample'] } }] }] }
  const LOCALS = {
    selector: { matchLabels: { app: 'server-1' } },
    rules: [{ from: [{ source: { principals: ['cluster-b.example/*'] } }] }],
  }

  beforeAll(async () => {
    await bed.b.kube.patch(MESH, { data: { mesh: plain } })
    await bed.a.pod({ namespace: 'sample', name: 'client', app: false })
    shop = await Shop.open(bed, [bAccepts({ namespace: 'ns1', selector: { app: 'server-1' } }), aReaches()])
    await bed.b.kube.apply(named('from-sample', FROM_SAMPLE))
  })
  afterAll(() => shop?.remove())

  const asked = async (...args: readonly string[]) => {
    const { policies } = expectCode(await shop.run('impact', ...args, '-o', 'json'), 0).json as ImpactView
    return policies.find(({ name }) => name === 'from-sample')
  }

  it('reports whom the federation as written accepts: its caller, by the existing policy', async () => {
    expect(await asked('--truster', 'cluster-b')).toMatchObject({
      member: 'cluster-b',
      newlyAccepted: [CALLER],
      because: expect.stringContaining('carries no trust domain'),
      examples: [`spiffe://${CALLER}`],
    })
  })

  it('reports whom caCertificates would accept instead, with an account that exists', async () => {
    expect(await asked('--truster', 'cluster-b', '--trusted', 'cluster-a', '--as', 'mesh')).toMatchObject({
      newlyAccepted: ['cluster-a.example/ns/sample/*'],
      examples: [`spiffe://${CALLER}`],
    })
  })

  it('has the plan report a caller that policies reject', async () => {
    expect(codes((await shop.plan()).findings)).not.toContain('caller-still-denied')
    await bed.b.kube.apply(named('from-sample', LOCALS))
    const { findings } = await shop.plan()
    expect(findings.filter(({ code }) => code === 'caller-still-denied')).toMatchObject([
      { subject: 'cluster-b: ns1 (app=server-1)', message: expect.stringContaining('no ALLOW policy matches it (ns1/from-sample)') },
    ])
  })
})

function admissionOf(mesh: string): Admission {
  const config = parseMeshConfig('mesh', [mesh])
  return { ...config, extra: config.extraDomains, pinned: [] }
}
