import { describe, expect, it } from 'vitest'
import { A, B, bundleOf, fakeRoot, federation, member, NOW, spec, wanted } from '../../../test/support/federations.ts'
import { failed, observation, ok, pod } from '../../../test/support/observations.ts'
import type { Connections, Evidence, Observation, Seen } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import { type Carrier, carriers, connectionFindings, judgeConnections } from './older-connections.ts'

const [a, b] = [member('cluster-a'), member('cluster-b')]
const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))]
/** Both directions severed. */
const severed = () => {
  const s = spec()
  for (const [truster, trusted] of [
    ['cluster-b', 'cluster-a'],
    ['cluster-a', 'cluster-b'],
  ])
    s.severed.push({ truster, trusted, at: '2026-05-30T10:00:00Z', reason: 'left' })
  return wanted(federation(s), BUNDLE_A, BUNDLE_B)
}
const intentOf = (name: typeof a): Intent => severed().find((intent) => intent.member.name === name) as Intent
const evidence = (name: string, change: Partial<Evidence> = {}): Evidence => ({
  proxy: `${name}.sample`,
  namespace: 'sample',
  pod: name,
  heard: true,
  acknowledged: true,
  sent: { listeners: '1', clusters: '1' },
  ...change,
})
const seen = (objects: Parameters<typeof observation>[0]['objects'], ...proxies: readonly Evidence[]): Observation => ({
  ...observation({ own: BUNDLE_B, ...(objects === undefined ? {} : { objects }) }),
  proxies: ok(proxies),
})
const at = (intent: Intent, trusted: typeof a, observed: Observation) =>
  carriers(intent, trusted, observed).map(
    ({ proxy, settled, inbound, outbound }) => `${proxy}${settled ? '' : '?'}${inbound ? ' in' : ''}${outbound ? ' out' : ''}`,
  )

describe('proxies that may have older connections', () => {
  const objects = [pod('sample/server', { app: 'server' }), pod('sample/client', { app: 'client' }), pod('sample/other', { app: 'other' })]
  const all = ['server', 'client', 'other'].map((name) => evidence(name))

  it('are those at which the trust accepted callers', () => {
    expect(at(intentOf(b), a, seen(objects, ...all))).toEqual(['server.sample in'])
  })

  it('are those that called the other mesh', () => {
    expect(at(intentOf(a), b, seen(objects, ...all))).toEqual(['client.sample out'])
  })

  it.each([
    { name: 'it is disconnected', evidence: [] },
    { name: 'its istiod does not answer', evidence: [evidence('server', { heard: false })] },
    { name: 'it has not acknowledged', evidence: [evidence('server', { acknowledged: false })] },
    { name: 'it rejected the configuration', evidence: [evidence('server', { rejected: 'no' })] },
  ])('are listed, and prove nothing, where $name', ({ evidence }) => {
    expect(at(intentOf(b), a, seen(objects, ...evidence))).toEqual(['server.sample? in'])
  })

  it('prove nothing while they still accept the domain', () => {
    const [server] = carriers(intentOf(b), a, seen(objects, ...all), new Set(['server.sample']))
    expect(server).toMatchObject({ proxy: 'server.sample', settled: false })
  })

  it('are unknown if the mesh could not be observed', () => {
    expect(carriers(intentOf(b), a, { ...seen(objects, ...all), objects: failed() })).toEqual([])
  })
})

const carrier = (change: Partial<Carrier> = {}): Carrier => ({
  proxy: 'server.sample',
  namespace: 'sample',
  name: 'server',
  settled: true,
  inbound: true,
  outbound: false,
  ...change,
})
const said = (change: Partial<Connections> = {}): Seen<Connections> =>
  ok({ proxy: 'server.sample', upSeconds: 3_600, drainSeconds: 45, draining: 0, open: 3, ...change })
const minuteAgo = new Date(NOW.getTime() - 60_000)

describe('older connections', () => {
  it.each([
    { name: 'are gone once nothing drains', carrier: carrier(), answer: said(), state: 'gone' },
    { name: 'are open while a listener drains', carrier: carrier(), answer: said({ draining: 4 }), state: 'draining' },
    { name: 'that are outbound end by themselves', carrier: carrier({ inbound: false, outbound: true }), answer: said(), state: 'open' },
    {
      name: 'of both kinds end first where Envoy ends them',
      carrier: carrier({ outbound: true }),
      answer: said({ draining: 1 }),
      state: 'draining',
    },
    {
      name: 'are gone if Envoy is younger than the end of the trust',
      carrier: carrier({ outbound: true }),
      answer: said({ upSeconds: 58, draining: 4 }),
      state: 'gone',
    },
    {
      name: 'may be open if Envoy is as old as the end of the trust',
      carrier: carrier({ outbound: true }),
      answer: said({ upSeconds: 60 }),
      state: 'open',
    },
    { name: 'are unknown if the proxy did not answer', carrier: carrier(), answer: failed('forbidden'), state: 'unseen' },
    { name: 'are unknown if the proxy was not asked', carrier: carrier(), answer: undefined, state: 'unseen' },
    { name: 'are unknown if the proxy does not hold the last push', carrier: carrier({ settled: false }), answer: said(), state: 'unseen' },
  ])('$name', ({ carrier, answer, state }) => {
    expect(judgeConnections(carrier, answer, minuteAgo, NOW)).toMatchObject({ state, open: state === 'unseen' ? null : 3 })
  })

  it('are possible after a restart if the end time is unknown', () => {
    expect(judgeConnections(carrier({ outbound: true }), said({ upSeconds: 1 }), undefined, NOW).state).toBe('open')
  })

  it('that are inbound end with the drain time, counted at the latest from now', () => {
    expect(judgeConnections(carrier(), said({ draining: 1 }), minuteAgo, NOW).until).toBe(new Date(NOW.getTime() + 45_000).toISOString())
  })
})

describe('the report about older connections', () => {
  const told = (answer: Seen<Connections>, drained: boolean, change: Partial<Carrier> = {}) =>
    connectionFindings(b, {
      views: [judgeConnections(carrier(change), answer, minuteAgo, NOW)],
      answers: new Map([['server.sample', answer]]),
      drained,
    }).map(({ severity, code, subject }) => `${severity} ${code} ${subject}`)
  const out = { inbound: false, outbound: true }

  it.each([
    { name: 'is empty once they are gone', told: told(said(), true), is: [] },
    { name: 'says that Envoy ends them', told: told(said({ draining: 1 }), false), is: ['info connections-draining'] },
    { name: 'says that Envoy did not end them', told: told(said({ draining: 1 }), true), is: ['error connections-remain'] },
    { name: 'says that nothing ends outbound ones', told: told(said(), false, out), is: ['warning connections-open'] },
    { name: 'says the same after a wait for all to end', told: told(said(), true, out), is: ['error connections-open'] },
    { name: 'names the proxies that did not answer', told: told(failed('forbidden'), false), is: ['warning connections-unseen'] },
    { name: 'names them after a wait for all to end', told: told(failed('forbidden'), true), is: ['error connections-unseen'] },
  ])('$name', ({ told, is }) => {
    expect(told).toEqual(is.map((finding) => `${finding} cluster-b: server.sample`))
  })

  it('is one finding for a hundred proxies', () => {
    const views = Array.from({ length: 100 }, (_, i) =>
      judgeConnections(carrier({ proxy: `p-${i}.sample` }), said({ draining: 1 }), minuteAgo, NOW),
    )
    const [finding, ...more] = connectionFindings(b, { views, answers: new Map(), drained: false })
    expect([finding?.subject, more]).toEqual(['cluster-b: p-0.sample, p-1.sample, p-2.sample, p-3.sample, p-4.sample and 95 more', []])
  })
})
