import { beforeAll, describe, expect, it } from 'vitest'
import type { TestCa } from '../../../test/support/ca.ts'
import { A, authority, federation, member, NOW, wanted } from '../../../test/support/federations.ts'
import { observation, ok } from '../../../test/support/observations.ts'
import type { Intent } from '../model/wanted.ts'
import { chainJudge } from './ca-chain.ts'

let ours: TestCa
let other: TestCa
let chain: readonly Uint8Array[]
beforeAll(async () => {
  ;[ours, other] = await Promise.all([authority(A), authority(A, 'other')])
  chain = (await ours.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`)).chainDer
})

describe('the chain of a mesh with several trusters', () => {
  const judge = () => {
    const of = federation()
    const seen = new Map([[member('cluster-a'), observation({ own: ours.bundle, istio: { presented: ok(chain) } })]])
    const intents = wanted(of, ours.bundle)
    const trust = intents.flatMap(({ trusts }) => trusts).find(({ trusted }) => trusted === 'cluster-a') as Intent['trusts'][number]
    const chainOf = chainJudge(of, intents, seen, NOW)
    return (...anchors: TestCa['bundle']['anchors']) =>
      chainOf({ ...trust, bundle: { trustDomain: A, anchors } }).findings.map(({ code }) => code)
  }

  it('is not attributed to another root if only the clocks differ', async () => {
    const of = federation()
    const early = new Date(NOW.getTime() - 3_600_000)
    const fresh = (await ours.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`, { notBefore: NOW })).chainDer
    const trust = wanted(of, ours.bundle)
      .flatMap(({ trusts }) => trusts)
      .find(({ trusted }) => trusted === 'cluster-a') as Intent['trusts'][number]
    const codes = (aheadMs: number) => {
      const seen = { ...observation({ own: ours.bundle, istio: { presented: ok(fresh) } }), clock: { aheadMs, withinMs: 500 } }
      const judge = chainJudge(of, wanted(of, ours.bundle), new Map([[member('cluster-a'), seen]]), early)
      return judge(trust).findings.map(({ code }) => code)
    }
    expect(codes(0)).toEqual(['ca-not-approved'])
    expect(codes(3_601_000)).toEqual([])
  })

  it('is judged by the roots that each truster approved', () => {
    const codes = judge()
    expect(codes(ours.root.anchor)).toEqual([])
    expect(codes(other.root.anchor)).toEqual(['ca-not-approved'])
    expect(codes(other.root.anchor, ours.root.anchor)).toEqual([])
    expect(codes(ours.root.anchor)).toEqual([])
  })
})
