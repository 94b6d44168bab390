import { beforeAll, describe, expect, it } from 'vitest'
import { parsePrincipal } from '../core/spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../core/spiffe/trust-domain.ts'
import { readRoots } from '../core/trust/pinned/pinned-filter.ts'
import { fingerprintOf } from '../core/x509/anchor.ts'
import { type Authority, type Identity, makeAuthority } from './authority.ts'
import { call, type Outcome, type Server } from './peer.ts'
import { type Allow, flattened, ownTrust, type Trust } from './trust.ts'

const NOW = new Date()
const A = parseTrustDomain('cluster-a.example')
const B = parseTrustDomain('cluster-b.example')
const CLIENT = 'spiffe://cluster-a.example/ns/sample/sa/client'
const SERVER = 'spiffe://cluster-b.example/ns/sample/sa/server'
const ADMIN = 'spiffe://cluster-b.example/ns/sample/sa/admin'

let a: Authority
let b: Authority
let onlyA: Trust
let onlyB: Trust
let both: Trust
const rootOf = ({ rootPem }: Authority) => {
  const [root] = readRoots(rootPem)
  if (root === undefined) throw new TypeError('no root')
  return root
}

beforeAll(async () => {
  ;[a, b] = await Promise.all([makeAuthority(A, NOW), makeAuthority(B, NOW)])
  onlyA = ownTrust(A, rootOf(a))
  onlyB = ownTrust(B, rootOf(b))
  both = {
    kind: 'bound',
    roots: new Map([
      [A, [rootOf(a)]],
      [B, [rootOf(b)]],
    ]),
  }
})

const meet = async (client: { identity: Identity; trust?: Trust; path?: string }, server: Partial<Server>): Promise<Outcome> =>
  call(
    { ...client, host: 'server.sample.svc.cluster.local', expects: SERVER },
    { identity: await b.mint(SERVER), trust: both, guards: [], callers: new Map(), allows: [], ...server },
    NOW,
  )

describe('an authority of the demo', () => {
  it('names its root by the fingerprint that Entente prints', () => {
    expect(fingerprintOf(rootOf(a).der)).toBe(a.root)
    expect(a.root).not.toBe(b.root)
  })
})

describe('a call between peers of the demo', () => {
  it('is accepted if each side accepts the other, and both see the other’s identity', async () => {
    expect(await meet({ identity: await a.mint(CLIENT), trust: both }, {})).toEqual({
      verdict: 'accepted',
      serverSaw: CLIENT,
      clientSaw: SERVER,
    })
  })

  it('is rejected by a client that does not know the server’s root', async () => {
    expect(await meet({ identity: await a.mint(CLIENT), trust: onlyA }, {})).toMatchObject({
      verdict: 'refused',
      by: 'client',
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    })
  })

  it('is rejected by a server that does not know the client’s root, even if the client verifies no server', async () => {
    const refused = { verdict: 'refused', by: 'server', code: 'SELF_SIGNED_CERT_IN_CHAIN' }
    expect(await meet({ identity: await a.mint(CLIENT) }, { trust: onlyB })).toMatchObject(refused)
    expect(await meet({ identity: await a.mint(CLIENT), trust: both }, { trust: onlyB })).toMatchObject(refused)
  })

  it('is forbidden to a caller that the policy does not name', async () => {
    const callers = new Map([[A, [parsePrincipal('cluster-a.example/ns/sample/sa/client')]]])
    expect(await meet({ identity: await a.mint(`${CLIENT}-2`), trust: both }, { callers })).toMatchObject({
      verdict: 'forbidden',
      serverSaw: `${CLIENT}-2`,
    })
    expect(await meet({ identity: await a.mint(CLIENT), trust: both }, { callers })).toMatchObject({ verdict: 'accepted' })
  })
})

describe('an impostor, whose ID is of another trust domain than its CA', () => {
  it('is rejected as a caller if roots are bound to their trust domain, and accepted with a flat list', async () => {
    const impostor = { identity: await a.mint(ADMIN) }
    expect(await meet(impostor, {})).toMatchObject({ verdict: 'refused', by: 'server', code: 'OTHER_ROOT' })
    expect(await meet(impostor, { trust: flattened(both) })).toMatchObject({ verdict: 'accepted', serverSaw: ADMIN })
  })

  it('is rejected as a server if roots are bound, and accepted with a flat list', async () => {
    const identity = await a.mint(SERVER)
    expect(await meet({ identity: await a.mint(CLIENT), trust: both }, { identity })).toMatchObject({
      verdict: 'refused',
      by: 'client',
      code: 'OTHER_ROOT',
    })
    expect(await meet({ identity: await a.mint(CLIENT), trust: flattened(both) }, { identity })).toMatchObject({
      verdict: 'accepted',
      clientSaw: SERVER,
    })
  })
})

describe('a certificate with more than one name', () => {
  const callers = [parsePrincipal('cluster-a.example/ns/sample/sa/client')]
  const guards = [{ own: [B], callers }]
  const policies = { callers: new Map([[A, callers]]) }
  const allows: readonly Allow[] = [{ path: '/admin', principals: [ADMIN.slice('spiffe://'.length)], namespaces: ['admin-ns'] }]
  const ask = (identity: Identity, server: Partial<Server>) => meet({ identity, path: '/admin' }, { ...policies, allows, ...server })

  it.each([
    { name: 'a second URI', more: { uri: ADMIN } },
    { name: 'a DNS name', more: { dns: ADMIN } },
    { name: 'a DNS name without a scheme', more: { dns: 'b/ns/admin-ns/sa' } },
    { name: 'a subject', more: { subject: 'CN=b/ns/admin-ns/sa' } },
  ])('passes the validator and the policies by $name; the filter rejects it', async ({ more }) => {
    const identity = await a.mint(CLIENT, more)
    expect(await ask(identity, { trust: flattened(both) })).toMatchObject({ verdict: 'accepted' })
    expect(await ask(identity, {})).toMatchObject({ verdict: 'accepted' })
    expect(await ask(identity, { guards })).toMatchObject({ verdict: 'refused', by: 'server', code: 'MORE_THAN_ONE_NAME' })
  })

  it('matches no identity if no name is in the policy, and passes if its first URI is of the mesh’s own domain', async () => {
    expect(await ask(await a.mint(CLIENT), { guards })).toMatchObject({ verdict: 'forbidden' })
    expect(await ask(await b.mint(SERVER, { uri: ADMIN }), { guards })).toMatchObject({ verdict: 'accepted' })
  })

  it('is identified by the first URI, whichever other one is allowed', async () => {
    expect(await ask(await a.mint(ADMIN, { uri: CLIENT }), { guards })).toMatchObject({ verdict: 'refused', code: 'OTHER_ROOT' })
    expect(await meet({ identity: await a.mint(`${CLIENT}-2`) }, { guards })).toMatchObject({ verdict: 'forbidden' })
  })
})

describe('a certificate without an acceptable identity', () => {
  it.each([
    { name: 'no SPIFFE ID', id: 'https://cluster-a.example/', code: 'NO_SPIFFE_ID' },
    { name: 'a SPIFFE ID without a path', id: 'spiffe://cluster-a.example', code: 'NO_SPIFFE_ID' },
    { name: 'a trust domain in capitals', id: 'spiffe://Cluster-A.example/ns/sample/sa/client', code: 'NO_SPIFFE_ID' },
    { name: 'a trust domain without roots here', id: 'spiffe://cluster-c.example/ns/sample/sa/client', code: 'NO_ROOTS_FOR_DOMAIN' },
  ])('is rejected: $name', async ({ id, code }) => {
    expect(await meet({ identity: await a.mint(id) }, {})).toMatchObject({ verdict: 'refused', by: 'server', code })
  })
})
