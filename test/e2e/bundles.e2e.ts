/**
 * Bundles and chains, compared with other readers: openssl, Go's crypto/x509 (istiod) and go-spiffe (SPIRE). Where we differ, the
 * row says so, and docs/anchors.md says why. With `--all` then a hundred thousand damaged files.
 */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchBundle } from '../../src/adapters/bundle-endpoint/fetch.ts'
import { FederationError } from '../../src/core/diagnostics/errors.ts'
import { type Bundle, printBundle, printPemBundle } from '../../src/core/spiffe/bundle.ts'
import { inspect } from '../../src/core/spiffe/inspect.ts'
import { parseBundle } from '../../src/core/spiffe/parse-bundle.ts'
import { parseSpiffeId } from '../../src/core/spiffe/spiffe-id.ts'
import { type Anchor, anchorFrom, parseAnchor } from '../../src/core/x509/anchor.ts'
import { readCertificate } from '../../src/core/x509/certificate.ts'
import { anchorOf } from '../../src/core/x509/chain.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import { accounted, shown } from '../support/accounted.ts'
import { type Certified, Extension, type KeyAlgorithm, makeCa } from '../support/ca.ts'
import { asV1, commonName, encode, extension, withExtensions, withIssuer, withName, withNotBefore, withSerial } from '../support/der.ts'
import { answer, startEndpoint } from '../support/endpoint.ts'
import { anyBytes, mangling, share } from '../support/mangle.ts'
import { ODD_KEYS, ODD_SIGNATURES, OTHER_KEYS, RSA_KEYS, rootWith } from '../support/odd-keys.ts'
import { base64, type Go, opensslVerify, startGo } from '../support/opinions.ts'
import { HAND_MADE_KEYS } from '../support/rsa-by-hand.ts'
import { extra } from './extra.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const KINDS: readonly KeyAlgorithm[] = ['RSA-2048', 'P-256', 'P-384', 'Ed25519']
const ID = 'spiffe://a.example/ns/x/sa/y'
const RANDOM = 10_000
let go: Go
beforeAll(async () => {
  go = await startGo()
}, 300_000)
afterAll(() => go.close())

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const ca = await makeCa({ trustDomain: 'a.example' })
const root = ca.root.der

describe('Entente rejects what Go refuses to parse', async () => {
  const oid = {
    ski: [0x55, 0x1d, 0x0e],
    aki: [0x55, 0x1d, 0x23],
    san: [0x55, 0x1d, 0x11],
    constraints: [0x55, 0x1d, 0x1e],
    private: [0x2a, 3, 4],
    policies: [0x55, 0x1d, 0x20],
  }
  const uri = (text: string): Uint8Array => encode(0x30, encode(0x86, Buffer.from(text, 'latin1')))
  const permitted = (base: Uint8Array): Uint8Array => encode(0x30, encode(0xa0, encode(0x30, base)))
  const policy = encode(0x30, encode(0x06, bytes(0x2a, 3)))
  const text = (tag: number, value: string): Uint8Array => encode(tag, Buffer.from(value))
  const constrained = (base: Uint8Array): Uint8Array => withExtensions(root, [extension(oid.constraints, true, permitted(base))])
  it.each([
    { name: 'a plain root', der: root, go: true },
    { name: 'v1', der: asV1(root), go: true, stricter: true },
    { name: 'a negative serial', der: withSerial(root, [0x80]), go: false },
    { name: 'a serial of zero', der: withSerial(root, [0]), go: true },
    { name: 'valid since year 1', der: withNotBefore(root, '00010101000000Z'), go: true },
    { name: 'valid since year 0', der: withNotBefore(root, '00000101000000Z'), go: true },
    { name: 'a wildcard among permitted DNS names', der: constrained(text(0x82, '*.corp.local')), go: true },
    { name: 'a wildcard among permitted mailboxes', der: constrained(text(0x81, '*.corp.local')), go: true },
    { name: 'a permitted DNS name that ends in a dot', der: constrained(text(0x82, 'corp.local.')), go: false },
    { name: 'a permitted DNS name with an empty label', der: constrained(text(0x82, 'corp..local')), go: false },
    { name: 'a permitted DNS name with a space', der: constrained(text(0x82, 'corp local')), go: false },
    { name: 'a permitted URI with a scheme', der: constrained(text(0x86, 'spiffe://a.example')), go: true, stricter: true },
    { name: 'a permitted URI that is an IPv6 address', der: constrained(text(0x86, '::1')), go: false },
    ...RSA_KEYS.map(({ name, key, code }) => ({ name: `RSA with ${name}`, der: rootWith(key), go: true, stricter: code !== undefined })),
    ...OTHER_KEYS.map(({ name, key }) => ({
      name: `a key of another kind: ${name}`,
      der: rootWith(key),
      go: !/secp256k1|brainpool|parameters/.test(name.source),
      stricter: true,
    })),
    { name: 'a serial that is not minimal', der: withSerial(root, [0, 1]), go: false },
    { name: 'a byte too many', der: Buffer.concat([root, bytes(0)]), go: false },
    { name: 'a byte too few', der: root.subarray(0, -1), go: false },
    {
      name: 'an extension twice',
      der: withExtensions(root, [extension(oid.private, false, bytes(5, 0)), extension(oid.private, false, bytes(5, 0))]),
      go: false,
    },
    { name: 'a critical subject key identifier', der: withExtensions(root, [extension(oid.ski, true, bytes(4, 1, 1))]), go: false },
    { name: 'a critical authority key identifier', der: withExtensions(root, [extension(oid.aki, true, bytes(0x30, 0))]), go: false },
    { name: 'a URI with a control character', der: withExtensions(root, [extension(oid.san, false, uri('spiffe://a/\u0001'))]), go: false },
    { name: 'a URI that is not ASCII', der: withExtensions(root, [extension(oid.san, false, uri('spiffe://\u00e9'))]), go: false },
    { name: 'a URI with a bad escape', der: withExtensions(root, [extension(oid.san, false, uri('spiffe://a/%zz'))]), go: false },
    {
      name: 'a URI with a space in its path',
      der: withExtensions(root, [extension(oid.san, false, uri('spiffe://a/b c'))]),
      go: true,
      stricter: true,
    },
    {
      name: 'an address of five bytes',
      der: withExtensions(root, [extension(oid.san, false, encode(0x30, encode(0x87, bytes(1, 2, 3, 4, 5))))]),
      go: false,
    },
    { name: 'empty name constraints', der: withExtensions(root, [extension(oid.constraints, true, bytes(0x30, 0))]), go: false },
    {
      name: 'a constraint with a broken mask',
      der: withExtensions(root, [extension(oid.constraints, true, permitted(encode(0x87, bytes(10, 0, 0, 0, 255, 0, 255, 0))))]),
      go: false,
    },
    {
      name: 'a constraint on URIs that is an address',
      der: withExtensions(root, [extension(oid.constraints, true, permitted(encode(0x86, Buffer.from('10.0.0.1'))))]),
      go: false,
    },
    { name: 'a policy twice', der: withExtensions(root, [extension(oid.policies, false, encode(0x30, policy, policy))]), go: false },
    {
      name: 'an unknown critical extension',
      der: withExtensions(root, [extension(oid.private, true, bytes(5, 0))]),
      go: true,
      stricter: true,
    },
    { name: 'a PrintableString with an @', der: withName(root, commonName('a@b', 0x13)), go: false },
    { name: 'a PrintableString with an asterisk', der: withName(root, commonName('*.a', 0x13)), go: true },
    { name: 'a VisibleString', der: withName(root, commonName('a', 0x1a)), go: false },
    { name: 'a UTF8String that is not', der: withName(root, commonName('\u00ff', 0x0c)), go: false },
    { name: 'a T61String', der: withName(root, commonName('\u00ff', 0x14)), go: true },
    { name: 'another issuer', der: withIssuer(root, 'b'), go: true },
  ])('$name', async ({ der, go: taken, stricter = false }) => {
    expect((await go.ask({ op: 'certificate', der: base64(der) })).ok).toBe(taken)
    expect(inspect(Buffer.from(printPem(der)), { now: NOW }).verdict).toBe(taken && !stricter ? 'accept' : 'reject')
  })

  const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encode(0x30, ...parts)
  /** Every extension that Go's parser looks into. */
  const rich = withExtensions(root, [
    extension(oid.ski, false, encode(0x04, bytes(1, 2, 3, 4))),
    extension(oid.aki, false, sequence(encode(0x80, bytes(1, 2, 3, 4)))),
    extension(
      oid.san,
      true,
      sequence(
        text(0x86, 'spiffe://a.example/x%20y'),
        text(0x82, 'a.example'),
        text(0x81, 'a@b.example'),
        encode(0x87, bytes(10, 0, 0, 1)),
      ),
    ),
    extension(
      oid.constraints,
      true,
      sequence(
        encode(
          0xa0,
          ...[text(0x86, 'a.example'), text(0x82, '.a.example'), encode(0x87, bytes(10, 0, 0, 0, 255, 0, 0, 0))].map((base) =>
            sequence(base),
          ),
        ),
        encode(0xa1, sequence(text(0x81, 'a@b.example')), sequence(text(0x81, 'c.example'))),
      ),
    ),
    extension([0x55, 0x1d, 0x1f], false, sequence(sequence(encode(0xa0, encode(0xa0, text(0x86, 'http://a.example/crl')))))),
    extension(oid.policies, false, sequence(sequence(encode(0x06, bytes(0x2a, 3))), sequence(encode(0x06, bytes(0x2a, 0x84, 4))))),
    extension([0x55, 0x1d, 0x21], true, sequence(sequence(encode(0x06, bytes(0x2a, 3)), encode(0x06, bytes(0x2a, 4))))),
    extension([0x55, 0x1d, 0x24], true, sequence(encode(0x80, bytes(1)), encode(0x81, bytes(2)))),
    extension([0x55, 0x1d, 0x25], false, sequence(encode(0x06, bytes(0x2b, 6, 1, 5, 5, 7, 3, 1)))),
    extension([0x55, 0x1d, 0x36], true, encode(0x02, bytes(1))),
    extension(
      [0x2b, 6, 1, 5, 5, 7, 1, 1],
      false,
      sequence(sequence(encode(0x06, bytes(0x2b, 6, 1, 5, 5, 7, 0x30, 2)), text(0x86, 'http://a.example/ca'))),
    ),
  ])

  it('in every extension that Go parses, whose valid forms Entente accepts', async () => {
    expect((await go.ask({ op: 'certificate', der: base64(rich) })).ok).toBe(true)
    expect(inspect(rich, { now: NOW, format: 'der' }).verdict).toBe('accept')
  })

  /** Go's result for a certificate that Entente would accept. */
  const refusedByGo = async (der: Uint8Array): Promise<string | undefined> => {
    if (inspect(der, { now: NOW, format: 'der' }).verdict === 'reject') return undefined
    const { ok, error = '' } = await go.ask({ op: 'certificate', der: base64(der) })
    return ok ? undefined : error
  }

  /** @returns an example by each of Go's errors */
  const damaged = async (values: (was: number) => readonly number[]): Promise<object> => {
    const wrong = new Map<string, string>()
    for (const [at, was] of rich.entries()) {
      for (const value of values(was)) {
        const der = Uint8Array.from(rich)
        der[at] = value
        const error = await refusedByGo(der)
        if (error !== undefined) wrong.set(error, `byte ${at}: ${value} instead of ${was}`)
      }
    }
    return Object.fromEntries(wrong)
  }

  it('with any bit of it damaged', async () => {
    expect(await damaged((was) => Array.from({ length: 8 }, (_, bit) => was ^ (1 << bit)))).toEqual({})
  })

  extra.it(
    'with any value of any byte of it damaged',
    async () => {
      expect(await damaged(() => Array.from({ length: 256 }, (_, value) => value))).toEqual({})
    },
    300_000,
  )

  it('with any two bytes of it damaged together', async () => {
    const random = fc.sample(fc.array(fc.tuple(share, fc.nat(255)), { minLength: 2, maxLength: 3 }), RANDOM)
    const wrong = new Map<string, string>()
    for (const edits of random) {
      const der = Uint8Array.from(rich)
      for (const [where, value] of edits) der[Math.floor(where * der.length)] = value
      const error = await refusedByGo(der)
      if (error !== undefined) wrong.set(error, Buffer.from(der).toString('hex'))
    }
    expect(Object.fromEntries(wrong)).toEqual({})
  }, 300_000)
})

describe('PEM that Go reads with fewer roots is rejected or repaired', () => {
  const two = printPem(root) + printPem(withSerial(root, [0x11]))
  it.each([
    { name: 'as it should be', text: two, go: 2, ours: 2 },
    { name: 'cut before END, then a good root', text: `${two.slice(0, 200)}\n${printPem(root)}`, go: 1, ours: undefined },
    { name: 'joined armour', text: two.replace('-----\n-----BEGIN', '----------BEGIN'), go: 0, ours: 2 },
    { name: 'a byte order mark', text: `\ufeff${two}`, go: 1, ours: 2 },
    { name: 'indented', text: two.replace(/^/gm, '  '), go: 0, ours: undefined },
    {
      name: 'garbage in the second block',
      text: `${printPem(root)}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      go: 1,
      ours: undefined,
    },
    { name: 'a negative serial next to it', text: printPem(root) + printPem(withSerial(root, [0x80])), go: 1, ours: undefined },
  ])('$name', async ({ text, go: there, ours }) => {
    expect((await go.ask({ op: 'pem', file: base64(Buffer.from(text)) })).roots).toBe(there)
    const { verdict, certificates } = inspect(Buffer.from(text), { now: NOW })
    expect(verdict === 'accept' ? certificates.length : undefined).toBe(ours)
  })
})

interface Case {
  readonly name: string
  readonly roots: readonly Uint8Array[]
  readonly chain: readonly Uint8Array[]
  /** Where another reader says otherwise: docs/anchors.md, "chains". */
  readonly differs?: { readonly openssl?: boolean; readonly go?: boolean }
}

const PAST = { notAfter: new Date('2026-05-31T00:00:00Z') }
const FUTURE = { notBefore: new Date('2027-01-01T00:00:00Z') }
const subtrees = (list: number, tag: number, value: Uint8Array): Extension =>
  new Extension('2.5.29.30', true, encode(0x30, encode(list, encode(0x30, encode(tag, value)))) as Uint8Array<ArrayBuffer>)
const CONSTRAINTS: Readonly<
  Record<string, { readonly extension: Extension; readonly leaves: Readonly<Record<string, Partial<Certified>>> }>
> = {
  'a URI permitted': {
    extension: subtrees(0xa0, 0x86, Buffer.from('a.example')),
    leaves: { inside: {}, outside: { uris: ['spiffe://b.example/x'] }, below: { uris: ['spiffe://x.a.example/x'] } },
  },
  'a URI excluded': {
    extension: subtrees(0xa1, 0x86, Buffer.from('a.example')),
    leaves: { inside: {}, outside: { uris: ['spiffe://b.example/x'] }, below: { uris: ['spiffe://x.a.example/x'] } },
  },
  'subdomains permitted': {
    extension: subtrees(0xa0, 0x86, Buffer.from('.example')),
    leaves: { inside: {}, outside: { uris: ['spiffe://example/x'] } },
  },
  'a DNS name permitted': {
    extension: subtrees(0xa0, 0x82, Buffer.from('a.example')),
    leaves: {
      none: {},
      inside: { dnsNames: ['x.a.example'] },
      outside: { dnsNames: ['b.example'] },
      'one of two': { dnsNames: ['a.example', 'b.example'] },
      alike: { dnsNames: ['xa.example'] },
    },
  },
  'a DNS name excluded': {
    extension: subtrees(0xa1, 0x82, Buffer.from('a.example')),
    leaves: { inside: { dnsNames: ['x.a.example'] }, outside: { dnsNames: ['b.example'] } },
  },
  'addresses permitted': {
    extension: subtrees(0xa0, 0x87, bytes(10, 0, 0, 0, 255, 0, 0, 0)),
    leaves: { inside: { ipAddresses: ['10.1.2.3'] }, outside: { ipAddresses: ['11.1.2.3'] } },
  },
  'addresses excluded': {
    extension: subtrees(0xa1, 0x87, bytes(10, 0, 0, 0, 255, 0, 0, 0)),
    leaves: { inside: { ipAddresses: ['10.1.2.3'] }, outside: { ipAddresses: ['11.1.2.3'] } },
  },
}

/** Go applies a URI constraint without a leading dot to subdomains, too. */
const GO_URI: Readonly<Record<string, boolean>> = { 'a URI permitted, below': true, 'a URI excluded, below': false }

async function constrainedCases(): Promise<Case[]> {
  const cases: Case[] = []
  for (const [what, { extension: constraint, leaves }] of Object.entries(CONSTRAINTS)) {
    const byRoot = await makeCa({ trustDomain: 'a.example', root: { extensions: [constraint] } })
    const issuer = await ca.intermediate('constrained', { extensions: [constraint] })
    for (const [which, more] of Object.entries(leaves)) {
      const name = `${what}, ${which}`
      const differs = GO_URI[name] === undefined ? {} : { differs: { go: GO_URI[name] } }
      cases.push({ name: `${name}, by the root`, roots: [byRoot.root.der], chain: (await byRoot.leaf(ID, more)).chainDer, ...differs })
      cases.push({ name: `${name}, by an intermediate`, roots: [root], chain: (await issuer.leaf(ID, more)).chainDer, ...differs })
    }
  }
  return cases
}

async function shapesOf(keyAlgorithm: KeyAlgorithm): Promise<Case[]> {
  const top = await makeCa({ trustDomain: 'a.example', keyAlgorithm })
  const namesake = await makeCa({ trustDomain: 'a.example', keyAlgorithm })
  const [one, old, young, notCa, short] = await Promise.all(
    [{}, PAST, FUTURE, { isCA: false }, { pathLength: 0 }].map((more, i) =>
      top.intermediate(`intermediate ${i}`, { keyAlgorithm, ...more }),
    ),
  )
  const named = async (name: string, issuer: typeof one, more: Partial<Certified> = {}, roots = [top.root.der]): Promise<Case> => ({
    name: `${keyAlgorithm}: ${name}`,
    roots,
    chain: (await (issuer as NonNullable<typeof one>).leaf(ID, { keyAlgorithm, ...more })).chainDer,
  })
  const two = await one?.intermediate('two', { keyAlgorithm })
  const deep = await named('two intermediates', two)
  return [
    await named('direct', top),
    await named('one intermediate', one),
    deep,
    { ...deep, name: `${deep.name}, in another order`, chain: [0, 2, 1].flatMap((i) => deep.chain[i] ?? []) },
    { ...deep, name: `${deep.name}, one missing`, chain: [0, 2].flatMap((i) => deep.chain[i] ?? []) },
    { ...deep, name: `${deep.name}, the root presented`, chain: [...deep.chain, top.root.der] },
    { ...deep, name: `${deep.name}, anchored at the intermediate`, roots: [deep.chain[2] as Uint8Array] },
    // Without key identifiers openssl tries one root of a name only.
    { ...(await named('several roots of one name', top, {}, [namesake.root.der, ca.root.der, top.root.der])), differs: { openssl: false } },
    await named('another root of that name', top, {}, [namesake.root.der]),
    await named('an expired leaf', top, PAST),
    await named('a leaf of the future', top, FUTURE),
    await named('an expired intermediate', old),
    await named('an intermediate of the future', young),
    await named('an issuer that is no CA', notCa),
    await named('within a path length', short),
    await named('beyond a path length', await short?.intermediate('below', { keyAlgorithm })),
  ]
}

async function oddCases(): Promise<Case[]> {
  const expired = await makeCa({ trustDomain: 'a.example', ...PAST })
  const shallow = await makeCa({ trustDomain: 'a.example', root: { pathLength: 0 } })
  const critical = await makeCa({
    trustDomain: 'a.example',
    root: { extensions: [new Extension('1.2.3.4', true, bytes(5, 0) as Uint8Array<ArrayBuffer>)] },
  })
  const { chainDer } = await ca.leaf(ID)
  return [
    {
      name: 'an expired root',
      roots: [expired.root.der],
      chain: (await expired.leaf(ID, { notAfter: new Date('2030-01-01T00:00:00Z') })).chainDer,
    },
    {
      name: 'a root that allows no intermediate',
      roots: [shallow.root.der],
      chain: (await (await shallow.intermediate()).leaf(ID)).chainDer,
    },
    { name: 'a root with a critical extension', roots: [critical.root.der], chain: (await critical.leaf(ID)).chainDer },
    { name: 'a v1 root', roots: [asV1(root)], chain: chainDer, differs: { openssl: true, go: true } },
    { name: 'a root with a serial of zero', roots: [withSerial(root, [0])], chain: chainDer },
    { name: 'a root with a negative serial', roots: [withSerial(root, [0x80])], chain: chainDer, differs: { go: false } },
    { name: 'a root that is a leaf', roots: [chainDer[0] as Uint8Array], chain: [chainDer[0] as Uint8Array] },
    { name: 'a changed leaf', roots: [root], chain: [withSerial(chainDer[0] as Uint8Array, [1])] },
    { name: 'SHA-1', roots: [root], chain: (await ca.leaf(ID, { hash: 'SHA-1' })).chainDer, differs: { openssl: true } },
  ]
}

describe('chains, compared with openssl and Go', async () => {
  const odd = [...ODD_SIGNATURES, ...ODD_KEYS, ...HAND_MADE_KEYS].map(
    ({ name, root, chain, openssl, go }): Case => ({
      name,
      roots: [root],
      chain,
      differs: { ...(openssl !== undefined && { openssl }), ...(go !== undefined && { go }) },
    }),
  )
  const cases = [...(await Promise.all(KINDS.map(shapesOf))).flat(), ...(await constrainedCases()), ...(await oddCases()), ...odd]
  it.each(cases)('$name', async ({ roots, chain, differs = {} }) => {
    const anchors: readonly Anchor[] = roots.map((der) => anchorFrom(readCertificate(der)))
    const { anchor, reason } = anchorOf(chain, anchors, NOW)
    const ours = anchor !== undefined
    expect(ours || (reason ?? '') !== '').toBe(true)
    const openssl = await opensslVerify(roots, chain, NOW)
    expect({ reason, openssl: openssl ?? 'ok', valid: openssl === undefined }).toMatchObject({ valid: differs.openssl ?? ours })
    const other = await go.ask({ op: 'verify', roots: roots.map(base64), chain: chain.map(base64), at: NOW.toISOString() })
    expect({ reason, go: other.error ?? 'ok', valid: other.ok }).toMatchObject({ valid: differs.go ?? ours })
  })
})

describe('go-spiffe', async () => {
  const kinds = await Promise.all(KINDS.map((keyAlgorithm) => makeCa({ trustDomain: 'a.example', keyAlgorithm })))
  const bundle: Bundle = { ...ca.bundle, anchors: kinds.map((one) => one.root.anchor), sequence: 2n ** 53n - 1n, refreshHintSeconds: 300 }
  const endpointId = parseSpiffeId('spiffe://a.example/spire/server')

  it('reads what Entente prints, empty bundles too', async () => {
    expect(await go.ask({ op: 'bundle', trustDomain: 'a.example', file: base64(Buffer.from(printBundle(bundle))) })).toMatchObject({
      ok: true,
      roots: 4,
      sequence: 2 ** 53 - 1,
    })
    expect(
      await go.ask({ op: 'bundle', trustDomain: 'a.example', file: base64(Buffer.from(printBundle({ ...bundle, anchors: [] }))) }),
    ).toMatchObject({ ok: true, roots: 0 })
  })

  it('fetches what Entente would serve, and serves what Entente fetches', async () => {
    const leaf = await ca.leaf(endpointId)
    const ours = await startEndpoint(leaf, answer(printBundle(bundle)))
    const theirs = await go.ask({
      op: 'publish',
      trustDomain: 'a.example',
      file: base64(Buffer.from(printBundle(bundle))),
      cert: leaf.certPem,
      key: leaf.keyPem,
    })
    expect(theirs).toMatchObject({ ok: true })
    const first = base64(Buffer.from(printBundle(ca.bundle)))
    expect(
      await go.ask({
        op: 'fetch',
        trustDomain: 'a.example',
        url: ours.url.replace('localhost', '127.0.0.1'),
        endpointID: endpointId,
        file: first,
      }),
    ).toMatchObject({ ok: true, roots: 4 })
    const file = await fetchBundle(
      { profile: 'https_spiffe', url: theirs.url ?? '', endpointId, endpointBundle: ca.bundle },
      { timeoutMilliseconds: 5_000 },
    )
    expect(parseBundle(bundle.trustDomain, file, { now: NOW })).toEqual(bundle)
    await ours.close()
  })

  it.each([
    { name: 'an unknown use', edit: (key: object) => ({ ...key, use: 'wit-svid' }), ours: 3, theirs: undefined },
    { name: 'no use', edit: ({ use: _, ...key }: Record<string, unknown>) => key, ours: 3, theirs: 3 },
    { name: 'an empty x5c', edit: (key: object) => ({ ...key, x5c: [] }), ours: 3, theirs: undefined },
    {
      name: 'two x5c values',
      edit: (key: Record<string, unknown>) => ({ ...key, x5c: [...(key.x5c as string[]), base64(root)] }),
      ours: 4,
      theirs: undefined,
    },
    {
      name: 'a key that does not match',
      edit: (key: object) => ({ ...key, ...({ x: 'AAAA', n: 'AAAA' } as object) }),
      ours: undefined,
      theirs: undefined,
    },
    { name: 'no key members', edit: ({ use, kty, x5c }: Record<string, unknown>) => ({ use, kty, x5c }), ours: 4, theirs: undefined },
  ])('differs where docs/anchors.md documents it: $name', async ({ edit, ours, theirs }) => {
    const document = JSON.parse(printBundle(bundle)) as { keys: Record<string, unknown>[] }
    const file = Buffer.from(JSON.stringify({ ...document, keys: document.keys.map((key, i) => (i === 1 ? edit(key) : key)) }))
    const inspection = inspect(file, { now: NOW, trustDomain: bundle.trustDomain })
    const other = await go.ask({ op: 'bundle', trustDomain: 'a.example', file: base64(file) })
    expect({ ours: inspection.bundle?.anchors.length, theirs: other.ok ? other.roots : undefined, error: other.error }).toMatchObject({
      ours,
      theirs,
    })
  })
})

extra.describe('a hundred thousand damaged files', () => {
  const anchors = [ca.root.anchor, parseAnchor(withSerial(root, [0x11])), parseAnchor(withSerial(root, [0x12]))]
  const files = [printPemBundle({ ...ca.bundle, anchors }), printBundle({ ...ca.bundle, anchors, sequence: 7n })]
  const accepted = { pem: 0, spiffe: 0, der: 0 }

  it('is never accepted with fewer roots, and causes no exception except a FederationError', () => {
    const input = fc.oneof(
      anyBytes(30_000),
      fc.tuple(fc.constantFrom(...files), mangling).map(([text, { apply }]) => Buffer.from(apply(text))),
    )
    void fc.assert(
      fc.property(input, fc.constantFrom('pem' as const, 'spiffe' as const, 'der' as const, undefined), (file, format) => {
        const options = { now: NOW, ...(format && { format }) }
        const inspection = inspect(file, options)
        if (inspection.verdict === 'accept') {
          const there = shown(Buffer.from(file).toString(), inspection.format)
          expect(accounted(inspection)).toBe(there ?? inspection.certificates.length)
          if (there !== undefined) accepted[inspection.format] += 1
        }
        try {
          parseBundle(ca.bundle.trustDomain, file, options)
        } catch (error) {
          if (!(error instanceof FederationError)) throw error
        }
      }),
      { numRuns: 100_000 },
    )
    // Of both there were some whose roots were counted.
    expect(Math.min(accepted.pem, accepted.spiffe)).toBeGreaterThan(100)
  }, 600_000)
})
