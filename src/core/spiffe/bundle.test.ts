import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accounted, shown } from '../../../test/support/accounted.ts'
import { makeCa } from '../../../test/support/ca.ts'
import { withSerial } from '../../../test/support/der.ts'
import { anyBytes, mangling, share } from '../../../test/support/mangle.ts'
import { runs } from '../../../test/support/runs.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { type Anchor, parseAnchor } from '../x509/anchor.ts'
import { type Bundle, printBundle, printPemBundle } from './bundle.ts'
import { inspect } from './inspect.ts'
import { parseBundle } from './parse-bundle.ts'
import { parseTrustDomain } from './trust-domain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const TRUST_DOMAIN = parseTrustDomain('a.example')
const INPUTS = 2_000

const kinds = await Promise.all(
  (['P-256', 'P-384', 'P-521', 'RSA-2048', 'Ed25519'] as const).map((keyAlgorithm) => makeCa({ trustDomain: TRUST_DOMAIN, keyAlgorithm })),
)
const anchors: readonly Anchor[] = kinds.flatMap(({ root }) => [root.anchor, parseAnchor(withSerial(root.der, [0x11, 0x22]))])
const bundles: fc.Arbitrary<Bundle> = fc
  .record({
    anchors: fc.shuffledSubarray([...anchors]),
    sequence: fc.option(fc.bigInt(0n, 2n ** 64n - 1n)),
    refreshHintSeconds: fc.option(fc.integer({ min: 1, max: 2 ** 31 })),
  })
  .map(({ anchors, sequence, refreshHintSeconds }) => ({
    trustDomain: TRUST_DOMAIN,
    anchors,
    ...(sequence !== null && { sequence }),
    ...(refreshHintSeconds !== null && { refreshHintSeconds }),
  }))
const parse = (text: string, known?: ReadonlyMap<Anchor['fingerprint'], Anchor>): Bundle =>
  parseBundle(TRUST_DOMAIN, Buffer.from(text), { now: NOW, ...(known && { known }) })
const known = new Map(anchors.map((anchor) => [anchor.fingerprint, anchor]))

describe('printing and reading', () => {
  it('returns the bundle, as SPIFFE and as PEM, known roots or not', () => {
    void fc.assert(
      fc.property(bundles, (bundle) => {
        expect(parse(printBundle(bundle))).toEqual(bundle)
        expect(parse(printBundle(bundle), known)).toEqual(bundle)
        if (bundle.anchors.length > 0) expect(parse(printPemBundle(bundle)).anchors).toEqual(bundle.anchors)
      }),
      runs(100),
    )
  })

  it('writes what every reader accepts: one certificate per key, its members, no kid', () => {
    const document = JSON.parse(printBundle({ trustDomain: TRUST_DOMAIN, anchors, sequence: 7n, refreshHintSeconds: 300 })) as {
      keys: Record<string, unknown>[]
    }
    expect(document).toMatchObject({ spiffe_sequence: 7, spiffe_refresh_hint: 300 })
    for (const key of document.keys) {
      expect(key).toMatchObject({ use: 'x509-svid', kty: expect.stringMatching(/^(RSA|EC|OKP)$/), x5c: [expect.any(String)] })
      expect(Object.keys(key)).not.toContain('kid')
    }
  })

  it('writes an empty array when every root is revoked', () => {
    expect(printBundle({ trustDomain: TRUST_DOMAIN, anchors: [] })).toBe('{\n  "keys": []\n}\n')
  })
})

describe('parseBundle', () => {
  it.each([
    { name: 'nothing', file: '', code: 'bundle-malformed' },
    { name: 'a web page', file: '<html>', code: 'bundle-malformed' },
    { name: 'cut JSON', file: '{"keys":[', code: 'bundle-malformed' },
    { name: 'a private key', file: `${kinds[0]?.root.pem}${kinds[0]?.root.keyPem}`, code: 'bundle-refused' },
    {
      name: 'a negative serial',
      file: printPemBundle({
        trustDomain: TRUST_DOMAIN,
        anchors: [{ ...(anchors[0] as Anchor), der: withSerial((anchors[0] as Anchor).der, [0x80]) }],
      }),
      code: 'bundle-refused',
    },
  ])('rejects $name', ({ file, code }) => {
    expect(() => parse(file)).toThrow(expect.objectContaining({ code, subject: 'a.example' }))
  })

  it('accepts an expired root of an approved bundle only on request, so that it never blocks a narrowing', () => {
    const later = { now: new Date('2036-01-01T00:00:00Z') }
    const file = Buffer.from(printBundle({ trustDomain: TRUST_DOMAIN, anchors }))
    expect(() => parseBundle(TRUST_DOMAIN, file, later)).toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(() => parseBundle(TRUST_DOMAIN, file, { ...later, known })).toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(parseBundle(TRUST_DOMAIN, file, { ...later, tolerate: 'dates' }).anchors).toEqual(anchors)
  })

  it('does not let known roots hide a key that does not match', () => {
    const file = printBundle({ trustDomain: TRUST_DOMAIN, anchors }).replace('"e": "AQAB"', '"e": "Aw"')
    expect(() => parse(file, known)).toThrow(/key-mismatch/)
  })
})

describe('damaged files', () => {
  it('are never accepted with fewer roots than they show', () => {
    const pems = bundles.filter(({ anchors }) => anchors.length > 0).map(printPemBundle)
    void fc.assert(
      fc.property(pems, mangling, (pem, { apply }) => {
        const text = apply(pem)
        const inspection = inspect(Buffer.from(text), { now: NOW, format: 'pem' })
        if (inspection.verdict === 'accept') expect(accounted(inspection)).toBe(shown(text, 'pem'))
      }),
      runs(INPUTS),
    )
  })

  it('are never accepted with fewer roots than keys, except those reported as ignored', () => {
    void fc.assert(
      fc.property(bundles.map(printBundle), mangling, (json, { apply }) => {
        const text = apply(json)
        const inspection = inspect(Buffer.from(text), { now: NOW, format: 'spiffe' })
        if (inspection.verdict === 'accept') expect(accounted(inspection)).toBe(shown(text, 'spiffe'))
      }),
      runs(INPUTS / 2),
    )
  })

  it('make the parser throw a FederationError and nothing else', () => {
    const files = fc.oneof(
      anyBytes(10_000),
      fc
        .tuple(fc.oneof(bundles.map(printPemBundle), bundles.map(printBundle)), mangling)
        .map(([text, { apply }]) => Buffer.from(apply(text))),
    )
    void fc.assert(
      fc.property(files, fc.constantFrom('pem' as const, 'spiffe' as const, 'der' as const, undefined), (file, format) => {
        const { verdict, findings } = inspect(file, { now: NOW, ...(format && { format }) })
        try {
          parseBundle(TRUST_DOMAIN, file, { now: NOW, ...(format && { format }) })
          expect(verdict).toBe('accept')
        } catch (error) {
          expect(error).toBeInstanceOf(FederationError)
          expect(findings.some(({ severity }) => severity === 'error')).toBe(true)
        }
      }),
      runs(INPUTS),
    )
  })
})

describe('damaged certificates', () => {
  it('are rejected or read, without any other exception', () => {
    const ders = fc.tuple(fc.constantFrom(...anchors), fc.array(fc.tuple(share, fc.nat(255)), { minLength: 1, maxLength: 3 }))
    void fc.assert(
      fc.property(ders, ([{ der }, edits]) => {
        const damaged = Uint8Array.from(der)
        for (const [share, value] of edits) damaged[Math.floor(share * der.length)] = value
        const { findings, certificates } = inspect(damaged, { now: NOW, format: 'der' })
        expect(findings.length + certificates.length).toBeGreaterThan(0)
      }),
      runs(INPUTS),
    )
  })
})
