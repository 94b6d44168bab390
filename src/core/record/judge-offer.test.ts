import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { commonName, withName, withSerial } from '../../../test/support/der.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { parseTrustDomain } from '../spiffe/trust-domain.ts'
import { type Anchor, parseAnchor } from '../x509/anchor.ts'
import { type JudgeContext, judge, publicRoots } from './judge-offer.ts'

const [ours, theirs, newer, third] = await Promise.all(
  ['ours.example', 'theirs.example', 'newer.example', 'third.example'].map((trustDomain) => makeCa({ trustDomain })),
)
const rootOf = (ca: typeof ours): Anchor => (ca as NonNullable<typeof ours>).root.anchor
const [own, old, next, foreign] = [rootOf(ours), rootOf(theirs), rootOf(newer), rootOf(third)]
const web = publicRoots(rootCertificates)
const webRoot = parseAnchor(Buffer.from((rootCertificates[1] ?? '').replace(/-----.*-----/g, ''), 'base64'))

/** The same key under another name: another fingerprint, the same root. */
const disguised = (anchor: Anchor): Anchor => parseAnchor(withName(withSerial(anchor.der, [1]), commonName('innocent')))

const bundle = (name: string, anchors: readonly Anchor[], sequence?: bigint): Bundle => ({
  trustDomain: parseTrustDomain(name),
  anchors,
  ...(sequence !== undefined && { sequence }),
})
const context = (approved: readonly Bundle[]): JudgeContext => ({
  approved: new Map(approved.map((one) => [one.trustDomain, one])),
  own: bundle('ours.example', [own]),
  publicRoots: web,
})
const approved = (anchors: readonly Anchor[], sequence?: bigint): Bundle => bundle('theirs.example', anchors, sequence)

describe('an offer', () => {
  it.each([
    { name: 'of a new trust domain', offer: approved([old]), before: [], found: [] },
    { name: 'of the same roots again', offer: approved([old], 7n), before: [approved([old], 7n)], found: [] },
    { name: 'with one root more', offer: approved([old, next], 8n), before: [approved([old], 7n)], found: [] },
    { name: 'with our own root inside', offer: approved([old, own]), before: [], found: ['error own-root'] },
    { name: 'with our own key in another certificate', offer: approved([disguised(own)]), before: [], found: ['error own-root'] },
    {
      name: 'with a root of another domain',
      offer: approved([foreign]),
      before: [bundle('third.example', [foreign])],
      found: ['error root-of-another-domain'],
    },
    {
      name: "with another domain's key in another certificate",
      offer: approved([disguised(foreign)]),
      before: [bundle('third.example', [foreign])],
      found: ['error root-of-another-domain'],
    },
    { name: 'with a public web root', offer: approved([webRoot]), before: [], found: ['error public-root'] },
    { name: 'with a public key in another certificate', offer: approved([disguised(webRoot)]), before: [], found: ['error public-root'] },
    { name: 'with a lower sequence', offer: approved([old], 6n), before: [approved([old], 7n)], found: ['error sequence-rollback'] },
    {
      name: 'with a lower sequence beyond 2^53',
      offer: approved([old], 2n ** 53n),
      before: [approved([old], 2n ** 53n + 1n)],
      found: ['error sequence-rollback'],
    },
    {
      name: 'with the same sequence and other roots',
      offer: approved([old, next], 7n),
      before: [approved([old], 7n)],
      found: ['error sequence-reused'],
    },
    { name: 'whose sequence is missing', offer: approved([old]), before: [approved([old], 7n)], found: ['warning sequence-missing'] },
    { name: 'with a first sequence', offer: approved([old], 1n), before: [approved([old])], found: [] },
    { name: 'that shrinks', offer: approved([next], 8n), before: [approved([old, next], 7n)], found: ['warning bundle-shrinks'] },
    { name: 'that replaces its roots', offer: approved([next], 8n), before: [approved([old], 7n)], found: ['warning root-swap'] },
    { name: 'that is emptied', offer: approved([], 8n), before: [approved([old], 7n)], found: ['warning bundle-emptied'] },
    { name: 'of our own domain, with our root', offer: bundle('ours.example', [own]), before: [], found: [] },
    { name: 'of our own domain that replaces its root', offer: bundle('ours.example', [next]), before: [], found: ['warning root-swap'] },
  ])('$name: $found', ({ offer, before, found }) => {
    expect(judge(offer, context(before)).map(({ severity, code }) => `${severity} ${code}`)).toEqual(found)
  })
})
