import { describe, expect, it } from 'vitest'
import {
  A,
  acceptEntry,
  authority,
  B,
  bundleOf,
  C,
  CLIENT,
  federation,
  member,
  NOW,
  type Spec,
  spec,
  wanted,
} from '../../../../test/support/federations.ts'
import { evidence, failed, observation, ok, peerAuthentication, pod, service } from '../../../../test/support/observations.ts'
import { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import { title } from '../../model/manifest.ts'
import type { Observation, ProxyConfig } from '../../model/observed.ts'
import type { Step } from '../../model/planned.ts'
import type { Intent } from '../../model/wanted.ts'
import { plan, simulate } from '../../plan/plan.ts'
import { standings } from '../../verify/standings.ts'
import type { Anchor } from '../../x509/anchor.ts'
import { readState } from '../render.ts'
import { isMeshConfig, meshConfigData, readMeshConfig, SHARED_MESH_CONFIG } from './mesh-roots.ts'

const [ROOT_A, ROOT_B, NEXT_A, ROOT_C] = (await Promise.all([authority(A), authority(B), authority(A, 'next'), authority(C)])).map(
  (ca) => ca.root.anchor,
) as [Anchor, Anchor, Anchor, Anchor]
const BUNDLES = [bundleOf(A, ROOT_A), bundleOf(B, ROOT_B)]
const b = member('cluster-b')
const wide = (s: Spec) =>
  void s.trust.splice(0, 2, {
    truster: 'cluster-b',
    trusted: 'cluster-a',
    distribution: 'mesh',
    accept: [{ mtls: 'require', callers: [CLIENT] }],
  })
const overIt = (s: Spec) => {
  wide(s)
  s.trust.push({ truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', accept: [acceptEntry()] })
}
const intentOf = (change: (s: Spec) => void, ...bundles: readonly ReturnType<typeof bundleOf>[]): Intent =>
  wanted(federation(spec(change)), ...(bundles.length > 0 ? bundles : BUNDLES)).find((intent) => intent.member.name === b) as Intent
const ENV = { ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG }
const ASKS = { PROXY_CONFIG_XDS_AGENT: 'true' }
const server = pod('sample/server', { app: 'server' }, { env: ASKS })
/** From before the mesh config said so. */
const older = pod('sample/older', { app: 'older' })
const around = [server, service('sample/server'), peerAuthentication('istio-system/default', 'STRICT')]
const seenWith = (more: { objects?: readonly Manifest[]; env?: Record<string, string>; istio?: object } = {}): Observation =>
  observation({
    own: BUNDLES[1] as ReturnType<typeof bundleOf>,
    objects: more.objects ?? around,
    istio: { xdsAgent: true, istiods: [{ pod: 'istiod-1', revision: 'default', env: more.env ?? ENV }], ...more.istio },
  })
const planned = (intent: Intent, seen: Observation) => plan([intent], new Map([[b, seen]]), NOW)
const lines = (steps: readonly Step[]) =>
  steps.map(
    (step) =>
      `${step.phase} ${step.after === undefined ? 'remove' : step.before === undefined ? 'create' : 'update'} ${title((step.after ?? step.before) as Manifest)}`,
  )
const settled = (intent: Intent, seen: Observation): Observation => planned(intent, seen).steps.reduce(simulate, seen)
const objectsIn = (seen: Observation): readonly Manifest[] => (seen.objects.ok ? seen.objects.value : [])

describe('the shared mesh config', () => {
  it('has one entry for each root, and reads back as it was written', () => {
    const roots = new Map([
      [A, [ROOT_A, NEXT_A]],
      [C, [ROOT_C]],
    ])
    const data = meshConfigData(roots)
    expect((JSON.parse(data.mesh ?? '') as { caCertificates: unknown[] }).caCertificates).toHaveLength(3)
    const read = readMeshConfig({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: SHARED_MESH_CONFIG }, data })
    const prints = (of: typeof roots) => [...of].map(([domain, anchors]) => [domain, anchors.map((anchor) => anchor.fingerprint).sort()])
    expect(prints(read as typeof roots)).toEqual(prints(roots))
  })

  it('contains only certificates: an entry that somebody broke is not written again', () => {
    const { mesh = '' } = meshConfigData(new Map([[A, [ROOT_A]]]))
    const broken = mesh.replace('-----BEGIN CERTIFICATE-----', '-----BEGIN CERTIFICATE-----AAAA')
    expect(readMeshConfig({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { mesh: broken } })).toEqual(
      new Map([[A, []]]),
    )
  })

  it('is ignored if it differs from what Entente writes', () => {
    expect(readMeshConfig({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { mesh: 'caCertificates: [' } })).toEqual(
      new Map(),
    )
  })
})

describe('a trust that reaches the whole mesh', () => {
  it('restricts callers first, then adds the roots, and leaves nothing to do', () => {
    const { steps } = planned(intentOf(wide), seenWith())
    expect(lines(steps)).toEqual([
      'guard create ConfigMap istio-system/cluster-a-root-cert',
      'guard create AuthorizationPolicy istio-system/entente-accept-mesh',
      `open create ConfigMap istio-system/${SHARED_MESH_CONFIG}`,
    ])
    expect(steps.at(-1)?.changes.map(({ effect, of, what }) => `${effect} ${of} ${what}`)).toContain(
      'widens workloads all workloads of the mesh',
    )
    expect(steps.at(-1)?.drains).toBe(1)
    expect(planned(intentOf(wide), settled(intentOf(wide), seenWith())).steps).toEqual([])
  })

  it('is removed in the reverse order', () => {
    const there = settled(intentOf(wide), seenWith())
    expect(
      lines(
        planned(
          intentOf((s) => {
            wide(s)
            s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'x' })
          }),
          there,
        ).steps,
      ),
    ).toEqual([
      'guard update AuthorizationPolicy istio-system/entente-accept-mesh',
      `close remove ConfigMap istio-system/${SHARED_MESH_CONFIG}`,
      'clean remove ConfigMap istio-system/cluster-a-root-cert',
      'clean remove AuthorizationPolicy istio-system/entente-accept-mesh',
    ])
  })

  it('keeps an old root until it is out of use', () => {
    const both = bundleOf(A, ROOT_A, NEXT_A)
    const there = settled(intentOf(wide, both, BUNDLES[1] as typeof both), seenWith())
    const { steps } = planned(intentOf(wide, bundleOf(A, NEXT_A), BUNDLES[1] as typeof both), there)
    expect(steps.find((step) => isMeshConfig(step.after ?? (step.before as Manifest)))?.gates).toEqual([
      expect.objectContaining({ needs: 'unused', root: ROOT_A.fingerprint }),
    ])
  })

  it('passes an old root on to a filter that replaces it, until the root is out of use', () => {
    const [both, next] = [bundleOf(A, ROOT_A, NEXT_A), bundleOf(A, NEXT_A)]
    const pinned = (s: Spec) => void s.trust.pop()
    const there = settled(intentOf(wide, both, BUNDLES[1] as typeof both), seenWith())
    const { steps } = planned(intentOf(pinned, next, BUNDLES[1] as typeof both), there)
    const filters = steps.filter(({ after }) => after?.kind === 'EnvoyFilter')
    const held = filters.map(({ after }) =>
      readState([after as Manifest])
        .inbound.values()
        .next()
        .value?.roots.get(A),
    )
    expect(held.map((roots) => roots?.map(({ fingerprint }) => fingerprint).sort())).toEqual([
      [ROOT_A.fingerprint, NEXT_A.fingerprint].sort(),
      [NEXT_A.fingerprint],
    ])
    expect(filters.map(({ gates }) => gates.map(({ open, root }) => (open ? 'open' : root)))).toEqual([[], [ROOT_A.fingerprint]])
  })

  it('always warns that no root is bound to its domain', () => {
    expect(planned(intentOf(wide), seenWith()).findings.map((f) => f.code)).toContain('roots-not-bound')
  })

  it.each([
    { what: 'multi-root is off', seen: seenWith({ env: { SHARED_MESH_CONFIG } }), code: 'multiroot-off' },
    { what: 'istiod reads no shared mesh config', seen: seenWith({ env: { ISTIO_MULTIROOT_MESH: 'true' } }), code: 'shared-mesh-config' },
    { what: 'istiod reads another one', seen: seenWith({ env: { ...ENV, SHARED_MESH_CONFIG: 'platform' } }), code: 'shared-mesh-config' },
    {
      what: 'the base has roots, and overrides ours',
      seen: seenWith({ istio: { extraRoots: 1, hidesRoots: true } }),
      code: 'shared-roots-hidden',
    },
    { what: 'the mesh accepts plaintext', seen: seenWith({ objects: around.slice(0, 2) }), code: 'mtls-not-strict' },
  ])('widens nothing where $what', ({ seen, code }) => {
    const { steps, findings } = planned(intentOf(wide), seen)
    expect(findings.filter((f) => f.severity === 'error').map((f) => f.code)).toContain(code)
    expect(lines(steps).filter((line) => line.includes(SHARED_MESH_CONFIG))).toEqual([])
  })

  const told = (change: (s: Spec) => void, istio: object) =>
    planned(intentOf(change), seenWith({ istio }))
      .findings.filter((f) => f.severity === 'error')
      .map((f) => `${f.code} ${f.message}; ${f.hint}`)
  const OWNED = { configOwners: [{ config: 'istio', owner: 'Helm', named: 'Helm release istiod' }] }

  it.each([
    ['roots', { extraRoots: 2, hidesRoots: true }, /with 2 entries.*; take caCertificates out of it, and federate those domains here$/],
    ['roots from an older evidence file', { extraRoots: 1 }, /with 1 entry/],
    [
      'an empty list',
      { extraRoots: 0, hidesRoots: true, ...OWNED },
      /to an empty list.*; ConfigMap istio belongs to Helm release istiod: take/,
    ],
  ])('reports what overrides our config: %s', (_, istio, words) => {
    const [one, ...others] = told(wide, istio)
    expect([one, others]).toEqual([expect.stringMatching(words), []])
    expect(one).toMatch(/^shared-roots-hidden its own mesh config sets caCertificates .* hides those of ConfigMap entente-mesh-config/)
  })

  it('reports no override if foreign roots are in another shared mesh config', () => {
    expect(told(wide, { extraRoots: 1, hidesRoots: false })).toEqual([])
  })

  it('with an additional filter reports both: what overrides our config, and which callers the filter would cut off', () => {
    expect(told(overIt, { extraRoots: 1, hidesRoots: true })).toEqual([
      expect.stringMatching(/^own-domain-unaccounted .* a pinned filter would cut them off/),
      expect.stringMatching(/^shared-roots-hidden /),
    ])
  })

  it.each([
    [undefined, /^entente render --out DIR --values helm \(or sail\) prints what the owner of the mesh config must set$/],
    [
      { owner: 'Helm', named: 'Helm release istiod' },
      /^ConfigMap istio belongs to Helm release istiod: .*--values helm prints what must be set there$/,
    ],
    [{ owner: 'the Sail operator' }, /^ConfigMap istio belongs to the Sail operator: .*--values sail prints/],
    [{ owner: 'Argo CD', named: 'the Argo CD application mesh' }, /belongs to the Argo CD application mesh: .*--values helm \(or sail\)/],
    [{ last: 'kubectl-edit' }, /^nobody says whose ConfigMap istio is, last written by kubectl-edit: /],
  ])('names who has to set the missing option: %j', (owner, words) => {
    const configOwners = owner && [
      { config: 'istio-other', owner: 'istioctl' },
      { config: 'istio', ...owner },
    ]
    const { findings } = planned(
      intentOf(wide),
      seenWith({ env: {}, objects: [older, ...around], istio: { xdsAgent: false, ...(configOwners && { configOwners }) } }),
    )
    const hints = new Map(findings.map((f) => [f.code, f.hint]))
    expect(hints.get('multiroot-off')).toMatch(words)
    expect(hints.get('shared-mesh-config')).toBe(hints.get('multiroot-off'))
    expect(hints.get('xds-agent-off')).toBe(`${hints.get('multiroot-off')}; pods take it with their next restart`)
  })

  const agents = (istio: object, ...pods: readonly Manifest[]) =>
    planned(intentOf(wide), seenWith({ istio, objects: [...pods, ...around.slice(1)] })).findings.find((f) => f.code === 'xds-agent-off')

  it('reaches every pod if the mesh config makes agents request the roots, and every pod started since', () => {
    expect(agents({ xdsAgent: true }, server)).toBeUndefined()
    expect(agents({ xdsAgent: true })).toBeUndefined()
  })

  it('does not reach pods older than that setting, which are listed by owner', () => {
    const labels = { app: 'web', 'pod-template-hash': '5d9f' }
    const found = agents({ xdsAgent: true }, server, older, ...['1', '2'].map((n) => pod(`web/web-${n}`, labels, { of: 'web-5d9f' })))
    expect(found?.message).toMatch(/^Pod sample\/older and Deployment web\/web \(2 pods\) run without PROXY_CONFIG_XDS_AGENT=true/)
    const [only] = [agents({ xdsAgent: true }, pod('web/web-1', labels, { of: 'web-5d9f' }))]
    expect(only?.hint).toContain('kubectl -n web rollout restart deployment/web')
  })

  it.each([
    ['true', false],
    ['1', false],
    ['TRUE', false],
    ['false', true],
    ['', true],
    ['yes', true],
  ])('is requested by an agent with the setting %j as Go parses it', (value, missed) => {
    const told = pod('sample/told', {}, { env: { PROXY_CONFIG_XDS_AGENT: value } })
    expect(agents({ xdsAgent: true }, told) !== undefined).toBe(missed)
  })

  it('depends on the environment variable itself: the same name in PROXY_CONFIG has no effect', () => {
    const config = JSON.stringify({ proxyMetadata: ASKS })
    expect(agents({ xdsAgent: true }, pod('sample/told', {}, { env: { PROXY_CONFIG: config } }))).toBeDefined()
  })

  it('does not concern pods that ended, have no proxy, or are ztunnel', () => {
    const ztunnel = {
      ...older,
      spec: { containers: [{ name: 'istio-proxy', args: ['proxy', 'ztunnel'] }] },
    }
    const others = [pod('a/job', {}, { phase: 'Succeeded' }), pod('a/bare', {}, { sidecar: false }), ztunnel]
    expect(agents({ xdsAgent: true }, ...others)).toBeUndefined()
  })

  it('does not reach pods whose agents do not request the roots, if the mesh config has no setting', () => {
    expect(agents({ xdsAgent: false }, server, older)?.message).toMatch(/its mesh config does not set .*\(Pod sample\/older\)/)
    expect(agents({ xdsAgent: false }, server)).toBeUndefined()
    expect(agents({ xdsAgent: false })?.message).toContain('no sidecar was seen')
  })

  it('counts the pods of every namespace that was observed', () => {
    const seen: Observation = { ...seenWith(), pods: ok([server, pod('elsewhere/old', {})]) }
    expect(planned(intentOf(wide), seen).findings.map((f) => `${f.code} ${f.message}`)).toContainEqual(
      expect.stringMatching(/^xds-agent-off Pod elsewhere\/old /),
    )
    const blind: Observation = { ...seenWith(), pods: failed('forbidden') }
    expect(planned(intentOf(wide), blind).findings.map((f) => `${f.severity} ${f.code}`)).toContain('warning forbidden')
  })

  it('may have an additional filter: it binds each root to its domain', () => {
    const { steps } = planned(intentOf(overIt), seenWith())
    const state = readState(steps.reduce(simulate, seenWith()).objects.ok ? objectsIn(steps.reduce(simulate, seenWith())) : [])
    expect([...(state.inbound.values().next().value?.roots.keys() ?? [])].sort()).toEqual([A, B])
    expect([...(state.meshWide?.roots.keys() ?? [])]).toEqual([A])
  })

  it('is held by a proxy whose listeners accept the names, under the callers rule', () => {
    const state = readState(objectsIn(settled(intentOf(wide), seenWith())))
    const config = (names: readonly string[], except: readonly (typeof CLIENT)[] = [CLIENT]): ProxyConfig => ({
      inbound: [{ name: 'x', tls: 'mutual', sanPrefixes: [`spiffe://${B}/`, ...names.map((name) => `spiffe://${name}/`)] }],
      outbound: [],
      denies: [{ policy: 'istio-system/entente-accept-mesh', trustDomain: A, except }],
    })
    const stand = (of: ProxyConfig) => standings(state, new MeshView([server], [evidence(server, of)]), new Set([B]))[0]?.state
    expect(stand(config([A]))).toBe('ready')
    expect(stand(config([]))).toBe('lagging')
    expect(stand(config([A, C]))).toBe('lagging')
    // A gateway that passes TLS through checks nobody.
    expect(stand({ inbound: [{ name: 'x', tls: 'none', hosts: ['*.local'], sanPrefixes: [] }], outbound: [], denies: [] })).toBe('ready')
    expect(stand(config([A], []))).toBe('lagging')
    expect(
      standings(
        { ...state, meshWide: { ...(state.meshWide as NonNullable<typeof state.meshWide>), roots: new Map(), callers: new Map() } },
        new MeshView([server], [evidence(server, { ...config([A]), denies: [] })]),
        new Set([B]),
      )[0]?.state,
    ).toBe('lagging')
  })
})
