import { describe, expect, it } from 'vitest'
import {
  A,
  authority,
  B,
  bundleOf,
  fakeRoot,
  federation,
  reachEntry,
  SERVER_HOST,
  type Spec,
  spec,
  wanted,
} from '../../../../test/support/federations.ts'
import { object } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at } from '../../model/manifest.ts'
import type { Intent } from '../../model/wanted.ts'
import { inspect } from '../../spiffe/inspect.ts'
import { parseTrustDomain } from '../../spiffe/trust-domain.ts'
import { authorOf, readState, render, renderState } from '../render.ts'
import type { Root, Roots } from '../state.ts'
import { wantedState } from '../wanted-state.ts'
import { acceptFile, printFile, reachFile, readFile, readMountedFilter, readTrustMap } from './bundle-map.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot('a')), bundleOf(B, fakeRoot('b'))]
const mounted = (change: (s: Spec) => void = () => {}) =>
  spec((s) => {
    for (const trust of s.trust) trust.distribution = 'mounted'
    change(s)
  })
const intentOf = (name: string, of: Spec = mounted()): Intent =>
  wanted(federation(of), BUNDLE_A, BUNDLE_B).find((i) => i.member.name === name) as Intent
const NOW = new Date('2026-06-01T00:00:00Z')
const names = (roots: Roots) => Object.fromEntries([...roots].map(([domain, held]) => [domain, held.length]))
/** Roots of so many domains, of the size of real ones. */
const many = (n: number, bytes = 480): Roots =>
  new Map(
    Array.from({ length: n }, (_, i) => [
      parseTrustDomain(`td-${i}.example`),
      [{ fingerprint: `sha256:${i}`, der: Buffer.alloc(bytes, i) } as unknown as Root],
    ]),
  )

describe('a file of roots', () => {
  it('is a SPIFFE bundle map, which the rules for bundles accept', async () => {
    const [a, b] = await Promise.all([authority(A), authority(B)])
    const file = printFile(
      new Map([
        [B, [b.root.anchor]],
        [A, [a.root.anchor]],
      ]),
    )
    for (const of of [A, B]) {
      const { verdict, findings } = inspect(Buffer.from(file), { now: NOW, trustDomain: of })
      expect({ verdict, findings: findings.filter((f) => f.severity === 'error') }).toEqual({ verdict: 'accept', findings: [] })
    }
    expect(readFile(file).get(A)).toEqual([expect.objectContaining({ fingerprint: a.root.anchor.fingerprint })])
  })

  it('has the same bytes for the same roots, and a line for each domain', () => {
    const [one, two] = [fakeRoot('one'), fakeRoot('two')]
    const file = printFile(
      new Map([
        [A, [one, two]],
        [B, [one]],
      ]),
    )
    expect(
      printFile(
        new Map([
          [B, [one]],
          [A, [two, one]],
        ]),
      ),
    ).toBe(file)
    expect(file.split('\n').filter((line) => line.includes('.example'))).toHaveLength(2)
  })

  it('omits a domain without roots: Envoy would keep the previous ones', () => {
    expect(
      names(
        readFile(
          printFile(
            new Map([
              [A, []],
              [B, [fakeRoot('b')]],
            ]),
          ),
        ),
      ),
    ).toEqual({ [B]: 1 })
  })

  it.each([
    { name: 'nothing', file: '' },
    { name: 'no JSON', file: '{"trust_domains":' },
    { name: 'something else', file: '[]' },
    { name: 'a domain without keys', file: `{"trust_domains":{"${A}":{"keys":[]}}}` },
    { name: 'keys of another use', file: `{"trust_domains":{"${A}":{"keys":[{"use":"jwt-svid","x5c":["AA=="]}]}}}` },
    { name: 'an invalid domain', file: '{"trust_domains":{"A B":{"keys":[{"use":"x509-svid","x5c":["AA=="]}]}}}' },
  ])('of $name binds nothing', ({ file }) => {
    expect(readFile(file).size).toBe(0)
  })

  it('that contains a domain twice uses the last one, as Envoy does', () => {
    const key = (name: string) => `{"keys":[{"use":"x509-svid","x5c":["${Buffer.from(name).toString('base64')}"]}]}`
    const [only] = readFile(`{"trust_domains":{"${A}":${key('first')},"${A}":${key('last')}}}`).get(A) ?? []
    expect(Buffer.from(only?.der ?? []).toString()).toBe('last')
  })
})

describe('the objects of a mounted scope', () => {
  const objects = render(intentOf('cluster-b'))
  const filter = objects.find((o) => o.kind === 'EnvoyFilter')
  const file = acceptFile({ namespace: 'sample', labels: { app: 'server' } })

  it('are one ConfigMap in its namespace with every domain accepted there, and a filter for pods with the mount', () => {
    expect(objects.map((o) => `${o.kind} ${o.metadata.namespace}/${o.metadata.name}`)).toEqual([
      'ConfigMap istio-system/cluster-a-root-cert',
      'ConfigMap sample/entente-trust',
      'PeerAuthentication sample/entente-accept-app-server',
      'AuthorizationPolicy sample/entente-accept-app-server',
      'EnvoyFilter sample/entente-accept-app-server-mounted',
    ])
    expect(names(readFile(at(objects[1], 'data', file) as string))).toEqual({ [A]: 1, [B]: 1 })
    expect(filter?.spec).toMatchObject({ workloadSelector: { labels: { app: 'server', 'entente.dev/mounted': 'trust' } }, priority: 1001 })
  })

  it('contain a filter that reads that file, names only the foreign domain, and issues no session tickets', () => {
    const text = JSON.stringify(filter?.spec)
    expect(text).toContain(`"trust_bundles":{"filename":"/etc/entente/trust/${file}","watched_directory":{"path":"/etc/entente/trust"}}`)
    expect(text).toContain(`"match_subject_alt_names":[{"prefix":"spiffe://${A}/"}]`)
    expect(text).toContain('"disable_stateless_session_resumption":true,"disable_stateful_session_resumption":true')
    expect(text).not.toContain('inline_string')
  })

  it('keep the same filter if only roots change', () => {
    const [one, two] = [bundleOf(A, fakeRoot('a')), bundleOf(A, fakeRoot('a'), fakeRoot('a next'))].map(
      (bundle) => wanted(federation(mounted()), bundle, BUNDLE_B).find((i) => i.member.name === 'cluster-b') as Intent,
    )
    const filters = (of: Intent) => JSON.stringify(render(of).filter((o) => o.kind === 'EnvoyFilter'))
    expect(filters(two as Intent)).toBe(filters(one as Intent))
  })

  it('outbound are one file for each host, without domains that only another host trusts', () => {
    const other = 'other.sample.svc.cluster.local'
    const of = intentOf(
      'cluster-a',
      mounted((s) => {
        s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example' })
        s.trust.push({
          truster: 'cluster-a',
          trusted: 'cluster-c',
          distribution: 'mounted',
          reach: [reachEntry({ services: [{ host: other }] })],
        })
      }),
    )
    const C = parseTrustDomain('cluster-c.example')
    const state = wantedState({
      ...of,
      trusts: of.trusts.map((t) => (t.trustDomain === C ? { ...t, bundle: bundleOf(C, fakeRoot('c')) } : t)),
    })
    const [{ files } = { files: new Map() }] = [...state.outbound.values()]
    expect([...files].map(([host, { roots }]) => [host, [...roots.keys()].sort()])).toEqual([
      [SERVER_HOST, [A, B]],
      [other, [A, C]],
    ])
  })

  it('coexist with pinned objects at another set', () => {
    const web = { namespace: 'sample', labels: { app: 'web' } }
    const of = intentOf('cluster-b')
    const trusts = [...of.trusts, { ...of.trusts[0], distribution: 'pinned', accept: [{ at: web, mtls: 'enforce', callers: 'all' }] }]
    const { inbound } = readState(render({ ...of, trusts: trusts as Intent['trusts'] }))
    expect([...inbound.values()].map(({ roots, file }) => [roots.size, file.roots.size])).toEqual(
      expect.arrayContaining([
        [0, 2],
        [2, 0],
      ]),
    )
  })

  it('are distinguished from other objects', () => {
    expect(readMountedFilter(object('v1', 'ConfigMap', 'a/b'))).toEqual([])
    expect(readMountedFilter(render(intentOf('cluster-b', spec())).find((o) => o.kind === 'EnvoyFilter') as Manifest)).toEqual([])
  })
})

describe('the files of a namespace', () => {
  const of = (sizes: readonly number[]) => {
    const intent = intentOf('cluster-b')
    const [scope] = [...wantedState(intent).inbound.values()]
    if (scope === undefined) throw new Error('no scope')
    const inbound = sizes.map((n, i) => {
      const at = { namespace: 'sample', labels: { app: `app-${i}` } }
      return [`k${i}`, { ...scope, at, file: { name: acceptFile(at), roots: many(n), read: true, volumes: [] } }] as const
    })
    return { intent, state: { inbound: new Map(inbound), outbound: new Map(), shares: new Map() } }
  }

  it.each([
    { name: 'share one ConfigMap if they are small', sizes: [10, 20, 30], volumes: [0, 0, 0] },
    { name: 'share it up to 1,000 domains', sizes: [1000], volumes: [0] },
    { name: 'continue in the next ConfigMap when one is full', sizes: [700, 700, 200], volumes: [0, 1, 0] },
    { name: 'that fit nowhere go into the last one, where they are reported', sizes: [900, 900, 900, 900, 900], volumes: [0, 1, 2, 3, 3] },
  ])('$name', async ({ sizes, volumes }) => {
    const { placed } = await import('./volumes.ts')
    const { intent, state } = of(sizes)
    const put = placed(state, { inbound: new Map(), outbound: new Map(), shares: new Map() })
    expect([...put.inbound.values()].map(({ file }) => file.volumes[0])).toEqual(volumes)
    const maps = renderState(put, authorOf(intent)).filter((o) => o.kind === 'ConfigMap')
    expect(maps.flatMap((map) => readTrustMap(map).map(({ name, volume }) => [name, volume])).sort()).toEqual(
      [...put.inbound.values()].map(({ file }) => [file.name, file.volumes[0]]).sort(),
    )
  })

  it('keep their names while they fit', async () => {
    const { placed } = await import('./volumes.ts')
    const { state } = of([10, 10])
    const was = { ...state, inbound: new Map([...state.inbound].map(([key, s]) => [key, { ...s, file: { ...s.file, volumes: [2] } }])) }
    expect([...placed(state, was).inbound.values()].map(({ file }) => file.volumes)).toEqual([[2], [2]])
  })

  it('are distinguished by name alone from unused files', () => {
    const map = object(
      'v1',
      'ConfigMap',
      'sample/entente-trust',
      { data: { 'accept-app-x.json': '{}' } },
      { annotations: { 'entente.dev/files': 'no JSON' } },
    )
    expect(readTrustMap(map)).toEqual([])
    expect(reachFile({ namespace: 'sample' }, SERVER_HOST)).toBe(`reach-all--${SERVER_HOST}.json`)
  })
})
