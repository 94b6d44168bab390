import { describe, expect, it } from 'vitest'
import { accepting, type Outlook } from '../diagnostics/expectations.ts'
import { asWarning, error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Verdict } from './proven.ts'
import { acceptedIn, outlookOfVerdict } from './verdict-outlook.ts'

const NOW = new Date('2026-12-01T12:00:00Z')
const unseen = warning('chain-unseen', about.member('partner'), 'x')
const accept = accepting([{ code: 'chain-unseen', member: 'partner', reason: 'r' }], NOW)

const verdict = (state: Verdict['state'], findings: readonly Finding[]): Verdict =>
  acceptedIn(
    {
      truster: 'us',
      trusted: 'partner',
      state,
      roots: [],
      proxies: { total: 0, ready: 0, lagging: [], rejected: [], unheard: [] },
      findings,
    } as unknown as Verdict,
    accept,
  )

describe('a verdict', () => {
  it.each<{ name: string; state: Verdict['state']; findings: readonly Finding[]; ended?: boolean; outlook: Outlook }>([
    { name: 'that is proven', state: 'proven', findings: [], outlook: 'fine' },
    { name: 'that is severed', state: 'severed', findings: [], ended: true, outlook: 'fine' },
    { name: 'that is broken, whatever is accepted', state: 'broken', findings: [unseen], outlook: 'wrong' },
    { name: 'that lags', state: 'lagging', findings: [], outlook: 'wrong' },
    {
      name: 'that is unknown for what is accepted',
      state: 'unknown',
      findings: [unseen, info('any-server', about.member('x'), 'x')],
      outlook: 'fine',
    },
    {
      name: 'that is unknown for something else as well',
      state: 'unknown',
      findings: [unseen, error('istiod-unreachable', about.member('us'), 'x')],
      outlook: 'unseen',
    },
    {
      name: 'that is unknown because no proxy runs',
      state: 'unknown',
      findings: [unseen, warning('no-workload', about.member('us'), 'x')],
      outlook: 'unseen',
    },
    {
      name: 'that is unknown because a mesh has no istiod, which is no failure to look',
      state: 'unknown',
      findings: [unseen, asWarning(error('istiod-not-found', about.member('us'), 'x'))],
      outlook: 'unseen',
    },
    {
      name: 'that is unknown because own roots are malformed',
      state: 'unknown',
      findings: [unseen, asWarning(error('no-certificate', about.member('us'), 'x'))],
      outlook: 'unseen',
    },
    {
      name: 'that is unknown for what is accepted, with a warning besides',
      state: 'unknown',
      findings: [unseen, warning('expect-ended', about.member('us'), 'x')],
      outlook: 'fine',
    },
    { name: 'that is unknown for no reason that can be accepted', state: 'unknown', findings: [], outlook: 'unseen' },
    { name: 'of a severed trust, which must be seen to be closed', state: 'unknown', findings: [unseen], ended: true, outlook: 'unseen' },
  ])('$name is $outlook', ({ state, findings, ended = false, outlook }) => {
    expect(outlookOfVerdict(verdict(state, findings), ended)).toBe(outlook)
  })
})
