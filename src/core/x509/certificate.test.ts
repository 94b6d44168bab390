import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { commonName, encode, withExtensions, withName, withSerial } from '../../../test/support/der.ts'
import { fieldChains } from '../../../test/support/field-roots.ts'
import { RSA_KEYS, rootWith } from '../../../test/support/odd-keys.ts'
import { oid } from '../../../test/support/signed.ts'
import { inspect } from '../spiffe/inspect.ts'
import { type Certificate, certificateIn, readCertificate } from './certificate.ts'
import { anchorOf } from './chain.ts'
import { printPem } from './pem.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const ca = await makeCa({ trustDomain: 'a.example' })
const root = ca.root.der
const chain = await fieldChains()
const attribute = (type: string, tag: number, value: string | Uint8Array): Uint8Array =>
  encode(0x30, oid(type), encode(tag, typeof value === 'string' ? Buffer.from(value) : value))
const rdn = (...attributes: readonly Uint8Array[]): Uint8Array => encode(0x31, ...attributes)
const named = (...rdns: readonly Uint8Array[]): Uint8Array => withName(root, encode(0x30, ...rdns))

const NAMES: Readonly<Record<string, Uint8Array>> = {
  none: named(),
  plain: named(rdn(attribute('2.5.4.6', 19, 'DE')), rdn(attribute('2.5.4.10', 12, 'A & B (C) *.x'))),
  'to be escaped': named(rdn(attribute('2.5.4.3', 12, 'a, "b" + <c>; d\\e=f'))),
  'with a space at each end': named(rdn(attribute('2.5.4.3', 12, ' a '))),
  'with a number sign first': named(rdn(attribute('2.5.4.3', 12, '#a'))),
  empty: named(rdn(attribute('2.5.4.3', 12, ''))),
  'not ASCII': named(rdn(attribute('2.5.4.3', 12, 'Zürich 東京'))),
  'of one byte a character': withName(root, commonName('M\u00fcller', 0x14)),
  'of two bytes a character': named(rdn(attribute('2.5.4.3', 30, Buffer.from('Zürich', 'utf16le').swap16()))),
  'of digits': named(rdn(attribute('2.5.4.3', 18, '0123 4'))),
  'of two values': named(rdn(attribute('2.5.4.3', 12, 'a'), attribute('2.5.4.10', 12, 'b'))),
  'of attributes that are rare': named(
    ...['2.5.4.4', '2.5.4.9', '2.5.4.12', '2.5.4.17', '2.5.4.97', '1.2.3.4', '0.9.2342.19200300.100.1.1'].map((type) =>
      rdn(attribute(type, 12, 'x')),
    ),
  ),
  'of all that are usual': named(
    ...['3', '5', '6', '7', '8', '10', '11'].map((last) => rdn(attribute(`2.5.4.${last}`, 12, 'x'))),
    rdn(attribute('0.9.2342.19200300.100.1.25', 22, 'corp')),
    rdn(attribute('1.2.840.113549.1.9.1', 22, 'a@b.example')),
  ),
}

/** What OpenSSL makes of a certificate that was read. @throws where it would not take it */
function openssl(certificate: Certificate): { readonly subject: string; readonly issuer: string; readonly serial: string } {
  const x509 = new X509Certificate(certificate.der)
  // Decodes the key: a point that is not on its curve throws.
  if (certificate.key.refused === undefined) x509.publicKey
  const line = (name: string | undefined): string => (name ?? '').split('\n').join(', ')
  return { subject: line(x509.subject), issuer: line(x509.issuer), serial: x509.serialNumber }
}

function opensslOf(certificate: Certificate): ReturnType<typeof openssl> | undefined {
  try {
    return openssl(certificate)
  } catch {
    return undefined
  }
}

describe('a certificate is read as OpenSSL reads it', () => {
  it.each(Object.entries(NAMES))('a name %s', (_, der) => {
    const { subject, issuer, serial, ...rest } = readCertificate(der)
    expect({ subject, issuer, serial }).toEqual(openssl({ subject, issuer, serial, ...rest }))
  })

  it.each([[0], [1], [0x7f], [0, 0x80], [0x80], [0xff], [0xff, 0x7f], [0x80, 0], [1, 0, 0], [0x0a, 0xbc]])(
    'a serial of %j %j %j',
    (...serial) => {
      const certificate = readCertificate(withSerial(root, serial))
      expect(certificate.serial).toBe(openssl(certificate).serial)
    },
  )

  const [first, adcs] = chain
  const samples = [
    root,
    ...(first?.leaf.chainDer ?? []),
    adcs?.root.der ?? root,
    rootWith(RSA_KEYS[1]?.key ?? new Uint8Array()),
    NAMES['to be escaped'] ?? root,
    withExtensions(root, [encode(0x30, oid('1.2.3.4'), Uint8Array.from([1, 1, 0xff]), encode(0x04, Uint8Array.from([5, 0])))]),
  ]
  // A unique identifier in place of the extensions: Go passes it over.
  const unique = Uint8Array.from(root)
  unique[unique.lastIndexOf(0xa3)] = 0x82

  it('whichever byte of it is damaged: nothing is accepted that OpenSSL rejects, and no name or number differs', () => {
    const wrong: string[] = []
    let read = 0
    for (const [i, sample] of [...samples, unique].entries()) {
      for (let at = 0; at < sample.length; at++) {
        // Two values of each byte; test/e2e/bundles.e2e.ts tries all, beside Go.
        for (const value of [(at * 7 + i) & 0xff, (sample[at] ?? 0) + 1]) {
          const der = Uint8Array.from(sample)
          der[at] = value
          const certificate = certificateIn(der)
          if (certificate === undefined) continue
          read++
          const { subject, issuer, serial } = certificate
          const theirs = opensslOf(certificate)
          const hidden = /\\u|…/.test(subject + issuer)
          if (theirs?.serial !== serial || (!hidden && (subject !== theirs.subject || issuer !== theirs.issuer)))
            wrong.push(`sample ${i}, byte ${at}, ${value}: ${JSON.stringify(theirs)}`)
        }
      }
    }
    expect(wrong).toEqual([])
    expect(read).toBeGreaterThan(1_000)
  }, 120_000)
})

describe('roots as programs create them', () => {
  it('have at least 60 different forms', () => {
    expect(new Set(chain.map(({ program }) => program)).size).toBe(chain.length)
    expect(chain.length).toBeGreaterThanOrEqual(60)
  })

  it.each(chain)('$program: accepted, and its chain is valid', ({ root: made, leaf, warned = [] }) => {
    const { verdict, findings } = inspect(Buffer.from(printPem(made.der)), { now: NOW })
    expect({ verdict, codes: findings.map(({ code, severity }) => `${severity} ${code}`) }).toEqual({
      verdict: 'accept',
      codes: warned.map((code) => `warning ${code}`),
    })
    expect(anchorOf(leaf.chainDer, [made.anchor], NOW)).toEqual({ anchor: made.anchor })
  })
})
