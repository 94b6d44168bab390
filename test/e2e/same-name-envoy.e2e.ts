/**
 * Two roots of one subject with different keys, in an Envoy without a mesh: in one list of the SPIFFE validator
 * (`pinned`), in its file (`mounted`), in the flat list of Istio's own configuration (`mesh`), and under a domain each.
 * With the forms that were tried to let both pass: docs/decisions/0024-roots-of-one-name.md.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { printFile } from '../../src/core/trust/mounted/bundle-map.ts'
import { printRoots } from '../../src/core/trust/pinned/pinned-filter.ts'
import { parseAnchor } from '../../src/core/x509/anchor.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import { isAmbiguous, rootsOfOneName } from '../../src/core/x509/roots-of-one-name.ts'
import { Extension, makeCa, type TestCa, type TestIssuer, type TestLeaf } from '../support/ca.ts'
import { commonName, encode, selfIssued, withName } from '../support/der.ts'
import { ENVOY_VERSION, ensureEnvoy } from '../testbed/build.ts'
import { EnvoyAlone, flatRoots, inline, type Json, pinnedRoots, refusal, spiffe } from '../testbed/envoy-alone.ts'

const [A, B] = [parseTrustDomain('a.example'), parseTrustDomain('b.example')]
const keyId = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)
const subjectKey = (fill: number): Extension => new Extension('2.5.29.14', false, new Uint8Array(encode(0x04, keyId(fill))))
const authorityKey = (fill: number): Extension => new Extension('2.5.29.35', false, new Uint8Array(encode(0x30, encode(0x80, keyId(fill)))))
const year = (y: number): Date => new Date(`${y}-01-01T00:00:00Z`)

/** A generation: its root, and leaves under intermediates without and with an authority key identifier. */
interface Generation {
  readonly ca: TestCa
  readonly bare: TestIssuer
  readonly without: TestLeaf
  readonly with: TestLeaf
  /** Under a re-issued intermediate, without one. */
  readonly renewed: TestLeaf
}

async function generation(since: number, fill: number, ids: boolean): Promise<Generation> {
  const root = { subject: 'O=Istio,CN=Root CA', extensions: ids ? [subjectKey(fill)] : [] }
  const ca = await makeCa({ trustDomain: B, notBefore: year(since), root })
  const leafUnder = async (issuer: TestIssuer): Promise<TestLeaf> => issuer.leaf(`spiffe://${B}/ns/x/sa/y`)
  const [bare, named, anew] = await Promise.all([
    ca.intermediate(`Intermediate ${fill}`),
    ca.intermediate(`Intermediate ${fill}`, { extensions: [authorityKey(fill)] }),
    ca.intermediate(`Intermediate ${fill}`),
  ])
  return { ca, bare, without: await leafUnder(bare), with: await leafUnder(named), renewed: await leafUnder(anew) }
}

/** Two generations whose fingerprints stand in this order: what they are called by chance. */
async function pair(ids: boolean, newFirst: boolean): Promise<readonly [Generation, Generation]> {
  for (;;) {
    const [old, next] = await Promise.all([generation(2024, 1, ids), generation(2025, 2, ids)])
    if (next.ca.root.anchor.fingerprint < old.ca.root.anchor.fingerprint === newFirst) return [old, next]
  }
}

const anchorsOf = (...of: readonly Generation[]) => of.map(({ ca }) => ca.root.anchor)
const pemOf = (...of: readonly { readonly pem: string }[]): string => of.map(({ pem }) => pem).join('')

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'entente-same-name-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const running = async <Name extends string>(
  forms: Readonly<Record<Name, Json>>,
  work: (envoy: EnvoyAlone<Name>) => Promise<void>,
): Promise<void> => {
  const envoy = await EnvoyAlone.start(await ensureEnvoy(ENVOY_VERSION, console.error), forms)
  try {
    await work(envoy)
  } finally {
    await envoy.stop()
  }
}

const accepted = async <Name extends string>(envoy: EnvoyAlone<Name>, form: Name, leaf: TestLeaf): Promise<boolean> =>
  envoy.accepts(form, { certificate: leaf.certPem, key: leaf.keyPem })

const outcomes = async <Name extends string>(envoy: EnvoyAlone<Name>, form: Name, old: Generation, next: Generation) => ({
  'old without': await accepted(envoy, form, old.without),
  'old with': await accepted(envoy, form, old.with),
  'new without': await accepted(envoy, form, next.without),
  'new with': await accepted(envoy, form, next.with),
})

async function written(name: string, roots: Parameters<typeof printFile>[0]): Promise<Json> {
  const filename = path.join(directory, name)
  await writeFile(filename, printFile(roots))
  return spiffe({ trust_bundles: { filename } })
}

describe.each([true, false])('if the new root has the lower fingerprint: %s', (newFirst) => {
  it('Entente’s order keeps callers under the old one, and accepts the new one by its key identifier: pinned and mounted', async () => {
    const [old, next] = await pair(true, newFirst)
    const roots = anchorsOf(next, old)
    const forms = { pinned: pinnedRoots({ [B]: printRoots(roots) }), mounted: await written('one.json', new Map([[B, roots]])) }
    await running(forms, async (envoy) => {
      const kept = { 'old without': true, 'old with': true, 'new without': false, 'new with': true }
      expect(await outcomes(envoy, 'pinned', old, next)).toEqual(kept)
      expect(await outcomes(envoy, 'mounted', old, next)).toEqual(kept)
    })
    // Which chains are refused is what `rotate` asks before anything opens.
    expect([next.without, next.with, old.with].map(({ chainDer }) => isAmbiguous(chainDer, roots))).toEqual([true, false, false])
  })

  it('of roots without key identifiers Envoy tries only the older, whatever the intermediates contain', async () => {
    const [old, next] = await pair(false, newFirst)
    const roots = anchorsOf(next, old)
    await running({ pinned: pinnedRoots({ [B]: printRoots(roots) }) }, async (envoy) => {
      expect(await outcomes(envoy, 'pinned', old, next)).toEqual({
        'old without': true,
        'old with': true,
        'new without': false,
        'new with': false,
      })
    })
    expect(isAmbiguous(next.with.chainDer, roots)).toBe(true)
  })
})

describe('in the flat list of mesh', () => {
  it('Envoy tries only the first of that name; istiod sorts the list by its text, so Entente cannot choose the order', async () => {
    const [old, next] = await pair(true, true)
    const forms = { oldFirst: flatRoots(pemOf(old.ca.root, next.ca.root)), newFirst: flatRoots(pemOf(next.ca.root, old.ca.root)) }
    await running(forms, async (envoy) => {
      const told = { 'old with': true, 'new with': true }
      expect(await outcomes(envoy, 'oldFirst', old, next)).toEqual({ ...told, 'old without': true, 'new without': false })
      expect(await outcomes(envoy, 'newFirst', old, next)).toEqual({ ...told, 'old without': false, 'new without': true })
    })
  })
})

it('roots under one trust domain each do not disturb each other: pinned and mounted', async () => {
  const [old, next] = await pair(false, true)
  const other = await (await old.ca.intermediate('Intermediate A')).leaf(`spiffe://${A}/ns/x/sa/y`)
  const roots = new Map([
    [A, anchorsOf(old)],
    [B, anchorsOf(next)],
  ])
  const forms = {
    pinned: pinnedRoots({ [A]: printRoots(anchorsOf(old)), [B]: printRoots(anchorsOf(next)) }),
    mounted: await written('each.json', roots),
  }
  await running(forms, async (envoy) => {
    for (const form of ['pinned', 'mounted'] as const) {
      const asked = [other, next.without, next.renewed, old.without].map((leaf) => accepted(envoy, form, leaf))
      expect(await Promise.all(asked)).toEqual([true, true, true, false])
    }
  })
})

describe('Envoy compares names whatever their string type and case, as Entente does', async () => {
  const under = await makeCa({ trustDomain: B, root: { subject: 'CN=Root' } })
  const leaf = await under.leaf(`spiffe://${B}/ns/x/sa/y`)
  const first = await makeCa({ trustDomain: B })
  it.each([
    { what: 'a UTF8String', name: commonName('Root', 0x0c), same: true },
    { what: 'a PrintableString', name: commonName('Root', 0x13), same: true },
    { what: 'a BMPString', name: commonName('\0R\0o\0o\0t', 0x1e), same: true },
    { what: 'another case', name: commonName('ROOT', 0x0c), same: true },
    { what: 'more spaces', name: commonName(' Root ', 0x0c), same: true },
    { what: 'another name', name: commonName('Roots', 0x0c), same: false },
  ])('$what', async ({ name, same }) => {
    const before = withName(first.root.der, name)
    await running({ both: pinnedRoots({ [B]: printPem(before) + under.root.pem }) }, async (envoy) => {
      expect(await accepted(envoy, 'both', leaf)).toBe(!same)
    })
    expect(rootsOfOneName([parseAnchor(before), under.root.anchor]).length).toBe(same ? 1 : 0)
  })
})

describe('alternatives for accepting callers under both roots without key identifiers', async () => {
  const [old, next] = await pair(false, true)
  const [roots, bare] = [pemOf(old.ca.root, next.ca.root), pemOf(old.bare.certificate, next.bare.certificate)]
  const stranger = await generation(2024, 3, false)
  /** The new intermediate as a root of its own name and key: no verifier checks a root's own signature. */
  const disguised = printPem(selfIssued(next.bare.certificate.der))
  const passing = async <Name extends string>(envoy: EnvoyAlone<Name>, form: Name): Promise<string> => {
    const asked = { old: old.without, new: next.without, renewed: next.renewed, stranger: stranger.without }
    const answers = await Promise.all(
      Object.entries(asked).map(async ([name, leaf]) => ((await accepted(envoy, form, leaf)) ? [name] : [])),
    )
    return answers.flat().join(', ')
  }
  const forms = {
    'the intermediates after the roots, pinned': { form: pinnedRoots({ [B]: roots + bare }), passes: 'old' },
    'the intermediates before the roots, pinned': { form: pinnedRoots({ [B]: bare + roots }), passes: 'old' },
    'the intermediates alone, pinned: no chain ends at one': { form: pinnedRoots({ [B]: bare }), passes: '' },
    'the old root and the new intermediate, pinned': {
      form: pinnedRoots({ [B]: old.ca.root.pem + next.bare.certificate.pem }),
      passes: 'old',
    },
    'the new root in trusted_ca, next to the validator': {
      form: { ...pinnedRoots({ [B]: old.ca.root.pem }), ...flatRoots(next.ca.root.pem) },
      passes: 'old',
    },
    'the intermediates after the roots, flat': { form: flatRoots(roots + bare), passes: 'old' },
    'the intermediates alone, flat: until one is renewed': { form: flatRoots(bare), passes: 'old, new' },
    'a depth of one, flat: until an intermediate is renewed': {
      form: { ...flatRoots(roots + bare), max_verify_depth: 1 },
      passes: 'old, new',
    },
    'the new intermediate disguised as a root: until it is renewed': { form: pinnedRoots({ [B]: roots + disguised }), passes: 'old, new' },
    'no verification, flat': {
      form: { ...flatRoots(roots), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
      passes: 'old, new, renewed, stranger',
    },
  }
  it.each(Object.entries(forms))('%s', async (_, { form, passes }) => {
    await running({ form }, async (envoy) => expect(await passing(envoy, 'form')).toBe(passes))
  })

  it('a trust domain that is listed twice: Envoy rejects it', async () => {
    const bundleOf = ({ ca }: Generation): Json => ({ name: B, trust_bundle: inline(ca.root.pem) })
    const twice = spiffe({ trust_domains: [old, next].map(bundleOf) })
    expect(await refusal(await ensureEnvoy(ENVOY_VERSION, console.error), twice)).toMatch(
      /Multiple trust bundles are given for one trust domain/,
    )
  })
})
