import { Agent, createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import { debug, parseSyncz, pushOf, reasonIn, versionOf } from './debug.ts'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function istiod(listener: RequestListener, token?: string) {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const dial = async (): Promise<Duplex> => connect({ host: '127.0.0.1', port })
  const agent = new Agent()
  agent.createConnection = () => connect({ host: '127.0.0.1', port })
  const pod: IstiodPod = {
    namespace: 'istio-system',
    name: 'istiod-0',
    ip: undefined,
    revision: 'default',
    env: {},
    leaving: false,
    ready: true,
  }
  return debug('cluster-b', { kind: 'direct', pod, dial, agent, token })
}

describe('istiod’s debug port', () => {
  it('gets requests with our token, for exactly one proxy, endpoints included', async () => {
    const asked: [string | undefined, string | undefined][] = []
    const one = await istiod((request, response) => {
      asked.push([request.url, request.headers.authorization])
      response.end('{"configs":[]}')
    }, 'a-token')
    expect(await one.configDump('server.sample')).toEqual({ configs: [] })
    expect(asked).toEqual([['/debug/config_dump?include_eds=true&proxyID=server.sample', 'Bearer a-token']])
  })

  it('does not know a proxy that is connected to another istiod', async () => {
    const one = await istiod((_, response) => response.writeHead(404).end('Proxy not connected to this Pilot instance.'))
    expect(await one.configDump('server.sample')).toBeUndefined()
  })

  it.each([
    {
      name: 'a token that it rejects',
      answer: (r: Parameters<RequestListener>[1]) => r.writeHead(401).end(),
      code: 'istiod-refused',
      word: 'rejects the token of Entente',
    },
    {
      name: 'debug switched off',
      answer: (r: Parameters<RequestListener>[1]) => r.writeHead(404).end('404 page not found'),
      code: 'istiod-refused',
      word: '404',
    },
    {
      name: 'an answer that is not JSON',
      answer: (r: Parameters<RequestListener>[1]) => r.end('<html>'),
      code: 'istiod-refused',
      word: 'not JSON',
    },
    {
      name: 'JSON that is not a list',
      answer: (r: Parameters<RequestListener>[1]) => r.end('{}'),
      code: 'istiod-refused',
      word: 'not a list',
    },
    {
      name: 'a hang-up',
      answer: (r: Parameters<RequestListener>[1]) => r.destroy(),
      code: 'istiod-unreachable',
      word: 'istio-system/istiod-0:15014/debug/syncz',
    },
  ])('errors name the istiod and the cause: $name', async ({ answer, code, word }) => {
    const one = await istiod((_, response) => answer(response), 'a-token')
    const thrown = await one.syncz().catch((e: unknown) => e)
    expect(thrown).toMatchObject({ code, subject: 'cluster-b', message: expect.stringContaining(word) })
    expect((thrown as Error).message).not.toContain('a-token')
  })

  it('answers with an empty list if no proxy is connected', () => {
    expect([parseSyncz('b', []), parseSyncz('b', null)]).toEqual([[], []])
  })

  it('nonces contain the version of a push before the UUID', () => {
    const dump = { configs: [{ '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump', versionInfo: '2026-11-21T12:02:34Z/9' }] }
    expect(pushOf('2026-11-21T12:02:34Z/9f026aade-f404-4861-975b-03d0448ad925')).toBe(versionOf(dump))
  })
})

describe('Envoy’s reason for a rejection', () => {
  it.each([
    {
      words:
        'Error adding/updating listener(s) virtualInbound: goo.gle/debugproto    \ncommon_tls_context {\n  a {\n  }\n}\n: Proto constraint validation failed (value is required)\n',
      reason: 'Error adding/updating listener(s) virtualInbound: Proto constraint validation failed (value is required)',
    },
    { words: 'Invalid path: /etc/x', reason: 'Invalid path: /etc/x' },
    { words: '', reason: '' },
  ])('is kept without the name of the resource: $reason', ({ words, reason }) => {
    expect(reasonIn(words)).toBe(reason)
  })
})
