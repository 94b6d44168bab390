import { describe, expect, it } from 'vitest'
import { A, B, bundleOf, fakeRoot, federation, member, NOW, spec, wanted } from '../../../../test/support/federations.ts'
import { observation, pod, service } from '../../../../test/support/observations.ts'
import type { Observation } from '../../../core/model/observed.ts'
import { plan } from '../../../core/plan/plan.ts'
import { filesIn } from '../../../core/trust/mounted/delivery.ts'
import { filesBy, mapsIn, podName, podsOf, type Sent, sentAt, withSent } from './files.ts'

const b = member('cluster-b')
const BOUND_MS = 95_000
const FILE = 'accept-app-server.json'
const MOUNT = { app: 'server', 'entente.dev/mounted': 'trust' }
const seconds = (some: number): Date => new Date(NOW.getTime() + some * 1_000)

const POD = pod('sample/server', MOUNT)
const SEEN: Observation = observation({
  own: bundleOf(B, fakeRoot(B)),
  objects: [POD, pod('sample/bare', { app: 'bare' }), pod('other/server', MOUNT), service('sample/server')],
})
const INTENTS = wanted(
  federation(
    spec((s) => {
      for (const trust of s.trust) trust.distribution = 'mounted'
    }),
  ),
  bundleOf(A, fakeRoot(A)),
  bundleOf(B, fakeRoot(B)),
)
const STEPS = plan(
  INTENTS.filter(({ member }) => member.name === b),
  new Map([[b, SEEN]]),
  NOW,
).steps
const SENT: Sent = { writtenAt: NOW.toISOString(), annotated: undefined }
const annotated = (...pods: readonly string[]): Sent => ({ ...SENT, annotated: { at: seconds(1).toISOString(), pods } })

describe('a file of roots that was just written', () => {
  const young = { ...POD, metadata: { ...POD.metadata, creationTimestamp: seconds(2).toISOString() } }
  const cases = [
    { name: 'is in a pod once its kubelet has certainly synced', sent: SENT, at: 94, until: seconds(95) },
    { name: 'is in the pod from then on', sent: SENT, at: 95, until: undefined },
    { name: 'is in a pod that started after it', sent: SENT, of: young, at: 3, until: undefined },
    { name: 'is in an annotated pod soon', sent: annotated('sample/server'), at: 3, until: seconds(6) },
    { name: 'is no sooner in a pod where another was annotated', sent: annotated('other/server'), at: 3, until: seconds(95) },
    { name: 'is not waited for if no file was written', sent: undefined, at: 3, until: undefined },
  ]
  it.each(cases)('$name', ({ sent, of = POD, at, until }) => {
    const seen: Observation = { ...SEEN, objects: { ok: true, value: [of] } }
    const shown = withSent(seen, STEPS, sent)
    const objects = shown.objects.ok ? shown.objects.value : []
    const pods = objects.filter(({ kind }) => kind === 'Pod')
    const files = filesIn(objects, { now: seconds(at), boundMs: BOUND_MS })
    expect(pods.map((one) => files.awaited(one, FILE))).toEqual([until])
  })

  it('has the time of whichever clock is behind', () => {
    const behind = { ...SEEN, clock: { aheadMs: -60_000, withinMs: 500 } }
    expect([sentAt(STEPS, SEEN, NOW), sentAt(STEPS, behind, NOW)]).toEqual([SENT, { ...SENT, writtenAt: seconds(-60).toISOString() }])
    expect(
      sentAt(
        STEPS.filter(({ after }) => after?.kind === 'EnvoyFilter'),
        SEEN,
        NOW,
      ),
    ).toBeUndefined()
  })

  it.each([
    { name: 'our clock', clock: undefined, by: seconds(95) },
    { name: 'a clock that is ahead', clock: { aheadMs: 60_000, withinMs: 500 }, by: seconds(95) },
    { name: 'a clock that is behind', clock: { aheadMs: -60_000, withinMs: 500 }, by: seconds(155) },
  ])('is in every pod by a known time, with $name', ({ clock, by }) => {
    const seen = clock === undefined ? SEEN : { ...SEEN, clock }
    expect(filesBy(withSent(seen, STEPS, SENT), BOUND_MS)).toEqual(by)
    expect(filesBy(seen, BOUND_MS)).toBeUndefined()
  })

  it('is read by the pods with the mount in its namespace', () => {
    expect(mapsIn(STEPS).length).toBeGreaterThan(0)
    expect(podsOf(STEPS, SEEN).map(podName)).toEqual(['sample/server'])
  })
})
