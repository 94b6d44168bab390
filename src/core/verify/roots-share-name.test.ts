import { describe, expect, it } from 'vitest'
import { Extension, makeCa, type TestCa } from '../../../test/support/ca.ts'
import { encode, withSerial } from '../../../test/support/der.ts'
import { A, ALICE, authority, B, bundleOf, federation, member, NOW, spec, viewOf, wanted } from '../../../test/support/federations.ts'
import { observation, ok, pod, service } from '../../../test/support/observations.ts'
import { about } from '../diagnostics/subject.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import { plan } from '../plan/plan.ts'
import { NO_RECORD } from '../record/projection.ts'
import { rotation } from '../rotation/phases.ts'
import { rootReplaced } from '../rotation/root-replaced.ts'
import { parseAnchor } from '../x509/anchor.ts'
import { sameNames } from './roots-share-name.ts'

const NAME = 'Root CA'
const bytes = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)
const own = (fill: number): Extension => new Extension('2.5.29.14', false, new Uint8Array(encode(0x04, bytes(fill))))
const authorityOf = (fill: number): Extension => new Extension('2.5.29.35', false, new Uint8Array(encode(0x30, encode(0x80, bytes(fill)))))

const [old, next] = await Promise.all([1, 2].map((fill) => makeCa({ trustDomain: A, name: NAME, root: { extensions: [own(fill)] } })))
const [bare, bareNext] = await Promise.all([1, 2].map(() => makeCa({ trustDomain: A, name: NAME })))
const other = await makeCa({ trustDomain: A, name: 'Other' })
const roots = (...cas: readonly (TestCa | undefined)[]) => cas.flatMap((ca) => ca?.root.anchor ?? [])
const chainOf = async (ca: TestCa | undefined, ...extensions: readonly Extension[]): Promise<readonly Uint8Array[]> =>
  (
    await (
      await (ca as TestCa).intermediate('Intermediate CA', { extensions })
    ).leaf('spiffe://cluster-a.example/ns/istio-system/sa/istiod')
  ).chainDer
const [withoutKeyId, withKeyId] = [await chainOf(old), await chainOf(old, authorityOf(1))]

describe('roots with the same name', async () => {
  it.each([
    { name: 'under a chain without a key identifier', of: roots(old, next), chains: [withoutKeyId], found: ['error'] },
    { name: 'under a chain with one', of: roots(old, next), chains: [withKeyId], found: [] },
    {
      name: 'under a chain with one, where the roots have none',
      of: roots(bare, bareNext),
      chains: [await chainOf(bare, authorityOf(1))],
      found: ['error'],
    },
    { name: 'under no observed chain', of: roots(old, next), chains: [undefined], found: ['warning'] },
    { name: 'where one of two chains was not observed', of: roots(old, next), chains: [withKeyId, undefined], found: ['warning'] },
    {
      name: 'under a leaf of the root itself',
      of: roots(bare, bareNext),
      chains: [(await (bare as TestCa).leaf('spiffe://cluster-a.example/x')).chainDer],
      found: ['error'],
    },
    { name: 'that have two names', of: roots(old, other), chains: [withoutKeyId], found: [] },
    { name: 'that are one', of: roots(old), chains: [withoutKeyId], found: [] },
    {
      name: 'that have one key: re-issued',
      of: [...roots(old), parseAnchor(withSerial((old as TestCa).root.der, [7]))],
      chains: [withoutKeyId],
      found: [],
    },
    { name: 'three of them, as one', of: [...roots(old, next), ...roots(bare)], chains: [withoutKeyId], found: ['error'] },
  ])('$name: $found', ({ of, chains, found }) => {
    const findings = sameNames(about.member('cluster-a'), of, chains)
    expect(findings.map(({ severity, code }) => [severity, code])).toEqual(found.map((severity) => [severity, 'roots-share-name']))
    for (const { message } of findings) for (const { fingerprint } of of) expect(message).toContain(fingerprint)
  })

  const b = await authority(B)
  const around = [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]
  const istioOf = (seen: Observation, chain: readonly Uint8Array[] | undefined): Observation =>
    seen.istio.ok && chain !== undefined ? { ...seen, istio: ok({ ...seen.istio.value, presented: ok(chain) }) } : seen
  const seenWith = (chain: readonly Uint8Array[] | undefined): Seens =>
    new Map([
      [member('cluster-a'), istioOf(observation({ own: bundleOf(A, ...roots(old)), objects: around }), chain)],
      [member('cluster-b'), observation({ own: b.bundle, objects: around })],
    ])
  const intentsOf = (...cas: readonly (TestCa | undefined)[]): readonly Intent[] =>
    wanted(federation(spec()), bundleOf(A, ...roots(...cas)), b.bundle)
  const gates = (chain: readonly Uint8Array[] | undefined, ...cas: readonly (TestCa | undefined)[]) =>
    plan(intentsOf(...cas), seenWith(chain), NOW).steps.flatMap((step) =>
      step.gates.map(({ needs, open, root }) => ({ needs, open, root })),
    )

  it('hold back only a step that would put both into one list', () => {
    const waiting = gates(withoutKeyId, old, next)
    expect(new Set(waiting.map(({ needs }) => needs))).toEqual(new Set(['apart']))
    expect(new Set(waiting.map(({ root }) => root))).toEqual(new Set(roots(old, next).map(({ fingerprint }) => fingerprint)))
    for (const [chain, second] of [
      [withKeyId, next],
      [withoutKeyId, other],
      [undefined, next],
    ] as const)
      expect(gates(chain, old, second)).toEqual([])
  })

  it('are reported by a plan, and by a rotation', () => {
    const found = (chain: readonly Uint8Array[] | undefined) => {
      const [seen, intents] = [seenWith(chain), intentsOf(old, next)]
      const where = {
        member: intents[0]?.member as Intent['member'],
        bundle: bundleOf(A, ...roots(old, next)),
        record: NO_RECORD,
        intents,
        seen,
        now: NOW,
      }
      return [plan(intents, seen, NOW), rotation(where)].map(({ findings }) =>
        findings.filter(({ code }) => code === 'roots-share-name').map(({ severity }) => severity),
      )
    }
    expect(found(withoutKeyId).map((one) => one[0])).toEqual(['error', 'error'])
    expect(found(undefined).map((one) => one[0])).toEqual(['warning', 'warning'])
    expect(found(withKeyId)).toEqual([[], []])
  })
})

describe('before a switch, a rotation names each host whose servers are not named', async () => {
  const b = await authority(B)
  it.each([
    { servedBy: undefined, found: ['warning'] },
    { servedBy: ['cluster-b.example/ns/sample/sa/server'], found: [] },
  ])('servedBy: $servedBy', ({ servedBy, found }) => {
    const of = spec((s) => {
      for (const { reach } of s.trust as { reach?: { services: object[] }[] }[])
        for (const entry of reach ?? []) entry.services = [{ host: 'server.sample.svc.cluster.local', ...(servedBy && { servedBy }) }]
    })
    const bundle = bundleOf(A, ...roots(old, other))
    const intents = wanted(federation(of), bundle, b.bundle)
    const to = roots(other).map(({ fingerprint }) => fingerprint)
    const record = viewOf([{ actor: ALICE, at: NOW, reason: 'x', action: 'rotate', trustDomain: A, to }])
    const { findings } = rotation({ member: intents[0]?.member as Intent['member'], bundle, record, intents, seen: new Map(), now: NOW })
    expect(findings.filter(({ code }) => code === 'any-server').map(({ severity }) => severity)).toEqual(found)
  })
})

it('a root that was re-issued with the same key and name is no replacement', () => {
  const anew = parseAnchor(withSerial((old as TestCa).root.der, [7]))
  const found = (live: readonly ReturnType<typeof parseAnchor>[]) =>
    rootReplaced(member('cluster-a'), bundleOf(A, ...roots(old)), observation({ own: bundleOf(A, ...live) }), NOW).map(({ code }) => code)
  expect([found([anew]), found(roots(next))]).toEqual([[], ['root-swapped']])
})
