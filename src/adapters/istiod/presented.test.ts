import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { createServer, type Server } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { makeCa, type TestLeaf } from '../../../test/support/ca.ts'
import { answersAsIstiod, presentedOver } from './presented.ts'

const NAME = 'istiod.istio-system.svc'
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})

async function serve({ certPem, keyPem }: TestLeaf): Promise<number> {
  const server = createServer({ cert: certPem, key: keyPem, ALPNProtocols: ['h2'] })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return (server.address() as AddressInfo).port
}

describe('the chain that an istiod serves', () => {
  it('is what came over the wire, leaf before its issuers', async () => {
    const ca = await makeCa({ trustDomain: 'b.example' })
    const leaf = await (await ca.intermediate()).leaf('spiffe://b.example/ns/istio-system/sa/istiod', { dnsNames: [NAME] })
    const stream = connect({ host: '127.0.0.1', port: await serve(leaf) })
    const chain = await presentedOver(stream, NAME, 'cluster-b')
    expect(chain.map((der) => Buffer.from(der).toString('hex'))).toEqual(leaf.chainDer.map((der) => Buffer.from(der).toString('hex')))
  })

  it('is an error if the server does not speak TLS', async () => {
    const stream = connect({ host: '127.0.0.1', port: 1 })
    await expect(presentedOver(stream, NAME, 'cluster-b')).rejects.toMatchObject({ code: 'istiod-unreachable', subject: 'cluster-b' })
  })
})

describe('an address belongs to an istiod', () => {
  it.each([
    { name: 'if the mesh’s own roots verify its name', dnsNames: [NAME], stranger: false, is: true },
    { name: 'but not under another name', dnsNames: ['other.example'], stranger: false, is: false },
    { name: 'but not under another CA', dnsNames: [NAME], stranger: true, is: false },
  ])('$name', async ({ dnsNames, stranger, is }) => {
    const ca = await makeCa({ trustDomain: 'b.example' })
    const signer = stranger ? await makeCa({ trustDomain: 'b.example' }) : ca
    const port = await serve(await (await signer.intermediate()).leaf('spiffe://b.example/x', { dnsNames }))
    expect(await answersAsIstiod('127.0.0.1', [NAME], ca.root.pem, port)).toBe(is)
  })

  it('unless nothing listens there', async () => {
    expect(await answersAsIstiod('127.0.0.1', [NAME], (await makeCa({ trustDomain: 'b' })).root.pem, 1)).toBe(false)
  })
})
