import { describe, expect, it } from 'vitest'
import { NOW } from '../../../test/support/federations.ts'
import { failed, ok } from '../../../test/support/observations.ts'
import type { Connections, Seen } from '../../core/model/observed.ts'
import type { Carrier } from '../../core/verify/older-connections.ts'
import { boundMs, type Draining, drainStep, SLACK_MS, UNASKED, withAnswers } from './draining.ts'

const carrier = (name: string): Carrier => ({
  proxy: `${name}.sample`,
  namespace: 'sample',
  name,
  settled: true,
  inbound: true,
  outbound: false,
})
const [SERVER, OTHER] = [carrier('server'), carrier('other')]
const says = (draining: number, drainSeconds = 45): Seen<Connections> =>
  ok({ proxy: 'server.sample', upSeconds: 3_600, drainSeconds, draining, open: 3 })
const MUTE = failed('proxy-unreachable')
const answered = (answer: Seen<Connections>, before: Draining = UNASKED, proxy: Carrier = SERVER): Draining =>
  withAnswers(before, { asked: [proxy], answers: new Map([[proxy.proxy, answer]]), since: undefined, now: NOW })
const inMs = (milliseconds: number): Date => new Date(NOW.getTime() + milliseconds)

describe('waiting for connections from before a sever', () => {
  const wait = { since: NOW.getTime(), boundMs: 60_000, reportedMs: 0 }
  const cases = [
    { name: 'no proxy has connections', state: answered(says(0)), outcome: 'over' },
    { name: 'a proxy has connections', state: answered(says(4)), outcome: 'server.sample until 60 s' },
    { name: 'a proxy never answered', state: answered(MUTE), outcome: 'over' },
    {
      name: 'a proxy with connections does not answer once',
      state: answered(MUTE, answered(says(4))),
      outcome: 'server.sample until 60 s',
    },
    {
      name: 'a proxy with connections does not answer three times',
      state: [MUTE, MUTE, MUTE].reduce((state, mute) => answered(mute, state), answered(says(4))),
      outcome: 'over',
    },
    {
      name: 'a proxy answers again after two missing answers, and then misses again',
      state: [MUTE, MUTE, says(4), MUTE, MUTE].reduce((state, answer) => answered(answer, state), answered(says(4))),
      outcome: 'server.sample until 60 s',
    },
    { name: 'one of two is done', state: answered(says(0), answered(says(4)), OTHER), outcome: 'server.sample until 60 s' },
    { name: 'the deadline is reached', state: answered(says(4)), at: 60_000, outcome: 'server.sample until 60 s' },
    { name: 'the deadline is past', state: answered(says(4)), at: 60_001, outcome: 'over' },
    { name: 'the user interrupts', state: answered(says(4)), stop: true, outcome: 'over' },
  ]
  it.each(cases)('where $name: $outcome', ({ state, at = 5_000, stop = false, outcome }) => {
    const step = drainStep(state, wait, { proxies: [SERVER, OTHER], now: inMs(at), stop })
    const said =
      step.kind === 'over'
        ? 'over'
        : `${step.for.map(({ proxy }) => proxy).join(' ')} until ${(step.until.getTime() - NOW.getTime()) / 1000} s`
    expect(said).toBe(outcome)
  })

  it('lasts as long as the longest drain time of the proxies, plus a tolerance', () => {
    expect(boundMs(answered(says(4, 45), answered(says(4, 600)), OTHER))).toBe(600_000 + SLACK_MS)
    expect(boundMs(answered(MUTE))).toBe(SLACK_MS)
  })

  it('reports progress at once, and then every ten seconds', () => {
    const isReported = (at: number, reportedMs: number) => {
      const step = drainStep(answered(says(4)), { ...wait, reportedMs }, { proxies: [SERVER], now: inMs(at), stop: false })
      return step.kind === 'wait' && step.report
    }
    expect([isReported(0, 0), isReported(10_000, 1), isReported(10_001, 1)]).toEqual([true, false, true])
  })

  it('continues after a restart from state stored as JSON', () => {
    const kept = JSON.parse(JSON.stringify(answered(MUTE, answered(says(4)))))
    expect(kept).toEqual(answered(MUTE, answered(says(4))))
  })
})
