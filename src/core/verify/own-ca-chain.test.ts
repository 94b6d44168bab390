import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { A, B, bundleOf, federation, member, NOW, wanted } from '../../../test/support/federations.ts'
import { failed, observation, ok } from '../../../test/support/observations.ts'
import type { Intent } from '../model/wanted.ts'
import { ownChain, signsElsewhere } from './own-ca-chain.ts'

const [approved, other] = await Promise.all(['b', 'other'].map((name) => makeCa({ trustDomain: B, name })))
if (approved === undefined || other === undefined) throw new Error('no CA')
const intent = wanted(federation(), bundleOf(A, other.root.anchor), approved.bundle).find(
  (i) => i.member.name === member('cluster-b'),
) as Intent
const under = async (ca: typeof approved) => ok((await ca.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`)).chainDer)

const [good, bad] = [await under(approved), await under(other)]
/** Signed a moment ago, by the cluster's clock. */
const fresh = ok((await approved.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`, { notBefore: NOW })).chainDer)

describe('the chain that a mesh’s own CA serves', () => {
  it('is reported if its root lacks approval, although the mesh’s workloads still have only the approved one', () => {
    const seen = observation({ own: approved.bundle, istio: { presented: bad } })
    expect(ownChain(intent, seen, NOW)).toMatchObject([{ code: 'own-ca-not-approved', severity: 'error', subject: 'cluster-b' }])
  })

  it.each([
    { name: 'is under an approved root', live: approved.bundle, presented: good },
    { name: 'cannot be observed', live: approved.bundle, presented: failed() },
    { name: 'is under a root that the mesh’s workloads have, which is reported elsewhere', live: other.bundle, presented: bad },
  ])('is not reported if it $name', ({ live, presented }) => {
    expect(ownChain(intent, observation({ own: live, istio: { presented } }), NOW)).toEqual([])
  })
})

describe('a chain that is valid only by the cluster’s clock', () => {
  const hour = 3_600_000
  const early = new Date(NOW.getTime() - hour)
  const seenBy = (aheadMs: number, presented = fresh) => ({
    ...observation({ own: approved.bundle, istio: { presented } }),
    clock: { aheadMs, withinMs: 500 },
  })

  it('is no reason to approve anything: the clocks differ', () => {
    expect(ownChain(intent, seenBy(0), early).map(({ code }) => code)).toEqual(['own-ca-not-approved'])
    expect(ownChain(intent, seenBy(hour + 1_000), early)).toEqual([])
  })

  it('is still reported if another root signed it', () => {
    expect(ownChain(intent, seenBy(hour, bad), NOW)).toMatchObject([{ code: 'own-ca-not-approved' }])
  })
})

describe('roots that are approved as a cluster distributes them', () => {
  const name = member('cluster-b')
  it.each([
    { what: 'the CA signs under one of them', presented: good, codes: [] },
    { what: 'it signs under another', presented: bad, codes: ['ca-not-under-own-roots'] },
    { what: 'no istiod could be asked', presented: failed(), codes: [] },
  ])('are rejected only if the CA does not sign under them: $what', ({ presented, codes }) => {
    expect(signsElsewhere(name, approved.bundle, { presented }, { now: NOW }).map(({ code }) => code)).toEqual(codes)
  })
})
