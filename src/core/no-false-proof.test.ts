/** A trust is not proven while something that stands refuses its callers, or while somebody else speaks for the same pods. */
import { describe, expect, it } from 'vitest'
import { type AppliedWorld, a, applied, b, CHAINS, caA, caB, PODS } from '../../test/support/applied.ts'
import { allow, deny, from, to, when } from '../../test/support/authorization.ts'
import { A, acceptEntry, B, C, CLIENT, fakeRoot, federation, NOW, type Spec, spec, wanted } from '../../test/support/federations.ts'
import { memoryMesh } from '../../test/support/meshes.ts'
import { failed, object, ok, pod, service } from '../../test/support/observations.ts'
import type { Finding } from './diagnostics/finding.ts'
import type { Manifest } from './model/manifest.ts'
import type { IstioFacts, Observation, Seens } from './model/observed.ts'
import type { Verdict } from './model/proven.ts'
import type { PlanOptions } from './plan/course.ts'
import { plan } from './plan/plan.ts'
import type { Principal } from './spiffe/spiffe-id.ts'
import { renderState } from './trust/render.ts'
import { EMPTY, type Inbound, type MeshState, noInbound, noOutbound } from './trust/state.ts'
import { verify } from './verify/verdict.ts'

const NOBODY = `${A}/ns/sample/sa/nobody` as Principal

const verdictIn = async (world: AppliedWorld, truster = b): Promise<Verdict> => {
  const { of, intents, seen } = await applied(world)
  return verify(of, intents, seen, NOW).find((verdict) => verdict.truster === truster) as Verdict
}
const codes = (findings: readonly Finding[]) => findings.map(({ severity, code }) => `${severity} ${code}`)
const policy = (where: string, specOf: object, annotations = {}): Manifest =>
  object('security.istio.io/v1', 'AuthorizationPolicy', where, { spec: specOf }, { annotations })

describe('a foreign policy that', () => {
  const REFUSED = ['error caller-still-denied']
  const UNSURE = ['warning caller-not-certain']
  const selecting = (app: string, rest: object) => ({ selector: { matchLabels: { app } }, ...rest })
  const rows: readonly {
    what: string
    policy: Manifest
    state: Verdict['state']
    codes: readonly string[]
    istio?: Partial<IstioFacts>
  }[] = [
    { what: 'denies the caller', policy: policy('sample/x', deny(from({ principals: [CLIENT] }))), state: 'broken', codes: REFUSED },
    {
      what: 'denies the caller by a suffix',
      policy: policy('sample/x', deny(from({ principals: ['*/sa/client'] }))),
      state: 'broken',
      codes: REFUSED,
    },
    { what: 'denies its namespace', policy: policy('sample/x', deny(from({ namespaces: ['sample'] }))), state: 'broken', codes: REFUSED },
    {
      what: 'denies its account',
      policy: policy('sample/x', deny(from({ serviceAccounts: ['client'] }))),
      state: 'broken',
      codes: REFUSED,
    },
    {
      what: 'denies all but another',
      policy: policy('sample/x', deny(from({ notPrincipals: [NOBODY] }))),
      state: 'broken',
      codes: REFUSED,
    },
    {
      what: 'denies all but a namespace',
      policy: policy('sample/x', deny(from({ notNamespaces: ['other'] }))),
      state: 'broken',
      codes: REFUSED,
    },
    {
      what: 'denies by a condition',
      policy: policy('sample/x', deny(when('source.principal', [CLIENT]))),
      state: 'broken',
      codes: REFUSED,
    },
    {
      what: 'denies it in the root namespace',
      policy: policy('istio-system/x', deny(from({ namespaces: ['sample'] }))),
      state: 'broken',
      codes: REFUSED,
    },
    { what: 'denies it at its workload', policy: policy('sample/x', selecting('server', deny({}))), state: 'broken', codes: REFUSED },
    { what: 'allows locals only', policy: policy('sample/x', allow(from({ principals: [`${B}/*`] }))), state: 'broken', codes: REFUSED },
    { what: 'allows nothing', policy: policy('sample/x', {}), state: 'broken', codes: REFUSED },
    {
      what: 'requires an authorizer that the mesh does not have',
      policy: policy('sample/x', { action: 'CUSTOM', provider: { name: 'ask' }, rules: [{}] }),
      state: 'broken',
      codes: REFUSED,
      istio: { authorizers: [] },
    },
    {
      what: 'requires an authorizer',
      policy: policy('sample/x', { action: 'CUSTOM', provider: { name: 'ask' }, rules: [{}] }),
      state: 'unknown',
      codes: UNSURE,
      istio: { authorizers: ['ask'] },
    },
    {
      what: 'denies by a header',
      policy: policy('sample/x', deny(when('request.headers[x-env]', ['test']))),
      state: 'unknown',
      codes: UNSURE,
    },
    { what: 'denies by addresses', policy: policy('sample/x', deny(from({ ipBlocks: ['10.0.0.0/8'] }))), state: 'unknown', codes: UNSURE },
    {
      what: 'allows with a token only',
      policy: policy('sample/x', allow(from({ requestPrincipals: ['*'] }))),
      state: 'unknown',
      codes: UNSURE,
    },
    {
      what: 'has an unknown field',
      policy: policy('sample/x', { ...allow({}), mode: 'NEW' }),
      state: 'unknown',
      codes: UNSURE,
    },
    { what: 'denies a path', policy: policy('sample/x', deny({ ...to({ paths: ['/admin'] }) })), state: 'proven', codes: [] },
    { what: 'allows the caller', policy: policy('sample/x', allow(from({ principals: [CLIENT] }))), state: 'proven', codes: [] },
    { what: 'only audits', policy: policy('sample/x', { action: 'AUDIT', rules: [{}] }), state: 'proven', codes: [] },
    { what: 'is a dry run', policy: policy('sample/x', deny({}), { 'istio.io/dry-run': 'true' }), state: 'proven', codes: [] },
    { what: 'is for another workload', policy: policy('sample/x', selecting('other', deny({}))), state: 'proven', codes: [] },
    {
      what: 'is for another workload, in the root namespace',
      policy: policy('istio-system/x', selecting('other', deny({}))),
      state: 'proven',
      codes: [],
    },
    { what: 'is in another namespace', policy: policy('other/x', deny({})), state: 'proven', codes: [] },
    {
      what: 'is for a gateway',
      policy: policy('sample/x', { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'x' }], ...deny({}) }),
      state: 'proven',
      codes: [],
    },
  ]
  it.each(rows)('$what: $state', async ({ policy, state, codes: expected, istio }) => {
    const verdict = await verdictIn({ inB: [policy], ...(istio && { istio }) })
    expect([verdict.state, codes(verdict.findings)]).toEqual([state, expected])
    if (expected.length === 0) return
    expect(verdict.findings[0]?.subject).toBe('cluster-b: sample (app=server)')
    expect(verdict.findings[0]?.message).toMatch(new RegExp(`${CLIENT}.*${policy.metadata.namespace}/x`))
  })

  it.each(rows.filter(({ state }) => state === 'broken'))(
    '$what causes a warning in plan with the same words',
    async ({ policy, istio }) => {
      const world = { inB: [policy], ...(istio && { istio }) }
      const { intents, seen } = await applied(world)
      const [told] = (await verdictIn(world)).findings
      const planned = plan(intents, seen, NOW).findings.filter(({ code }) => code === 'caller-still-denied')
      expect(planned).toEqual([{ ...told, severity: 'warning' }])
    },
  )
})

describe('a workload with ports', () => {
  const front = (...names: readonly string[]) =>
    service('sample/front', { selector: { app: 'server' }, ports: names.map((name, i) => ({ port: 80 + i, name })) })
  const byPath = policy('sample/x', deny({ ...to({ paths: ['/admin'] }) }))
  const byMethod = policy('sample/x', allow({ ...from({ principals: [CLIENT] }), ...to({ methods: ['GET'] }) }))
  it.each([
    { ports: ['tcp'], policy: byPath, state: 'broken' },
    { ports: ['redis-main', 'tls'], policy: byMethod, state: 'broken' },
    { ports: ['http'], policy: byPath, state: 'proven' },
    { ports: ['tcp', 'grpc'], policy: byPath, state: 'proven' },
    { ports: [''], policy: byMethod, state: 'proven' },
  ])('$ports, under a policy with HTTP conditions: $state', async ({ ports, policy: of, state }) => {
    expect((await verdictIn({ more: [front(...ports)], inB: [of] })).state).toBe(state)
  })
})

describe('several callers', () => {
  const accepting = (callers: unknown) => (s: Spec) =>
    void Object.assign(s.trust.find(({ truster }) => truster === 'cluster-b') as object, { accept: [acceptEntry({ callers })] })
  it.each([
    { callers: 'all', denied: `${A}/*`, state: 'broken' },
    { callers: 'all', denied: `${A}/ns/sample/*`, state: 'proven' },
    { callers: [`${A}/*`], denied: `${A}/*`, state: 'broken' },
    { callers: [`${A}/ns/sample/*`], denied: `${A}/ns/sample/*`, state: 'broken' },
    { callers: [`${A}/ns/sample/*`], denied: `${A}/ns/sample/sa/client`, state: 'proven' },
    { callers: [CLIENT, NOBODY], denied: NOBODY, state: 'broken' },
  ])('$callers, of which $denied is denied: $state', async ({ callers, denied, state }) => {
    expect((await verdictIn({ change: accepting(callers), inB: [policy('sample/x', deny(from({ principals: [denied] })))] })).state).toBe(
      state,
    )
  })
})

describe('a caller that some workloads of a scope reject', () => {
  const second = pod('sample/server-2', { app: 'server', version: 'v2' })
  const atV2 = policy('sample/x', { selector: { matchLabels: { version: 'v2' } }, ...deny(from({ namespaces: ['sample'] })) })

  it('is reported for them, by the name of the proxy', async () => {
    const { state, findings } = await verdictIn({ more: [second], inB: [atV2] })
    expect([state, codes(findings)]).toEqual(['broken', ['error caller-still-denied']])
    expect(findings[0]?.message).toMatch(/is refused at server-2\.sample: AuthorizationPolicy sample\/x denies it/)
  })

  it('is checked only at pods that have a proxy', async () => {
    const bare = pod('sample/server-2', { app: 'server', version: 'v2' }, { sidecar: false })
    expect((await verdictIn({ more: [bare], inB: [atV2] })).state).toBe('proven')
  })

  it('of the whole mesh counts as accepted if some workload accepts it', async () => {
    const strict = object('security.istio.io/v1', 'PeerAuthentication', 'istio-system/default', { spec: { mtls: { mode: 'STRICT' } } })
    const everywhere = (s: Spec) =>
      void Object.assign(s.trust.find(({ truster }) => truster === 'cluster-b') as object, {
        accept: [{ mtls: 'require', callers: [CLIENT] }],
      })
    const at = (app: string) => policy('sample/x', { selector: { matchLabels: { app } }, ...deny(from({ namespaces: ['sample'] })) })
    const state = async (...inB: readonly Manifest[]) => (await verdictIn({ change: everywhere, more: [strict], inB })).state
    expect(await state(at('server'))).toBe('proven')
    expect(await state(policy('sample/x', deny(from({ namespaces: ['sample'] }))))).toBe('broken')
  })
})

describe('a verdict requires', () => {
  it('the mesh config of the truster, which says which policies cover the whole mesh', async () => {
    const { of, intents, seen } = await applied({})
    seen.set(b, { ...(seen.get(b) as Observation), istio: failed('forbidden') })
    const verdict = verify(of, intents, seen, NOW).find(({ truster }) => truster === b) as Verdict
    expect([verdict.state, codes(verdict.findings)]).toEqual(['unknown', ['warning forbidden']])
  })

  it('a live proxy in each of its sets', async () => {
    const second = { ...acceptEntry({ selector: { app: 'scaled-down' } }) }
    const change = (s: Spec) =>
      void Object.assign(s.trust.find(({ truster }) => truster === 'cluster-b') as object, { accept: [acceptEntry(), second] })
    const { state, findings } = await verdictIn({ change })
    expect([state, codes(findings)]).toEqual(['unknown', ['warning no-workload']])
    expect(findings[0]?.message).toContain('sample (app=scaled-down)')
  })
})

describe('two federations in one cluster', () => {
  const ROOTS_A = () =>
    new Map([
      [A, caA.bundle.anchors],
      [B, caB.bundle.anchors],
    ] as const)
  const stateOf = (part: Partial<MeshState>): MeshState => ({ ...EMPTY, ...part })
  const objectsOf = (part: Partial<MeshState>, owner = 'other'): readonly Manifest[] =>
    renderState(stateOf(part), { owner, istioNamespace: 'istio-system', own: new Set([B]) })
  const inbound = (at: Inbound['at'], callers: readonly Principal[], more: Partial<Inbound> = {}): Partial<MeshState> => ({
    inbound: new Map([['k', { ...noInbound(at), roots: ROOTS_A(), callers: new Map([[A, callers]]), ...more }]]),
  })
  const ALL = { namespace: 'sample' }

  it('that select the same pods each report it in verify and plan, with the callers that are cut off', async () => {
    const { of, intents, seen } = await applied({ inB: objectsOf(inbound(ALL, [NOBODY])) })
    const { state, findings } = verify(of, intents, seen, NOW).find(({ truster }) => truster === b) as Verdict
    expect(state).toBe('broken')
    expect(codes(findings)).toEqual(expect.arrayContaining(['error federations-overlap', 'error caller-still-denied']))
    expect(findings.find(({ code }) => code === 'federations-overlap')).toMatchObject({
      subject: 'cluster-b: sample (app=server)',
      message: expect.stringMatching(/^the federation other selects sample \(all workloads\), and server\.sample is in both/),
    })
    expect(codes(plan(intents, seen, NOW).findings)).toEqual(
      expect.arrayContaining(['error federations-overlap', 'warning caller-still-denied']),
    )
  })

  it('that overlap are reported by the second one, too, which opens nothing', async () => {
    const objects = [...PODS, ...objectsOf(inbound({ namespace: 'sample', labels: { app: 'server' } }, [CLIENT]), 'first')]
    const change = (s: Spec) => {
      for (const trust of s.trust)
        if (trust.truster === 'cluster-b') trust.accept = [acceptEntry({ selector: undefined, callers: [NOBODY] })]
    }
    const intents = wanted(federation(spec(change)), caA.bundle, caB.bundle)
    const own = caB.bundle
    const seen: Seens = new Map([
      [b, await memoryMesh(b, { own, objects, istio: { presented: ok(CHAINS.get(b) ?? []) } }).observe({ namespaces: [] })],
    ])
    const { steps, findings } = plan(intents, seen, NOW)
    expect(codes(findings)).toContain('error federations-overlap')
    expect(steps.filter(({ changes }) => changes.some(({ effect }) => effect === 'widens'))).toEqual([])
    expect(steps.filter(({ after }) => after?.kind === 'AuthorizationPolicy')).toEqual([])
  })

  it.each([
    { what: 'the same domain and callers', others: () => inbound(ALL, [CLIENT]), code: 'error' },
    { what: 'another domain', others: () => inbound(ALL, [], { roots: new Map([[C, [fakeRoot(C)]]]), callers: new Map() }), code: 'error' },
    { what: 'other workloads', others: () => inbound({ namespace: 'sample', labels: { app: 'client' } }, [NOBODY]), code: undefined },
    { what: 'another namespace', others: () => inbound({ namespace: 'elsewhere' }, [NOBODY]), code: undefined },
    {
      what: 'a label that no pod has yet',
      others: () => inbound({ namespace: 'sample', labels: { tier: 'web' } }, [NOBODY]),
      code: 'warning',
    },
    {
      what: 'its roots in a file',
      others: () =>
        inbound(ALL, [CLIENT], { roots: new Map(), file: { name: 'accept-all.json', roots: ROOTS_A(), read: true, volumes: [0] } }),
      code: 'error',
    },
    {
      what: 'the whole mesh',
      others: () => ({
        meshWide: { ...noInbound({ namespace: 'istio-system' }), roots: new Map([[C, [fakeRoot(C)]]]), callers: new Map() },
      }),
      code: 'error',
    },
    { what: 'our own objects only', others: () => ({}), code: undefined },
  ])('with $what: $code', async ({ others, code }) => {
    const { intents, seen } = await applied({ inB: objectsOf(others()) })
    const told = plan(intents, seen, NOW).findings.filter((finding) => finding.code === 'federations-overlap')
    expect(told.map(({ severity }) => severity)).toEqual(code === undefined ? [] : [code])
  })

  it.each([
    { what: 'the same host', host: 'server.sample.svc.cluster.local', told: true },
    { what: 'another host', host: 'other.sample.svc.cluster.local', told: false },
  ])('report an overlap if their workloads call $what', async ({ host, told }) => {
    const { of, intents, seen } = await applied({})
    const roots = new Map([[host, new Map([[B, caB.bundle.anchors]])]])
    const theirs = objectsOf({ outbound: new Map([['k', { ...noOutbound({ namespace: 'sample' }), hosts: roots }]]) })
    const was = seen.get(a) as Observation
    seen.set(a, { ...was, objects: ok([...(was.objects.ok ? was.objects.value : []), ...theirs]) })
    const verdict = verify(of, intents, seen, NOW).find(({ truster }) => truster === a) as Verdict
    expect([verdict.state, codes(verdict.findings)]).toEqual(told ? ['broken', ['error federations-overlap']] : ['proven', []])
    const options: PlanOptions = {}
    expect(codes(plan(intents, seen, NOW, options).findings).includes('error federations-overlap')).toBe(told)
  })

  it('include one whose object has no owner', async () => {
    const objects = objectsOf(inbound(ALL, [NOBODY])).map((o) => ({
      ...o,
      metadata: { ...o.metadata, labels: { 'app.kubernetes.io/managed-by': 'entente' } },
    }))
    const { findings } = await verdictIn({ inB: objects })
    expect(findings.find(({ code }) => code === 'federations-overlap')?.message).toMatch(/the federation \(none\)/)
  })

  it('report that the policies left by one deny callers of the other', async () => {
    const left = objectsOf(inbound(ALL, [])).filter(({ kind }) => kind === 'AuthorizationPolicy')
    const { state, findings } = await verdictIn({ inB: left })
    expect(state).toBe('broken')
    expect(findings.find(({ code }) => code === 'caller-still-denied')?.message).toContain(
      'AuthorizationPolicy sample/entente-accept-all denies it',
    )
  })
})
