import { describe, expect, it } from 'vitest'
import { A, B, fakeRoot, member } from '../../../../test/support/federations.ts'
import { pod } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Member } from '../../model/wanted.ts'
import { renderState } from '../render.ts'
import { EMPTY, noInbound } from '../state.ts'
import { acceptFile } from './bundle-map.ts'
import { boundMs, filesIn, withFiles } from './delivery.ts'

const AT = { namespace: 'sample', labels: { app: 'server' } }
const NAME = acceptFile(AT)
const roots = new Map([[A, [fakeRoot('a')]]])
const state = { ...EMPTY, inbound: new Map([['k', { ...noInbound(AT), file: { name: NAME, roots, read: true, volumes: [0] } }]]) }
const [map] = renderState(state, { owner: 'shop', istioNamespace: 'istio-system', own: new Set([B]) }).filter((o) => o.kind === 'ConfigMap')
const written = (at?: string): Manifest => ({
  ...(map as Manifest),
  metadata: { ...(map as Manifest).metadata, ...(at === undefined ? {} : { writtenAt: at }) },
})
const born = (at: string, nudged?: string): Manifest => {
  const of = pod('sample/server', AT.labels)
  return {
    ...of,
    metadata: { ...of.metadata, creationTimestamp: at, ...(nudged === undefined ? {} : { annotations: { 'entente.dev/nudged': nudged } }) },
  }
}
const minute = (m: number, s = 0): string => `2026-06-01T12:${String(m).padStart(2, '0')}:${String(s).padStart(2, '0')}Z`

describe('the time from which a pod has its file', () => {
  it.each([
    { name: 'is its start for a pod younger than the write', pod: born(minute(11)), now: minute(11), until: undefined },
    { name: 'is unknown for an older pod before its kubelet synced', pod: born(minute(0)), now: minute(11), until: minute(11, 35) },
    { name: 'is unknown for a pod that started in the second of the write', pod: born(minute(10)), now: minute(10), until: minute(11, 35) },
    { name: 'is reached once the bound is over', pod: born(minute(0)), now: minute(11, 35), until: undefined },
    { name: 'is 5 s after a nudge', pod: born(minute(0), minute(10, 1)), now: minute(10, 6), until: undefined },
    { name: 'does not depend on a nudge before the write', pod: born(minute(0), minute(9)), now: minute(11), until: minute(11, 35) },
  ])('$name', ({ pod: of, now, until }) => {
    const files = filesIn([written(minute(10))], { now: new Date(now), boundMs: boundMs({} as Member) })
    expect(files.awaited(of, NAME)?.toISOString().replace('.000', '')).toBe(until)
  })

  it('is absent if the agent does not use files, if no write time is known, or if there is no file', () => {
    const delivery = { now: new Date(minute(10)), boundMs: 95_000 }
    expect(filesIn([written(minute(10))]).awaited(born(minute(0)), NAME)).toBeUndefined()
    expect(filesIn([written()], delivery).awaited(born(minute(0)), NAME)).toBeUndefined()
    expect(filesIn([], delivery).awaited(born(minute(0)), NAME)).toBeUndefined()
  })

  it('follows the sync period of the kubelets as configured for the member', () => {
    expect(boundMs({ name: member('a') } as Member)).toBe(95_000)
    expect(boundMs({ name: member('a'), kubeletSyncSeconds: 10 } as Member)).toBe(20_000)
  })
})

describe('a configuration that reads roots from files', () => {
  const chain = { name: 'virtualInbound', tls: 'mutual' as const, sanPrefixes: [] }
  it('holds the roots in them, and none if they are deleted', () => {
    const config = { inbound: [{ ...chain, file: NAME }, { ...chain, file: 'gone.json' }, chain], outbound: [], denies: [] }
    const seen = withFiles(config, 'sample', filesIn([written()]))
    expect(seen.inbound.map(({ pins }) => pins && [...pins.keys()])).toEqual([[A], [], undefined])
  })
})
