import { describe, expect, it } from 'vitest'
import { ACCEPTABLE, type FindingCode } from './codes.ts'
import { accepting, type Expectation, expectEnded, outlookOf, worst } from './expectations.ts'
import { error, finding, info, warning } from './finding.ts'
import { about } from './subject.ts'

const NOW = new Date('2026-12-01T12:00:00Z')
const UNTIL = new Date('2027-02-01T00:00:00Z')
const away: Expectation = { code: 'cluster-unreachable', reason: 'a partner runs it', until: UNTIL }
const unreachable = error('cluster-unreachable', about.member('partner'), 'does not answer')
const accepted = (expectation: Expectation, of = unreachable, within: readonly string[] = []): boolean =>
  accepting([expectation], NOW)(of, within).accepted !== undefined

describe('an expectation accepts', () => {
  it.each<[string, boolean]>([
    ['its code', accepted(away)],
    ['nothing of another code', !accepted(away, error('istiod-unreachable', about.member('partner'), 'x'))],
    ['a finding about its member', accepted({ ...away, member: 'partner' })],
    [
      'a finding about a proxy of its member',
      accepted({ ...away, member: 'partner' }, error('cluster-unreachable', about.proxy('a.b', 'partner'), 'x')),
    ],
    [
      'a finding about a trust of its member',
      accepted({ ...away, member: 'partner' }, error('cluster-unreachable', about.trust({ truster: 'us', trusted: 'partner' }), 'x')),
    ],
    ['nothing about another member', !accepted({ ...away, member: 'us' })],
    [
      'a finding without a member in a verdict about its member',
      accepted({ ...away, member: 'us' }, error('cluster-unreachable', about.other('x'), 'x'), ['us', 'partner']),
    ],
    ['a finding with its subject', accepted({ ...away, subject: 'partner' })],
    ['nothing with another subject', !accepted({ ...away, subject: 'other' })],
    ['nothing after its last day', !accepted({ ...away, until: NOW })],
    ['for one command, without an end', accepted({ code: away.code, reason: away.reason })],
  ])('%s', (_, holds) => {
    expect(holds).toBe(true)
  })

  it.each<FindingCode>([
    'own-root-unknown',
    'record-broken',
    'record-forked',
    'witness-unseen',
    'connections-unseen',
    'sever-lifted',
    'proxy-unheard',
    'root-not-approved',
  ])('never %s', (code) => {
    expect(ACCEPTABLE).not.toContain(code)
    expect(accepted({ ...away, code }, finding(code, 'error', about.member('partner'), 'x'))).toBe(false)
  })

  it('until a day that its finding names', () => {
    expect(accepting([away], NOW)(unreachable).accepted).toEqual({ reason: 'a partner runs it', until: '2027-01-31' })
  })
})

it('an expectation that has ended is reported', () => {
  expect(expectEnded([away], NOW)).toEqual([])
  expect(expectEnded([{ ...away, member: 'partner' }], UNTIL)).toMatchObject([{ code: 'expect-ended', about: { member: 'partner' } }])
})

describe('the outlook is', () => {
  const seen = accepting([away], NOW)(unreachable)
  const wrong = error('bundle-missing', about.member('x'), 'x')
  it.each([
    {
      name: 'fine without errors',
      findings: [warning('chain-unseen', about.member('x'), 'x'), info('trust-ended', about.member('x'), 'x')],
      outlook: 'fine',
    },
    { name: 'unseen if Entente could not look', findings: [unreachable], outlook: 'unseen' },
    { name: 'fine if that is accepted', findings: [seen], outlook: 'fine' },
    { name: 'wrong if something is wrong as well', findings: [unreachable, wrong], outlook: 'wrong' },
    { name: 'wrong if all else is accepted', findings: [seen, wrong], outlook: 'wrong' },
  ])('$name', ({ findings, outlook }) => {
    expect(outlookOf(findings)).toBe(outlook)
  })

  it('the worst of several', () => {
    expect([worst([]), worst(['fine', 'unseen']), worst(['unseen', 'wrong', 'fine'])]).toEqual(['fine', 'unseen', 'wrong'])
  })
})
