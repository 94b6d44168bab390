import { describe, expect, it } from 'vitest'
import { COUNTS_PATH, readConnections } from './open-connections.ts'

const info = { uptime_current_epoch: '61s', command_line_options: { drain_time: '45s' } }
/** As Envoy 1.40 answers. */
const counts = (more: Readonly<Record<string, unknown>> = {}) => ({
  stats: Object.entries({
    'listener_manager.total_filter_chains_draining': 4,
    'listener_manager.total_listeners_draining': 1,
    'listener_manager.total_listeners_warming': 0,
    'server.total_connections': 7,
    ...more,
  }).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
})

describe('Envoy’s statistics about connections', () => {
  it('are requested by name', () => {
    const filter = new RegExp(new URLSearchParams(COUNTS_PATH.split('?')[1]).get('filter') ?? '')
    for (const { name } of counts().stats) expect(name).toMatch(filter)
    expect('server.total_connections_x').not.toMatch(filter)
  })

  it('contain its uptime, its drain time, the draining listeners and the open connections', () => {
    expect(readConnections(info, counts())).toEqual({ upSeconds: 61, drainSeconds: 45, draining: 5, open: 7 })
  })

  it('count a new listener that is still warming up: the previous one keeps serving', () => {
    expect(readConnections(info, counts({ 'listener_manager.total_listeners_warming': 1 }))?.draining).toBe(6)
  })

  it.each([
    { name: 'a number is missing', info, counts: counts({ 'listener_manager.total_filter_chains_draining': undefined }) },
    { name: 'a number is none', info, counts: counts({ 'server.total_connections': '7' }) },
    { name: 'it is below 0', info, counts: counts({ 'listener_manager.total_listeners_draining': -1 }) },
    { name: 'the drain time is missing', info: { uptime_current_epoch: '61s' }, counts: counts() },
    { name: 'a time is no duration', info: { ...info, uptime_current_epoch: 'long' }, counts: counts() },
    { name: 'it is something else', info: [], counts: '<html>' },
  ])('are unknown where $name', (told) => {
    expect(readConnections(told.info, told.counts)).toBeUndefined()
  })
})
