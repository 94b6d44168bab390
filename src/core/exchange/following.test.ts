import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, bundleOf, fakeRoot } from '../../../test/support/federations.ts'
import { error, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { FollowPolicy } from '../model/wanted.ts'
import type { Anchor, Fingerprint } from '../x509/anchor.ts'
import { type Approved, type Decision, type Fetched, followed, intervalMs, longestGapMs, nextFetchMs, type Watched } from './following.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-06-01T00:00:00Z')
const [old, next, third, fourth, fifth] = ['old', 'next', 'third', 'fourth', 'fifth'].map(fakeRoot) as [
  Anchor,
  Anchor,
  Anchor,
  Anchor,
  Anchor,
]
const [leaf, renewed] = ['leaf', 'renewed'].map((name) => fakeRoot(name).fingerprint) as [Fingerprint, Fingerprint]
const prints = (...roots: readonly Anchor[]): ReadonlySet<Fingerprint> => new Set(roots.map(({ fingerprint }) => fingerprint))

const ADD_ONLY: FollowPolicy = { kind: 'AddOnly', holdMs: HOUR }
const approved = (...roots: readonly Anchor[]): Approved => ({
  roots: prints(...roots),
  confirmed: prints(...roots),
  refused: new Set(),
  highest: 7n,
  sameEndpoint: true,
  severed: false,
})
const shows = (
  roots: readonly Anchor[],
  more: Partial<Fetched> & { readonly sequence?: bigint; readonly after?: number } = {},
): Fetched => {
  const { sequence = 8n, after = 0, ...rest } = more
  return {
    at: new Date(START + after),
    bundle: { ...bundleOf(A, ...roots), sequence },
    profile: 'https_spiffe',
    certificate: leaf,
    under: old.fingerprint,
    findings: [],
    ...rest,
  }
}
/** The decision after fetches that all show what the last one shows, every ten minutes through the hold, the last with a renewed certificate. */
function afterHold(policy: FollowPolicy, state: Approved, last: Fetched): Decision {
  let watched: Watched | undefined
  let decision: Decision = { kind: 'same' }
  for (let at = 0; at <= HOUR; at += HOUR / 6) {
    const fetched = { ...last, at: new Date(START + at), ...(at === HOUR ? { certificate: renewed } : {}) }
    ;({ decision, watched } = { watched: undefined, ...followed(policy, state, fetched, watched) })
  }
  return decision
}
const short = (decision: Decision): string => (decision.kind === 'person' ? decision.reason : decision.kind)

describe('the outcome of a change, after the hold', () => {
  const both = approved(old, next)
  const added = { ...both, confirmed: prints(old) }
  it.each<{ name: string; policy?: FollowPolicy; state?: Approved; sees: Fetched; expected: string }>([
    { name: 'AddOnly approves one more root', sees: shows([old, next]), expected: 'approve' },
    { name: 'Manual approves nothing', policy: { kind: 'Manual' }, sees: shows([old, next]), expected: 'manual' },
    { name: 'the approved roots again', sees: shows([old]), expected: 'same' },
    { name: 'AddOnly lets a root go that a person confirmed, like every other', state: both, sees: shows([old]), expected: 'approve' },
    { name: 'no root goes while an addition is unconfirmed', state: added, sees: shows([old]), expected: 'addition-unconfirmed' },
    {
      name: 'no root comes while an addition is unconfirmed',
      state: added,
      sees: shows([old, next, third]),
      expected: 'addition-unconfirmed',
    },
    {
      name: 'a root that Entente added authenticates nothing',
      state: added,
      sees: shows([next], { under: next.fingerprint }),
      expected: 'addition-unconfirmed',
    },
    {
      name: 'a root that is not confirmed authenticates nothing',
      sees: shows([old, next], { under: next.fingerprint }),
      expected: 'under-unconfirmed-root',
    },
    { name: 'a root cannot vouch for its own removal', state: both, sees: shows([next]), expected: 'under-leaving-root' },
    { name: 'an empty bundle waits', sees: shows([]), expected: 'emptied' },
    { name: 'an empty bundle waits with Manual, too', policy: { kind: 'Manual' }, sees: shows([]), expected: 'emptied' },
    { name: 'a replacement waits', sees: shows([next]), expected: 'replaced' },
    { name: 'two roots at once wait', sees: shows([old, next, third]), expected: 'several-changes' },
    { name: 'one in and one out waits', state: both, sees: shows([old, third]), expected: 'several-changes' },
    {
      name: 'a fifth root waits',
      state: approved(old, next, third, fourth),
      sees: shows([old, next, third, fourth, fifth]),
      expected: 'too-many-roots',
    },
    { name: 'https_web waits', sees: shows([old, next], { profile: 'https_web' }), expected: 'https-web' },
    {
      name: 'another endpoint waits',
      state: { ...approved(old), sameEndpoint: false },
      sees: shows([old, next]),
      expected: 'endpoint-changed',
    },
    { name: 'a refused root waits', state: { ...approved(old), refused: prints(next) }, sees: shows([old, next]), expected: 'refused' },
    { name: 'a severed partner waits', state: { ...approved(old), severed: true }, sees: shows([old, next]), expected: 'severed' },
    { name: 'the same sequence waits', sees: shows([old, next], { sequence: 7n }), expected: 'sequence-not-higher' },
    {
      name: 'roots of one name wait',
      sees: shows([old, next], { findings: [warning('roots-share-name', about.input('x'), 'y')] }),
      expected: 'roots-share-name',
    },
    {
      name: 'a bundle with an error is refused',
      sees: shows([old, next], { findings: [error('own-root', about.input('x'), 'y')] }),
      expected: 'refuse',
    },
  ])('$name: $expected', ({ policy = ADD_ONLY, state = approved(old), sees, expected: outcome }) => {
    expect(short(afterHold(policy, state, sees))).toBe(outcome)
  })

  it('waits for a person if the bundle has no sequence', () => {
    const { bundle, ...rest } = shows([old, next])
    const { sequence: _, ...unnumbered } = bundle
    expect(short(afterHold(ADD_ONLY, approved(old), { ...rest, bundle: unnumbered }))).toBe('sequence-not-higher')
  })
})

/** Fetches by minute, root set and certificate; the last decision. */
type Look = readonly [minute: number, roots: readonly Anchor[], certificate?: Fingerprint, sequence?: bigint]
function lastOf(...looks: readonly Look[]): Decision {
  let watched: Watched | undefined
  let decision: Decision = { kind: 'same' }
  for (const [minute, roots, certificate = leaf, sequence = 8n] of looks)
    ({ decision, watched } = {
      watched: undefined,
      ...followed(ADD_ONLY, approved(old), shows(roots, { after: minute * 60_000, certificate, sequence }), watched),
    })
  return decision
}

describe('the hold', () => {
  const two = [old, next]
  const steps = (from: number, to: number, roots: readonly Anchor[] = two): Look[] =>
    Array.from({ length: (to - from) / 10 + 1 }, (_, i): Look => [from + i * 10, roots])

  it('ends at a fetch after its time that shows the offer under a second certificate', () => {
    expect(lastOf(...steps(0, 50), [60, two, renewed])).toEqual({ kind: 'approve' })
  })
  it('lasts while only one certificate was seen', () => {
    expect(lastOf(...steps(0, 90))).toMatchObject({ kind: 'hold', missing: 1 })
  })
  it('does not end before its time, whatever the number of certificates', () => {
    expect(lastOf(...steps(0, 40), [50, two, renewed])).toMatchObject({ kind: 'hold', missing: 0, until: new Date(START + HOUR) })
  })
  it.each<{ name: string; looks: readonly Look[] }>([
    { name: 'other roots', looks: [...steps(0, 20), [25, [old, third]], [30, two, renewed], ...steps(40, 80)] },
    { name: 'the approved roots again', looks: [...steps(0, 20), [25, [old]], [30, two, renewed], ...steps(40, 80)] },
    { name: 'a gap', looks: [...steps(0, 20), [40, two, renewed], ...steps(50, 80)] },
    { name: 'a lower sequence', looks: [[0, two, leaf, 9n], [10, two, renewed, 8n], ...steps(20, 60)] },
    { name: 'a clock that went back', looks: [...steps(0, 30), [20, two, renewed], ...steps(30, 70)] },
  ])('starts again after $name', ({ looks }) => {
    expect(lastOf(...looks).kind).toBe('hold')
  })
  it('continues over a higher sequence of the same roots', () => {
    expect(lastOf(...steps(0, 50), [60, two, renewed, 9n])).toEqual({ kind: 'approve' })
  })
})

it('Entente approves nothing by itself except one change of AddOnly after a whole hold under two certificates', () => {
  const look = fc.record({
    minute: fc.integer({ min: 0, max: 200 }),
    roots: fc.subarray([old, next, third]),
    certificate: fc.constantFrom(leaf, renewed),
    sequence: fc.bigInt({ min: 6n, max: 10n }),
    under: fc.constantFrom(old.fingerprint, next.fingerprint),
  })
  fc.assert(
    fc.property(fc.array(look, { maxLength: 30 }), fc.constantFrom(ADD_ONLY, { kind: 'Manual' } as const), (looks, policy) => {
      const sorted = [...looks].sort((one, other) => one.minute - other.minute)
      let watched: Watched | undefined
      sorted.forEach(({ minute, roots, ...more }, i) => {
        const result = followed(policy, approved(old), shows(roots, { after: minute * 60_000, ...more }), watched)
        watched = result.watched
        if (result.decision.kind !== 'approve') return
        const held = sorted.slice(0, i + 1).filter((other) => other.minute >= minute - 60)
        const same = sorted.slice(0, i + 1).filter((other) => other.minute > minute - 60)
        expect(policy).toBe(ADD_ONLY)
        expect([result.added.length, result.removed.length]).toEqual([1, 0])
        expect(
          same.every(
            (other) =>
              other.roots
                .map((r) => r.fingerprint)
                .sort()
                .join() ===
              roots
                .map((r) => r.fingerprint)
                .sort()
                .join(),
          ),
        ).toBe(true)
        expect(held.length).toBeGreaterThan(1)
        expect(more.under).toBe(old.fingerprint)
      })
    }),
  )
})

describe('the time of the next fetch', () => {
  it.each([
    { hint: undefined, seconds: 300 },
    { hint: 1, seconds: 60 },
    { hint: 600, seconds: 600 },
    { hint: 10_000_000, seconds: 86_400 },
  ])('is $seconds s for hint $hint', ({ hint, seconds }) => {
    expect(intervalMs(hint === undefined ? {} : { refreshHintSeconds: hint })).toBe(seconds * 1000)
  })
  it('comes four times as often after a failure, with jitter', () => {
    expect(nextFetchMs({ refreshHintSeconds: 600 }, true, 1)).toBe(150_000)
    expect(nextFetchMs({ refreshHintSeconds: 600 }, false, 0)).toBe(540_000)
  })
  it('is within a quarter of the hold, whatever hint the endpoint publishes', () => {
    expect(longestGapMs(ADD_ONLY, { refreshHintSeconds: 86_400 })).toBe(HOUR / 4)
  })
})
