import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { type Certified, KeyUsageFlags, makeCa, type TestLeaf } from '../../../test/support/ca.ts'
import { answer, type Behaviour, redirect, startEndpoint, type TestEndpoint } from '../../../test/support/endpoint.ts'
import { refreshBundle } from '../../app/roots/refresh-bundle.ts'
import { type Bundle, printBundle } from '../../core/spiffe/bundle.ts'
import type { BundleEndpoint } from '../../core/spiffe/endpoint.ts'
import { parseSpiffeId } from '../../core/spiffe/spiffe-id.ts'
import { fetchBundle } from './fetch.ts'

const ID = parseSpiffeId('spiffe://a.example/spire/server')
const ca = await makeCa({ trustDomain: 'a.example' })
const stranger = await makeCa({ trustDomain: 'a.example' })
const next = await makeCa({ trustDomain: 'a.example' })
const other = await makeCa({ trustDomain: 'b.example' })
const web = await makeCa({ trustDomain: 'web.example' })
const published: Bundle = { ...ca.bundle, sequence: 7n, refreshHintSeconds: 300 }
const last: Bundle = { ...ca.bundle, sequence: 6n, refreshHintSeconds: 300 }
const body = printBundle(published)
const svid = await ca.leaf(ID)
const page = await web.leaf('', { uris: [], dnsNames: ['localhost'], subject: 'CN=localhost' })

const open: TestEndpoint[] = []
const start = async (certificate: TestLeaf, behaviour: Behaviour): Promise<TestEndpoint> => {
  const endpoint = await startEndpoint(certificate, behaviour)
  open.push(endpoint)
  return endpoint
}
afterAll(async () => {
  await Promise.all(open.map((endpoint) => endpoint.close()))
})

const overWeb = (url: string): BundleEndpoint => ({ profile: 'https_web', url, webRoots: web.root.pem })
const overSpiffe = (url: string, endpointBundle: Bundle = ca.bundle): BundleEndpoint => ({
  profile: 'https_spiffe',
  url,
  endpointId: ID,
  endpointBundle,
})
const options = { timeoutMilliseconds: 2_000 }
/** Through both: what `fetchBundle` throws, and that a poll keeps the last good bundle. */
async function poll(endpoint: BundleEndpoint, timeoutMilliseconds = 2_000) {
  return refreshBundle({ fetch: () => fetchBundle(endpoint, { timeoutMilliseconds }), now: () => new Date() }, ca.bundle.trustDomain, last)
}

describe('a well-behaved endpoint', () => {
  it('serves its bundle over https_web', async () => {
    const { url } = await start(page, answer(body))
    expect(Buffer.from(await fetchBundle(overWeb(url), options)).toString()).toBe(body)
    expect(await poll(overWeb(url))).toMatchObject({ bundle: published, fresh: true, findings: [] })
  })

  it('serves its bundle over https_spiffe, whatever its host name', async () => {
    const { url } = await start(svid, answer(body))
    expect(await poll(overSpiffe(url))).toMatchObject({ bundle: published, fresh: true, findings: [] })
  })

  it('verifies when the trusted root is an intermediate', async () => {
    const intermediate = await ca.intermediate()
    const { url } = await start(await intermediate.leaf(ID), answer(body))
    const anchor = { ...ca.root.anchor, der: intermediate.certificate.der }
    expect((await poll(overSpiffe(url, { ...ca.bundle, anchors: [anchor] }))).fresh).toBe(true)
  })

  it('may redirect to another endpoint with the same profile; the next fetch asks the first again', async () => {
    const target = await start(svid, answer(body))
    const first = await start(svid, redirect(`${target.url}/b`, 301))
    for (const _ of [1, 2]) expect((await poll(overSpiffe(first.url))).fresh).toBe(true)
    expect([first.seen.length, target.seen]).toEqual([2, ['/b', '/b']])
  })

  it('may redirect to another path on the same host', async () => {
    const { url } = await start(page, (response, request) => (request.url === '/b' ? answer(body) : redirect('/b', 307))(response, request))
    expect((await poll(overWeb(url))).fresh).toBe(true)
  })

  it('revokes every root with an empty array of keys', async () => {
    const { url } = await start(page, answer('{"keys":[],"spiffe_sequence":8}'))
    const { bundle, fresh, findings } = await poll(overWeb(url))
    expect([bundle?.anchors, fresh, findings.map(({ code }) => code)]).toEqual([[], true, ['bundle-empty', 'bundle-emptied']])
  })

  it('removes one root and adds another', async () => {
    const { url } = await start(page, answer(printBundle({ ...next.bundle, sequence: 8n })))
    const { bundle, fresh, findings } = await poll(overWeb(url))
    expect([bundle?.anchors, fresh, findings.map(({ code }) => code)]).toEqual([next.bundle.anchors, true, ['root-swap']])
  })
})

const drip: Behaviour = (response) => {
  response.writeHead(200)
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}
const endless: Behaviour = (response) => {
  response.writeHead(200)
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
  }
  response.on('drain', more)
  more()
}
const hangUp: Behaviour = (response) => {
  response.writeHead(200, { 'content-length': String(body.length) }).write(body.slice(0, 100))
  setTimeout(() => response.destroy(), 20)
}

describe('a misbehaving endpoint changes nothing, and the error names the fault', async () => {
  const leaf = (more: Partial<Certified>) => ca.leaf(ID, more)
  const html = '<!doctype html><html><body>Welcome</body></html>'
  const elsewhere = 'https://localhost:1/'
  it.each([
    { name: 'a status of 500 with a bundle', does: answer(body, 500), code: 'endpoint-refused' },
    { name: 'a status of 404', does: answer('', 404), code: 'endpoint-refused' },
    { name: 'a status of 204', does: answer('', 204), code: 'endpoint-refused' },
    { name: 'a status of 206', does: answer(body, 206), code: 'endpoint-refused' },
    { name: 'a status of 401', does: answer('', 401, { 'www-authenticate': 'Basic' }), code: 'endpoint-refused' },
    { name: 'a web page with status 200', does: answer(html), code: 'malformed-json' },
    { name: 'truncated JSON', does: answer(body.slice(0, -20)), code: 'malformed-json' },
    { name: 'an empty body', does: answer(''), code: 'malformed-json' },
    { name: 'PEM', does: answer(ca.root.pem), code: 'malformed-json' },
    { name: 'keys that are null', does: answer('{"keys":null}'), code: 'malformed-bundle' },
    { name: 'a private key in the bundle', does: answer(body.replace('"use"', '"d":"AAAA","use"')), code: 'private-key' },
    { name: 'a lower sequence', does: answer(printBundle({ ...next.bundle, sequence: 5n })), code: 'sequence-rollback' },
    { name: 'other roots under the same sequence', does: answer(printBundle({ ...next.bundle, sequence: 6n })), code: 'sequence-reused' },
    {
      name: 'switching protocols',
      does: ((response) =>
        void response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')) satisfies Behaviour,
      code: 'endpoint-refused',
    },
    { name: 'a compressed body', does: answer(gzipSync(body), 200, { 'content-encoding': 'gzip' }), code: 'endpoint-refused' },
    { name: 'an endless body', does: endless, code: 'endpoint-refused' },
    { name: 'a slow drip', does: drip, timeout: 300, code: 'endpoint-unreachable' },
    { name: 'silence', does: () => undefined, timeout: 300, code: 'endpoint-unreachable' },
    { name: 'hanging up in the middle', does: hangUp, code: 'endpoint-unreachable' },
    { name: 'hanging up at once', does: ((response) => void response.destroy()) satisfies Behaviour, code: 'endpoint-unreachable' },
    { name: 'a redirect to http', does: redirect('http://localhost/'), code: 'endpoint-invalid' },
    { name: 'a redirect with a user name', does: redirect('https://user:secret@localhost/'), code: 'endpoint-invalid' },
    { name: 'a redirect to a file', does: redirect('file:///etc/passwd'), code: 'endpoint-invalid' },
    { name: 'a redirect to nowhere', does: answer('', 302, {}), code: 'endpoint-refused' },
    { name: 'a redirect to itself', does: redirect('/'), code: 'endpoint-refused' },
    { name: 'a redirect to a closed port', does: redirect(elsewhere), code: 'endpoint-unreachable' },
    {
      name: 'a redirect to a server of another CA',
      does: redirect((await start(await stranger.leaf(ID), answer(body))).url),
      code: 'endpoint-unverified',
    },
    {
      name: 'a redirect to another identity',
      does: redirect((await start(await ca.leaf('spiffe://a.example/ns/x/sa/y'), answer(body))).url),
      code: 'endpoint-unverified',
    },
    { name: 'a certificate of another CA', with: await stranger.leaf(ID), does: answer(body), code: 'endpoint-unverified' },
    { name: 'a web certificate', with: page, does: answer(body), code: 'endpoint-unverified' },
    { name: 'another identity', with: await ca.leaf('spiffe://a.example/ns/x/sa/y'), does: answer(body), code: 'endpoint-unverified' },
    { name: 'an identity without a path', with: await ca.leaf('spiffe://a.example'), does: answer(body), code: 'endpoint-unverified' },
    { name: 'two URI SANs', with: await leaf({ uris: [ID, 'spiffe://a.example/other'] }), does: answer(body), code: 'endpoint-unverified' },
    {
      name: 'no URI SAN',
      with: await leaf({ uris: [], dnsNames: ['localhost'], subject: 'CN=localhost' }),
      does: answer(body),
      code: 'endpoint-unverified',
    },
    {
      name: 'a CA as leaf',
      with: await leaf({ isCA: true, keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign }),
      does: answer(body),
      code: 'endpoint-unverified',
    },
    {
      name: 'a leaf that may sign',
      with: await leaf({ keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign }),
      does: answer(body),
      code: 'endpoint-unverified',
    },
    {
      name: 'an expired certificate',
      with: await leaf({ notAfter: new Date('2025-06-01T00:00:00Z') }),
      does: answer(body),
      code: 'endpoint-unverified',
    },
  ])('$name: $code', async ({ with: certificate = svid, does, timeout = 2_000, code }) => {
    const { url } = await start(certificate, does)
    const { bundle, fresh, findings } = await poll(overSpiffe(url), timeout)
    expect([bundle, fresh, findings.find(({ severity }) => severity === 'error')?.code]).toEqual([last, false, code])
  })

  it.each([
    {
      name: 'a name that is not in the certificate',
      url: (url: string) => url.replace('localhost', '127.0.0.1'),
      code: 'endpoint-unverified',
    },
    { name: 'http', url: () => 'http://localhost/', code: 'endpoint-invalid' },
    { name: 'a user name', url: () => 'https://user@localhost/', code: 'endpoint-invalid' },
    { name: 'no URL', url: () => 'localhost', code: 'endpoint-invalid' },
    { name: 'a closed port', url: () => elsewhere, code: 'endpoint-unreachable' },
  ])('over https_web: $name: $code', async ({ url, code }) => {
    const endpoint = await start(page, answer(body))
    expect((await poll(overWeb(url(endpoint.url)))).findings[0]?.code).toBe(code)
  })

  it('accepts no server over https_spiffe if the trusted bundle is empty', async () => {
    const { url } = await start(page, answer(body))
    expect((await poll(overSpiffe(url, { ...ca.bundle, anchors: [] }))).findings[0]?.code).toBe('endpoint-unverified')
  })

  it('does not fall back to the public roots if the file of roots is empty', async () => {
    expect((await poll({ profile: 'https_web', url: elsewhere, webRoots: '' })).findings[0]?.code).toBe('endpoint-invalid')
  })

  it('requires the bundle of the endpoint’s own trust domain', async () => {
    expect((await poll(overSpiffe(elsewhere, other.bundle))).findings[0]?.code).toBe('endpoint-invalid')
  })

  it('never prints a password', async () => {
    expect(JSON.stringify((await poll(overWeb('https://user:secret@localhost/'))).findings)).not.toContain('secret')
  })
})
