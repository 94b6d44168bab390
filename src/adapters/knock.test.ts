import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { makeCa } from '../../test/support/ca.ts'
import { member } from '../../test/support/federations.ts'
import { knock } from './knock.ts'

const SNI = 'outbound_.80_._.server.sample.svc.cluster.local'
const open: Server[] = []

async function listen(
  server: Server,
): Promise<{ readonly to: ReturnType<typeof member>; readonly address: string; readonly port: number }> {
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { to: member('cluster-b'), address: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

afterEach(async () => {
  for (const server of open.splice(0)) await new Promise((resolve) => server.close(resolve))
})

describe('probing a gateway', () => {
  it('reports that nothing listens', async () => {
    const probe = await listen(createServer())
    await new Promise((resolve) => open.splice(0)[0]?.close(resolve))
    expect(await knock(probe)).toMatchObject({ connected: false, refused: true })
  })

  it('only connects if no service behind the gateway is known', async () => {
    const probe = await listen(createServer((socket) => socket.end()))
    expect(await knock(probe)).toMatchObject({ connected: true, refused: false })
  })

  it('returns the chain of the server that answers for the service', async () => {
    const ca = await makeCa({ trustDomain: 'cluster-b.example' })
    const { certPem, keyPem, chainDer } = await (await ca.intermediate()).leaf('spiffe://cluster-b.example/ns/sample/sa/server')
    const names: string[] = []
    // Heard with the first words of the handshake: we leave before its end.
    const SNICallback = (name: string, done: (cause: null) => void): void => {
      names.push(name)
      done(null)
    }
    const server = createTlsServer({ cert: certPem, key: keyPem, ALPNProtocols: ['istio'], SNICallback })
    server.on('tlsClientError', () => {})
    const { chain, why } = await knock({ ...(await listen(server)), sni: SNI })
    expect(why).toBeUndefined()
    expect(chain?.map((der) => Buffer.from(der))).toEqual(chainDer.map((der) => Buffer.from(der)))
    expect(names).toEqual([SNI])
  })

  it('reports that the gateway closed the connection without an answer', async () => {
    const probe = await listen(createServer((socket) => socket.destroy()))
    const { connected, chain, why } = await knock({ ...probe, sni: SNI })
    expect({ connected, chain }).toEqual({ connected: true, chain: undefined })
    expect(why).not.toBe('')
  })
})
