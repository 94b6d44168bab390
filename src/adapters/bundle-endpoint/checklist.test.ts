/**
 * The MUST and SHOULD of SPIFFE for a bundle endpoint and its client, row by row (spiffe/spiffe@665a28f). Each row has what
 * we do about it. Rows that Envoy, istiod or an owner fulfils are named at the end.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, describe, expect, it } from 'vitest'
import { type Certified, KeyUsageFlags, makeCa } from '../../../test/support/ca.ts'
import { answer, type Behaviour, redirect, startEndpoint, type TestEndpoint } from '../../../test/support/endpoint.ts'
import { NOW } from '../../../test/support/federations.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { intervalMs } from '../../core/exchange/following.ts'
import { at } from '../../core/model/manifest.ts'
import { judge } from '../../core/record/judge-offer.ts'
import { type Bundle, printBundle } from '../../core/spiffe/bundle.ts'
import { type BundleEndpoint, parseEndpointUrl } from '../../core/spiffe/endpoint.ts'
import { inspect } from '../../core/spiffe/inspect.ts'
import { parseBundle } from '../../core/spiffe/parse-bundle.ts'
import { parseSpiffeId } from '../../core/spiffe/spiffe-id.ts'
import { svidIdOf } from '../../core/spiffe/svid.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import { readCertificate } from '../../core/x509/certificate.ts'
import { anchorOf } from '../../core/x509/chain.ts'
import { fetchBundle } from './fetch.ts'

const ID = parseSpiffeId('spiffe://a.example/ns/trust/sa/bundles')
const ca = await makeCa({ trustDomain: 'a.example' })
const other = await makeCa({ trustDomain: 'b.example' })
const web = await makeCa({ trustDomain: 'web.example' })
const domain = ca.bundle.trustDomain
const published: Bundle = { ...ca.bundle, sequence: 2n ** 63n, refreshHintSeconds: 300 }
const document = JSON.parse(printBundle({ ...published, sequence: 7n })) as { keys: Record<string, unknown>[] } & Record<string, unknown>
const [key = {}] = document.keys
const read = (more: object) =>
  inspect(Buffer.from(JSON.stringify({ ...document, ...more })), { format: 'spiffe', trustDomain: domain, now: NOW })
const keys = (...all: readonly object[]) => read({ keys: all })
const roots = (more: ReturnType<typeof read>) => more.bundle?.anchors.length
const leaf = async (more: Partial<Certified>, id: string = ID) => readCertificate((await ca.leaf(id, more)).chainDer[0] as Uint8Array)
const svid = await ca.leaf(ID)
const page = await web.leaf('', { uris: [], dnsNames: ['localhost'], subject: 'CN=localhost' })

const open: TestEndpoint[] = []
const start = async (certificate: typeof svid, behaviour: Behaviour): Promise<TestEndpoint> => {
  const endpoint = await startEndpoint(certificate, behaviour)
  open.push(endpoint)
  return endpoint
}
afterAll(() => Promise.all(open.map((endpoint) => endpoint.close())))
const spiffe = (url: string, more: Partial<BundleEndpoint & { profile: 'https_spiffe' }> = {}): BundleEndpoint => ({
  profile: 'https_spiffe',
  url,
  endpointId: ID,
  endpointBundle: ca.bundle,
  ...more,
})
const overWeb = (url: string): BundleEndpoint => ({ profile: 'https_web', url, webRoots: web.root.pem })
const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
    return 'accepted'
  } catch (thrown) {
    return thrown instanceof FederationError ? thrown.code : String(thrown)
  }
}
const fetchCode = async (certificate: typeof svid, behaviour: Behaviour, to = spiffe): Promise<string> => {
  const { url } = await start(certificate, behaviour)
  return codeOf(() => fetchBundle(to(url), { timeoutMilliseconds: 2_000 }))
}
const body = printBundle(published)

type Row = readonly [rows: string, says: string, check: () => unknown, expected: unknown]

const ROWS: readonly Row[] = [
  [
    '1, 8',
    'a published key has standard and SPIFFE parameters only',
    () => Object.keys(key).sort(),
    ['crv', 'kty', 'use', 'x', 'x5c', 'y'],
  ],
  ['2, 3', 'the sequence is set and keeps 64 bits', () => /"spiffe_sequence": (\d+)/.exec(body)?.[1], String(2n ** 63n)],
  ['4', 'the refresh hint is a whole number of seconds', () => document.spiffe_refresh_hint, 300],
  ['5', 'keys is there when no root is left', () => JSON.parse(printBundle({ ...published, anchors: [] })).keys, []],
  ['6, 7, 9', 'kty and use are set, kid is not', () => [key.kty, key.use, 'kid' in key], ['EC', 'x509-svid', false]],
  ['10, 11', 'one key for each certificate, whose members are those of x5c[0]', () => [at(key, 'x5c', 'length'), roots(keys(key))], [1, 1]],
  [
    '12',
    'a map without bundles is read, and has none of the domain',
    () => inspect(Buffer.from('{"trust_domains":{}}'), { trustDomain: domain, now: NOW }).verdict,
    'reject',
  ],
  [
    '13',
    'an unknown kty or use ignores the key, not the bundle',
    () => roots(keys(key, { ...key, kty: 'X' }, { ...key, use: 'X509-SVID' }, { kty: 'EC' })),
    1,
  ],
  ['14', 'no x5c ignores the key', () => roots(keys(key, { ...key, x5c: [] }, { ...key, x5c: undefined })), 1],
  ['15', 'all values of x5c but the first are ignored', () => roots(keys({ ...key, x5c: [...(key.x5c as string[]), 'AAAA'] })), 1],
  [
    '16',
    'under an empty bundle no certificate is valid',
    () => anchorOf(svid.chainDer, keys().bundle?.anchors ?? [], NOW).anchor,
    undefined,
  ],
  [
    '17',
    'a certificate is verified by the bundle of its own domain only',
    () => anchorOf(svid.chainDer, other.bundle.anchors, NOW).anchor,
    undefined,
  ],
  [
    '18',
    'a map with a domain twice is refused',
    () => inspect(Buffer.from(`{"trust_domains":{"a.example":${body},"a.example":${body}}}`), { trustDomain: domain, now: NOW }).verdict,
    'reject',
  ],
  [
    '20, 23',
    'without a hint it is polled every 5 minutes, else by the hint',
    () => [intervalMs({}), intervalMs({ refreshHintSeconds: 900 })],
    [300_000, 900_000],
  ],
  [
    '25',
    'the sequence orders two bundles',
    () =>
      judge({ ...published, sequence: 1n }, { approved: new Map([[domain, published]]), publicRoots: new Set() }).map(({ code }) => code),
    ['sequence-rollback'],
  ],
  [
    '26, 32',
    'a root of one domain is refused in the bundle of another',
    () =>
      judge(
        { ...ca.bundle, trustDomain: other.bundle.trustDomain },
        { approved: new Map([[domain, ca.bundle]]), publicRoots: new Set() },
      ).map(({ code }) => code),
    ['root-of-another-domain'],
  ],
  [
    '29, 44',
    'https_web: the certificate is verified, with the host name',
    async () => [
      await fetchCode(page, answer(body), overWeb),
      await fetchCode(page, answer(body), (url) => overWeb(url.replace('localhost', '127.0.0.1'))),
    ],
    ['accepted', 'endpoint-unverified'],
  ],
  [
    '29, 39, 45',
    'https_spiffe: an X509-SVID of exactly the configured ID',
    async () => [
      await fetchCode(svid, answer(body)),
      await fetchCode(await ca.leaf('spiffe://a.example/else'), answer(body)),
      await fetchCode(page, answer(body)),
    ],
    ['accepted', 'endpoint-unverified', 'endpoint-unverified'],
  ],
  [
    '33',
    'http and user names are refused',
    () => Promise.all(['http://x/b', 'https://u@x/b', 'https://u:p@x/b'].map((url) => codeOf(() => parseEndpointUrl(url)))),
    Array(3).fill('endpoint-invalid'),
  ],
  [
    '31, 35, 47',
    'the domain, the ID and the bundle that verifies it are given, never inferred',
    async () => codeOf(() => fetchBundle(spiffe('https://localhost:1/', { endpointBundle: other.bundle }), { timeoutMilliseconds: 500 })),
    'endpoint-invalid',
  ],
  [
    '36',
    'the first bundle may be SPIFFE or PEM',
    () => [body, ca.root.pem].map((file) => parseBundle(domain, Buffer.from(file), { now: NOW }).anchors.length),
    [1, 1],
  ],
  [
    '37',
    'an endpoint of another domain is verified by the bundle of that domain',
    async () =>
      fetchCode(await other.leaf('spiffe://b.example/x'), answer(body), (url) =>
        spiffe(url, { endpointId: parseSpiffeId('spiffe://b.example/x'), endpointBundle: other.bundle }),
      ),
    'accepted',
  ],
  [
    '43, 48',
    'redirects are followed under the same rules',
    async () => {
      const target = await start(svid, answer(body))
      const wrong = await start(await ca.leaf('spiffe://a.example/else'), answer(body))
      return [
        await fetchCode(svid, redirect(`${target.url}/b`)),
        await fetchCode(svid, redirect(wrong.url)),
        await fetchCode(svid, redirect('http://localhost/')),
      ]
    },
    ['accepted', 'endpoint-unverified', 'endpoint-invalid'],
  ],
  [
    '49',
    'a permanent redirect is not remembered',
    async () => {
      const target = await start(svid, answer(body))
      const first = await start(svid, redirect(target.url, 301))
      for (const _ of [1, 2]) await fetchBundle(spiffe(first.url), { timeoutMilliseconds: 2_000 })
      return first.seen.length
    },
    2,
  ],
  [
    '40',
    'the client shows no certificate and sends no credentials',
    async () => {
      let sent: unknown
      const look = (response: ServerResponse, request: IncomingMessage): void => {
        sent = [request.headers.authorization, request.headers.cookie, request.method]
        answer(body)(response, request)
      }
      await fetchCode(svid, look)
      return sent
    },
    [undefined, undefined, 'GET'],
  ],
  [
    '42',
    'bytes that are not UTF-8 are refused',
    () => inspect(Buffer.from([0x7b, 0xff, 0x7d]), { format: 'spiffe', trustDomain: domain, now: NOW }).verdict,
    'reject',
  ],
  [
    '46',
    'the latest approved bundle verifies the next connection',
    async () => fetchCode(svid, answer(body), (url) => spiffe(url, { endpointBundle: { ...ca.bundle, anchors: [] } })),
    'endpoint-unverified',
  ],
  [
    '50',
    'exactly one URI SAN',
    async () => codeOf(async () => svidIdOf(await leaf({ uris: [ID, 'spiffe://a.example/x'] }))),
    'chain-malformed',
  ],
  ['51', 'a leaf has a path', async () => codeOf(async () => svidIdOf(await leaf({}, 'spiffe://a.example'))), 'spiffe-id-invalid'],
  ['53, 54, 59', 'a CA authenticates nobody', async () => codeOf(async () => svidIdOf(await leaf({ isCA: true }))), 'chain-malformed'],
  [
    '55, 59',
    'a leaf does not sign',
    async () => codeOf(async () => svidIdOf(await leaf({ keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign }))),
    'chain-malformed',
  ],
  [
    '55',
    'a leaf has digitalSignature',
    async () => codeOf(async () => svidIdOf(await leaf({ keyUsage: KeyUsageFlags.keyEncipherment }))),
    'chain-malformed',
  ],
  [
    '56',
    'extended key usage has server and client, or is absent',
    async () => [
      await codeOf(async () => svidIdOf(await leaf({ extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }))),
      await codeOf(async () => svidIdOf(await leaf({ extendedKeyUsage: false }))),
    ],
    ['chain-malformed', 'accepted'],
  ],
  [
    '58',
    'an expired certificate is no path',
    async () => anchorOf((await ca.leaf(ID, { notAfter: new Date('2025-06-01') })).chainDer, ca.bundle.anchors, NOW).anchor,
    undefined,
  ],
  [
    '60, 61',
    'scheme, user, port, query, capitals, percent signs',
    () =>
      Promise.all(
        ['https://a/x', 'spiffe://u@a/x', 'spiffe://a:1/x', 'spiffe://a/x?y', 'spiffe://A/x', 'spiffe://a%20/x'].map((id) =>
          codeOf(() => parseSpiffeId(id)),
        ),
      ),
    Array(6).fill('spiffe-id-invalid'),
  ],
  [
    '61',
    'a trust domain has at most 255 bytes',
    () => Promise.all(['a'.repeat(255), 'a'.repeat(256)].map((name) => codeOf(() => parseTrustDomain(name)))),
    ['accepted', 'trust-domain-invalid'],
  ],
  ['62', 'an IP address is a name like any other', () => codeOf(() => parseSpiffeId('spiffe://10.0.0.1/x')), 'accepted'],
  [
    '63',
    'no empty segment, no dots, no trailing slash',
    () => Promise.all(['spiffe://a//x', 'spiffe://a/./x', 'spiffe://a/../x', 'spiffe://a/x/'].map((id) => codeOf(() => parseSpiffeId(id)))),
    Array(4).fill('spiffe-id-invalid'),
  ],
  [
    '64',
    'IDs of 2048 bytes are read, longer ones are not',
    () => Promise.all([2048, 2049].map((length) => codeOf(() => parseSpiffeId(`spiffe://a/${'x'.repeat(length - 11)}`)))),
    ['accepted', 'spiffe-id-invalid'],
  ],
  ['65', 'a root without a SPIFFE ID is accepted', () => roots(keys(key)), 1],
]

describe('the SPIFFE specification says', () => {
  it.each(ROWS)('%s: %s', async (_rows, _says, check, expected) => {
    expect(await check()).toEqual(expected)
  })

  it('and this list has every row, tested here or with who fulfils it', () => {
    const elsewhere: Readonly<Record<number, string>> = {
      19: 'no bundle map is polled',
      21: 'rotate: a root is announced in phase introducing, before the CA signs under it',
      22: 'rotate: gate unused',
      24: 'bundles/, written by every approval',
      27: 'core/exchange/following.test.ts: nextFetchMs',
      28: 'sever: e2e',
      30: 'Envoy, TLS 1.2 or newer',
      34: 'core/federation/exchange-fields.ts',
      38: 'the owner of the Secret',
      41: 'test/e2e/exchange.e2e.ts',
      52: 'istiod',
      57: 'core/x509/chain.test.ts: name constraints',
    }
    const here = new Set(ROWS.flatMap(([rows]) => rows.split(', ').map(Number)))
    const missing = Array.from({ length: 65 }, (_, i) => i + 1).filter((row) => !here.has(row) && elsewhere[row] === undefined)
    expect(missing).toEqual([])
  })
})
