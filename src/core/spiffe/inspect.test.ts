import { describe, expect, it } from 'vitest'
import { type CaOptions, KeyUsageFlags, makeCa } from '../../../test/support/ca.ts'
import {
  asV1,
  commonName,
  encode,
  extension,
  sha1WithRsa,
  withExtensions,
  withIssuer,
  withName,
  withNotBefore,
  withSerial,
  withSignatureOid,
} from '../../../test/support/der.ts'
import { modulus, OTHER_KEYS, RSA_KEYS, rootWith, rsa } from '../../../test/support/odd-keys.ts'
import { oid, pss, rsaKey } from '../../../test/support/signed.ts'
import { printPem } from '../x509/pem.ts'
import { printBundle } from './bundle.ts'
import { inspect } from './inspect.ts'
import { parseTrustDomain } from './trust-domain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const TRUST_DOMAIN = parseTrustDomain('a.example')
const ca = await makeCa({ trustDomain: TRUST_DOMAIN })
const other = await makeCa({ trustDomain: 'b.example' })
const root = ca.root.der

const look = (file: string | Uint8Array, trustDomain?: string) =>
  inspect(typeof file === 'string' ? Buffer.from(file) : file, {
    now: NOW,
    ...(trustDomain !== undefined && { trustDomain: parseTrustDomain(trustDomain) }),
  })
const codes = (file: string | Uint8Array, trustDomain?: string): string[] =>
  look(file, trustDomain).findings.map(({ severity, code }) => `${severity} ${code}`)
const made = async (options: Partial<CaOptions>): Promise<Uint8Array> => (await makeCa({ trustDomain: TRUST_DOMAIN, ...options })).root.der

const CRITICAL = [0x2a, 0x03, 0x04]
const SKI = [0x55, 0x1d, 0x0e]
const AKI = [0x55, 0x1d, 0x23]
const SAN = [0x55, 0x1d, 0x11]
const NAME_CONSTRAINTS = [0x55, 0x1d, 0x1e]
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const uri = (text: string): Uint8Array => encode(0x30, encode(0x86, Buffer.from(text, 'latin1')))
const permitted = (...subtrees: readonly Uint8Array[]): Uint8Array =>
  encode(0x30, encode(0xa0, ...subtrees.map((one) => encode(0x30, one))))

const constrained = (list: number, ...bases: readonly Uint8Array[]): Uint8Array =>
  withExtensions(root, [extension(NAME_CONSTRAINTS, true, encode(0x30, encode(list, ...bases.map((base) => encode(0x30, base)))))])
const [SERVER, CLIENT, CODE, EMAIL] = [1, 2, 3, 4].map((last) => `1.3.6.1.5.5.7.3.${last}`) as [string, string, string, string]
const ANY = '2.5.29.37.0'
const forPurposes = (...purposes: readonly string[]): Uint8Array =>
  withExtensions(root, [extension([0x55, 0x1d, 0x25], false, encode(0x30, ...purposes.map(oid)))])

describe('a certificate as an anchor', async () => {
  it.each([
    { name: 'a plain root', der: root, found: [] },
    { name: 'X.509 v1', der: asV1(root), found: ['error v1', 'error not-ca'] },
    { name: 'not a CA', der: await made({ root: { isCA: false } }), found: ['error not-ca'] },
    { name: 'no basic constraints', der: await made({ root: { isCA: undefined } }), found: ['error not-ca'] },
    { name: 'no key usage', der: await made({ root: { keyUsage: undefined } }), found: [] },
    {
      name: 'a key usage without keyCertSign',
      der: await made({ root: { keyUsage: KeyUsageFlags.cRLSign } }),
      found: ['error no-cert-sign'],
    },
    { name: 'expired', der: await made({ notAfter: new Date('2026-05-31T23:59:59Z') }), found: ['error expired'] },
    { name: 'valid until this second', der: await made({ notAfter: NOW }), found: [] },
    { name: 'not yet valid', der: await made({ notBefore: new Date('2026-06-01T00:00:01Z') }), found: ['error not-yet-valid'] },
    { name: 'a serial of zero', der: withSerial(root, [0]), found: ['warning serial-not-positive'] },
    { name: "valid since Go's zero time", der: withNotBefore(root, '00010101000000Z'), found: ['warning unusual-date'] },
    { name: 'valid since 1949', der: withNotBefore(root, '19491231235959Z'), found: ['warning unusual-date'] },
    { name: 'valid since 1950', der: withNotBefore(root, '19500101000000Z'), found: [] },
    ...RSA_KEYS.map(({ name, key, code }) => ({
      name: `RSA with ${name}`,
      der: rootWith(key),
      found: code === undefined ? [] : [`error ${code}`],
    })),
    ...OTHER_KEYS.map(({ name, key }) => ({ name: `a key of kind ${name.source}`, der: rootWith(key), found: ['error unsupported-key'] })),
    {
      name: 'a wildcard among permitted DNS names',
      der: constrained(0xa0, encode(0x82, Buffer.from('*.corp.local'))),
      found: ['warning name-constraints', 'warning void-constraint'],
    },
    {
      name: 'a permitted URI with a scheme',
      der: constrained(0xa0, encode(0x86, Buffer.from('spiffe://a.example'))),
      found: ['warning name-constraints', 'error void-constraint'],
    },
    {
      name: 'a permitted URI with a scheme beside one without',
      der: constrained(0xa0, encode(0x86, Buffer.from('spiffe://a.example')), encode(0x86, Buffer.from('a.example'))),
      found: ['warning name-constraints', 'warning void-constraint'],
    },
    {
      name: 'an excluded URI with a scheme',
      der: constrained(0xa1, encode(0x86, Buffer.from('spiffe://a.example/ns/x'))),
      found: ['warning name-constraints', 'warning void-constraint'],
    },
    { name: 'an extended key usage for both', der: forPurposes(CLIENT, SERVER), found: [] },
    { name: 'an extended key usage for anything', der: forPurposes(ANY), found: [] },
    { name: 'an extended key usage for servers only', der: forPurposes(SERVER), found: ['warning extended-key-usage'] },
    { name: 'an extended key usage for code signing', der: forPurposes(CODE), found: ['warning extended-key-usage'] },
    {
      name: 'an intermediate with an extended key usage for e-mail',
      der: withIssuer(forPurposes(EMAIL), 'another'),
      found: ['warning extended-key-usage', 'warning not-self-issued'],
    },
    {
      name: 'signed by PSS with a salt that Go refuses, self-issued',
      der: rootWith(rsaKey(modulus, 65537n), pss(rsa.privateKey, { hash: 'sha256', salt: 222 })),
      found: [],
    },
    {
      name: 'the same, not self-issued',
      der: withIssuer(rootWith(rsaKey(modulus, 65537n), pss(rsa.privateKey, { hash: 'sha256', salt: 222 })), 'another'),
      found: ['error weak-signature', 'warning not-self-issued'],
    },
    { name: 'a negative serial', der: withSerial(root, [0x80]), found: ['error serial-not-positive'] },
    { name: 'a serial of 127', der: withSerial(root, [0x7f]), found: [] },
    { name: 'RSA 1024', der: await made({ keyAlgorithm: 'RSA-1024' }), found: ['error weak-key'] },
    { name: 'RSA 2048', der: await made({ keyAlgorithm: 'RSA-2048' }), found: [] },
    { name: 'P-521', der: await made({ keyAlgorithm: 'P-521' }), found: [] },
    { name: 'Ed25519', der: await made({ keyAlgorithm: 'Ed25519' }), found: [] },
    { name: 'SHA-1, self-issued', der: withSignatureOid(root, sha1WithRsa), found: ['warning weak-signature'] },
    {
      name: 'SHA-1, not self-issued',
      der: withIssuer(withSignatureOid(root, sha1WithRsa), 'another'),
      found: ['error weak-signature', 'warning not-self-issued'],
    },
    { name: 'not self-issued', der: withIssuer(root, 'another'), found: ['warning not-self-issued'] },
    {
      name: 'name constraints',
      der: withExtensions(root, [extension(NAME_CONSTRAINTS, true, permitted(encode(0x86, Buffer.from('a.example'))))]),
      found: ['warning name-constraints'],
    },
    {
      name: 'an unknown critical extension',
      der: withExtensions(root, [extension(CRITICAL, true, bytes(5, 0))]),
      found: ['error unknown-critical-extension'],
    },
    {
      name: 'critical alternative names of a kind that Go does not know',
      der: withExtensions(root, [extension(SAN, true, encode(0x30, encode(0xa4, bytes(0x30, 0))))]),
      found: ['error unknown-critical-extension'],
    },
    {
      name: 'critical name constraints on such a kind',
      der: withExtensions(root, [extension(NAME_CONSTRAINTS, true, permitted(encode(0xa4, bytes(0x30, 0))))]),
      found: ['error unknown-critical-extension', 'warning name-constraints'],
    },
    { name: 'an unknown extension', der: withExtensions(root, [extension(CRITICAL, false, bytes(5, 0))]), found: [] },
  ])('$name: $found', ({ der, found }) => {
    expect(codes(printPem(der))).toEqual(found)
    expect(look(printPem(der)).certificates[0]?.problems).toEqual(found.map((text) => text.split(' ')[1]))
  })

  it.each([
    { name: 'bytes after its end', der: Buffer.concat([root, bytes(0)]) },
    { name: 'cut short', der: root.subarray(0, -1) },
    { name: 'a serial that is not minimal', der: withSerial(root, [0, 1]) },
    {
      name: 'an extension twice',
      der: withExtensions(root, [extension(CRITICAL, false, bytes(5, 0)), extension(CRITICAL, false, bytes(5, 0))]),
    },
    { name: 'a critical subject key identifier', der: withExtensions(root, [extension(SKI, true, bytes(4, 1, 1))]) },
    { name: 'a critical authority key identifier', der: withExtensions(root, [extension(AKI, true, bytes(0x30, 0))]) },
    { name: 'a URI with a space', der: withExtensions(root, [extension(SAN, false, uri('spiffe://a b'))]) },
    { name: 'a URI that is not ASCII', der: withExtensions(root, [extension(SAN, false, uri('spiffe://\u00e9'))]) },
    {
      name: 'an IP address of five bytes',
      der: withExtensions(root, [extension(SAN, false, encode(0x30, encode(0x87, bytes(1, 2, 3, 4, 5))))]),
    },
    { name: 'empty name constraints', der: withExtensions(root, [extension(NAME_CONSTRAINTS, true, bytes(0x30, 0))]) },
    {
      name: 'a name constraint with a broken mask',
      der: withExtensions(root, [extension(NAME_CONSTRAINTS, true, permitted(encode(0x87, bytes(10, 0, 0, 0, 255, 0, 255, 0))))]),
    },
    { name: 'a PrintableString with an @', der: withName(root, commonName('a@b', 0x13)) },
    { name: 'a string type that Go does not accept', der: withName(root, commonName('a', 0x1a)) },
    { name: 'a UTF8String that is not', der: withName(root, commonName('\u00ff', 0x0c)) },
    { name: 'a BMPString with a surrogate', der: withName(root, commonName('\u00d8\u0000', 0x1e)) },
    { name: 'a relative URI', der: withExtensions(root, [extension(SAN, false, uri('a.example/x'))]) },
    { name: 'a URI whose host ends in a dot', der: withExtensions(root, [extension(SAN, false, uri('spiffe://a./x'))]) },
    { name: 'a URI with an invalid port', der: withExtensions(root, [extension(SAN, false, uri('spiffe://a:b/x'))]) },
    { name: 'an OID with a padded arc', der: withExtensions(root, [extension([0x55, 0x1d, 0x80, 1], false, bytes(5, 0))]) },
    {
      name: 'an OID with an arc of 32 bits',
      der: withExtensions(root, [extension([0x55, 0x1d, 0x88, 0x80, 0x80, 0x80, 0], false, bytes(5, 0))]),
    },
    {
      name: 'a constraint on an invalid mailbox',
      der: withExtensions(root, [extension(NAME_CONSTRAINTS, true, permitted(encode(0x81, Buffer.from('a b@c'))))]),
    },
    {
      name: 'excluded names before permitted ones',
      der: withExtensions(root, [
        extension(
          NAME_CONSTRAINTS,
          true,
          encode(0x30, ...[0xa1, 0xa0].map((list) => encode(list, encode(0x30, encode(0x82, Buffer.from('a.example')))))),
        ),
      ]),
    },
    ...[
      { what: 'CRL distribution points', id: [0x55, 0x1d, 0x1f], value: bytes(3, 2, 1, 6) },
      { what: 'a CRL distribution point relative to its issuer', id: [0x55, 0x1d, 0x1f], value: bytes(0x30, 6, 0x30, 4, 0xa0, 2, 0xa1, 0) },
      { what: 'policy mappings', id: [0x55, 0x1d, 0x21], value: bytes(3, 2, 1, 6) },
      { what: 'policy constraints', id: [0x55, 0x1d, 0x24], value: bytes(3, 2, 1, 6) },
      { what: 'inhibitAnyPolicy', id: [0x55, 0x1d, 0x36], value: bytes(3, 2, 1, 6) },
      { what: 'authority information access', id: [0x2b, 6, 1, 5, 5, 7, 1, 1], value: bytes(0x30, 2, 0x30, 0) },
    ].map(({ what, id, value }) => ({ name: `malformed: ${what}`, der: withExtensions(root, [extension(id, false, value)]) })),
  ])('what istiod would not parse is malformed: $name', ({ der }) => {
    expect(codes(printPem(der))).toEqual(['error malformed-certificate'])
  })

  it('reports dates as warnings if the caller tolerates them, and everything else as before', async () => {
    const old = await made({ notAfter: new Date('2026-01-01T00:00:00Z'), root: { isCA: false } })
    const findings = inspect(Buffer.from(printPem(old)), { now: NOW, tolerate: 'dates' }).findings
    expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(['error not-ca', 'warning expired'])
  })

  it.each(OTHER_KEYS)('reports its type of key: $name', ({ name, key }) => {
    const { certificates, findings } = look(printPem(rootWith(key)))
    expect([certificates.length, findings[0]?.message]).toEqual([1, expect.stringMatching(name)])
  })

  it('shows hostile names escaped', () => {
    const { certificates } = look(printPem(withName(root, commonName('a\u001b[31m\nb', 0x14))))
    expect(certificates[0]?.certificate.subject).not.toContain('\u001b')
    expect(certificates[0]?.certificate.subject).not.toContain('\n')
  })
})

describe('a file of certificates', async () => {
  it.each([
    { name: 'a private key after the root', file: ca.root.pem + ca.root.keyPem, found: ['error private-key'] },
    { name: 'an RSA private key', file: ca.root.pem + ca.root.keyPem.replaceAll('PRIVATE', 'RSA PRIVATE'), found: ['error private-key'] },
    { name: 'only a private key', file: ca.root.keyPem, found: ['error private-key', 'error no-certificate'] },
    {
      name: 'a private key in DER',
      file: Buffer.from(ca.root.keyPem.replace(/-----.*-----/g, ''), 'base64'),
      found: ['error private-key', 'error malformed-certificate'],
    },
    {
      name: 'a CRL next to the root',
      file: ca.root.pem + ca.root.pem.replaceAll('CERTIFICATE', 'X509 CRL'),
      found: ['error non-certificate-block'],
    },
    {
      name: "OpenSSL's trusted certificate",
      file: ca.root.pem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'),
      found: ['error non-certificate-block', 'error no-certificate'],
    },
    { name: 'the same root twice', file: ca.root.pem + ca.root.pem, found: ['warning duplicate'] },
    { name: '250 copies of a root', file: ca.root.pem.repeat(250), found: ['warning duplicate'] },
    {
      name: 'copies of two roots, in turn',
      file: (ca.root.pem + other.root.pem).repeat(9),
      found: ['warning duplicate', 'warning duplicate'],
    },
    {
      name: 'a leaf next to the root',
      file: ca.root.pem + (await ca.leaf('spiffe://a.example/x')).certPem,
      found: ['error not-ca', 'warning not-self-issued'],
    },
    { name: 'DER', file: root, found: [] },
    { name: 'garbage in DER', file: Buffer.from([0x30, 0x82, 1, 0, 5]), found: ['error malformed-certificate'] },
    {
      name: 'garbage in a second block',
      file: `${ca.root.pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      found: ['error malformed-certificate'],
    },
    { name: 'nothing', file: '', found: ['error empty'] },
  ])('$name: $found', ({ file, found }) => {
    expect(codes(file)).toEqual(found)
  })

  it('reports the number of copies', () => {
    expect(look(ca.root.pem.repeat(250)).findings[0]).toMatchObject({
      subject: 'block 2',
      message: 'is the same certificate as block 1, and so are 248 more',
    })
  })

  it('of a rejected file lists what could be read, with its block', () => {
    const { verdict, certificates, bundle } = look(`${ca.root.keyPem}${ca.root.pem}`, 'a.example')
    expect([verdict, certificates.map(({ subject }) => subject), bundle]).toEqual(['reject', ['block 2'], undefined])
  })
})

const [keyA] = (JSON.parse(printBundle(ca.bundle)) as { keys: [Record<string, unknown>] }).keys
const [keyB] = (JSON.parse(printBundle(other.bundle)) as { keys: [Record<string, unknown>] }).keys
const keys = (...list: readonly unknown[]): string => JSON.stringify({ keys: list })
const without = (name: string): Record<string, unknown> => Object.fromEntries(Object.entries(keyA).filter(([member]) => member !== name))
const x5cB = (keyB.x5c as [string])[0]

describe('a SPIFFE bundle', () => {
  it.each([
    { name: 'one key', file: keys(keyA), roots: 1, found: [] },
    { name: 'two keys', file: keys(keyA, keyB), roots: 2, found: [] },
    { name: 'no key: all revoked', file: keys(), roots: 0, found: ['warning bundle-empty'] },
    {
      name: 'an unknown use is ignored, the rest stays',
      file: keys({ ...keyB, use: 'wit-svid' }, keyA),
      roots: 1,
      found: ['warning use-unknown'],
    },
    { name: 'use is case-sensitive', file: keys(keyA, { ...keyB, use: 'X509-SVID' }), roots: 1, found: ['warning use-unknown'] },
    { name: 'a missing use', file: keys(keyA, without('use')), roots: 1, found: ['warning use-missing'] },
    { name: 'a use that is a number', file: keys(keyA, { ...keyB, use: 7 }), roots: 1, found: ['warning use-unknown'] },
    {
      name: 'a JWT key',
      file: keys(keyA, { kty: 'EC', use: 'jwt-svid', kid: '1', crv: 'P-256', x: 'a', y: 'b' }),
      roots: 1,
      found: ['info jwt-svid'],
    },
    { name: 'an unknown kty', file: keys(keyA, { ...keyB, kty: 'AKP' }), roots: 1, found: ['warning kty-unknown'] },
    { name: 'a missing kty', file: keys(keyA, without('kty')), roots: 1, found: ['warning kty-unknown'] },
    { name: 'no x5c', file: keys(keyA, without('x5c')), roots: 1, found: ['warning x5c-missing'] },
    { name: 'an empty x5c', file: keys(keyA, { ...keyB, x5c: [] }), roots: 1, found: ['warning x5c-missing'] },
    {
      name: 'two x5c values: the first counts',
      file: keys({ ...keyA, x5c: [...(keyA.x5c as string[]), x5cB] }),
      roots: 1,
      found: ['warning x5c-several'],
    },
    {
      name: 'every key ignored: all revoked',
      file: keys(without('use')),
      roots: 0,
      found: ['warning use-missing', 'warning bundle-empty'],
    },
    { name: 'a kid', file: keys({ ...keyA, kid: '1' }), roots: 1, found: ['warning kid-present'] },
    {
      name: 'a key without its members',
      file: keys({ kty: 'EC', use: 'x509-svid', x5c: keyA.x5c }),
      roots: 1,
      found: ['warning key-members-missing'],
    },
    { name: 'unknown members', file: JSON.stringify({ keys: [{ ...keyA, note: {} }], issuer: 'x' }), roots: 1, found: [] },
    { name: 'a key that is not the one of the certificate', file: keys({ ...keyA, x: keyB.x }), found: ['error key-mismatch'] },
    { name: 'private key material', file: keys({ ...keyA, d: 'AAAA' }), found: ['error private-key'] },
    {
      name: 'private key material in a JWT key',
      file: keys(keyA, { kty: 'RSA', use: 'jwt-svid', d: 'AAAA' }),
      found: ['error private-key', 'info jwt-svid'],
    },
    { name: 'a symmetric key', file: keys(keyA, { kty: 'oct', k: 'AAAA' }), found: ['error private-key', 'warning use-missing'] },
    {
      name: 'x5c in base64url',
      file: keys({ ...keyA, x5c: [x5cB.replaceAll('+', '-').replaceAll('/', '_').replace(/M/, '_')] }),
      found: ['error malformed-certificate'],
    },
    { name: 'x5c that is not a certificate', file: keys({ ...keyA, x5c: ['AAAA'] }), found: ['error malformed-certificate'] },
    { name: 'x5c that is not text', file: keys({ ...keyA, x5c: [1] }), found: ['error malformed-certificate'] },
    { name: 'keys that are null', file: '{"keys":null}', found: ['error malformed-bundle'] },
    { name: 'no keys', file: '{}', found: ['error malformed-bundle'] },
    { name: 'a key that is not an object', file: '{"keys":[null]}', found: ['error malformed-bundle'] },
    { name: 'an array', file: '[]', found: ['error malformed-bundle'] },
    { name: 'cut short', file: keys(keyA).slice(0, -1), found: ['error malformed-json'] },
    { name: 'two documents', file: keys(keyA) + keys(keyB), found: ['error malformed-json'] },
    { name: 'a byte order mark', file: `\ufeff${keys(keyA)}`, roots: 1, found: ['warning byte-order-mark'] },
    { name: 'keys twice', file: `{"keys":[],${keys(keyA).slice(1)}`, found: ['error duplicate-member'] },
    { name: 'x5c twice', file: keys(keyA).replace('"use"', '"x5c":[],"use"'), found: ['error duplicate-member', 'warning x5c-missing'] },
    { name: 'the same root twice', file: keys(keyA, keyA), roots: 1, found: ['warning duplicate'] },
  ])('$name: $found', ({ file, roots, found }) => {
    expect(codes(file, 'a.example')).toEqual(found)
    expect(look(file, 'a.example').bundle?.anchors.length).toBe(roots)
  })

  it('is never read from a web page with status 200', () => {
    expect(inspect(Buffer.from('<!doctype html><html></html>'), { now: NOW, format: 'spiffe' }).findings[0]?.code).toBe('malformed-json')
  })

  it('rejects bytes that are not UTF-8', () => {
    expect(codes(Buffer.from('{"keys":[],"a":"\u00e9"}', 'latin1'))).toEqual(['error malformed-json'])
  })

  it.each([
    { text: '0', sequence: 0n },
    { text: '9007199254740993', sequence: 9007199254740993n },
    { text: '18446744073709551615', sequence: 18446744073709551615n },
    { text: 'null', sequence: undefined },
    { text: '18446744073709551616', code: 'sequence-invalid' },
    { text: '-1', code: 'sequence-invalid' },
    { text: '1.0', code: 'sequence-invalid' },
    { text: '1e3', code: 'sequence-invalid' },
    { text: '"7"', code: 'sequence-invalid' },
  ])('with a spiffe_sequence of $text', ({ text, sequence, code }) => {
    const inspection = look(`{"keys":[],"spiffe_sequence":${text}}`)
    expect(inspection.sequence).toBe(sequence)
    expect(inspection.findings.find(({ severity }) => severity === 'error')?.code).toBe(code)
  })

  it.each([
    { text: '300', seconds: 300 },
    { text: '0', seconds: undefined },
    { text: '-5', code: 'refresh-hint-invalid' },
    { text: '1.5', code: 'refresh-hint-invalid' },
    { text: '99999999999999999999', code: 'refresh-hint-invalid' },
  ])('with a spiffe_refresh_hint of $text', ({ text, seconds, code }) => {
    const inspection = look(`{"keys":[],"spiffe_refresh_hint":${text}}`)
    expect(inspection.refreshHintSeconds).toBe(seconds)
    expect(inspection.findings.find(({ severity }) => severity === 'error')?.code).toBe(code)
  })
})

describe('a SPIFFE bundle map', () => {
  const map = (domains: Record<string, unknown>): string => JSON.stringify({ trust_domains: domains })
  const both = map({ 'a.example': { keys: [keyA], spiffe_sequence: 7 }, 'b.example': { keys: [keyB] } })

  it('yields the bundle of the requested trust domain and no other', () => {
    const { bundle } = look(both, 'b.example')
    expect([bundle?.trustDomain, bundle?.anchors.map(({ fingerprint }) => fingerprint)]).toEqual([
      'b.example',
      [other.root.anchor.fingerprint],
    ])
  })

  it('yields no bundle if it has several and the caller named none, and lists all', () => {
    const { verdict, bundle, certificates, findings } = look(both)
    expect([verdict, bundle, certificates.map(({ subject }) => subject), findings[0]?.code]).toEqual([
      'accept',
      undefined,
      ['a.example key 1', 'b.example key 1'],
      'bundle-map',
    ])
  })

  it('yields its only bundle', () => {
    expect(look(map({ 'a.example': { keys: [keyA], spiffe_sequence: 7 } }))).toMatchObject({
      trustDomain: 'a.example',
      sequence: 7n,
      bundle: { sequence: 7n },
    })
  })

  it.each([
    { name: 'a trust domain twice', file: both.replace('b.example', 'a.example'), found: ['error duplicate-trust-domain'] },
    { name: 'the requested one missing', file: map({ 'b.example': { keys: [] } }), found: ['error trust-domain-missing'] },
    {
      name: 'an invalid name',
      file: map({ 'A.example': { keys: [] }, 'a.example': { keys: [keyA] } }),
      found: ['error trust-domain-invalid'],
    },
    { name: 'an invalid bundle', file: map({ 'a.example': [] }), found: ['error malformed-bundle'] },
    { name: 'keys next to it', file: both.replace('{', '{"keys":[],'), found: ['error malformed-bundle'] },
    { name: 'no object', file: '{"trust_domains":[]}', found: ['error malformed-bundle', 'error trust-domain-missing'] },
  ])('is rejected with $name', ({ file, found }) => {
    expect(codes(file, 'a.example')).toEqual(found)
  })
})
