import { beforeAll, describe, expect, it } from 'vitest'
import { makeCa, type TestCa } from '../../../test/support/ca.ts'
import { A, B, bundleOf, federation, member, NOW, wanted } from '../../../test/support/federations.ts'
import { failed, observation, ok } from '../../../test/support/observations.ts'
import type { Observation } from '../model/observed.ts'
import type { Anchor } from '../x509/anchor.ts'
import { daysLeft, expiring } from './expiry.ts'

const [a, b] = ['cluster-a', 'cluster-b'].map(member)
const inDays = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000 + 1000)
const ca = (trustDomain: string, name: string, notAfter = inDays(3650)): Promise<TestCa> => makeCa({ trustDomain, name, notAfter })

let own: TestCa
beforeAll(async () => {
  own = await ca(B, 'b')
})

/** What is told of the roots of a, and of the chain that its CA presents. */
function told(anchors: readonly Anchor[], chain: readonly Uint8Array[] | undefined) {
  const bundle = bundleOf(A, ...anchors)
  const intents = wanted(federation(), bundle, bundleOf(B, own.root.anchor))
  const seenA: Observation = observation({
    own: bundle,
    istio: { presented: chain === undefined ? failed('istiod-unreachable') : ok(chain) },
  })
  return expiring(federation(), intents, new Map([[a as never, seenA]]), NOW).map(({ code, severity, subject, message, hint }) => ({
    code,
    severity,
    subject,
    message,
    hint,
  }))
}
const under = async (one: TestCa) => (await one.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`)).chainDer

describe('days left', () => {
  it.each([
    { of: -1, left: undefined },
    { of: 0, left: 0 },
    { of: 7, left: 7 },
    { of: 60, left: 60 },
    { of: 61, left: undefined },
  ])('$of days are $left', ({ of, left }) => expect(daysLeft(inDays(of), NOW)).toBe(left))
})

describe('a root that expires', () => {
  it.each([
    { days: 61, severity: undefined },
    { days: 60, severity: 'info' },
    { days: 30, severity: 'warning' },
    { days: 7, severity: 'error' },
  ])('in $days days is reported as $severity, with its fingerprint and the consequence', async ({ days, severity }) => {
    const expires = await ca(A, 'a', inDays(days))
    const findings = told([expires.root.anchor], await under(expires))
    if (severity === undefined) return expect(findings).toEqual([])
    expect(findings).toMatchObject([{ code: 'root-expires', severity, subject: a }])
    expect(findings[0]?.message).toContain(expires.root.anchor.fingerprint)
    expect(findings[0]?.message).toContain(`calls from ${a} to sample (app=server) in ${b}`)
    expect(findings[0]?.hint).toContain(`entente rotate ${a}`)
  })

  it('is only an info once its CA signs under another approved root', async () => {
    const [expires, next] = await Promise.all([ca(A, 'a', inDays(3)), ca(A, 'a next')])
    expect(told([expires.root.anchor, next.root.anchor], await under(next))).toMatchObject([
      { severity: 'info', message: expect.stringMatching(/another approved root/) },
    ])
    expect(told([expires.root.anchor, next.root.anchor], await under(expires))).toMatchObject([
      { severity: 'error', message: expect.stringMatching(/under this root only/) },
    ])
  })

  it('is an error even without an observed chain only if no other root replaces it', async () => {
    const [expires, next] = await Promise.all([ca(A, 'a', inDays(3)), ca(A, 'a next')])
    expect(told([expires.root.anchor], undefined)).toMatchObject([{ severity: 'error' }])
    expect(told([expires.root.anchor, next.root.anchor], undefined)).toMatchObject([{ severity: 'warning' }])
  })
})

describe('the CA under a root', () => {
  it('is reported if it expires before the root does', async () => {
    const root = await ca(A, 'a')
    const signing = await root.intermediate('signing', { notAfter: inDays(5) })
    const { chainDer } = await signing.leaf(`spiffe://${A}/ns/istio-system/sa/istiod`)
    expect(told([root.root.anchor], chainDer)).toMatchObject([
      {
        code: 'intermediate-expires',
        severity: 'error',
        subject: a,
        message: expect.stringMatching(/CN=signing.*every call inside cluster-a/),
      },
    ])
  })
})
