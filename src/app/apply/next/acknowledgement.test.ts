import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NOW } from '../../../../test/support/federations.ts'
import { failed, ok } from '../../../../test/support/observations.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import { type Awaited, acknowledgement, LAST_LOOK_MS, RESTRICT_MS, type Stand, WAIT_MS, type Wait, waitFrom } from './acknowledgement.ts'

const OPENS: Awaited = {
  member: 'cluster-b' as MemberName,
  phase: 'open',
  wrote: true,
  patient: true,
  mends: false,
  first: undefined,
  filesBy: undefined,
}
const CLOSES: Awaited = { ...OPENS, phase: 'close', patient: false }
const stand = (state: Stand['state'], rejection?: string): Stand => ({ proxy: `${state}.sample`, state, rejection })
const inMs = (milliseconds: number): Date => new Date(NOW.getTime() + milliseconds)

interface Given {
  readonly awaited?: Awaited
  readonly stands?: readonly Stand[]
  /** Milliseconds since the wait began. */
  readonly at?: number
  readonly wait?: Partial<Wait>
  readonly stop?: boolean
}
const judge = ({ awaited = OPENS, stands, at = 100, wait = {}, stop = false }: Given) =>
  acknowledgement(
    awaited,
    { ...waitFrom(NOW), ...wait },
    { proxies: stands === undefined ? failed('istiod-unreachable') : ok(stands), now: inMs(at), stop },
  )
/** `go-on`, `wait` with the seconds after which it ends by itself, or `stop` with the finding's code. */
function said(given: Given): string {
  const judged = judge(given)
  if (judged.kind === 'go-on') return 'go-on'
  if (judged.kind === 'stop') return `stop ${judged.finding.code}${judged.putBack ? ', put back' : ''}`
  return `wait ${judged.until === undefined ? 'open' : (judged.until.getTime() - NOW.getTime()) / 1000}`
}

describe('waiting for proxies', () => {
  const cases: readonly (Given & { readonly name: string; readonly outcome: string })[] = [
    { name: 'no proxy is in scope', stands: [], outcome: 'go-on' },
    { name: 'all hold it', stands: [stand('ready'), stand('unmounted')], outcome: 'go-on' },
    { name: 'one lags', stands: [stand('ready'), stand('lagging')], outcome: 'wait 30' },
    { name: 'one lags just before the deadline', stands: [stand('lagging')], at: WAIT_MS, outcome: 'wait 30' },
    { name: 'one lags beyond the deadline', stands: [stand('lagging')], at: WAIT_MS + 1, outcome: 'stop proxy-lagging' },
    { name: 'one is disconnected, and something widens', stands: [stand('unheard')], outcome: 'wait 30' },
    { name: 'one is disconnected, and everything narrows', awaited: CLOSES, stands: [stand('unheard')], outcome: 'go-on' },
    { name: 'one rejected something before, and something widens', stands: [stand('rejected')], outcome: 'wait 30' },
    { name: 'one rejected something before, and everything narrows', awaited: CLOSES, stands: [stand('rejected')], outcome: 'go-on' },
    {
      name: 'one rejected something before because the file was missing',
      awaited: { ...OPENS, mends: true },
      stands: [stand('rejected')],
      outcome: 'go-on',
    },
    { name: 'one rejects now', stands: [stand('rejected', 'no')], outcome: 'stop filter-rejected, put back' },
    {
      name: 'one rejects now, and nothing was written',
      awaited: { ...OPENS, wrote: false },
      stands: [stand('rejected', 'no')],
      outcome: 'wait 30',
    },
    {
      name: 'one lags, and only restrictions were written',
      awaited: { ...CLOSES, phase: 'guard' },
      stands: [stand('lagging')],
      outcome: 'wait 3',
    },
    {
      name: 'one lags, and only restrictions were written a while ago',
      awaited: { ...CLOSES, phase: 'guard' },
      stands: [stand('lagging')],
      at: RESTRICT_MS + 1,
      outcome: 'go-on',
    },
    {
      name: 'one lags before a close',
      awaited: { ...CLOSES, wrote: false },
      stands: [stand('lagging')],
      at: RESTRICT_MS + 1,
      outcome: 'go-on',
    },
    { name: 'one lags after a close', awaited: CLOSES, stands: [stand('lagging')], at: RESTRICT_MS + 1, outcome: 'wait 30' },
    { name: 'a kubelet may be late', stands: [stand('pending')], outcome: 'wait open' },
    {
      name: 'a kubelet may be late, with a known time',
      awaited: { ...OPENS, filesBy: inMs(95_000) },
      stands: [stand('pending')],
      outcome: 'wait 95',
    },
    { name: 'a kubelet may be late, beyond the deadline for proxies', stands: [stand('pending')], at: WAIT_MS + 1, outcome: 'wait open' },
    {
      name: 'a kubelet may be late, and a proxy lags',
      stands: [stand('pending'), stand('lagging')],
      at: WAIT_MS + 1,
      outcome: 'stop proxy-lagging',
    },
    {
      name: 'a kubelet may be late, and the step closes',
      awaited: { ...CLOSES, patient: true },
      stands: [stand('pending')],
      outcome: 'go-on',
    },
    { name: 'no istiod answers', outcome: 'wait 30' },
    { name: 'no istiod answers for long', at: WAIT_MS + 1, outcome: 'stop istiod-unreachable' },
    { name: 'no istiod answers before a close', awaited: { ...CLOSES, wrote: false }, at: RESTRICT_MS + 1, outcome: 'go-on' },
    { name: 'the user interrupts after a write', stands: [stand('lagging')], stop: true, outcome: 'wait 30' },
    {
      name: 'the user interrupted, and Envoy had time to reject',
      stands: [stand('lagging')],
      wait: { stopped: 100 },
      at: 100 + LAST_LOOK_MS,
      outcome: 'stop interrupted',
    },
    {
      name: 'the user interrupts and nothing was written',
      awaited: { ...OPENS, wrote: false },
      stands: [stand('lagging')],
      stop: true,
      outcome: 'stop interrupted',
    },
    { name: 'the user interrupts, and all hold it', stands: [stand('ready')], stop: true, outcome: 'go-on' },
  ]
  it.each(cases)('where $name: $outcome', ({ outcome, ...given }) => {
    expect(said(given)).toBe(outcome)
  })

  it('polls often at first, and then less', () => {
    const every = [0, 1_999, 2_000, 20_000].map((at) => judge({ stands: [stand('lagging')], at }))
    expect(every.map((judged) => judged.kind === 'wait' && judged.afterMs)).toEqual([40, 40, 250, 250])
  })

  it('reports progress after two seconds, and kubelets every fifteen from then on', () => {
    const isReported = (given: Given) => {
      const judged = judge(given)
      return judged.kind === 'wait' && judged.progress.length > 0
    }
    expect([2_000, 2_001].map((at) => isReported({ stands: [stand('lagging')], at }))).toEqual([false, true])
    expect([4_001, 4_002].map((at) => isReported({ stands: [stand('lagging')], at, wait: { reportedMs: 2_001 } }))).toEqual([false, true])
    expect([4_002, 17_001, 17_002].map((at) => isReported({ stands: [stand('pending')], at, wait: { reportedMs: 2_001 } }))).toEqual([
      false,
      false,
      true,
    ])
  })

  it.each([
    { what: 'before its first write', awaited: { ...OPENS, wrote: false }, leaves: 'nothing of this phase is written' },
    {
      what: 'after restrictions',
      awaited: { ...OPENS, phase: 'guard' as const },
      leaves: 'only restrictions are written, and nothing is open',
    },
    { what: 'after it opened', awaited: OPENS, leaves: 'the new filters stay, and nothing was removed' },
    { what: 'after a canary', awaited: { ...OPENS, first: ['sample app=server'] }, leaves: 'no other workload has received it' },
    { what: 'after it closed', awaited: CLOSES, leaves: 'the policies that restrict their callers stay' },
  ])('that times out $what reports what stays pending, and how to continue', ({ awaited, leaves }) => {
    for (const stands of [[stand('lagging')], undefined]) {
      const judged = judge({ awaited, at: WAIT_MS + 1, ...(stands === undefined ? {} : { stands }) })
      expect(judged).toMatchObject({ kind: 'stop', finding: { severity: 'error', message: expect.stringContaining(leaves) } })
      expect(judged.kind === 'stop' && judged.finding.hint).toMatch(/entente apply goes on from here$/)
    }
  })

  it('names the canary workloads if it waits only for them', () => {
    const awaited = { ...OPENS, first: ['sample app=server'] }
    expect(judge({ awaited, stands: [stand('rejected', 'no')] })).toMatchObject({
      finding: { message: expect.stringContaining('canary filter of sample app=server'), subject: 'cluster-b: rejected.sample' },
    })
    expect(judge({ awaited, stands: [stand('ready')] })).toMatchObject({
      progress: [{ kind: 'acknowledged', first: awaited.first, proxies: 1 }],
    })
  })

  const phases = fc.constantFrom('guard' as const, 'open' as const, 'close' as const, 'clean' as const)
  const states = fc.constantFrom<Stand['state']>('ready', 'lagging', 'rejected', 'unheard', 'unmounted', 'pending')
  const anything = fc.record({
    awaited: fc.record({ phase: phases, wrote: fc.boolean(), patient: fc.boolean(), mends: fc.boolean() }),
    stands: fc.array(states.map((state) => stand(state))),
    at: fc.nat({ max: 2 * WAIT_MS }),
    stop: fc.boolean(),
  })

  it('is over once the announced time has passed', () => {
    fc.assert(
      fc.property(anything, ({ awaited, stands, at, stop }) => {
        const given = { awaited: { ...OPENS, ...awaited }, stands, stop }
        const judged = judge({ ...given, at })
        if (judged.kind !== 'wait' || judged.until === undefined) return
        const later = judged.until.getTime() - NOW.getTime() + 1
        expect(judge({ ...given, at: later, wait: judged.wait }).kind).not.toBe('wait')
      }),
    )
  })

  it('stops for no proxy if all steps close and no proxy lags', () => {
    fc.assert(
      fc.property(anything, ({ awaited, stands, at }) => {
        const given = { awaited: { ...OPENS, ...awaited, patient: false }, at, stands: stands.filter(({ state }) => state !== 'lagging') }
        expect(judge(given).kind).toBe('go-on')
      }),
    )
  })
})
