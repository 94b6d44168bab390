import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ALONE, anyId, anyPolicies, FOREIGN, LOCAL, openPolicies, THIRD } from '../../../test/support/authorization.ts'
import { runs } from '../../../test/support/runs.ts'
import { impact } from './impact.ts'
import { Judge, judge } from './judge-request.ts'
import { pathTest } from './policy/patterns.ts'
import type { Policy } from './policy/policy.ts'
import { YES } from './policy/truth.ts'
import { type Admission, type Distributed, trusting } from './situation.ts'

const AT = { namespace: 'sample', labels: { app: 'server' } }
const HOWS: readonly Distributed[] = ['pinned', 'mesh', 'alias']
const admissions = fc
  .array(fc.tuple(fc.constantFrom(FOREIGN, THIRD), fc.constantFrom(...HOWS)), { maxLength: 2 })
  .map((steps) => steps.reduce((admission, [domain, how]) => trusting(admission, domain, how, [AT]), ALONE))
const verdict = (admission: Admission, policies: readonly Policy[], id: string) => judge(id, new Judge({ admission, policies }).bench(AT))

describe('additional trust', () => {
  it('never accepts fewer identities if no policy denies or is unknown', () => {
    fc.assert(
      fc.property(
        admissions,
        openPolicies,
        fc.constantFrom(FOREIGN, THIRD),
        fc.constantFrom(...HOWS),
        anyId(),
        (admission, policies, domain, how, id) => {
          expect(verdict(trusting(admission, domain, how, [AT]), policies, id)).toBeGreaterThanOrEqual(verdict(admission, policies, id))
        },
      ),
      runs(150),
    )
  })

  it('never accepts fewer identities under any policies, while no domain becomes an alias', () => {
    fc.assert(
      fc.property(
        admissions,
        anyPolicies,
        fc.constantFrom(FOREIGN, THIRD),
        fc.constantFrom('pinned' as const, 'mesh' as const),
        anyId(),
        (admission, policies, domain, how, id) => {
          expect(verdict(trusting(admission, domain, how, [AT]), policies, id)).toBeGreaterThanOrEqual(verdict(admission, policies, id))
        },
      ),
      runs(150),
    )
  })
})

describe('the order of policies', () => {
  it('does not matter', () => {
    const shuffled = anyPolicies.chain((policies) =>
      fc.tuple(fc.constant(policies), fc.shuffledSubarray([...policies], { minLength: policies.length })),
    )
    fc.assert(
      fc.property(shuffled, fc.constantFrom(...HOWS), anyId(), ([policies, others], how, id) => {
        const after = trusting(ALONE, FOREIGN, how, [AT])
        expect(verdict(after, others, id)).toBe(verdict(after, policies, id))
        const told = (of: readonly Policy[]) =>
          impact({ admission: ALONE, policies: of }, { admission: after, policies: of }, { sets: [AT] }).policies.map(
            ({ name, widenings }) => ({
              name,
              widenings: widenings.map((one) => JSON.stringify({ ...one, except: [...one.except].sort() })).sort(),
            }),
          )
        expect(told(others)).toEqual(told(policies))
      }),
      runs(50),
    )
  })
})

describe('the patterns', () => {
  it('cover exactly the identities that are newly accepted', () => {
    fc.assert(
      fc.property(
        admissions,
        anyPolicies,
        fc.constantFrom(FOREIGN, THIRD),
        fc.constantFrom(...HOWS),
        anyId([LOCAL, FOREIGN, THIRD]),
        (before, policies, domain, how, id) => {
          const after = trusting(before, domain, how, [AT])
          const made = impact({ admission: before, policies }, { admission: after, policies }, { sets: [AT] })
          const [was, is] = [verdict(before, policies, id), verdict(after, policies, id)]
          const [, , td = '', ...path] = id.split('/')
          const covering = made.policies.flatMap(({ widenings }) =>
            widenings.filter(
              ({ domains, path: pattern, except }) =>
                domains.includes(td) && pathTest(pattern)(path.join('/')) && !except.some((one) => pathTest(one)(path.join('/'))),
            ),
          )
          const unguarded = made.policies.length === 0
          expect(covering.length > 0 || (unguarded && is > was)).toBe(is > was)
          if (covering.length > 0) expect(covering.some(({ certainty }) => certainty === 'certain')).toBe(is === YES)
        },
      ),
      runs(150),
    )
  })
})
