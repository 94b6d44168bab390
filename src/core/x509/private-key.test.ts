import { generateKeyPairSync } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { MANGLES } from '../../../test/support/mangle.ts'
import { inspect } from '../spiffe/inspect.ts'
import { parseBundle } from '../spiffe/parse-bundle.ts'
import { parseTrustDomain } from '../spiffe/trust-domain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const ca = await makeCa({ trustDomain: 'a.example' })
const root = ca.root.pem
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ed25519 = generateKeyPairSync('ed25519').privateKey
const secret = { cipher: 'aes-256-cbc', passphrase: 'x' }
const pem = (key: typeof ec, type: 'pkcs8' | 'pkcs1' | 'sec1', more = {}): string => String(key.export({ format: 'pem', type, ...more }))
const der = (key: typeof ec, type: 'pkcs8' | 'pkcs1' | 'sec1', more = {}): Buffer => key.export({ format: 'der', type, ...more }) as Buffer

const KEYS: Readonly<Record<string, string>> = {
  'PKCS #8': pem(ec, 'pkcs8'),
  'PKCS #8, RSA': pem(rsa, 'pkcs8'),
  'PKCS #8, Ed25519': pem(ed25519, 'pkcs8'),
  'PKCS #1': pem(rsa, 'pkcs1'),
  'SEC 1': pem(ec, 'sec1'),
  'encrypted PKCS #8': pem(ec, 'pkcs8', secret),
  'encrypted PKCS #1, with header lines': pem(rsa, 'pkcs1', secret),
  'encrypted SEC 1, with header lines': pem(ec, 'sec1', secret),
}
const PKCS8 = pem(ec, 'pkcs8')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const wrapped = (text: string): string => base64(text).replace(/.{76}/g, '$&\n')
const indented = (text: string, by: string): string => text.replace(/^/gm, by)
const head = (key: string): string => key.slice(0, key.indexOf('\n', key.indexOf('\n') + 1) + 1)

const DAMAGE: Readonly<Record<string, (key: string) => string>> = {
  'as it is': (key) => key,
  CRLF: (key) => key.replaceAll('\n', '\r\n'),
  'lone carriage returns': (key) => key.replaceAll('\n', '\r'),
  'a byte order mark': (key) => `\ufeff${key}`,
  indented: (key) => indented(key, '    '),
  'quoted as a mail': (key) => indented(key, '> '),
  'on one line': (key) => key.replaceAll('\n', ' '),
  'joined with the root': (key) => key.trimEnd(),
  'cut after its first line of base64': head,
  'cut in its BEGIN line': (key) => key.slice(0, key.indexOf('KEY') + 3),
  'without its BEGIN line': (key) => key.slice(key.indexOf('\n') + 1),
  'without its END line': (key) => key.slice(0, key.indexOf('-----END')),
  'without a dash of its BEGIN line': (key) => key.slice(1),
  'with other dashes': (key) => key.replaceAll('-----', '—–——-'),
  'in lower case': (key) => key.replace(/-----.*-----/g, (line) => line.toLowerCase()),
  'with a letter lost in its BEGIN line': (key) => key.replace('PRIVATE', 'PRIVTE'),
  'with garbled base64': (key) => key.replace(/^(?!-).*$/gm, (line) => line.replace(/[A-M]/g, '%')),
  'with header lines': (key) => key.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n'),
  'under another END line': (key) => key.replace('END ', 'END X '),
  'in a JSON string': (key) => JSON.stringify({ key }),
  'in a JSON array': (key) => JSON.stringify([{ a: key }]),
  'in a YAML block': (key) => `data:\n  ca-key.pem: |\n${indented(key, '    ')}`,
  'in a YAML string': (key) => `ca-key.pem: "${key.replaceAll('\n', '\\n')}"\n`,
  'in a Secret': (key) => `kind: Secret\ndata:\n  ca-key.pem: ${base64(key)}\n`,
  'in a Secret, after its certificate': (key) => `data: {tls.pem: ${base64(root + key)}}`,
  'in base64 of several lines': (key) => wrapped(root + key),
  'in base64 of base64': (key) => base64(base64(key)),
  'in a JSON Secret': (key) => JSON.stringify({ data: { 'ca-key.pem': base64(key) } }),
  'as a certificate by its label': (key) => key.replaceAll(/(BEGIN|END) .*KEY-/g, '$1 CERTIFICATE-'),
  'as UTF-16': (key) => [...key].map((char) => `${char}\u0000`).join(''),
}

const look = (file: string | Uint8Array) => inspect(typeof file === 'string' ? Buffer.from(file) : file, { now: NOW })
const told = (file: string | Uint8Array): boolean => look(file).findings.some(({ code }) => code === 'private-key')

describe('a private key', () => {
  const rows = Object.entries(DAMAGE).flatMap(([how, damage]) => Object.entries(KEYS).map(([kind, key]) => ({ how, kind, key, damage })))
  it.each(rows.filter(({ how, kind }) => how !== 'as a certificate by its label' || !kind.includes('header')))(
    'is detected: $kind, $how',
    ({ damage, key }) => {
      for (const file of [damage(key), root + damage(key), damage(key) + root]) {
        expect(told(file)).toBe(true)
        expect(look(file).verdict).toBe('reject')
      }
    },
  )

  it.each(['OPENSSH PRIVATE KEY', 'PGP PRIVATE KEY BLOCK', 'DSA PRIVATE KEY', 'ANY PRIVATE KEY', 'EC KEY', 'PRIVATE KEY FOR ME'])(
    'is detected by its label alone: %s',
    (label) => {
      expect(told(`-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`)).toBe(true)
      expect(told(`${root}  -----BEGIN ${label}-----\n`)).toBe(true)
    },
  )

  it.each([
    { name: 'PKCS #8', file: der(ec, 'pkcs8') },
    { name: 'PKCS #8, RSA', file: der(rsa, 'pkcs8') },
    { name: 'PKCS #8, Ed25519, short', file: der(ed25519, 'pkcs8') },
    { name: 'PKCS #1', file: der(rsa, 'pkcs1') },
    { name: 'SEC 1, short', file: der(ec, 'sec1') },
    { name: 'encrypted PKCS #8', file: der(rsa, 'pkcs8', secret) },
    { name: 'cut short', file: der(rsa, 'pkcs8').subarray(0, 100) },
    { name: 'with bytes after its end', file: Buffer.concat([der(ec, 'sec1'), Buffer.from([1, 2, 3])]) },
    { name: 'PKCS #12', file: Buffer.from('3082060002010330820500', 'hex') },
    { name: 'PKCS #12 of indefinite length', file: Buffer.from('3080020103308006092a864886f70d010701', 'hex') },
    { name: 'its DER in base64', file: Buffer.from(der(rsa, 'pkcs8').toString('base64')) },
    { name: 'a JWK', file: Buffer.from(JSON.stringify(ec.export({ format: 'jwk' }))) },
    { name: 'in x5c', file: Buffer.from(JSON.stringify({ keys: [{ kty: 'EC', use: 'x509-svid', x5c: [base64(PKCS8)] }] })) },
    {
      name: 'its DER in x5c',
      file: Buffer.from(JSON.stringify({ keys: [{ kty: 'EC', use: 'x509-svid', x5c: [der(ec, 'pkcs8').toString('base64')] }] })),
    },
    { name: 'in an unknown member of a good bundle', file: Buffer.from(JSON.stringify({ keys: [], note: PKCS8 })) },
    { name: 'in base64 in a good bundle', file: Buffer.from(JSON.stringify({ keys: [], note: base64(PKCS8) })) },
  ])('is detected: $name', ({ file }) => {
    expect(told(file)).toBe(true)
  })

  it('is reported first if a file is rejected for several reasons', () => {
    const file = Buffer.from(`${root.slice(0, 100)}\n${PKCS8}`)
    expect(() => parseBundle(parseTrustDomain('a.example'), file, { now: NOW })).toThrow(
      expect.objectContaining({ code: 'bundle-refused', message: expect.stringContaining('private-key') }),
    )
  })

  it('is never shown, however damaged', () => {
    const body = PKCS8.split('\n')[1] ?? ''
    void fc.assert(
      fc.property(fc.constantFrom(...Object.values(DAMAGE)), fc.constantFrom(...Object.values(MANGLES)), (damage, mangle) => {
        const shown = JSON.stringify(look(mangle(damage(PKCS8), 0.3, 0.6)).findings)
        for (let at = 0; at + 12 <= body.length; at += 4) if (shown.includes(body.slice(at, at + 12))) throw new Error(shown)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    { name: 'a root', file: root },
    { name: 'a root after words about keys', file: `# the private key is in the vault\n# --- roots ---\n${root}` },
    { name: 'a root in a Secret', file: `data:\n  ca-cert.pem: ${base64(root)}\n` },
    { name: 'an indented root', file: indented(root, '  ') },
    { name: 'a public key', file: root + root.replaceAll('CERTIFICATE', 'PUBLIC KEY') },
    { name: 'a public PGP key', file: root + root.replaceAll('CERTIFICATE', 'PGP PUBLIC KEY BLOCK') },
    { name: 'a request', file: root + root.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST') },
    { name: 'parameters of a curve', file: `${root}-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n` },
  ])('is not detected in $name', ({ file }) => {
    expect(told(file)).toBe(false)
  })
})
