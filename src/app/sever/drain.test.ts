import { describe, expect, it } from 'vitest'
import { NOW } from '../../../test/support/federations.ts'
import { failed, ok } from '../../../test/support/observations.ts'
import type { Connections, Seen } from '../../core/model/observed.ts'
import type { Carrier } from '../../core/verify/older-connections.ts'
import { drain } from './drain.ts'

const carrier = (name: string, settled = true): Carrier => ({
  proxy: `${name}.sample`,
  namespace: 'sample',
  name,
  settled,
  inbound: true,
  outbound: false,
})
const FOR_EVER = Number.POSITIVE_INFINITY

/** Proxies whose listeners drain for so many seconds; `mute`: no answer at these seconds. */
function scene(drains: Readonly<Record<string, { readonly seconds: number; readonly mute?: (second: number) => boolean }>>) {
  let second = 0
  const asked: string[] = []
  const lines: string[] = []
  const answer = (name: string): Seen<Connections> =>
    drains[name]?.mute?.(second) === true
      ? failed('proxy-unreachable')
      : ok({
          proxy: `${name}.sample`,
          upSeconds: 3_600,
          drainSeconds: 45,
          draining: second < (drains[name]?.seconds ?? 0) ? 4 : 0,
          open: 3,
        })
  return {
    asked,
    lines,
    seconds: () => second,
    mesh: {
      connections: async (pods: readonly { readonly name: string }[]) => {
        asked.push(...pods.map(({ name }) => name))
        return new Map(pods.map(({ name }) => [`${name}.sample`, answer(name)]))
      },
    },
    world: {
      now: () => new Date(NOW.getTime() + second * 1000),
      sleep: async (milliseconds: number) => {
        second += milliseconds / 1000
      },
      report: (text: string) => void lines.push(text),
    },
  }
}
const states = (views: readonly { readonly proxy: string; readonly state: string }[]) =>
  views.map(({ proxy, state }) => `${proxy} ${state}`)

describe('connections from before the end of a trust', () => {
  it('are counted once without a wait', async () => {
    const { mesh, world, seconds, asked } = scene({ server: { seconds: 30 } })
    const { views, drained } = await drain({ mesh, proxies: [carrier('server')], drain: false }, world)
    expect([states(views), drained, seconds(), asked.length]).toEqual([['server.sample draining'], false, 0, 1])
  })

  it('delay sever until no proxy has any; a proxy without any is not asked again', async () => {
    const { mesh, world, seconds, asked, lines } = scene({ quick: { seconds: 5 }, slow: { seconds: 30 } })
    const { views, drained } = await drain({ mesh, proxies: [carrier('quick'), carrier('slow')], drain: true }, world)
    expect([states(views), drained, seconds()]).toEqual([['quick.sample gone', 'slow.sample gone'], true, 30])
    expect(asked.filter((name) => name === 'quick')).toHaveLength(6)
    expect(lines[0]).toContain('quick.sample (3 open in total), slow.sample (3 open in total), 0 s so far')
    expect(lines).toHaveLength(3)
  })

  it('delay sever for at most the proxies’ drain time plus a tolerance', async () => {
    const { mesh, world, seconds } = scene({ server: { seconds: FOR_EVER } })
    const { views } = await drain({ mesh, proxies: [carrier('server')], drain: true }, world)
    expect(states(views)).toEqual(['server.sample draining'])
    expect(seconds()).toBeGreaterThanOrEqual(45)
    expect(seconds()).toBeLessThan(70)
  })

  it('of a disconnected proxy are reported, and delay nothing', async () => {
    const { mesh, world, seconds, asked } = scene({ dead: { seconds: 30 }, mute: { seconds: 30, mute: () => true } })
    const { views } = await drain({ mesh, proxies: [carrier('dead', false), carrier('mute')], drain: true }, world)
    expect([states(views), seconds(), asked]).toEqual([['dead.sample unseen', 'mute.sample unseen'], 0, ['mute']])
  })

  it('of a proxy that does not answer once are requested again', async () => {
    const { mesh, world } = scene({ server: { seconds: 20, mute: (second) => second === 7 || second === 8 } })
    expect(states((await drain({ mesh, proxies: [carrier('server')], drain: true }, world)).views)).toEqual(['server.sample gone'])
  })

  it('of a proxy that disconnects meanwhile are unknown', async () => {
    const { mesh, world, seconds } = scene({ server: { seconds: 40, mute: (second) => second >= 7 } })
    expect(states((await drain({ mesh, proxies: [carrier('server')], drain: true }, world)).views)).toEqual(['server.sample unseen'])
    expect(seconds()).toBeLessThan(15)
  })

  it('stay unknown after ^C, which proves nothing', async () => {
    const { mesh, world } = scene({ server: { seconds: 30 } })
    const { views, drained } = await drain({ mesh, proxies: [carrier('server')], drain: true }, { ...world, stopped: () => true })
    expect([states(views), drained]).toEqual([['server.sample draining'], false])
  })
})
