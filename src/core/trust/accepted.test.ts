import { describe, expect, it } from 'vitest'
import { A, B, C, fakeRoot } from '../../../test/support/federations.ts'
import { evidence, facts, failed, ok, pod } from '../../../test/support/observations.ts'
import type { Evidence, InboundChain, Pins, ProxyConfig, Upstream } from '../model/observed.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Answer, Surroundings } from './acceptance.ts'
import { inboundContext } from './acceptance.ts'
import { acceptsServers, isUnfiltered, proxyAccepts } from './accepted.ts'
import { listIn } from './mesh-wide/listed-acceptance.ts'

const server = pod('sample/server', { app: 'server' })
const [OURS, THEIRS, NEXT] = [fakeRoot(B).fingerprint, fakeRoot(A).fingerprint, fakeRoot('next').fingerprint]
const SOON = new Date('2026-06-01T00:01:35Z')
const UNLISTED: Surroundings = { listed: () => false }
const pins = (...held: readonly (readonly [typeof A, readonly Fingerprint[]])[]): Pins => new Map(held)
const both = pins([B, [OURS]], [A, [THEIRS]])
const FILE = 'accept-app-server.json'
const named = [A, B].map((domain) => `spiffe://${domain}/`)

const chain = (change: Partial<InboundChain> = {}): InboundChain => ({ name: 'x', tls: 'mutual', sanPrefixes: named, ...change })
const config = (...inbound: readonly InboundChain[]): ProxyConfig => ({ inbound, outbound: [], denies: [] })
const PLAINTEXT = chain({ tls: 'none', sanPrefixes: [] })
const STANDARD = chain({ sanPrefixes: [`spiffe://${B}/`] })

const print = ({ accepts, bound, roots, doubt }: Answer): string =>
  [
    accepts,
    ...(doubt === undefined ? [] : [doubt]),
    ...(bound ? ['bound'] : []),
    ...roots.map((r) => (r === THEIRS ? 'A' : r === NEXT ? 'next' : r)),
  ].join(' ')

interface Row {
  readonly what: string
  readonly config?: ProxyConfig | undefined
  readonly evidence?: Partial<Evidence>
  readonly around?: Surroundings
  /** Of cluster-a's domain. */
  readonly says: string
}

const pinned = chain({ pins: both })
const mounted = chain({ file: FILE, pins: both })
const listed = chain()
const pending: Surroundings = { ...UNLISTED, awaited: (file) => (file === FILE ? SOON : undefined) }

/** What no distribution changes. */
const evidenceRows = (of: InboundChain, says: string): readonly Row[] => [
  { what: 'heard', config: config(of), says },
  { what: 'PERMISSIVE, which takes plaintext too', config: config(of, PLAINTEXT), says },
  { what: 'a gateway of two servers, of which one judges so', config: config(chain({ ...of, hosts: ['a'], port: 8443 }), STANDARD), says },
  {
    what: 'not acknowledged',
    config: config(of),
    evidence: { acknowledged: false },
    says: says.replace('yes', 'unknown not-acknowledged'),
  },
  {
    what: 'rejected',
    config: config(of),
    evidence: { acknowledged: false, rejected: 'no' },
    says: says.replace('yes', 'unknown rejected'),
  },
  {
    what: 'unheard, with a configuration from before',
    config: config(of),
    evidence: { heard: false },
    says: says.replace('yes', 'unknown unheard'),
  },
  { what: 'heard, and without a configuration', config: undefined, says: 'unknown unheard' },
]

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  pinned: [
    ...evidenceRows(pinned, 'yes bound A'),
    { what: 'two roots in their rotation', config: config(chain({ pins: pins([A, [THEIRS, NEXT]]) })), says: 'yes bound A next' },
    { what: 'filter missing', config: config(STANDARD), says: 'no' },
    { what: 'another filter last, which binds our domain only', config: config(chain({ pins: pins([B, [OURS]]) })), says: 'no' },
    {
      what: 'roots bound, and the name not taken',
      config: config(chain({ pins: both, sanPrefixes: [`spiffe://${B}/`] })),
      says: 'no bound A',
    },
    { what: 'a gateway that takes any name', config: config(chain({ pins: both, sanPrefixes: [] })), says: 'yes bound A' },
    {
      what: 'a prefix of names that is shorter than a domain',
      config: config(chain({ pins: both, sanPrefixes: ['spiffe://'] })),
      says: 'yes bound A',
    },
    {
      what: 'a prefix that takes a part of the domain',
      config: config(chain({ pins: both, sanPrefixes: [`spiffe://${A}/ns/x/`] })),
      says: 'yes bound A',
    },
    {
      what: 'a domain that begins with the same letters',
      config: config(chain({ pins: both, sanPrefixes: [`spiffe://${A}.org/`] })),
      says: 'no bound A',
    },
    {
      what: 'TLS that does not require a certificate, and checks one that is shown',
      config: config(chain({ tls: 'none', pins: both })),
      says: 'yes bound A',
    },
    {
      what: 'several filters: one port accepts it',
      config: config(chain({ port: 1, pins: pins([B, [OURS]]) }), chain({ port: 2, pins: both })),
      says: 'yes bound A',
    },
    { what: 'plaintext only', config: config(PLAINTEXT), says: 'no' },
  ],
  mounted: [
    ...evidenceRows(mounted, 'yes bound A'),
    { what: 'file that lost the domain', config: config(chain({ file: FILE, pins: pins([B, [OURS]]) })), says: 'no' },
    {
      what: 'stale file: it lost the domain, and the kubelet may not have brought that',
      config: config(chain({ file: FILE, pins: pins([B, [OURS]]) })),
      around: pending,
      says: 'unknown file-pending',
    },
    { what: 'stale file: it gained the domain', config: config(mounted), around: pending, says: 'unknown file-pending bound A' },
    { what: 'stale file of another path', config: config(chain({ file: 'other.json', pins: both })), around: pending, says: 'yes bound A' },
    { what: 'file not loaded: it is gone', config: config(chain({ file: FILE })), says: 'unknown file-gone' },
    { what: 'file not loaded: it is empty', config: config(chain({ file: FILE, pins: pins() })), says: 'unknown file-gone' },
    { what: 'file gone, and any name taken', config: config(chain({ file: FILE, sanPrefixes: [] })), says: 'unknown file-gone' },
    { what: 'file gone, and only our own names taken', config: config(chain({ file: FILE, sanPrefixes: [`spiffe://${B}/`] })), says: 'no' },
    { what: 'filter missing', config: config(STANDARD), says: 'no' },
    { what: 'several filters: a pinned one decides, and binds it', config: config(pinned), says: 'yes bound A' },
  ],
  mesh: [
    ...evidenceRows(listed, 'yes'),
    { what: 'the domain not named', config: config(STANDARD), says: 'no' },
    { what: 'a gateway that takes any name, and nothing foreign in the list', config: config(chain({ sanPrefixes: [] })), says: 'no' },
    {
      what: 'a gateway that takes any name, and the domain in the list',
      config: config(chain({ sanPrefixes: [] })),
      around: { listed: () => true },
      says: 'unknown roots-unseen',
    },
    {
      what: 'a gateway that takes any name, and a list that nobody read',
      config: config(chain({ sanPrefixes: [] })),
      around: { listed: () => undefined },
      says: 'unknown roots-unseen',
    },
    {
      what: 'a pinned filter of ours in front of the list, without the domain',
      config: config(chain({ pins: pins([B, [OURS]]) })),
      says: 'no',
    },
  ],
}

describe.each(Object.entries(TABLE))('whether a proxy accepts callers of a domain by %s', (_, rows) => {
  it.each(rows)('$what: $says', (row) => {
    const held: Evidence = { ...evidence(server, config()), ...row.evidence }
    expect(print(proxyAccepts(held, row.config, A, row.around ?? UNLISTED))).toBe(row.says)
  })
})

describe('whether a proxy accepts callers', () => {
  it('is unknown for a proxy that is connected to no istiod', () => {
    expect(proxyAccepts(undefined, undefined, A, UNLISTED)).toMatchObject({ accepts: 'unknown', doubt: 'unheard' })
  })

  it('is decided for each domain separately', () => {
    const held = evidence(server, config(pinned))
    expect([A, B, C].map((domain) => proxyAccepts(held, held.config, domain, UNLISTED).accepts)).toEqual(['yes', 'yes', 'no'])
  })

  it('is answered by exactly one kind of listener', () => {
    expect([pinned, mounted, listed].map((one) => isUnfiltered(inboundContext(one)))).toEqual([false, false, true])
  })
})

describe('whether a proxy accepts servers of a domain', () => {
  const theirs = `spiffe://${A}/ns/x/sa/y`
  const ours = `spiffe://${B}/ns/x/sa/y`
  const upstream = (change: Partial<Upstream>): Upstream => ({ host: 'h', port: 80, subset: '', mutual: true, sans: [theirs], ...change })
  const rows: readonly { what: string; of: Partial<Upstream>; around?: Surroundings; says: string }[] = [
    { what: 'roots inside the filter', of: { pins: both }, says: 'yes bound A' },
    {
      what: 'roots inside the filter, and names of another domain from the endpoints',
      of: { pins: both, sans: [ours] },
      says: 'no bound A',
    },
    { what: 'roots in a file', of: { file: FILE, pins: both }, says: 'yes bound A' },
    { what: 'a deleted file', of: { file: FILE }, says: 'unknown file-gone' },
    { what: 'a deleted file, and names of another domain', of: { file: FILE, sans: [ours] }, says: 'no' },
    { what: 'a stale file', of: { file: FILE, pins: both }, around: pending, says: 'unknown file-pending bound A' },
    { what: 'no filter, and nothing foreign in Istio’s list', of: {}, says: 'no' },
    { what: 'no filter, and the domain in Istio’s list', of: {}, around: { listed: () => true }, says: 'unknown roots-unseen' },
    { what: 'no filter, and a list that was not read', of: {}, around: { listed: () => undefined }, says: 'unknown roots-unseen' },
    { what: 'no mutual TLS', of: { mutual: false }, around: { listed: () => true }, says: 'no' },
  ]
  it.each(rows)('$what: $says', ({ of, around, says }) => {
    expect(acceptsServers({ ...config(), outbound: [upstream(of)] }, A, around ?? UNLISTED).map(print)).toEqual([says])
  })
})

describe('the contents of Istio’s own list of roots', () => {
  const own = { trustDomain: B, anchors: [] }
  it.each([
    { what: 'nothing foreign', istio: ok(facts(own)), says: false },
    { what: 'foreign roots for the domain', istio: ok(facts(own, { extraRoots: 1, extraDomains: [A] })), says: true },
    { what: 'foreign roots for another domain', istio: ok(facts(own, { extraRoots: 1, extraDomains: [C] })), says: false },
    { what: 'foreign roots without a domain', istio: ok(facts(own, { extraRoots: 1 })), says: undefined },
    { what: 'roots that could not be read', istio: failed(), says: undefined },
  ])('$what', ({ istio, says }) => {
    expect(listIn({ istio }, [])(A)).toBe(says)
  })
})
