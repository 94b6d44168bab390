/**
 * Removes each piece of evidence of a verdict, one at a time. A verdict that does not change would be a false proof. The first
 * table in docs/evidence.md is identical to the rows here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Applied, type AppliedWorld, a, applied, b, CHAINS, holds, PODS, sees } from '../../test/support/applied.ts'
import { deny, from } from '../../test/support/authorization.ts'
import { A, B, domain, fakeRoot, NOW, type Spec, wanted } from '../../test/support/federations.ts'
import { failed, object, ok, pod } from '../../test/support/observations.ts'
import type { Manifest } from './model/manifest.ts'
import type { Evidence, ProxyConfig } from './model/observed.ts'
import type { Verdict } from './model/proven.ts'
import { SHARED_MESH_CONFIG } from './trust/mesh-wide/mesh-roots.ts'
import { isTrustMap } from './trust/mounted/bundle-map.ts'
import { renderState } from './trust/render.ts'
import { EMPTY, noInbound } from './trust/state.ts'
import { verify } from './verify/verdict.ts'

type Kind = 'proven, callers' | 'proven, servers' | 'proven, mounted' | 'proven, mesh' | 'severed'

interface Row {
  readonly of: Kind
  /** As docs/evidence.md names it. */
  readonly evidence: string
  readonly take: (world: Applied) => void
  readonly becomes: Verdict['state']
  readonly code: string
}

const wide = (s: Spec): void => {
  const accept = (caller: string) => [{ mtls: 'permissive', callers: [caller] }]
  s.trust.splice(
    0,
    2,
    { truster: 'cluster-b', trusted: 'cluster-a', distribution: 'mesh', accept: accept(`${A}/ns/sample/sa/client`) },
    { truster: 'cluster-a', trusted: 'cluster-b', distribution: 'mesh', accept: accept(`${B}/ns/sample/sa/server`) },
  )
}
const ASKING = { env: { PROXY_CONFIG_XDS_AGENT: 'true' } }
const MOUNTED = { 'entente.dev/mounted': 'trust' }
const WORLDS: Readonly<Record<Kind, { readonly world: AppliedWorld; readonly truster: typeof a; readonly state: Verdict['state'] }>> = {
  'proven, callers': { world: {}, truster: b, state: 'proven' },
  'proven, servers': { world: {}, truster: a, state: 'proven' },
  'proven, mounted': {
    world: {
      pods: [pod('sample/client', { app: 'client', ...MOUNTED }), pod('sample/server', { app: 'server', ...MOUNTED })],
      change: (s) => {
        for (const trust of s.trust) trust.distribution = 'mounted'
      },
    },
    truster: b,
    state: 'proven',
  },
  'proven, mesh': {
    world: {
      pods: [pod('sample/client', { app: 'client' }, ASKING), pod('sample/server', { app: 'server' }, ASKING)],
      change: wide,
      istio: {
        xdsAgent: true,
        istiods: [{ pod: 'istiod-1', revision: 'default', env: { ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG } }],
      },
    },
    truster: b,
    state: 'proven',
  },
  severed: {
    world: { change: (s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'x' }) },
    truster: b,
    state: 'severed',
  },
}

const objectsIn = (name: typeof a, change: (objects: readonly Manifest[]) => readonly Manifest[]) => (of: Applied) =>
  sees(of, name, ({ objects }) => ({ objects: objects.ok ? ok(change(objects.value)) : objects }))
const proxiesIn = (name: typeof a, change: (evidence: Evidence) => Evidence | undefined) => (of: Applied) =>
  sees(of, name, ({ proxies }) => ({ proxies: proxies.ok ? ok(proxies.value.flatMap((e) => change(e) ?? [])) : proxies }))
const unseen = (name: typeof a, part: 'objects' | 'own' | 'istio' | 'proxies' | 'pods') => (of: Applied) =>
  sees(of, name, () => ({ [part]: failed('forbidden') }))
const configIn = (name: typeof a, change: (config: ProxyConfig) => Partial<ProxyConfig>) => (of: Applied) => holds(of, name, change)
const chainsIn = (name: typeof a, change: (chain: ProxyConfig['inbound'][number], i: number) => object) =>
  configIn(name, ({ inbound }) => ({ inbound: inbound.map((chain, i) => ({ ...chain, ...change(chain, i) })) }))
const clustersIn = (change: object) => configIn(a, ({ outbound }) => ({ outbound: outbound.map((one) => ({ ...one, ...change })) }))
const presents = (name: typeof a, chain: readonly Uint8Array[] | undefined) => (of: Applied) =>
  sees(of, name, ({ istio }) => ({
    istio: istio.ok ? ok({ ...istio.value, presented: chain === undefined ? failed('istiod-unreachable') : ok(chain) }) : istio,
  }))
const policy = (spec: object) => object('security.istio.io/v1', 'AuthorizationPolicy', 'istio-system/theirs', { spec })
const another = renderState(
  { ...EMPTY, inbound: new Map([['k', { ...noInbound({ namespace: 'sample' }), roots: new Map([[A, [fakeRoot('x')]]]) }]]) },
  { owner: 'other', istioNamespace: 'istio-system', own: new Set([B]) },
)
const withoutPins = chainsIn(b, () => ({ pins: undefined }))

/** What any verdict about live proxies rests on; `unheard`: what it is where a proxy is not heard. */
const common = (of: Kind, name: typeof a, who: string, unheard: Verdict['state']): readonly Row[] => [
  {
    of,
    evidence: 'Entente read all lists of objects of its mesh',
    take: unseen(name, 'objects'),
    becomes: 'unknown',
    code: 'forbidden',
  },
  { of, evidence: 'all its istiods listed their proxies', take: unseen(name, 'proxies'), becomes: 'unknown', code: 'forbidden' },
  {
    of,
    evidence: 'Entente read the roots that its mesh distributes to its workloads',
    take: unseen(name, 'own'),
    becomes: 'unknown',
    code: 'forbidden',
  },
  {
    of,
    evidence: 'an istiod reports the proxy of each pod',
    take: proxiesIn(name, (e) => (e.pod === who ? undefined : e)),
    becomes: unheard,
    code: 'proxy-unheard',
  },
  {
    of,
    evidence: 'Entente read the configuration of each proxy',
    take: proxiesIn(name, ({ config, ...e }) => (e.pod === who || config === undefined ? { ...e, heard: false } : { ...e, config })),
    becomes: unheard,
    code: 'proxy-unheard',
  },
  {
    of,
    evidence: 'each proxy acknowledged the last push',
    take: proxiesIn(name, (e) => (e.pod === who ? { ...e, acknowledged: false } : e)),
    becomes: 'lagging',
    code: of === 'severed' ? '' : 'proxy-lagging',
  },
  {
    of,
    evidence: 'no proxy rejected it',
    take: proxiesIn(name, (e) => (e.pod === who ? { ...e, acknowledged: false, rejected: 'no' } : e)),
    becomes: 'broken',
    code: 'filter-rejected',
  },
]

/** What any proof of a trust rests on besides. @param trusted the other mesh */
const proof = (of: Kind, name: typeof a, trusted: typeof a, who: string): readonly Row[] => [
  ...common(of, name, who, 'lagging'),
  { of, evidence: 'Entente read its mesh config', take: unseen(name, 'istio'), becomes: 'unknown', code: 'forbidden' },
  {
    of,
    evidence: 'each of its scopes has a running proxy',
    take: objectsIn(name, (all) => all.filter((o) => o.kind !== 'Pod' || o.metadata.name !== who)),
    becomes: 'unknown',
    code: 'no-workload',
  },
  {
    of,
    evidence: 'its mesh has only approved roots',
    take: (w) =>
      sees(w, name, ({ own }) => ({ own: own.ok ? ok({ ...own.value, anchors: [...own.value.anchors, fakeRoot('new')] }) : own })),
    becomes: 'broken',
    code: 'own-root-unknown',
  },
  {
    of,
    evidence: 'Entente read the chain that the CA of the trusted mesh serves',
    take: presents(trusted, undefined),
    becomes: 'unknown',
    code: 'chain-unseen',
  },
  {
    of,
    evidence: 'that chain is under an approved root',
    take: presents(trusted, CHAINS.get(name)),
    becomes: 'broken',
    code: 'ca-not-approved',
  },
  {
    of,
    evidence: 'the mesh configs have the trust domains of the federation file',
    take: (w) =>
      sees(w, trusted, ({ istio }) => ({ istio: istio.ok ? ok({ ...istio.value, trustDomain: domain('cluster.local') }) : istio })),
    becomes: 'broken',
    code: 'trust-domain-differs',
  },
  {
    of,
    evidence: 'no other federation selects its pods',
    take: objectsIn(name, (all) =>
      of === 'proven, servers'
        ? [
            ...all,
            ...all
              .filter((o) => o.kind === 'EnvoyFilter' && o.metadata.name.startsWith('entente-reach'))
              .map((o) => ({
                ...o,
                metadata: { ...o.metadata, name: 'theirs', labels: { ...o.metadata.labels, 'entente.dev/owner': 'other' } },
              })),
          ]
        : [...all, ...another],
    ),
    becomes: 'broken',
    code: 'federations-overlap',
  },
]

const callers = (of: Kind): readonly Row[] => [
  {
    of,
    evidence: 'no policy of any owner denies a named caller',
    take: objectsIn(b, (all) => [...all, policy(deny(from({ namespaces: ['sample'] })))]),
    becomes: 'broken',
    code: 'caller-still-denied',
  },
  {
    of,
    evidence: 'the effect of policies on a named caller is certain',
    take: objectsIn(b, (all) => [...all, policy(deny(from({ ipBlocks: ['10.0.0.0/8'] })))]),
    becomes: 'unknown',
    code: 'caller-not-certain',
  },
  {
    of,
    evidence: 'every filter chain with client certificates enforces the callers rule',
    take: configIn(b, () => ({ denies: [] })),
    becomes: 'broken',
    code: 'callers-differ',
  },
]

const inFilter = (of: Kind): readonly Row[] => [
  {
    of,
    evidence: 'every filter chain with client certificates holds the approved roots',
    take: withoutPins,
    becomes: 'broken',
    code: of === 'proven, mounted' ? 'file-differs' : 'root-missing',
  },
  {
    of,
    evidence: 'no filter chain accepts plaintext, unless the file allows it',
    take: configIn(b, ({ inbound }) => ({ inbound: [...inbound, { name: 'virtualInbound', tls: 'none', sanPrefixes: [] }] })),
    becomes: 'broken',
    code: 'mtls-not-strict',
  },
]

const without = (kind: string) => objectsIn(b, (all) => all.filter((o) => !(kind === 'file' && isTrustMap(o))))

const ROWS: readonly Row[] = [
  ...proof('proven, callers', b, a, 'server'),
  ...inFilter('proven, callers'),
  {
    of: 'proven, callers',
    evidence: 'no filter chain holds another root for the domain',
    take: chainsIn(b, ({ pins }) => ({ pins: new Map([...(pins ?? []), [A, [...(pins?.get(A) ?? []), fakeRoot('more').fingerprint]]]) })),
    becomes: 'broken',
    code: 'root-not-approved',
  },
  ...callers('proven, callers'),
  ...proof('proven, servers', a, b, 'client'),
  {
    of: 'proven, servers',
    evidence: 'each proxy has an Envoy cluster for each host',
    take: configIn(a, () => ({ outbound: [] })),
    becomes: 'broken',
    code: 'service-unknown',
  },
  {
    of: 'proven, servers',
    evidence: 'that cluster uses ISTIO_MUTUAL',
    take: clustersIn({ mutual: false }),
    becomes: 'broken',
    code: 'reach-not-mutual',
  },
  {
    of: 'proven, servers',
    evidence: 'that cluster holds the approved roots',
    take: clustersIn({ pins: undefined }),
    becomes: 'broken',
    code: 'root-missing',
  },
  {
    of: 'proven, servers',
    evidence: 'that cluster accepts the named servers, and no other',
    take: clustersIn({ sans: [] }),
    becomes: 'broken',
    code: 'servers-differ',
  },
  {
    of: 'proven, servers',
    evidence: 'that cluster has an endpoint',
    take: clustersIn({ endpoints: 0 }),
    becomes: 'broken',
    code: 'no-endpoint',
  },
  ...proof('proven, mounted', b, a, 'server'),
  ...callers('proven, mounted'),
  {
    of: 'proven, mounted',
    evidence: 'every filter chain validates with the roots of its file',
    take: chainsIn(b, () => ({ file: undefined })),
    becomes: 'broken',
    code: 'file-differs',
  },
  { of: 'proven, mounted', evidence: 'the ConfigMap of the file exists', take: without('file'), becomes: 'broken', code: 'file-missing' },
  {
    of: 'proven, mounted',
    evidence: 'its kubelet has synced the file, by time or as the proxy reports',
    take: objectsIn(b, (all) =>
      all.map((o) =>
        isTrustMap(o) ? { ...o, metadata: { ...o.metadata, writtenAt: new Date(NOW.getTime() - 30_000).toISOString() } } : o,
      ),
    ),
    becomes: 'lagging',
    code: 'file-pending',
  },
  ...proof('proven, mesh', b, a, 'server').filter(({ code }) => code !== 'no-workload'),
  ...callers('proven, mesh'),
  {
    of: 'proven, mesh',
    evidence: 'every listener accepts names of the domain',
    take: chainsIn(b, () => ({ sanPrefixes: [`spiffe://${B}/`] })),
    becomes: 'broken',
    code: 'root-missing',
  },
  {
    of: 'proven, mesh',
    evidence: 'Entente read the pods of all namespaces',
    take: unseen(b, 'pods'),
    becomes: 'unknown',
    code: 'forbidden',
  },
  {
    of: 'proven, mesh',
    evidence: 'the agent of each proxy requests roots',
    take: (w) => sees(w, b, () => ({ pods: ok(PODS) })),
    becomes: 'lagging',
    code: 'xds-agent-off',
  },
  {
    of: 'proven, mesh',
    evidence: 'an istiod reports every sidecar of the mesh',
    take: (w) => sees(w, b, ({ pods }) => ({ pods: ok([...(pods?.ok ? pods.value : []), pod('other/cut-off', {}, ASKING)]) })),
    becomes: 'lagging',
    code: 'proxy-unheard',
  },
  ...common('severed', b, 'server', 'unknown'),
  {
    of: 'severed',
    evidence: 'no filter chain of a proxy that was read accepts callers of the domain',
    take: chainsIn(b, () => ({ pins: new Map([[A, [fakeRoot('x').fingerprint]]]) })),
    becomes: 'broken',
    code: 'still-held',
  },
  {
    of: 'severed',
    evidence: 'no Envoy cluster of these proxies accepts servers of the domain',
    take: configIn(b, ({ outbound }) => ({ outbound: outbound.map((one) => ({ ...one, pins: new Map([[A, []]]) })) })),
    becomes: 'broken',
    code: 'still-held',
  },
  {
    of: 'severed',
    evidence: 'no file that an Envoy cluster reads is missing, unless the cluster names only servers of other domains',
    take: configIn(b, ({ outbound }) => ({ outbound: outbound.map((one) => ({ ...one, file: 'gone.json', sans: [] })) })),
    becomes: 'broken',
    code: 'still-held',
  },
]

const worldOf = async (kind: Kind): Promise<Applied> => {
  const made = await applied(WORLDS[kind].world)
  if (kind === 'proven, mesh') for (const name of [a, b]) sees(made, name, () => ({ pods: ok(WORLDS[kind].world.pods ?? []) }))
  return made
}
const verdictOn = ({ of, intents, seen }: Applied, kind: Kind): Verdict =>
  verify(of, intents, seen, NOW).find(({ truster }) => truster === WORLDS[kind].truster) as Verdict

describe.each(Object.keys(WORLDS) as Kind[])('%s', (kind) => {
  it('holds while all of its evidence is present', async () => {
    const verdict = verdictOn(await worldOf(kind), kind)
    expect([verdict.state, verdict.findings.filter(({ severity }) => severity !== 'info')]).toEqual([WORLDS[kind].state, []])
  })

  it.each(ROWS.filter(({ of }) => of === kind))('falls back to $becomes unless $evidence', async ({ take, becomes, code }) => {
    const world = await worldOf(kind)
    take(world)
    const verdict = verdictOn(world, kind)
    expect([verdict.state, verdict.findings.map((f) => f.code)]).toEqual([becomes, code === '' ? [] : expect.arrayContaining([code])])
  })

  it('requires an approved bundle', async () => {
    const { of, seen } = await worldOf(kind)
    const verdict = verify(of, wanted(of), seen, NOW).find(({ truster }) => truster === WORLDS[kind].truster)
    expect(verdict?.state).toBe(kind === 'severed' ? 'severed' : 'broken')
  })
})

describe('docs/evidence.md', () => {
  const ROOT = join(import.meta.dirname, '../..')
  const page = readFileSync(join(ROOT, 'docs/evidence.md'), 'utf8')
  const cells = [...page.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()))

  it('has the same table as this file, row by row', () => {
    const printed = cells.filter(([first = '']) => (Object.keys(WORLDS) as string[]).includes(first))
    const meant = ROWS.map(({ of, evidence, becomes, code }) => [of, evidence, becomes, code === '' ? '' : `\`${code}\``])
    expect(printed).toEqual(meant)
  })

  it('refers for every other state to an existing test', () => {
    const shown = cells.flatMap((row) => [...(row.at(-1) ?? '').matchAll(/`([\w/.-]+\.test\.ts)`: ([^;]+)/g)])
    expect(shown.length).toBeGreaterThan(15)
    const missing = shown.filter(([, file = '', title = '']) => !readFileSync(join(ROOT, file), 'utf8').includes(title.trim()))
    expect(missing.map(([text]) => text)).toEqual([])
  })
})
