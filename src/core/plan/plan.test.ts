import { beforeAll, describe, expect, it } from 'vitest'
import {
  A,
  acceptEntry,
  authority,
  B,
  bundleOf,
  C,
  CLIENT,
  fakeRoot,
  federation,
  member,
  NOW,
  SERVER_HOST,
  type Spec,
  spec,
  wanted,
} from '../../../test/support/federations.ts'
import { evidence, failed, object, observation, ok, peerAuthentication, pod, service } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, keyOf, list, sameContent, title } from '../model/manifest.ts'
import type { Observation, ProxyConfig, Seens } from '../model/observed.ts'
import type { Step } from '../model/planned.ts'
import type { Intent, Member, MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { readState } from '../trust/render.ts'
import { PHASES } from '../trust/stage.ts'
import { objectOf } from '../view/plan-view.ts'
import { plan, simulate } from './plan.ts'

const [a, b, c] = ['cluster-a', 'cluster-b', 'cluster-c'].map(member) as [MemberName, MemberName, MemberName]
const [ROOT_A, ROOT_B, ROOT_C] = [A, B, C].map((of) => fakeRoot(of)) as [
  ReturnType<typeof fakeRoot>,
  ReturnType<typeof fakeRoot>,
  ReturnType<typeof fakeRoot>,
]
const [BUNDLE_A, BUNDLE_B, BUNDLE_C] = [bundleOf(A, ROOT_A), bundleOf(B, ROOT_B), bundleOf(C, ROOT_C)]

const client = pod('sample/client', { app: 'client' })
const server = pod('sample/server', { app: 'server' })
const around = [client, server, service('sample/server')]
const seenAs = (own: Bundle, objects: readonly Manifest[] = [], more: object = {}): Observation =>
  observation({ own, objects: [...around, ...objects], ...more })
const fresh = (): Seens =>
  new Map([
    [a, seenAs(BUNDLE_A)],
    [b, seenAs(BUNDLE_B)],
  ])

const carryOut = (seen: Seens, steps: readonly Step[]): Seens => {
  const next = new Map(seen)
  for (const step of steps) {
    const observed = next.get(step.member)
    if (observed !== undefined) next.set(step.member, simulate(observed, step))
  }
  return next
}
const intentsOf = (of: Spec = spec(), ...bundles: readonly Bundle[]): readonly Intent[] =>
  wanted(federation(of), ...(bundles.length > 0 ? bundles : [BUNDLE_A, BUNDLE_B]))
/** A federation that is carried out. */
const settled = (of: Spec = spec(), ...bundles: readonly Bundle[]): Seens => {
  const seen = fresh()
  return carryOut(seen, plan(intentsOf(of, ...bundles), seen, NOW).steps)
}
const lines = (steps: readonly Step[]): readonly string[] =>
  steps.map(
    (step) =>
      `${step.phase} ${step.after === undefined ? 'remove' : step.before === undefined ? 'create' : 'update'} ${title(objectOf(step))}`,
  )
const of = (name: MemberName, steps: readonly Step[]) => steps.filter((step) => step.member === name)
const codes = (findings: readonly { code: string }[]) => findings.map((f) => f.code)
const severed = spec((s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' }))
const withObject = (seen: Seens, name: MemberName, change: (objects: readonly Manifest[]) => readonly Manifest[]): Seens => {
  const observed = seen.get(name) as Observation
  return new Map(seen).set(name, { ...observed, objects: ok(change(observed.objects.ok ? observed.objects.value : [])) })
}
const edit = (name: string, kind: string, fields: object) => (objects: readonly Manifest[]) =>
  objects.map((o) => (o.kind === kind && o.metadata.name === name ? { ...o, ...fields } : o))

describe('the steps of a plan', () => {
  it('restrict before they open', () => {
    const { steps, findings } = plan(intentsOf(), fresh(), NOW)
    expect(lines(of(b, steps))).toEqual([
      'guard create ConfigMap istio-system/cluster-a-root-cert',
      'guard create PeerAuthentication sample/entente-accept-app-server',
      'guard create AuthorizationPolicy sample/entente-accept-app-server',
      'open create EnvoyFilter sample/entente-accept-app-server',
    ])
    expect(lines(of(a, steps))).toEqual([
      'guard create ConfigMap istio-system/cluster-b-root-cert',
      'open create EnvoyFilter sample/entente-reach-app-client',
    ])
    expect(codes(findings)).toEqual(['plaintext-refused'])
  })

  it('say what each changes in trust, and which connections it drains', () => {
    const { steps } = plan(intentsOf(), fresh(), NOW)
    expect(of(b, steps).map((step) => step.changes)).toEqual([
      [],
      [],
      [],
      [
        { effect: 'widens', of: 'workloads', trusted: A, what: 'sample (app=server)' },
        { effect: 'widens', of: 'root', trusted: A, what: ROOT_A.fingerprint },
        { effect: 'widens', of: 'caller', trusted: A, what: CLIENT },
      ],
    ])
    expect(of(a, steps).at(-1)?.changes).toEqual([
      { effect: 'widens', of: 'host', trusted: B, what: `${SERVER_HOST} from sample (app=client)` },
      { effect: 'widens', of: 'root', trusted: B, what: ROOT_B.fingerprint },
      { effect: 'widens', of: 'server', trusted: B, what: `${B}/ns/sample/sa/server of ${SERVER_HOST}` },
    ])
    expect(of(b, steps).map((step) => step.drains)).toEqual([0, 1, 1, 1])
    expect(of(a, steps).map((step) => step.drains)).toEqual([0, 0])
  })

  it('list the other mesh’s servers behind a host that servedBy excludes', () => {
    const seen = fresh()
    const there = seen.get(b) as Observation
    const other = pod('sample/other', { app: 'server' })
    const behind = [service('sample/server', { selector: { app: 'server' } }), { ...other, spec: { serviceAccountName: 'other' } }]
    const objects = ok([...(there.objects.ok ? there.objects.value.filter(({ kind }) => kind !== 'Service') : []), ...behind])
    const { findings } = plan(intentsOf(), new Map([...seen, [b, { ...there, objects }]]), NOW)
    expect(findings.find(({ code, message }) => code === 'served-by-differs' && message.includes('/sa/other'))?.severity).toBe('warning')
  })

  it('are empty if everything matches', () => {
    expect(plan(intentsOf(), settled(), NOW).steps).toEqual([])
  })

  it('close a severed trust: deny first, then remove the filter, then unused objects', () => {
    const { steps } = plan(intentsOf(severed), settled(), NOW)
    expect(lines(of(b, steps))).toEqual([
      'guard update AuthorizationPolicy sample/entente-accept-app-server',
      'close remove EnvoyFilter sample/entente-accept-app-server',
      'clean remove ConfigMap istio-system/cluster-a-root-cert',
      'clean remove PeerAuthentication sample/entente-accept-app-server',
      'clean remove AuthorizationPolicy sample/entente-accept-app-server',
    ])
    expect(steps.flatMap((step) => step.gates)).toEqual([])
    expect(steps[0]?.changes).toEqual([{ effect: 'narrows', of: 'caller', trusted: A, what: CLIENT }])
  })

  it('write the union first if an update both widens and narrows', () => {
    const next = fakeRoot('another root of a')
    const { steps } = plan(intentsOf(spec(), bundleOf(A, next), BUNDLE_B), settled(), NOW)
    const effects = of(b, steps)
      .filter((step) => objectOf(step).kind === 'EnvoyFilter')
      .map((step) => [step.phase, ...step.changes.map((change) => `${change.effect} ${change.what}`)])
    expect(effects).toEqual([
      ['open', `widens ${next.fingerprint}`],
      ['close', `narrows ${ROOT_A.fingerprint}`],
    ])
  })

  it('distinguish an added caller from a removed one', () => {
    const [other] = ['cluster-a.example/ns/sample/sa/other']
    const changed = spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ callers: [other] })] }))
    const { steps } = plan(intentsOf(changed), settled(), NOW)
    expect(steps.map((step) => [step.phase, ...step.changes.map((change) => `${change.effect} ${change.of} ${change.what}`)])).toEqual([
      ['guard', `narrows caller ${CLIENT}`],
      // Both have to let it past: the policy, and the filter itself.
      ['open', `widens caller ${other}`],
      ['open', `widens caller ${other}`, `narrows caller ${CLIENT}`],
    ])
  })
})

describe('a filter from before names were checked', () => {
  /** As version 0.1 wrote it. */
  const older = (object: Manifest): Manifest => {
    const patches = list(at(object, 'spec', 'configPatches')).filter((p) => at(p, 'applyTo') === 'FILTER_CHAIN')
    const plain = JSON.parse(JSON.stringify(patches).replace('"name":"entente-passthrough",', '')) as unknown
    return object.kind === 'EnvoyFilter' && patches.length > 0
      ? { ...object, spec: { ...(object.spec as object), configPatches: plain } }
      : object
  }
  const asBefore = (): Seens =>
    new Map([...settled()].map(([name, seen]) => [name, seen.objects.ok ? { ...seen, objects: ok(seen.objects.value.map(older)) } : seen]))

  it('gets the check in one step, which is described as narrowing and with the connections it drains', () => {
    const { steps } = plan(intentsOf(spec()), asBefore(), NOW)
    expect(steps.map(({ phase, drains, changes }) => [phase, drains, changes])).toEqual([
      ['open', 1, [{ effect: 'narrows', of: 'names', trusted: A, what: 'one name in each certificate' }]],
    ])
  })

  it('is removed unchanged when the trust is severed: a sever writes only what it removes', () => {
    const { steps } = plan(intentsOf(spec((s) => void s.trust.splice(0, 1))), asBefore(), NOW, { only: 'closing' })
    const filters = steps.filter(({ before: was, after }) => (after ?? was)?.kind === 'EnvoyFilter')
    expect(filters.map(({ phase, after }) => [phase, after])).toEqual([['close', undefined]])
  })
})

describe('step ids', () => {
  const orders: readonly { name: string; spec: Spec }[] = [
    { name: 'the order of members', spec: spec((s) => void s.members.reverse()) },
    { name: 'the order of trusts', spec: spec((s) => void s.trust.reverse()) },
    {
      name: 'the order of labels',
      spec: spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ selector: { b: '2', a: '1' } })] })),
    },
  ]
  it.each(orders)('do not depend on $name', ({ spec: other }) => {
    const same = spec((s) => {
      const [entry] = other.trust.filter((t) => t.truster === 'cluster-b') as { accept: { selector: object }[] }[]
      const selector = Object.fromEntries(Object.entries(entry?.accept[0]?.selector ?? {}).reverse())
      Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ selector })] })
    })
    const ids = (from: Spec) =>
      plan(intentsOf(from), fresh(), NOW)
        .steps.map((step) => step.id)
        .sort()
    expect(ids(other)).toEqual(ids(same))
  })

  it.each([
    { name: 'an opening', before: fresh, target: () => intentsOf() },
    { name: 'a severing', before: settled, target: () => intentsOf(severed) },
    { name: 'a change of roots', before: settled, target: () => intentsOf(spec(), bundleOf(A, fakeRoot('new')), BUNDLE_B) },
  ])('stay the same when $name is planned again after each phase', ({ before, target }) => {
    let seen = before()
    const intents = target()
    const first = plan(intents, seen, NOW)
    for (const phase of PHASES) {
      const left = plan(intents, seen, NOW).steps
      expect(left.map((step) => step.id)).toEqual(
        first.steps.filter((s) => PHASES.indexOf(s.phase) >= PHASES.indexOf(phase)).map((s) => s.id),
      )
      seen = carryOut(
        seen,
        left.filter((step) => step.phase === phase),
      )
    }
    expect(plan(intents, seen, NOW).steps).toEqual([])
  })

  it('make up the digest, which identifies the plan', () => {
    expect(plan(intentsOf(), fresh(), NOW).digest).toBe(plan(intentsOf(), fresh(), new Date(NOW.getTime() + 1000)).digest)
    expect(plan(intentsOf(), fresh(), NOW).digest).not.toBe(plan(intentsOf(), settled(), NOW).digest)
  })
})

describe('a plan with obstacles', () => {
  it('has a finding and no steps for an unreachable member, and the same steps for the others', () => {
    const blind: Observation = { objects: failed(), own: failed(), istio: failed(), proxies: failed() }
    const seen = new Map(fresh()).set(a, blind)
    const { steps, findings } = plan(intentsOf(), seen, NOW)
    expect(of(a, steps)).toEqual([])
    expect(findings.filter((f) => f.severity === 'error')).toEqual([expect.objectContaining({ code: 'cluster-unreachable' })])
    expect(of(b, steps).map((s) => s.id)).toEqual(of(b, plan(intentsOf(), fresh(), NOW).steps).map((s) => s.id))
  })

  it('reports a member that was not observed', () => {
    expect(codes(plan(intentsOf(), new Map(), NOW).findings)).toEqual(['not-observed', 'not-observed'])
  })

  it('widens nothing where an own root lacks approval', () => {
    const rotated = new Map(fresh()).set(b, { ...seenAs(BUNDLE_B), own: ok(bundleOf(B, ROOT_B, fakeRoot('behind our back'))) })
    const { steps, findings } = plan(intentsOf(), rotated, NOW)
    expect(of(b, steps).filter((step) => objectOf(step).kind !== 'ConfigMap')).toEqual([])
    expect(findings.find((f) => f.code === 'own-root-unknown')).toMatchObject({
      severity: 'error',
      hint: 'entente approve cluster-b && entente apply',
    })
  })

  it('never blocks a sever because an own root lacks approval', () => {
    const seen = new Map(settled())
    seen.set(b, { ...(seen.get(b) as Observation), own: ok(bundleOf(B, fakeRoot('behind our back'))) })
    const calm = of(b, plan(intentsOf(severed), settled(), NOW).steps)
    expect(lines(of(b, plan(intentsOf(severed), seen, NOW).steps))).toEqual(lines(calm))
  })

  it.each([
    { name: 'another owner', labels: { app: 'x' }, says: 'somebody else' },
    {
      name: 'another federation',
      labels: { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'other' },
      says: 'the federation other',
    },
  ])('never writes an object of $name under our name, and never opens its scope', ({ labels, says }) => {
    const theirs = object('security.istio.io/v1', 'AuthorizationPolicy', 'sample/entente-accept-app-server', { spec: {} }, { labels })
    const seen = new Map(fresh()).set(b, seenAs(BUNDLE_B, [theirs]))
    const { steps, findings } = plan(intentsOf(), seen, NOW)
    expect(lines(of(b, steps))).toEqual(['guard create ConfigMap istio-system/cluster-a-root-cert'])
    expect(findings.find((f) => f.code === 'owned-by')?.message).toContain(says)
  })

  it('keeps a scope closed if its object is too large for the API server', () => {
    const many = Array.from({ length: 30_000 }, (_, i) => `cluster-a.example/ns/sample/sa/client-${i}`)
    const large = spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ callers: many })] }))
    const { steps, findings } = plan(intentsOf(large), fresh(), NOW)
    expect(of(b, steps).map((step) => objectOf(step).kind)).toEqual(['ConfigMap'])
    expect(findings.find((f) => f.code === 'object-too-large')?.message).toMatch(/AuthorizationPolicy .* KiB/)
  })

  it('keeps a scope that only requires STRICT closed under a foreign PERMISSIVE policy, and reports the remedy', () => {
    const requires = spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ mtls: 'require' })] }))
    const loose = peerAuthentication('sample/theirs', 'PERMISSIVE', { labels: { app: 'server' } })
    const { steps, findings } = plan(intentsOf(requires), new Map(fresh()).set(b, seenAs(BUNDLE_B, [loose])), NOW)
    expect(of(b, steps).map((step) => objectOf(step).kind)).toEqual(['ConfigMap'])
    expect(findings.find((f) => f.code === 'mtls-not-strict')?.hint).toContain('PeerAuthentication sample/theirs')
  })
})

describe('the local domain stays trusted', () => {
  const withAlias = (s: Spec) => void Object.assign(s.members[1] ?? {}, { trustDomainAliases: ['old-b.example'] })
  const misspelt = (s: Spec) => {
    Object.assign(s.members[1] ?? {}, { trustDomain: 'cluster-bb.example' })
    s.trust.pop()
  }
  const inMesh = (seen: Seens) => {
    const observed = seen.get(b) as Observation
    return new Map(seen).set(b, {
      ...observed,
      istio: observation({ own: BUNDLE_B, istio: { aliases: ['old-b.example' as typeof B] } }).istio,
    })
  }
  it.each([
    {
      name: 'the file lost an alias that the mesh still has',
      seen: () => inMesh(carryOut(inMesh(fresh()), plan(intentsOf(spec(withAlias)), inMesh(fresh()), NOW).steps)),
      intents: () => intentsOf(),
      code: 'own-domain-unaccounted',
    },
    {
      name: 'the file now spells a trust domain differently',
      seen: settled,
      intents: () => intentsOf(spec(misspelt), BUNDLE_A),
      code: 'trust-domain-differs',
    },
    {
      name: 'the file does so and only the objects can be observed',
      seen: () => new Map(settled()).set(b, { ...(settled().get(b) as Observation), own: failed(), istio: failed() }),
      intents: () => intentsOf(spec(misspelt), BUNDLE_A),
      code: 'cluster-unreachable',
    },
  ])('if $name, and what is in place stays unchanged', ({ seen, intents, code }) => {
    const renamed = intents()
    const { steps, findings } = plan(
      renamed.filter((intent) => intent.member.name === b),
      seen(),
      NOW,
    )
    expect(codes(findings)).toContain(code)
    expect(lines(steps.filter((step) => objectOf(step).kind !== 'ConfigMap'))).toEqual([])
  })
})

describe('an object that somebody edited by hand', () => {
  it.each([
    { kind: 'AuthorizationPolicy', name: 'entente-accept-app-server', fields: { spec: { action: 'ALLOW' } } },
    {
      kind: 'PeerAuthentication',
      name: 'entente-accept-app-server',
      fields: { spec: { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'PERMISSIVE' } } },
    },
    { kind: 'EnvoyFilter', name: 'entente-accept-app-server', fields: { spec: { workloadSelector: { labels: { app: 'server' } } } } },
    { kind: 'ConfigMap', name: 'cluster-a-root-cert', fields: { data: {} } },
  ])('$kind is restored', ({ kind, name, fields }) => {
    const before = settled()
    const seen = withObject(before, b, edit(name, kind, fields))
    const { steps } = plan(intentsOf(), seen, NOW)
    expect(steps.map((step) => objectOf(step).kind)).toContain(kind)
    const after = carryOut(seen, steps).get(b)?.objects
    const original = (before.get(b) as Observation & { objects: { ok: true } }).objects.value.find(
      (o) => o.kind === kind && o.metadata.name === name,
    )
    const mended = after?.ok ? after.value.find((o) => original !== undefined && keyOf(o) === keyOf(original)) : undefined
    expect(original !== undefined && mended !== undefined && sameContent(mended, original)).toBe(true)
  })

  it('keeps foreign labels, annotations and status', () => {
    const seen = withObject(settled(), b, (objects) =>
      objects.map((o) => ({
        ...o,
        status: { x: 1 },
        metadata: {
          ...o.metadata,
          resourceVersion: '7',
          annotations: { ...o.metadata.annotations, 'argocd.argoproj.io/tracking-id': 'x' },
        },
      })),
    )
    expect(plan(intentsOf(), seen, NOW).steps).toEqual([])
  })
})

describe('a root that is retired', () => {
  let old: Awaited<ReturnType<typeof authority>>
  let next: Awaited<ReturnType<typeof authority>>
  beforeAll(async () => {
    ;[old, next] = await Promise.all([authority(A, 'old'), authority(A, 'next')])
  })
  const both = () => bundleOf(A, old.root.anchor, next.root.anchor)
  const onlyNext = () => bundleOf(A, next.root.anchor)
  /** b trusts a under both roots; now only the next one is approved. */
  const retire = (
    presented: Observation['istio'],
    own: Bundle,
    more: (s: Spec) => void = () => {},
    bundles: readonly Bundle[] = [BUNDLE_B],
  ) => {
    const before = settled(spec(more), both(), ...bundles)
    const seen = new Map(before).set(a, { ...(before.get(a) as Observation), istio: presented, own: ok(own) })
    return of(b, plan(intentsOf(spec(more), onlyNext(), ...bundles), seen, NOW).steps)
  }
  /** @param hoursAgo when its CA issued what it presents */
  const presents = async (ca: typeof old, hoursAgo = 48): Promise<Observation['istio']> => {
    const leaf = await ca.leaf('spiffe://cluster-a.example/ns/istio-system/sa/istiod', {
      notBefore: new Date(NOW.getTime() - hoursAgo * 3_600_000),
    })
    return observation({ own: bundleOf(A), istio: { presented: ok(leaf.chainDer) } }).istio
  }

  it.each([
    {
      name: 'is open if their CA signs under a root that stays, and their mesh dropped the old one',
      signer: () => presents(next),
      open: true,
      waitsFor: [],
    },
    {
      name: 'is closed while their own workloads accept it, because leaves stay valid after a switch',
      signer: () => presents(next),
      own: both,
      open: false,
      waitsFor: ['cluster-a, whose own workloads still accept it (istio-ca-root-cert)'],
    },
    {
      name: 'is closed while a leaf from before the switch may be valid',
      signer: () => presents(next, 23),
      open: false,
      waitsFor: [
        `workload certificates of cluster-a from before its CA switched, which may be valid until ${new Date(NOW.getTime() + 3_600_000 + 120_000).toISOString()} (Istio’s default of 24h)`,
      ],
    },
    {
      name: 'is closed while their CA signs under it',
      signer: () => presents(old),
      open: false,
      waitsFor: ['the CA of cluster-a, which signs under another root'],
    },
    {
      name: 'is closed while its use is unknown',
      signer: async () => failed(),
      open: false,
      waitsFor: ['the certificate chain that cluster-a presents'],
    },
  ])('has a gate that $name', async ({ signer, own = onlyNext, open, waitsFor }) => {
    const steps = retire(await signer(), own())
    expect(steps.map((step) => step.gates)).toEqual([
      [],
      [{ needs: 'unused', root: old.root.anchor.fingerprint, open, waitingFor: waitsFor }],
    ])
    expect(lines(steps)).toEqual([
      'guard update ConfigMap istio-system/cluster-a-root-cert',
      'close update EnvoyFilter sample/entente-accept-app-server',
    ])
  })

  it.each([
    { dropped: 23, open: false },
    { dropped: 25, open: true },
  ])(
    'of a mesh without a cluster here waits for the leaves signed before its owner removed it $dropped h ago: open $open',
    ({ dropped, open }) => {
      const intents = intentsOf(spec(), onlyNext(), BUNDLE_B).map((intent) => ({
        ...intent,
        trusts: intent.trusts.map((trust) => ({
          ...trust,
          elsewhere: true as const,
          approvals: [both(), onlyNext()].map((bundle, i) => ({
            trustDomain: A,
            roots: bundle.anchors.map((anchor) => anchor.fingerprint),
            by: { name: 'ann', via: 'os' as const },
            at: new Date(NOW.getTime() - (i === 0 ? 240 : dropped) * 3_600_000),
            reason: '',
          })),
        })),
      }))
      const steps = of(b, plan(intents, settled(spec(), both(), BUNDLE_B), NOW).steps)
      expect(steps.at(-1)?.gates.map((gate) => gate.open)).toEqual([open])
    },
  )

  it('has no gate to wait for once it has expired', async () => {
    const { root } = await authority(A, 'old')
    const seen = settled(spec(), both(), BUNDLE_B)
    const steps = of(b, plan(intentsOf(spec(), onlyNext(), BUNDLE_B), seen, new Date('2036-01-01')).steps)
    expect(steps.at(-1)?.gates).toEqual([{ needs: 'unused', root: root.anchor.fingerprint, open: true, waitingFor: [] }])
  })

  it('does not hold back another domain that is removed from the same workloads', async () => {
    const third = (s: Spec) => {
      s.members.push({ name: 'cluster-c', trustDomain: C, cluster: { context: 'cluster-c' } })
      s.trust.push({ truster: 'cluster-b', trusted: 'cluster-c', distribution: 'pinned', accept: [acceptEntry({ callers: [`${C}/*`] })] })
    }
    const before = settled(spec(third), both(), BUNDLE_B, BUNDLE_C)
    const without = spec((s) => {
      third(s)
      s.severed.push({ truster: 'cluster-b', trusted: 'cluster-c', at: '2026-05-30T10:00:00Z', reason: 'left' })
    })
    const seen = new Map(before).set(c, observation({ own: BUNDLE_C }))
    const steps = of(b, plan(intentsOf(without, onlyNext(), BUNDLE_B, BUNDLE_C), seen, NOW).steps).filter((s) => s.phase === 'close')
    expect(
      steps.map((step) => [step.changes.map((change) => `${change.of} of ${change.trusted}`), step.gates.map((gate) => gate.open)]),
    ).toEqual([
      [[`workloads of ${C}`, `root of ${C}`], []],
      [[`root of ${A}`], [false]],
    ])
  })

  describe('while its set of workloads changes', () => {
    const WHOLE = { selector: undefined }
    const reaching = (more: object) => ({ services: [{ host: SERVER_HOST, servedBy: [CLIENT] }], namespace: 'sample', ...more })
    const accepts = (more: object, fields: object = {}) =>
      spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry(more)], ...fields }))
    const reaches = (more: object, fields: object = {}) =>
      spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [], reach: [reaching(more)], ...fields }))
    const everywhere = spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [{ mtls: 'require', callers: [CLIENT] }] }))
    const SERVER = { selector: { app: 'server' } }
    const MOUNTED = { distribution: 'mounted' }
    const rows: readonly { what: string; from: Spec; to: Spec; of?: 'own' }[] = [
      { what: 'callers, a wider set', from: accepts(SERVER), to: accepts(WHOLE) },
      { what: 'callers, a narrower set', from: accepts(WHOLE), to: accepts(SERVER) },
      { what: 'callers, the whole mesh', from: accepts({ ...SERVER, mtls: 'require' }), to: everywhere },
      { what: 'callers, from files to a wider set with files', from: accepts(SERVER, MOUNTED), to: accepts(WHOLE, MOUNTED) },
      { what: 'callers, from files to a wider set without', from: accepts(SERVER, MOUNTED), to: accepts(WHOLE) },
      { what: 'callers, from a pinned set to a wider one with files', from: accepts(SERVER), to: accepts(WHOLE, MOUNTED) },
      { what: 'servers, a wider set', from: reaches({ selector: { app: 'client' } }), to: reaches(WHOLE) },
      { what: 'servers, a narrower set', from: reaches(WHOLE), to: reaches({ selector: { app: 'client' } }) },
      { what: 'servers, files', from: reaches({ selector: { app: 'client' } }, MOUNTED), to: reaches(WHOLE, MOUNTED) },
      { what: 'callers, its own root', from: accepts(SERVER), to: accepts(WHOLE), of: 'own' },
      { what: 'servers, its own root', from: reaches(WHOLE), to: reaches({ selector: { app: 'client' } }), of: 'own' },
    ]
    /** The roots that each of our objects judges by at some place, for what has a filter or a file there. */
    const roots = (objects: readonly Manifest[], domain: typeof A): readonly (readonly string[])[] => {
      const { inbound, outbound } = readState(objects)
      const parts = [
        ...inbound.values(),
        ...[...outbound.values()].flatMap(({ hosts, files }) => [
          ...[...hosts.values()].map((held) => ({ roots: held, file: { roots: new Map() as typeof held, read: false } })),
          ...[...files.values()].map((file) => ({ roots: new Map() as typeof file.roots, file })),
        ]),
      ]
      return parts
        .flatMap(({ roots: inside, file }) => [inside, ...(file.read ? [file.roots] : [])])
        .filter((held) => held.size > 0)
        .map((held) => (held.get(domain) ?? []).map(({ fingerprint }) => fingerprint))
    }

    it.each(rows)('stays in every object that verifies $what, until the gate opens', async ({ from, to, of: whose }) => {
      const [oldB, nextB] = await Promise.all([authority(B, 'old'), authority(B, 'next')])
      const [was, is] = whose === 'own' ? [oldB, nextB] : [old, next]
      const domain = whose === 'own' ? B : A
      const generation = (...cas: readonly (typeof old)[]) => bundleOf(domain, ...cas.map((ca) => ca.root.anchor))
      const bundles = (changing: Bundle) => (whose === 'own' ? [BUNDLE_A, changing] : [changing, BUNDLE_B])
      const leaf = await was.leaf(`spiffe://${domain}/ns/istio-system/sa/istiod`, { notBefore: new Date(NOW.getTime() - 172_800_000) })
      const presented = { presented: ok(leaf.chainDer) }
      const member = whose === 'own' ? b : a
      const strict = peerAuthentication('istio-system/default', 'STRICT')
      const mounted = pod('sample/mounted', { app: 'server', 'entente.dev/mounted': 'trust' })
      const at = (seen: Seens, of: Bundle) => {
        const there = seen.get(member) as Observation
        return new Map(seen).set(member, { ...there, own: ok(of), istio: observation({ own: of, istio: presented }).istio })
      }
      const started = withObject(fresh(), b, (objects) => [...objects, strict, mounted])
      const both = generation(was, is)
      const first = plan(intentsOf(from, ...bundles(both)), at(started, both), NOW)
      const there = at(carryOut(at(started, both), first.steps), generation(is))
      const intents = intentsOf(to, ...bundles(generation(is)))
      const { steps, findings } = plan(intents, there, NOW)
      expect(codes(findings.filter(({ severity }) => severity === 'error'))).toEqual(['own-ca-not-approved'])
      const gated = of(b, steps).filter(({ gates }) => gates.length > 0)
      // What follows on the same object waits with it.
      const waiting = of(b, steps).filter((step, i, all) =>
        all.slice(0, i + 1).some((other) => other.gates.length > 0 && keyOf(objectOf(other)) === keyOf(objectOf(step))),
      )
      const waits = [`the CA of ${member}, which signs under another root`]
      expect(gated.flatMap(({ gates }) => gates.map(({ root, open, waitingFor }) => ({ root, open, waitingFor })))).toEqual(
        gated.map(() => ({ root: was.root.anchor.fingerprint, open: false, waitingFor: waits })),
      )
      expect(gated.length).toBeGreaterThan(0)
      let seen: Seens = there
      for (const step of of(b, steps).filter((one) => !waiting.includes(one))) {
        seen = carryOut(seen, [step])
        const observed = (seen.get(b) as Observation).objects
        for (const held of roots(observed.ok ? observed.value : [], domain)) expect(held).toContain(was.root.anchor.fingerprint)
      }
      expect(of(b, plan(intents, seen, NOW).steps).map(({ id }) => id)).toEqual(waiting.map(({ id }) => id))
      expect(of(b, plan(intents, carryOut(seen, waiting), NOW).steps)).toEqual([])
    })
  })

  it('has no gate if the whole domain is removed, even if other scopes still trust it', async () => {
    const two = (s: Spec) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry(), acceptEntry({ selector: { app: 'second' } })] })
    const before = settled(spec(two), both(), BUNDLE_B)
    const steps = of(
      b,
      plan(intentsOf(spec(), both(), BUNDLE_B), new Map(before).set(a, { ...seenAs(BUNDLE_A), istio: failed() }), NOW).steps,
    )
    expect(lines(steps)).toContain('close remove EnvoyFilter sample/entente-accept-app-second')
    expect(steps.flatMap((step) => step.gates)).toEqual([])
  })
})

describe('an object that a GitOps tool tracks', () => {
  it('is reported if apply would write it directly, because the tool reverts that', () => {
    const tracked = withObject(settled(), b, (objects) =>
      objects.map((o) =>
        o.kind === 'EnvoyFilter'
          ? { ...o, spec: {}, metadata: { ...o.metadata, labels: { ...o.metadata.labels, 'kustomize.toolkit.fluxcd.io/name': 'trust' } } }
          : o,
      ),
    )
    const told = plan(intentsOf(), tracked, NOW).findings.filter((finding) => finding.code === 'gitops-tracked')
    expect(told.map((finding) => finding.subject)).toEqual(['cluster-b: EnvoyFilter sample/entente-accept-app-server'])
    expect(codes(plan(intentsOf(), settled(), NOW).findings)).not.toContain('gitops-tracked')
  })
})

describe('a member that Git delivers to', () => {
  const inGit = (intents: readonly Intent[]): readonly Intent[] =>
    intents.map((intent) => ({ ...intent, member: { ...intent.member, home: { directory: 'clusters/b' } } as Member }))
  it('keeps its policies until evidence shows that proxies dropped the roots', () => {
    const steps = of(b, plan(inGit(intentsOf(severed)), settled(), NOW).steps)
    expect(steps.filter((step) => step.phase === 'clean').every((step) => step.gates.every((gate) => gate.open))).toBe(true)
    const seen = new Map(settled())
    seen.set(b, { ...(seen.get(b) as Observation), proxies: failed() })
    const blind = of(b, plan(inGit(intentsOf(severed)), seen, NOW).steps).filter((step) => step.phase === 'clean')
    expect(blind.length).toBeGreaterThan(0)
    for (const step of blind)
      expect(step.gates).toEqual([expect.objectContaining({ open: false, waitingFor: ['evidence from the proxies of cluster-b'] })])
  })

  const second = pod('sample/second', { app: 'second' })
  const third = pod('sample/third', { app: 'third' })
  const accepting = (...entries: readonly object[]) => spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: entries }))
  const [named, anybody] = [acceptEntry({ selector: { app: 'second' } }), acceptEntry({ selector: { app: 'second' }, callers: 'all' })]
  const whole = acceptEntry({ selector: undefined })
  /** A proxy that has this filter of cluster-a's root, or none, and enforces these policies of ours. */
  const having = (filter: boolean, ...policies: readonly string[]): ProxyConfig => ({
    inbound: [
      {
        name: 'x',
        tls: 'mutual',
        sanPrefixes: [],
        ...(filter ? { pins: new Map([A, B].map((of, i) => [of, [i === 0 ? ROOT_A.fingerprint : ROOT_B.fingerprint]])) } : {}),
      },
    ],
    outbound: [],
    denies: policies.map((policy) => ({ policy: `sample/entente-accept-${policy}`, trustDomain: A, except: [CLIENT] })),
  })
  const withProxies = (seen: Seens, configs: readonly (readonly [Manifest, ProxyConfig | undefined])[]): Seens => {
    const there = seen.get(b) as Observation
    const proxies = configs.map(([of, config]) => ({ ...evidence(of, having(false)), config }))
    const objects = ok([...(there.objects.ok ? there.objects.value : []), second, third])
    return new Map(seen).set(b, { ...there, objects, proxies: ok(proxies as never) })
  }
  const cleaning = (seen: Seens, to: Spec) =>
    of(b, plan(inGit(intentsOf(to)), seen, NOW).steps)
      .filter((step) => step.phase === 'clean')
      .map((step) => [title(objectOf(step)), ...step.gates.map(({ open, waitingFor }) => (open ? 'open' : waitingFor.join(' and ')))])
  /** What the tool brought: the filters as they are in Git, and the policies that were held back. */
  const delivered = (seen: Seens, to: Spec): Seens =>
    carryOut(
      seen,
      of(b, plan(inGit(intentsOf(to)), seen, NOW).steps).filter((step) => step.phase !== 'clean'),
    )

  interface Row {
    readonly what: string
    readonly from: Spec
    readonly to: Spec
    readonly policies: readonly string[]
    readonly before: readonly (readonly [Manifest, ProxyConfig | undefined])[]
    readonly waitsFor: string
    readonly gone: readonly (readonly [Manifest, ProxyConfig | undefined])[]
  }
  const rows: readonly Row[] = [
    {
      what: 'one of two sets of one trust is removed',
      from: accepting(acceptEntry(), named),
      to: spec(),
      policies: ['PeerAuthentication sample/entente-accept-app-second', 'AuthorizationPolicy sample/entente-accept-app-second'],
      before: [
        [server, having(true, 'app-server')],
        [second, having(true, 'app-second')],
      ],
      waitsFor: 'second.sample',
      gone: [
        [server, having(true, 'app-server')],
        [second, having(false, 'app-second')],
      ],
    },
    {
      what: 'a set without named callers is removed',
      from: accepting(acceptEntry(), anybody),
      to: spec(),
      policies: ['PeerAuthentication sample/entente-accept-app-second', 'AuthorizationPolicy sample/entente-accept-app-second'],
      before: [[second, having(true)]],
      waitsFor: 'second.sample',
      gone: [[second, having(false)]],
    },
    {
      what: 'a set shrinks',
      from: accepting(whole),
      to: spec(),
      policies: ['PeerAuthentication sample/entente-accept-all', 'AuthorizationPolicy sample/entente-accept-all'],
      before: [
        [server, having(true, 'all')],
        [second, having(true, 'all')],
      ],
      waitsFor: 'server.sample and second.sample',
      gone: [
        [server, having(true, 'all', 'app-server')],
        [second, having(false, 'all')],
      ],
    },
    {
      what: 'a set shrinks, and a proxy’s state is unknown',
      from: accepting(whole),
      to: spec(),
      policies: ['PeerAuthentication sample/entente-accept-all', 'AuthorizationPolicy sample/entente-accept-all'],
      before: [
        [server, having(true, 'all', 'app-server')],
        [third, undefined],
      ],
      waitsFor: 'third.sample',
      gone: [[server, having(true, 'all', 'app-server')]],
    },
  ]
  it.each(rows)('keeps policies where $what: filter and policy never leave Git in one commit', (row) => {
    const { from, to, policies, before, waitsFor, gone } = row
    const settledBefore = withProxies(settled(from), before)
    const held = policies.map((policy) => [policy, waitsFor])
    expect(cleaning(settledBefore, to)).toEqual(held)
    // The filter is out of Git, and not yet out of the proxies.
    expect(cleaning(delivered(settledBefore, to), to)).toEqual(held)
    const blind = new Map(settledBefore).set(b, { ...(settledBefore.get(b) as Observation), proxies: failed() })
    expect(cleaning(delivered(blind, to), to)).toEqual(policies.map((policy) => [policy, 'evidence from the proxies of cluster-b']))
    expect(cleaning(delivered(withProxies(settled(from), gone), to), to)).toEqual(policies.map((policy) => [policy, 'open']))
  })

  const leavingSet = { from: accepting(acceptEntry(), named), to: spec() }
  const letGoOf = having(false)
  const onlyChain = (change: object): ProxyConfig => ({ ...letGoOf, inbound: letGoOf.inbound.map((chain) => ({ ...chain, ...change })) })
  it.each([
    { what: 'holds what istiod sent', more: {}, waits: 'open' },
    { what: 'has not acknowledged what istiod sent', more: { acknowledged: false }, waits: 'second.sample' },
    { what: 'rejected what istiod sent', more: { acknowledged: false, rejected: 'no' }, waits: 'second.sample' },
    { what: 'is disconnected, though an older configuration is known', more: { heard: false }, waits: 'second.sample' },
    {
      what: 'reads a file that is gone, and accepts any name',
      more: { config: onlyChain({ file: 'gone.json', sanPrefixes: [] }) },
      waits: 'second.sample',
    },
    {
      what: 'accepts names of the domain by Istio’s own list',
      more: { config: onlyChain({ sanPrefixes: [`spiffe://${A}/`] }) },
      waits: 'second.sample',
    },
    {
      what: 'accepts a prefix of names that covers the domain',
      more: { config: onlyChain({ sanPrefixes: ['spiffe://'] }) },
      waits: 'second.sample',
    },
  ])('lets a policy go only with proof: a proxy that $what', ({ more, waits }) => {
    const seen = withProxies(settled(leavingSet.from), [[server, having(true, 'app-server')]])
    const there = seen.get(b) as Observation
    const proxies = [...(there.proxies.ok ? there.proxies.value : []), evidence(second, letGoOf, more)]
    const after = delivered(new Map(seen).set(b, { ...there, proxies: ok(proxies) }), leavingSet.to)
    expect(cleaning(after, leavingSet.to).map(([, ...gates]) => gates)).toEqual([[waits], [waits]])
  })

  it('keeps the file of a removed set until no proxy reads it', () => {
    const mounted = (...entries: readonly object[]) =>
      spec((s) => void Object.assign(s.trust[0] ?? {}, { distribution: 'mounted', accept: entries }))
    const [from, to] = [mounted(acceptEntry(), named), mounted(acceptEntry())]
    const reads = (file: string | undefined): ProxyConfig => ({
      ...having(false, 'app-second'),
      inbound: [
        {
          name: 'x',
          tls: 'mutual',
          ...(file === undefined ? { sanPrefixes: [`spiffe://${B}/`] } : { sanPrefixes: [`spiffe://${A}/`], file }),
        },
      ],
    })
    const waiting = cleaning(withProxies(settled(from), [[second, reads('accept-app-second.json')]]), to)
    expect(waiting.map(([, ...gates]) => gates)).toEqual([['second.sample'], ['second.sample'], ['second.sample']])
    expect(cleaning(withProxies(settled(from), [[second, reads(undefined)]]), to).map(([, ...gates]) => gates)).toEqual([
      ['open'],
      ['open'],
      ['open'],
    ])
  })
})

describe('a clock that differs', () => {
  it('is reported in a plan, once for the mesh', () => {
    const seen = new Map(fresh()).set(b, { ...seenAs(BUNDLE_B), clock: { aheadMs: -3_600_000, withinMs: 500 } })
    const { findings } = plan(intentsOf(), seen, NOW)
    expect(findings.filter(({ code }) => code === 'clock-differs')).toMatchObject([{ severity: 'warning', subject: b }])
  })
})
