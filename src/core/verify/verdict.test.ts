import { beforeAll, describe, expect, it } from 'vitest'
import type { TestCa } from '../../../test/support/ca.ts'
import {
  A,
  ALICE,
  approval,
  approvedOf,
  authority,
  B,
  bundleOf,
  C,
  CLIENT,
  domain,
  fakeRoot,
  federation,
  member,
  NOW,
  SERVER_HOST,
  type Spec,
  spec,
  viewOf,
  wanted,
} from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { failed, object, ok, peerAuthentication, pod, service } from '../../../test/support/observations.ts'
import { intents } from '../federation/intents.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence, IstioFacts, NameGuard, Observation, ProxyConfig, Seens } from '../model/observed.ts'
import type { Verdict } from '../model/proven.ts'
import type { MemberName } from '../model/wanted.ts'
import { plan, simulate } from '../plan/plan.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { SHARED_MESH_CONFIG } from '../trust/mesh-wide/mesh-roots.ts'
import { acceptFile, isTrustMap, reachFile } from '../trust/mounted/bundle-map.ts'
import { renderState } from '../trust/render.ts'
import { EMPTY, noInbound, noOutbound, type Roots } from '../trust/state.ts'
import { verify } from './verdict.ts'

const [a, b] = ['cluster-a', 'cluster-b'].map(member) as [MemberName, MemberName]
const client = pod('sample/client', { app: 'client' })
const server = pod('sample/server', { app: 'server' })
const ISTIOD = { pod: 'istiod-1', revision: 'default', env: { ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG } }
const around = [client, server, service('sample/server')]

let caA: TestCa
let caB: TestCa
let chains: ReadonlyMap<MemberName, readonly Uint8Array[]>
beforeAll(async () => {
  ;[caA, caB] = await Promise.all([authority(A), authority(B)])
  const [fromA, fromB] = await Promise.all([
    caA.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`),
    caB.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`),
  ])
  chains = new Map([
    [a, fromA.chainDer],
    [b, fromB.chainDer],
  ])
})

/** A federation that was applied, and what is seen of it. */
interface Scene {
  spec: Spec
  bundles: readonly Bundle[]
  seen: Map<MemberName, Observation>
}

async function scene(change: (s: Spec) => void = () => {}, more: readonly Manifest[] = []): Promise<Scene> {
  const bundles = [caA.bundle, caB.bundle]
  const intents = wanted(federation(spec(change)), ...bundles)
  const looks = async (name: MemberName, own: Bundle, objects: readonly Manifest[]) =>
    memoryMesh(name, { own, objects, istio: { xdsAgent: true, istiods: [ISTIOD], presented: ok(chains.get(name) ?? []) } })
  const seen = new Map<MemberName, Observation>()
  const empty: Seens = new Map([
    [a, await (await looks(a, caA.bundle, [...around, ...more])).observe({ namespaces: [] })],
    [b, await (await looks(b, caB.bundle, [...around, ...more])).observe({ namespaces: [] })],
  ])
  const { steps } = plan(intents, empty, NOW)
  for (const [name, own] of [
    [a, caA.bundle],
    [b, caB.bundle],
  ] as const) {
    const done = steps.filter((step) => step.member === name).reduce(simulate, empty.get(name) as Observation)
    const mesh = await looks(name, own, done.objects.ok ? done.objects.value : [])
    await mesh.proxies()
    seen.set(name, await mesh.observe({ namespaces: [] }))
  }
  return { spec: spec(change), bundles, seen }
}

const verdictsOf = (s: Scene, now = NOW): readonly Verdict[] => {
  const of = federation(s.spec)
  return verify(of, wanted(of, ...s.bundles), s.seen, now)
}
const inB = ({ seen }: Scene, change: Partial<Observation>) => void seen.set(b, { ...(seen.get(b) as Observation), ...change })
const inA = ({ seen }: Scene, change: Partial<Observation>) => void seen.set(a, { ...(seen.get(a) as Observation), ...change })
const istioOf = ({ seen }: Scene, name: MemberName, change: Partial<IstioFacts>): Observation['istio'] => {
  const now = seen.get(name)?.istio
  return now?.ok ? ok({ ...now.value, ...change }) : failed()
}
const proxiesOf = ({ seen }: Scene, name: MemberName, change: (evidence: Evidence) => Evidence | undefined): Observation['proxies'] => {
  const now = seen.get(name)?.proxies
  return now?.ok ? ok(now.value.flatMap((evidence) => change(evidence) ?? [])) : failed()
}
const inConfig =
  (change: (config: ProxyConfig) => Partial<ProxyConfig>) =>
  (evidence: Evidence): Evidence =>
    evidence.config === undefined ? evidence : { ...evidence, config: { ...evidence.config, ...change(evidence.config) } }
/** @param change in each cluster of the host */
const atHost = (change: Partial<ProxyConfig['outbound'][number]>) =>
  inConfig(({ outbound }) => ({ outbound: outbound.map((u) => ({ ...u, ...change })) }))
const withGuards = (change: (guard: NameGuard) => readonly NameGuard[]) =>
  inConfig(({ inbound }) => ({ inbound: inbound.map((chain) => ({ ...chain, guards: (chain.guards ?? []).flatMap(change) })) }))
const withoutPins = inConfig(({ inbound }) => ({ inbound: inbound.map(({ pins: _, ...chain }) => chain) }))
/** As istiod makes it once the filter is gone: the names that the filter brought go with it. */
const withoutFilter = inConfig(({ inbound }) => ({
  inbound: inbound.map(({ pins: _, ...chain }) => ({ ...chain, sanPrefixes: [`spiffe://${B}/`] })),
}))

/** The verdict on b, which accepts callers of a. */
const accepting = (verdicts: readonly Verdict[]) => verdicts.find((v) => v.truster === b) as Verdict
const reaching = (verdicts: readonly Verdict[]) => verdicts.find((v) => v.truster === a) as Verdict

describe('a trust that works', () => {
  it('is proven, with its roots and every proxy ready', async () => {
    const verdicts = verdictsOf(await scene())
    expect(verdicts.map((v) => [v.truster, v.state, v.findings])).toEqual([
      [b, 'proven', []],
      [a, 'proven', []],
    ])
    expect(accepting(verdicts)).toMatchObject({
      roots: [caA.root.anchor.fingerprint],
      proxies: { total: 1, ready: 1, lagging: [], rejected: [], unheard: [] },
    })
  })
})

describe('a clock that differs', () => {
  it('is reported for either side, without a change to the verdict', async () => {
    const made = await scene()
    for (const name of [a, b]) {
      const seen = made.seen.get(name) as Observation
      made.seen.set(name, { ...seen, clock: { aheadMs: name === a ? 3_600_000 : 0, withinMs: 500 } })
    }
    for (const { state, findings } of verdictsOf(made))
      expect([state, findings.map(({ code, subject }) => [code, subject])]).toEqual(['proven', [['clock-differs', a]]])
  })
})

describe('a listener that does not check names as the filter requires', () => {
  const stranger = `${A}/ns/sample/sa/stranger` as Principal
  it.each([
    { what: 'has no guard', change: () => [] },
    { what: 'accepts a stranger as well', change: (guard: NameGuard) => [{ ...guard, callers: [...guard.callers, stranger] }] },
    { what: 'accepts nobody', change: (guard: NameGuard) => [{ ...guard, callers: [] }] },
    { what: 'treats the foreign domain as one of its own', change: (guard: NameGuard) => [{ ...guard, own: [domain(A), ...guard.own] }] },
  ])('is broken if it $what', async ({ change }) => {
    const s = await scene()
    inB(s, { proxies: proxiesOf(s, b, withGuards(change)) })
    expect(accepting(verdictsOf(s))).toMatchObject({ state: 'broken', findings: [{ code: 'name-guard-missing', severity: 'error' }] })
  })

  it('is proven if another guard is present as well', async () => {
    const s = await scene()
    inB(s, {
      proxies: proxiesOf(
        s,
        b,
        withGuards((guard) => [{ ...guard, callers: [] }, guard]),
      ),
    })
    expect(accepting(verdictsOf(s)).findings.map(({ code }) => code)).not.toContain('name-guard-missing')
  })
})

describe('a proxy that does not hold the contents of our filter', () => {
  const theirs = object(
    'networking.istio.io/v1alpha3',
    'EnvoyFilter',
    'istio-system/corporate-tls',
    {
      spec: {
        priority: 2000,
        configPatches: [
          { applyTo: 'FILTER_CHAIN', match: { context: 'ANY' }, patch: { operation: 'MERGE', value: { transport_socket: {} } } },
        ],
      },
    },
    { creationTimestamp: '2026-01-01T00:00:00Z' },
  )
  const withTheirs = (s: Scene, name: MemberName) => {
    const { objects } = s.seen.get(name) as Observation
    return ok([...(objects.ok ? objects.value : []), theirs])
  }

  it('is reported with the foreign filter that comes after ours', async () => {
    const s = await scene()
    inB(s, { objects: withTheirs(s, b), proxies: proxiesOf(s, b, withoutPins) })
    const named = accepting(verdictsOf(s)).findings.filter((f) => f.code === 'foreign-filter')
    expect(named).toMatchObject([
      {
        severity: 'error',
        subject: 'server.sample',
        message: expect.stringContaining('EnvoyFilter istio-system/corporate-tls (priority 2000, applied after ours)'),
      },
    ])
  })

  it('is not attributed to a foreign filter while it holds ours', async () => {
    const s = await scene()
    inB(s, { objects: withTheirs(s, b) })
    expect(accepting(verdictsOf(s)).findings).toEqual([])
  })

  it('is not attributed to a foreign filter while our own filter differs from the target', async () => {
    const s = await scene()
    const objects = withTheirs(s, b)
    const value = objects.ok ? objects.value.filter((o) => o.metadata.name !== 'entente-accept-app-server' || o.kind !== 'EnvoyFilter') : []
    inB(s, { objects: ok(value), proxies: proxiesOf(s, b, withoutPins) })
    expect(accepting(verdictsOf(s)).findings.map((f) => f.code)).not.toContain('foreign-filter')
  })
})

interface Seeded {
  readonly cause: string
  readonly seed: (scene: Scene) => void | Promise<void>
  /** Of the verdict on `of`: b (accepting) or a (reaching). */
  readonly of: 'accepting' | 'reaching'
  readonly state: Verdict['state']
  readonly code: string
  /** The side, as the finding names it. */
  readonly subject: string
  readonly hint: RegExp
  readonly at?: Date
}

describe('why a trust does not work', () => {
  const causes: readonly Seeded[] = [
    {
      cause: 'the server side lacks the root',
      seed: (s) => inB(s, { proxies: proxiesOf(s, b, withoutPins) }),
      of: 'accepting',
      state: 'broken',
      code: 'root-missing',
      subject: 'server.sample',
      hint: /^entente apply/,
    },
    {
      cause: 'the client side lacks the root',
      seed: (s) =>
        inA(s, {
          proxies: proxiesOf(
            s,
            a,
            inConfig(({ outbound }) => ({ outbound: outbound.map(({ pins: _, ...u }) => u) })),
          ),
        }),
      of: 'reaching',
      state: 'broken',
      code: 'root-missing',
      subject: 'client.sample',
      hint: /^entente apply/,
    },
    {
      cause: 'every approved root expired',
      seed: () => {},
      at: new Date('2035-06-01T00:00:00Z'),
      of: 'accepting',
      state: 'broken',
      code: 'root-expired',
      subject: 'cluster-a',
      hint: /^entente approve cluster-a/,
    },
    {
      cause: 'a root is bound to another trust domain',
      seed: (s) =>
        inB(s, {
          proxies: proxiesOf(
            s,
            b,
            inConfig(({ inbound }) => ({
              inbound: inbound.map((chain) => ({
                ...chain,
                pins: new Map([[B, [caA.root.anchor.fingerprint, caB.root.anchor.fingerprint]]]),
              })),
            })),
          ),
        }),
      of: 'accepting',
      state: 'broken',
      code: 'root-of-another-domain',
      subject: 'server.sample',
      hint: /EnvoyFilter/,
    },
    {
      cause: 'Envoy rejected the filter',
      seed: (s) => inB(s, { proxies: proxiesOf(s, b, (e) => ({ ...e, acknowledged: false, rejected: 'duplicate trust domain' })) }),
      of: 'accepting',
      state: 'broken',
      code: 'filter-rejected',
      subject: 'server.sample',
      hint: /entente plan/,
    },
    {
      cause: 'the proxy is disconnected',
      seed: (s) => inB(s, { proxies: proxiesOf(s, b, (e) => (e.proxy === 'server.sample' ? undefined : e)) }),
      of: 'accepting',
      state: 'lagging',
      code: 'proxy-unheard',
      subject: 'server.sample',
      hint: /^kubectl -n sample get pod server/,
    },
    {
      cause: 'the proxy has not acknowledged',
      seed: (s) => inB(s, { proxies: proxiesOf(s, b, (e) => ({ ...e, acknowledged: false })) }),
      of: 'accepting',
      state: 'lagging',
      code: 'proxy-lagging',
      subject: 'server.sample',
      hint: /istio-proxy log/,
    },
    {
      cause: 'the workload is PERMISSIVE',
      seed: (s) =>
        inB(s, {
          proxies: proxiesOf(
            s,
            b,
            inConfig(({ inbound }) => ({ inbound: [...inbound, { name: 'virtualInbound', tls: 'none', sanPrefixes: [] }] })),
          ),
        }),
      of: 'accepting',
      state: 'broken',
      code: 'mtls-not-strict',
      subject: 'server.sample',
      hint: /PeerAuthentication/,
    },
    {
      cause: 'the service has no endpoint',
      seed: (s) =>
        inA(s, {
          proxies: proxiesOf(s, a, atHost({ endpoints: 0, sans: [] })),
        }),
      of: 'reaching',
      state: 'broken',
      code: 'no-endpoint',
      subject: 'client.sample',
      hint: /remote-clusters/,
    },
    ...(
      [
        {
          sans: [`spiffe://${B}/ns/sample/sa/other`, `spiffe://${B}/ns/sample/sa/server`, `spiffe://${A}/ns/sample/*`],
          code: 'servers-differ',
          hint: /another EnvoyFilter/,
          what: 'one more identity than named',
        },
        { sans: [`spiffe://${A}/ns/sample/*`], code: 'servers-differ', hint: /entente apply/, what: 'nobody of those named' },
        { sans: [], code: 'servers-differ', hint: /entente apply/, what: 'any identity' },
      ] as const
    ).map(
      ({ sans, code, hint, what }): Seeded => ({
        cause: `the client expects ${what} at the host`,
        seed: (s) => inA(s, { proxies: proxiesOf(s, a, atHost({ sans })) }),
        of: 'reaching',
        state: 'broken',
        code,
        subject: 'client.sample',
        hint,
      }),
    ),
    {
      cause: 'the client knows no such service',
      seed: (s) =>
        inA(s, {
          proxies: proxiesOf(
            s,
            a,
            inConfig(() => ({ outbound: [] })),
          ),
        }),
      of: 'reaching',
      state: 'broken',
      code: 'service-unknown',
      subject: 'client.sample',
      hint: /get service server/,
    },
    {
      cause: 'a DestinationRule switches mutual TLS off',
      seed: (s) =>
        inA(s, {
          proxies: proxiesOf(
            s,
            a,
            inConfig(({ outbound }) => ({ outbound: outbound.map(({ pins: _, ...u }) => ({ ...u, mutual: false })) })),
          ),
        }),
      of: 'reaching',
      state: 'broken',
      code: 'reach-not-mutual',
      subject: 'client.sample',
      hint: /DestinationRule/,
    },
    {
      cause: 'their CA signs under a root without approval',
      seed: async (s) => {
        const other = await authority(A, 'behind our back')
        const { chainDer } = await other.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`)
        inA(s, { istio: istioOf(s, a, { presented: ok(chainDer) }) })
      },
      of: 'accepting',
      state: 'broken',
      code: 'ca-not-approved',
      subject: 'cluster-a',
      hint: /^entente approve cluster-a/,
    },
    {
      cause: 'their CA signs under a root approved for another domain',
      seed: (s) => inA(s, { istio: istioOf(s, a, { presented: ok(chains.get(b) ?? []) }) }),
      of: 'accepting',
      state: 'broken',
      code: 'root-of-another-domain',
      subject: 'cluster-a',
      hint: /bundles\//,
    },
    {
      cause: 'our own CA has a root without approval',
      seed: async (s) => inB(s, { own: ok(bundleOf(B, caB.root.anchor, (await authority(B, 'new')).root.anchor)) }),
      of: 'accepting',
      state: 'broken',
      code: 'own-root-unknown',
      subject: 'cluster-b',
      hint: /^entente approve cluster-b/,
    },
    {
      cause: 'a filter lacks our own root',
      seed: (s) =>
        inB(s, {
          proxies: proxiesOf(
            s,
            b,
            inConfig(({ inbound }) => ({
              inbound: inbound.map((chain) => ({ ...chain, pins: new Map([[A, [caA.root.anchor.fingerprint]]]) })),
            })),
          ),
        }),
      of: 'accepting',
      state: 'broken',
      code: 'own-root-missing',
      subject: 'server.sample',
      hint: /^entente apply/,
    },
    {
      cause: 'additional callers are accepted',
      seed: (s) =>
        inB(s, {
          proxies: proxiesOf(
            s,
            b,
            inConfig(({ denies }) => ({ denies: denies.map((d) => ({ ...d, except: [] })) })),
          ),
        }),
      of: 'accepting',
      state: 'broken',
      code: 'callers-differ',
      subject: 'server.sample',
      hint: /^entente apply/,
    },
    {
      cause: 'only one direction is trusted',
      seed: (s) => void s.spec.trust.pop(),
      of: 'accepting',
      state: 'broken',
      code: 'one-way',
      subject: 'cluster-a',
      hint: /truster: cluster-a, trusted: cluster-b and reach/,
    },
    {
      cause: 'istiod of the truster cannot be asked',
      seed: (s) => inB(s, { proxies: failed('istiod-unreachable') }),
      of: 'accepting',
      state: 'unknown',
      code: 'istiod-unreachable',
      subject: 'cluster-b',
      hint: /kubectl/,
    },
    {
      cause: 'istiod of the trusted mesh cannot be asked',
      seed: (s) => inA(s, { istio: failed('istiod-unreachable', 'cluster-a') }),
      of: 'accepting',
      state: 'unknown',
      code: 'chain-unseen',
      subject: 'cluster-a',
      hint: /^kubectl --context cluster-a/,
    },
    {
      cause: 'no workload is in the scope',
      seed: (s) =>
        inB(s, {
          objects: ok(
            (s.seen.get(b)?.objects.ok ? (s.seen.get(b) as { objects: { value: readonly Manifest[] } }).objects.value : []).filter(
              (o) => o.kind !== 'Pod',
            ),
          ),
        }),
      of: 'accepting',
      state: 'unknown',
      code: 'no-workload',
      subject: 'cluster-b',
      hint: /selectors/,
    },
    {
      cause: 'the trusted mesh uses another trust domain',
      seed: (s) => inA(s, { istio: istioOf(s, a, { trustDomain: domain('cluster.local') }) }),
      of: 'accepting',
      state: 'broken',
      code: 'trust-domain-differs',
      subject: 'cluster-a',
      hint: /trustDomain of member cluster-a/,
    },
    {
      cause: 'no bundle of the trusted domain is approved',
      seed: (s) => void Object.assign(s, { bundles: [caB.bundle] }),
      of: 'accepting',
      state: 'broken',
      code: 'bundle-missing',
      subject: 'cluster-a',
      hint: /^entente approve cluster-a/,
    },
    {
      cause: 'the truster was not observed',
      seed: (s) => void s.seen.delete(b),
      of: 'accepting',
      state: 'unknown',
      code: 'not-observed',
      subject: 'cluster-b',
      hint: /entente verify/,
    },
  ]
  it.each(causes)('$cause: $code at $subject, $state', async ({ seed, of, state, code, subject, hint, at }) => {
    const made = await scene()
    await seed(made)
    const verdicts = verdictsOf(made, at)
    const verdict = of === 'accepting' ? accepting(verdicts) : reaching(verdicts)
    expect(verdict.findings.map((f) => `${f.code} ${f.subject}`)).toContain(`${code} ${subject}`)
    expect(verdict.findings.find((f) => f.code === code)?.hint).toMatch(hint)
    expect(verdict.state).toBe(state)
  })
})

describe('a severed trust', () => {
  const sever = (s: Scene): Scene => {
    s.spec.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })
    return s
  }
  const severedOf = (s: Scene) => verdictsOf(s).find((v) => v.truster === b && v.trusted === a) as Verdict
  const letGo = async () => {
    const s = sever(await scene())
    inB(s, { proxies: proxiesOf(s, b, withoutFilter) })
    return s
  }

  it('is broken while a proxy holds its roots', async () => {
    const verdict = severedOf(sever(await scene()))
    expect([verdict.state, verdict.proxies.lagging]).toEqual(['broken', ['server.sample']])
    expect(verdict.findings).toEqual([expect.objectContaining({ code: 'still-held', subject: 'server.sample', hint: 'entente apply' })])
  })

  it.each([
    { what: 'holds its roots', seen: scene, state: 'broken', hints: ['entente sever cluster-b cluster-a --reason "WHY"'] },
    { what: 'dropped them', seen: letGo, state: 'severed', hints: [] },
  ])('that only the record ends is judged alike: a proxy $what', async ({ seen, state, hints }) => {
    const s = await seen()
    s.spec.severed.pop()
    const of = federation(s.spec)
    const sever = {
      actor: ALICE,
      at: NOW,
      reason: 'x',
      action: 'sever',
      truster: b,
      trusted: a,
      trusterDomain: B,
      trustedDomain: A,
    } as const
    const record = viewOf([...s.bundles.map(approval), sever])
    const verdicts = verify(of, intents(of, approvedOf(...s.bundles), record, NOW).intents, s.seen, NOW)
    const [verdict, ...others] = verdicts.filter((v) => v.truster === b && v.trusted === a)
    expect([verdict?.state, verdict?.findings.map(({ hint }) => hint), others]).toEqual([state, hints, []])
  })

  it('of the whole mesh that the file no longer lists is broken while Istio’s own list contains its domain', async () => {
    const s = await letGo()
    s.spec.trust = s.spec.trust.filter(({ truster }) => truster !== 'cluster-b')
    inB(s, {
      proxies: proxiesOf(
        s,
        b,
        inConfig(({ inbound }) => ({ inbound: inbound.map((c) => ({ ...c, sanPrefixes: [`spiffe://${B}/`, `spiffe://${A}/`] })) })),
      ),
    })
    expect(severedOf(s)).toMatchObject({ state: 'broken', proxies: { lagging: ['client.sample', 'server.sample'] } })
  })

  it('is unknown if a listener names no domain, and the mesh config, which could hold its roots, was not read', async () => {
    const s = await letGo()
    inB(s, {
      istio: failed('forbidden'),
      proxies: proxiesOf(
        s,
        b,
        inConfig(({ inbound }) => ({ inbound: inbound.map((c) => ({ ...c, sanPrefixes: [] })) })),
      ),
    })
    expect(severedOf(s)).toMatchObject({ state: 'unknown', proxies: { unheard: ['client.sample', 'server.sample'] } })
  })

  it('that the file lists twice has one verdict', async () => {
    const verdicts = verdictsOf(sever(sever(await scene())))
    expect(verdicts.filter((v) => v.truster === b && v.trusted === a)).toHaveLength(1)
  })

  it('is severed once every proxy dropped it', async () => {
    expect(severedOf(await letGo()).state).toBe('severed')
  })

  it.each([
    { name: 'has not acknowledged', change: { acknowledged: false }, state: 'lagging', list: 'lagging' },
    {
      name: 'rejected its configuration, and so holds the previous one',
      change: { acknowledged: false, rejected: 'no' },
      state: 'broken',
      list: 'rejected',
    },
  ] as const)('is not proven while a proxy $name', async ({ change, state, list }) => {
    const s = await letGo()
    inB(s, { proxies: proxiesOf(s, b, (e) => (e.proxy === 'server.sample' ? { ...e, ...change } : e)) })
    const verdict = severedOf(s)
    expect([verdict.state, verdict.proxies[list], verdict.proxies.ready]).toEqual([state, ['server.sample'], 0])
  })

  it('reports a disconnected proxy by name; that proxy is never ready', async () => {
    const s = await letGo()
    inB(s, { proxies: proxiesOf(s, b, (e) => (e.proxy === 'server.sample' ? undefined : e)) })
    const verdict = severedOf(s)
    expect(verdict.proxies).toMatchObject({ unheard: ['server.sample'], ready: 0 })
    expect(verdict.findings.map((f) => f.code)).toEqual(['proxy-unheard'])
    expect(verdict.state).toBe('unknown')
  })

  it.each([
    { name: 'no istiod knows any proxy', change: () => undefined },
    { name: 'the state of every proxy is unknown', change: ({ config: _, ...e }: Evidence) => ({ ...e, heard: false }) },
  ])('whose scopes are no longer in the file is unknown where $name, although pods run', async ({ change }) => {
    const s = await letGo()
    s.spec.trust = s.spec.trust.filter(({ truster }) => truster !== 'cluster-b')
    expect(severedOf(s).state).toBe('severed')
    inB(s, { proxies: proxiesOf(s, b, change) })
    expect(severedOf(s)).toMatchObject({ state: 'unknown', proxies: { ready: 0, unheard: ['client.sample', 'server.sample'] } })
  })

  it('is unknown if the pods could not be observed', async () => {
    const s = await letGo()
    inB(s, { objects: failed('forbidden') })
    expect(severedOf(s).state).toBe('unknown')
  })

  describe('of inbound callers, with roots in a file', () => {
    const file = acceptFile({ namespace: 'sample', labels: { app: 'server' } })
    const roots = (...domains: readonly TrustDomain[]): Roots => new Map(domains.map((d) => [d, [fakeRoot(d)]]))
    it.each([
      {
        name: 'is severed where the file no longer has the domain that the listener still names',
        held: roots(B),
        names: [A, B],
        state: 'severed',
      },
      {
        name: 'is lagging until its kubelet has synced that change',
        held: roots(B),
        at: '2026-05-31T23:59:30Z',
        names: [A, B],
        state: 'lagging',
      },
      { name: 'is broken where it has the domain', held: roots(A, B), names: [A, B], state: 'broken' },
      { name: 'is broken where it has the domain, and the listener accepts any name', held: roots(A, B), names: [], state: 'broken' },
      { name: 'is broken where it is gone', held: undefined, names: [A, B], state: 'broken' },
    ])('$name', async ({ held, at, names, state }) => {
      const s = sever(await scene())
      const scope = {
        ...noInbound({ namespace: 'sample', labels: { app: 'server' } }),
        file: { name: file, roots: held ?? roots(), read: true, volumes: [0] },
      }
      const made = renderState(
        { ...EMPTY, inbound: new Map(held === undefined ? [] : [['k', scope]]) },
        { owner: 'shop', istioNamespace: 'istio-system', own: new Set([B]) },
      )
      const maps = made.filter(isTrustMap).map((map) => ({ ...map, metadata: { ...map.metadata, ...(at && { writtenAt: at }) } }))
      const { objects } = s.seen.get(b) as Observation
      inB(s, {
        objects: ok([...(objects.ok ? objects.value : []), ...maps]),
        proxies: proxiesOf(s, b, (e) =>
          inConfig(({ inbound }) => ({
            inbound: inbound.map(({ pins: _, ...c }) =>
              e.pod === 'server' ? { ...c, file, sanPrefixes: names.map((d) => `spiffe://${d}/`) } : c,
            ),
          }))(e),
        ),
      })
      expect(severedOf(s).state).toBe(state)
    })
  })

  describe('of outbound calls, with roots in a file', () => {
    const reach = reachFile({ namespace: 'sample', labels: { app: 'client' } }, SERVER_HOST)
    const theirs = `spiffe://${B}/ns/sample/sa/server`
    const ours = `spiffe://${A}/ns/sample/sa/server`
    /** @param of the ConfigMap of files; undefined: there is none. @param sans whom the cluster takes for a server */
    const reading = async (of: { readonly roots: Roots; readonly writtenAt?: string } | undefined, sans: readonly string[]) => {
      const s = await scene()
      s.spec.severed.push({ truster: 'cluster-a', trusted: 'cluster-b', at: '2026-05-30T10:00:00Z', reason: 'left' })
      const from = { namespace: 'sample', labels: { app: 'client' } }
      const files = new Map(of === undefined ? [] : [[SERVER_HOST, { name: reach, roots: of.roots, read: true, volumes: [0] }]])
      const state = { ...EMPTY, outbound: new Map([['k', { ...noOutbound(from), files }]]) }
      const maps = renderState(state, { owner: 'shop', istioNamespace: 'istio-system', own: new Set([A]) }).filter(isTrustMap)
      const written = maps.map((map) => ({ ...map, metadata: { ...map.metadata, ...(of?.writtenAt && { writtenAt: of.writtenAt }) } }))
      const { objects } = s.seen.get(a) as Observation
      inA(s, {
        objects: ok([...(objects.ok ? objects.value : []), ...written]),
        proxies: proxiesOf(s, a, (e) => (e.pod === 'client' ? atHost({ file: reach, sans })(e) : e)),
      })
      return verdictsOf(s).find((v) => v.truster === a && v.trusted === b) as Verdict
    }
    const roots = (...domains: readonly TrustDomain[]): Roots => new Map(domains.map((d) => [d, [fakeRoot(d)]]))

    it.each([
      { name: 'is severed where the file no longer has the domain', of: { roots: roots(A) }, sans: [theirs], state: 'severed', codes: [] },
      { name: 'is broken where it has it', of: { roots: roots(A, B) }, sans: [theirs], state: 'broken', codes: ['still-held'] },
      {
        name: 'is broken where it is gone, and a server of the domain is named',
        of: undefined,
        sans: [theirs],
        state: 'broken',
        codes: ['still-held'],
      },
      { name: 'is broken where it is gone, and no server is named', of: undefined, sans: [], state: 'broken', codes: ['still-held'] },
      { name: 'is severed where it is gone, and only our own are named', of: undefined, sans: [ours], state: 'severed', codes: [] },
      {
        name: 'is lagging while its kubelet may not have synced it',
        of: { roots: roots(A), writtenAt: '2026-05-31T23:59:30Z' },
        sans: [theirs],
        state: 'lagging',
        codes: ['file-pending'],
      },
    ])('$name', async ({ of, sans, state, codes }) => {
      const verdict = await reading(of, sans)
      expect([verdict.state, verdict.findings.map((f) => f.code)]).toEqual([state, codes])
      expect(verdict.proxies.lagging).toEqual(state === 'severed' ? [] : ['client.sample'])
    })
  })

  it('is unknown if nothing could be observed', async () => {
    const s = sever(await scene())
    inB(s, { proxies: failed('istiod-unreachable') })
    expect(severedOf(s)).toMatchObject({ state: 'unknown', findings: [expect.objectContaining({ code: 'istiod-unreachable' })] })
  })
})

describe('a trust', () => {
  it('that has ended is reported while a proxy still holds it, and has no verdict once none does', async () => {
    const s = await scene()
    for (const trust of s.spec.trust) if (trust.truster === 'cluster-b') trust.until = '2026-05-30'
    const over = () => verdictsOf(s).filter((verdict) => verdict.truster === b)
    expect(over()).toMatchObject([
      {
        state: 'broken',
        ends: expect.any(Date),
        findings: [{ code: 'still-held', subject: 'server.sample', message: `still accepts ${A} after it ended` }],
      },
    ])
    inB(s, { proxies: proxiesOf(s, b, withoutFilter) })
    expect(over()).toEqual([])
  })
})

describe('a trust of the whole mesh', () => {
  const ASKS = { env: { PROXY_CONFIG_XDS_AGENT: 'true' } }
  const asking = (...others: readonly Manifest[]) => [
    pod('sample/client', { app: 'client' }, ASKS),
    pod('sample/server', { app: 'server' }, ASKS),
    ...others,
  ]
  const accept = (caller: string) => [{ mtls: 'permissive', callers: [caller] }]
  const wide = (s: Spec) =>
    void s.trust.splice(
      0,
      2,
      { truster: 'cluster-b', trusted: 'cluster-a', distribution: 'mesh', accept: accept(CLIENT) },
      { truster: 'cluster-a', trusted: 'cluster-b', distribution: 'mesh', accept: accept(`${B}/ns/sample/sa/server`) },
    )
  const verdict = async (...pods: readonly Manifest[]) => {
    const s = await scene(wide, pods)
    inB(s, { pods: ok(pods) })
    return { s, told: accepting(verdictsOf(s)) }
  }
  const codesOf = ({ findings }: Verdict) => findings.map((f) => `${f.severity} ${f.code}`)

  it('is proven by names, and says that Entente cannot observe the roots', async () => {
    const { told } = await verdict(...asking())
    expect([told.state, codesOf(told)]).toEqual(['proven', ['info roots-unseen']])
    expect(told.proxies).toMatchObject({ total: 2, ready: 2, lagging: [] })
  })

  it('is not proven while a pod older than the mesh config’s setting runs: its agent never requests the roots', async () => {
    const { told } = await verdict(...asking(pod('other/older', { app: 'older' })))
    expect([told.state, codesOf(told)]).toEqual(['lagging', ['info roots-unseen', 'warning xds-agent-off']])
    expect(told.findings.find((f) => f.code === 'xds-agent-off')?.message).toContain('Pod other/older')
    expect(told.proxies).toMatchObject({ total: 3, ready: 2, lagging: ['older.other'] })
  })

  it('is unknown if the account may not list the pods', async () => {
    const { s } = await verdict(...asking())
    inB(s, { pods: failed('forbidden') })
    const told = accepting(verdictsOf(s))
    expect([told.state, codesOf(told)]).toEqual(['unknown', ['info roots-unseen', 'warning forbidden']])
  })

  it('has a warning that the other distributions do not have', async () => {
    expect(accepting(verdictsOf(await scene())).findings).toEqual([])
  })
})

describe('a fact outside a trust', () => {
  it('changes no verdict: a third mesh that is down', async () => {
    const s = await scene()
    s.spec.members.push({ name: 'cluster-c', trustDomain: C, cluster: { context: 'cluster-c' } })
    s.seen.set(member('cluster-c'), { objects: failed(), own: failed(), istio: failed(), proxies: failed() })
    expect(verdictsOf(s).map((v) => v.state)).toEqual(['proven', 'proven'])
  })

  it('changes no verdict: a PeerAuthentication without proxies', async () => {
    const s = await scene()
    const objects = s.seen.get(b)?.objects
    inB(s, { objects: ok([...(objects?.ok ? objects.value : []), peerAuthentication('other/x', 'DISABLE')]) })
    expect(accepting(verdictsOf(s)).state).toBe('proven')
  })
})
