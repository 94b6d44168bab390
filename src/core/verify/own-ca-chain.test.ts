import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { A, B, bundleOf, federation, member, NOW, wanted } from '../../../test/support/federations.ts'
import { failed, observation, ok } from '../../../test/support/observations.ts'
import type { Intent } from '../model/wanted.ts'
import { ownChain } from './own-ca-chain.ts'

const [approved, other] = await Promise.all(['b', 'other'].map((name) => makeCa({ trustDomain: B, name })))
if (approved === undefined || other === undefined) throw new Error('no CA')
const intent = wanted(federation(), bundleOf(A, other.root.anchor), approved.bundle).find(
  (i) => i.member.name === member('cluster-b'),
) as Intent
const under = async (ca: typeof approved) => ok((await ca.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`)).chainDer)

const [good, bad] = [await under(approved), await under(other)]

describe('the chain that a mesh’s own CA presents', () => {
  it('is told when nobody approved its root, although the mesh’s workloads still have the approved one only', () => {
    const seen = observation({ own: approved.bundle, istio: { presented: bad } })
    expect(ownChain(intent, seen, NOW)).toMatchObject([{ code: 'own-ca-not-approved', severity: 'error', subject: 'cluster-b' }])
  })

  it.each([
    { name: 'is under an approved root', live: approved.bundle, presented: good },
    { name: 'cannot be seen', live: approved.bundle, presented: failed() },
    { name: 'is under a root that the mesh’s workloads have, which is told elsewhere', live: other.bundle, presented: bad },
  ])('is no news when it $name', ({ live, presented }) => {
    expect(ownChain(intent, observation({ own: live, istio: { presented } }), NOW)).toEqual([])
  })
})
