import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { anchorOf } from '../x509/chain.ts'
import { parseBundle, printBundle, printPemBundle } from './bundle.ts'
import { inspect } from './inspect.ts'
import { parseTrustDomain } from './trust-domain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const TD = parseTrustDomain('a.example')
const bytes = (text: string) => Buffer.from(text)

describe('bundles of every kind of key', () => {
  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'Ed25519'] as const)('%s', async (keyAlgorithm) => {
    const ca = await makeCa({ trustDomain: 'a.example', keyAlgorithm })
    const text = printBundle({ ...ca.bundle, sequence: 2n ** 60n + 1n })
    const i = inspect(bytes(text), { now: NOW, trustDomain: TD })
    expect(i.findings).toEqual([])
    expect(i.bundle).toEqual({ ...ca.bundle, sequence: 2n ** 60n + 1n })
    expect(inspect(bytes(printPemBundle(ca.bundle)), { now: NOW }).verdict).toBe('accept')
    expect(parseBundle(TD, bytes(text), { now: NOW, known: new Map([[ca.root.anchor.fingerprint, ca.root.anchor]]) })).toEqual(i.bundle)
    const leaf = await (await ca.intermediate()).leaf('spiffe://a.example/ns/x/sa/y')
    const b = await makeCa({ trustDomain: 'b.example', keyAlgorithm })
    expect(anchorOf(leaf.chainDer, [b.root.anchor, ca.root.anchor], NOW)).toEqual({ anchor: ca.root.anchor })
  })
})
