import { describe, expect, it } from 'vitest'
import { A, B, bundleOf, fakeRoot, federation, member, NOW, spec, wanted } from '../../../../test/support/federations.ts'
import { object, observation, pod } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Intent } from '../../model/wanted.ts'
import { MOUNT, mountFor, templateHasMount } from '../../trust/mounted/mount.ts'
import { render } from '../../trust/render.ts'
import { wantedState } from '../../trust/wanted-state.ts'
import { course } from '../course.ts'
import { plan } from '../plan.ts'
import { carriers } from './mounted-files.ts'

const bundles = [bundleOf(A, fakeRoot('a')), bundleOf(B, fakeRoot('b'))]
const intentOf = (distribution: 'pinned' | 'mounted'): Intent =>
  wanted(
    federation(
      spec((s) => {
        for (const trust of s.trust) trust.distribution = distribution
      }),
    ),
    ...bundles,
  ).find((i) => i.member.name === 'cluster-b') as Intent
const [pinned, mounted] = [intentOf('pinned'), intentOf('mounted')]
const MOUNTED = { 'entente.dev/mounted': 'trust' }

const owned = (of: Manifest, kind: string, name: string, hash?: string): Manifest => ({
  ...of,
  metadata: {
    ...of.metadata,
    labels: { ...of.metadata.labels, ...(hash === undefined ? {} : { 'pod-template-hash': hash }) },
    ownerReferences: [{ kind, name, controller: true }],
  } as Manifest['metadata'],
})
const server = (name: string, labels = {}) => pod(`sample/${name}`, { app: 'server', ...labels })
const see = (objects: readonly Manifest[]) => observation({ own: bundleOf(B, fakeRoot('b')), objects })
const planned = (of: Intent, objects: readonly Manifest[]) => plan([of], new Map([[member('cluster-b'), see(objects)]]), NOW)
const told = (of: Intent, objects: readonly Manifest[]) => planned(of, objects).findings.map((f) => `${f.severity} ${f.code}`)

describe('pods of a mounted scope', () => {
  it('without the mount are reported; nothing else blocks the scope', () => {
    expect(told(mounted, [server('old')])).toEqual(expect.arrayContaining(['warning not-mounted']))
    expect(planned(mounted, [server('old')]).steps.map((s) => s.phase)).toContain('open')
  })

  it('with only the label keep their scope from widening', () => {
    const half = { ...server('half', MOUNTED), spec: { containers: [{ name: 'istio-proxy' }] } }
    expect(told(mounted, [half])).toEqual(expect.arrayContaining(['error mount-missing']))
    expect(planned(mounted, [half]).steps.filter((s) => s.phase === 'open')).toEqual([])
  })

  it('whose file somebody removed are reported, with the step that repairs it', () => {
    const left = render(mounted).filter((o) => o.metadata.name !== 'entente-trust')
    expect(told(mounted, [...left, server('new', MOUNTED)])).toEqual(expect.arrayContaining(['warning file-missing']))
    expect(planned(mounted, [...left, server('new', MOUNTED)]).steps.map((s) => `${s.phase} ${s.after?.metadata.name}`)).toEqual([
      'open entente-trust',
    ])
  })
})

describe('a file that somebody removed', () => {
  it('is also restored when its scope becomes pinned: no caller is cut off before the filter goes', () => {
    const left = render(mounted).filter((o) => o.metadata.name !== 'entente-trust')
    expect(
      planned(pinned, [...left, server('new', MOUNTED)]).steps.map(
        (s) => `${s.phase} ${s.after === undefined ? 'remove' : 'write'} ${(s.after ?? s.before)?.metadata.name}`,
      ),
    ).toEqual([
      'open write entente-trust',
      'open write entente-accept-app-server',
      'close remove entente-accept-app-server-mounted',
      'clean remove entente-trust',
    ])
  })
})

describe('a pinned filter whose scope is now mounted', () => {
  const left = (pods: readonly Manifest[]) => {
    const { steps } = planned(mounted, [...render(pinned), ...pods])
    return steps.filter((s) => s.after === undefined).map((s) => `${s.phase} ${s.before?.kind} ${s.before?.metadata.name}`)
  }
  it.each([
    { name: 'stays while a sidecar has no mount', pods: [server('old'), server('new', MOUNTED)], removed: [] },
    {
      name: 'is removed once all have the mount',
      pods: [server('new', MOUNTED)],
      removed: ['close EnvoyFilter entente-accept-app-server'],
    },
    {
      name: 'is removed if only pods without a sidecar lack the mount',
      pods: [pod('sample/bare', { app: 'server' }, { sidecar: false })],
      removed: ['close EnvoyFilter entente-accept-app-server'],
    },
  ])('$name', ({ pods, removed }) => {
    expect(left(pods)).toEqual(removed)
  })

  it('follows changes of the roots while it stays', () => {
    const next = { ...mounted, trusts: mounted.trusts.map((t) => ({ ...t, bundle: bundleOf(A, fakeRoot('a'), fakeRoot('a next')) })) }
    const going = course(next, see([...render(pinned), server('old')]))
    const [scope] = [...(going?.after.inbound.values() ?? [])]
    expect(scope?.roots).toBe(scope?.file.roots)
    expect(scope?.roots.get(A)).toHaveLength(2)
  })

  it('is not removed while pods cannot be listed', () => {
    const { context: _, ...home } = { ...mounted.member.home, directory: 'clusters/b' }
    const inGit = { ...mounted, member: { ...mounted.member, home } }
    const going = course(inGit, see(render(pinned)))
    expect([...(going?.after.inbound.values() ?? [])][0]?.roots.size).toBe(2)
  })
})

describe('the status of the mount', () => {
  const template = (kind: string, name: string, metadata: object) =>
    object('apps/v1', kind, `sample/${name}`, { spec: { template: { metadata } } })
  const pods = [
    owned(server('server-5f-a', MOUNTED), 'ReplicaSet', 'server-5f', '5f'),
    owned(server('server-4e-b'), 'ReplicaSet', 'server-4e', '4e'),
    owned(server('db-0'), 'StatefulSet', 'db'),
    server('alone'),
    pod('sample/other', { app: 'other' }),
  ]
  const templates = [template('Deployment', 'server', MOUNT), template('StatefulSet', 'db', { labels: MOUNT.labels })]

  it('is reported by workload: its pods, those without the mount, and whether its template has it', () => {
    const state = wantedState(mounted)
    const found = carriers(mounted, state, wantedState(pinned), pods, templates)
    expect(
      found.map(({ kind, name, pods: all, lacking, template: of, pinned: stays }) => [`${kind} ${name}`, all.length, lacking, of, stays]),
    ).toEqual([
      ['Deployment server', 2, ['server-4e-b'], 'mounted', true],
      ['Pod alone', 1, ['alone'], undefined, true],
      ['StatefulSet db', 1, ['db-0'], 'bare', true],
    ])
  })
})

describe('the mount of a pod template', () => {
  it('leaves foreign volumes unchanged', () => {
    const annotations = { 'sidecar.istio.io/userVolume': '{"certs":{"secret":{"secretName":"x"}}}' }
    const made = mountFor({ metadata: { annotations } })
    expect(Object.keys(JSON.parse(made?.annotations['sidecar.istio.io/userVolume'] ?? '{}'))).toEqual(['certs', 'entente-trust'])
    expect(templateHasMount({ metadata: { annotations } })).toBe(false)
    expect(templateHasMount({ metadata: made })).toBe(true)
  })

  it.each(['no JSON', '[]', '7'])('is not added if the existing fields cannot be read: %s', (volumes) => {
    expect(mountFor({ metadata: { annotations: { 'sidecar.istio.io/userVolume': volumes } } })).toBeUndefined()
  })

  it('is optional in every source: pods start without the ConfigMaps, too', () => {
    expect(JSON.parse(MOUNT.annotations['sidecar.istio.io/userVolume'] ?? '')['entente-trust'].projected.sources).toEqual(
      ['', '-1', '-2', '-3'].map((suffix) => ({ configMap: { name: `entente-trust${suffix}`, optional: true } })),
    )
  })
})
