import { beforeAll, describe, expect, it } from 'vitest'
import type { TestCa } from '../../../../test/support/ca.ts'
import { A, authority, B, bundleOf, federation, NOW, wanted } from '../../../../test/support/federations.ts'
import { observation, pod, service } from '../../../../test/support/observations.ts'
import type { Intent } from '../../model/wanted.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import { type Anchor, parseAnchor } from '../../x509/anchor.ts'
import { plan } from '../plan.ts'
import { intermediates } from './unusable-anchors.ts'

let [caA, caB]: TestCa[] = []
let under: Anchor
beforeAll(async () => {
  ;[caA, caB] = await Promise.all([authority(A), authority(B)])
  under = parseAnchor((await (caA as TestCa).intermediate('issuing')).certificate.der)
})

const roots = (): readonly [Bundle, Bundle] => [(caA as TestCa).bundle, (caB as TestCa).bundle]
const intentOf = (...bundles: readonly Bundle[]): Intent =>
  wanted(federation(), ...bundles).find(({ member }) => member.trustDomain === B) as Intent

describe('an approved anchor that is an intermediate', () => {
  it('is reported with its issuer; a root is not', () => {
    expect(under.issuedBy).toBe((caA as TestCa).bundle.anchors[0]?.subject)
    expect((caA as TestCa).bundle.anchors[0]).not.toHaveProperty('issuedBy')
  })

  it('blocks the scopes that would trust it alone: Envoy would reject every certificate under it', () => {
    const { findings, inbound, outbound } = intermediates(intentOf(bundleOf(A, under), roots()[1]))
    expect(findings.map(({ code, severity, subject }) => `${severity} ${code} ${subject}`)).toEqual(['error anchor-not-root cluster-a'])
    expect(findings[0]?.message).toContain(under.fingerprint)
    expect([[...inbound], [...outbound]]).toEqual([['sample/app=server'], []])
  })

  it('does no harm next to the root above it', () => {
    const [a, b] = roots()
    expect(intermediates(intentOf(bundleOf(A, ...a.anchors, under), b)).findings).toEqual([])
  })

  it('among our own anchors blocks every filter: local callers would be rejected', () => {
    const { findings, inbound } = intermediates(intentOf(roots()[0], bundleOf(B, under)))
    expect(findings.map(({ subject }) => subject)).toEqual(['cluster-b'])
    expect([...inbound]).toEqual(['sample/app=server'])
  })

  it('is in no step of any plan', () => {
    const [, b] = roots()
    const intent = intentOf(bundleOf(A, under), b)
    const seen = observation({ own: b, objects: [pod('sample/server', { app: 'server' }), service('sample/server')] })
    const { steps, findings } = plan([intent], new Map([[intent.member.name, seen]]), NOW)
    expect(findings.map(({ code }) => code)).toContain('anchor-not-root')
    expect(steps.filter(({ after }) => after?.kind === 'EnvoyFilter')).toEqual([])
  })
})
