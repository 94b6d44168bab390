import { describe, expect, it } from 'vitest'
import { A, digest, member } from '../../../test/support/federations.ts'
import { warning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Step } from '../../core/model/planned.ts'
import { mustAcceptImpact } from './accept-impact.ts'

const step = (effect: 'widens' | 'narrows'): Step => ({
  id: digest(effect),
  member: member('cluster-b'),
  phase: effect === 'widens' ? 'open' : 'close',
  changes: [{ effect, of: 'root', trusted: A, what: 'sha256:1' }],
  drains: 0,
  gates: [],
  reason: '',
})
const [opens, closes] = [step('widens'), step('narrows')]
const past = warning(
  'impact-past-callers',
  about.objectIn(about.scope('sample (app=server)', 'cluster-b'), {
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'sample', name: 'p' },
  }),
  'lets in more',
)
const check = (findings: readonly (typeof past)[], steps: readonly Step[], accepted?: boolean) => () =>
  mustAcceptImpact({ findings, steps: [opens, closes] }, new Set(steps.map(({ id }) => id)), accepted)

describe('apply', () => {
  it('requires consent if policies accept more identities than the callers', () => {
    expect(check([past], [opens, closes])).toThrow(
      expect.objectContaining({ code: 'not-consented', subject: past.subject, input: 'acceptImpact' }),
    )
    expect(check([past], [opens, closes], true)).not.toThrow()
  })

  it('requires it only for steps that open, and only if they accept more identities', () => {
    expect(check([past], [closes])).not.toThrow()
    expect(check([], [opens, closes])).not.toThrow()
  })
})
