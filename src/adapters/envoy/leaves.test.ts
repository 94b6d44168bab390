import { describe, expect, it } from 'vitest'
import { admin, forbidden, http, inSample } from '../../../test/support/admin.ts'
import { makeCa } from '../../../test/support/ca.ts'
import { leaves } from './leaves.ts'

describe('asking proxies for their own certificates', () => {
  it('returns each proxy’s chain, and an error for each that does not answer', async () => {
    const ca = await makeCa({ trustDomain: 'cluster-b.example' })
    const { certPem } = await ca.leaf('spiffe://cluster-b.example/ns/sample/sa/server')
    const paths: string[] = []
    const client = await admin((pod, path) => {
      paths.push(path)
      if (pod === 'strange') return http('<html>')
      if (pod === 'busy') return http('', '503 Service Unavailable')
      const inline_bytes = Buffer.from(certPem).toString('base64')
      return http(JSON.stringify({ configs: [{ name: 'default', secret: { tls_certificate: { certificate_chain: { inline_bytes } } } }] }))
    })
    const found = await leaves(client, inSample('server', 'strange', 'busy'))
    expect(found.get('server.sample')).toMatchObject({ ok: true, value: { proxy: 'server.sample', roots: [] } })
    expect(found.get('strange.sample')).toMatchObject({
      ok: false,
      error: { code: 'proxy-unreachable', message: expect.stringContaining('not JSON') },
    })
    expect(found.get('busy.sample')).toMatchObject({
      ok: false,
      error: { code: 'proxy-unreachable', message: expect.stringContaining('503') },
    })
    // Certificates only: no field that could hold a key is part of the question.
    expect(new Set(paths.map((path) => new URLSearchParams(path.split('?')[1]).get('mask')))).toEqual(
      new Set(['name,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca']),
    )
  })

  it('asks no further proxy after its time limit', async () => {
    const client = await admin(() => http('{}'))
    let clock = 0
    const found = await leaves(client, inSample('server'), () => (clock += 61_000))
    expect(found.get('server.sample')).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('did not ask server.sample') },
    })
  })

  it('names the missing right if the API server forbids it', async () => {
    const found = await leaves(await forbidden(), inSample('server'))
    expect(found.get('server.sample')).toMatchObject({
      ok: false,
      error: { code: 'forbidden', message: expect.stringContaining('pods/portforward server in namespace sample') },
    })
  })
})
