import { describe, expect, it } from 'vitest'
import { admin, forbidden, http, inSample } from '../../../test/support/admin.ts'
import { connections } from './connections.ts'

const info = { uptime_current_epoch: '3600s', command_line_options: { drain_time: '45s' } }
const names = ['total_filter_chains_draining', 'total_listeners_draining', 'total_listeners_warming']
const counts = {
  stats: [...names.map((name) => ({ name: `listener_manager.${name}`, value: 2 })), { name: 'server.total_connections', value: 7 }],
}

describe('asking proxies for their connections', () => {
  it('returns the counts of each proxy that answers, and an error for each other one', async () => {
    const client = await admin((pod, path) => {
      if (pod === 'busy') return http('', '503 Service Unavailable')
      if (path.startsWith('/server_info')) return http(JSON.stringify(info))
      return http(JSON.stringify(pod === 'mute' ? { stats: [] } : counts))
    })
    const found = await connections(client, inSample('server', 'mute', 'busy'))
    const told = { proxy: 'server.sample', upSeconds: 3600, drainSeconds: 45, draining: 6, open: 7 }
    expect(found.get('server.sample')).toEqual({ ok: true, value: told })
    for (const [proxy, why] of [
      ['mute.sample', 'does not report how many connections'],
      ['busy.sample', '503'],
    ] as const)
      expect(found.get(proxy)).toMatchObject({ ok: false, error: { code: 'proxy-unreachable', message: expect.stringContaining(why) } })
  })

  it('names the missing right if the API server forbids it', async () => {
    const found = await connections(await forbidden(), inSample('server'))
    expect(found.get('server.sample')).toMatchObject({ ok: false, error: { code: 'forbidden' } })
  })
})
