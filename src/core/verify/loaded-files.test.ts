import { describe, expect, it } from 'vitest'
import { A, authority, B, bundleOf, federation, member, spec, wanted } from '../../../test/support/federations.ts'
import { evidence, failed, observation, ok, pod } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Intent } from '../model/wanted.ts'
import { caSetOf, readCerts } from '../trust/mounted/loaded-certificates.ts'
import { render } from '../trust/render.ts'
import { judgeLoaded } from './loaded-files.ts'

const [a, b, next] = await Promise.all([authority(A), authority(B), authority(A, 'next')])
const intent = wanted(
  federation(
    spec((s) => {
      for (const trust of s.trust) trust.distribution = 'mounted'
    }),
  ),
  a.bundle,
  b.bundle,
).find((i) => i.member.name === member('cluster-b')) as Intent
const server = pod('sample/server', { app: 'server', 'entente.dev/mounted': 'trust' })
const seen = observation({
  own: bundleOf(B, b.root.anchor),
  objects: [...render(intent), server] as Manifest[],
  proxies: [evidence(server, { inbound: [], outbound: [], denies: [] })],
})

/** As Envoy's /certs tells it. */
const context = (path: string, ...of: readonly { root: { anchor: { der: Uint8Array } } }[]) => ({
  ca_cert: of.map(({ root }) => {
    const [entry = ''] = caSetOf([{ der: root.anchor.der } as never])
    const [serial, seconds] = entry.split(' ')
    return { path, serial_number: `0${serial}`, expiration_time: new Date(Number(seconds) * 1000).toISOString() }
  }),
})
const loaded = (...contexts: readonly object[]) => readCerts({ certificates: contexts })
const judged = (sets: readonly (readonly string[])[]) =>
  judgeLoaded(intent, seen, new Map([['server.sample', ok({ proxy: 'server.sample', chain: [], roots: [], loaded: sets })]]))

describe('the roots that a proxy loaded from its files', () => {
  it.each([
    {
      name: 'are those in the files',
      sets: loaded(context('<inline>', b), context('', b, a)),
      has: ['server.sample'],
      codes: ['file-loaded'],
    },
    { name: 'are incomplete while a root is missing', sets: loaded(context('', b)), has: [], codes: ['file-stale'] },
    { name: 'are outdated while a removed root is present', sets: loaded(context('', b, a, next)), has: [], codes: ['file-stale'] },
    { name: 'do not include Istio’s own', sets: loaded(context('<inline>', b, a)), has: [], codes: ['file-stale'] },
  ])('$name', ({ sets, has, codes }) => {
    const { proxies, findings } = judged(sets)
    expect([...proxies]).toEqual(has)
    expect(findings.map((f) => f.code)).toEqual(codes)
  })

  it('are unknown for a proxy that could not be asked', () => {
    expect(judgeLoaded(intent, seen, new Map([['server.sample', failed('forbidden')]]))).toEqual({ proxies: new Set(), findings: [] })
  })
})
