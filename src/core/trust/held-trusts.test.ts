/** The law of a held trust: the record severs it and the file does not, so nothing of it opens, and what stands stays. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedInbound, acceptedOutbound } from '../../../test/support/accepts.ts'
import { aMember, callersOf, FOREIGN, intent, liveOwn, PLACES } from '../../../test/support/arbitraries.ts'
import { fakeRoot, member, NOW, principal } from '../../../test/support/federations.ts'
import { observation, pod, service } from '../../../test/support/observations.ts'
import { runs } from '../../../test/support/runs.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Held, Intent } from '../model/wanted.ts'
import { workloadsKey } from '../model/workloads.ts'
import { plan, simulate } from '../plan/plan.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { asItStands, newServers } from './held-trusts.ts'
import { render } from './render.ts'
import { EMPTY, type Inbound, type MeshState, noInbound } from './state.ts'

const AROUND = [service('one/s'), service('two/t'), ...PLACES.map(({ namespace, labels }, i) => pod(`${namespace}/p${i}`, labels))]
const CALLERS = FOREIGN.flatMap(callersOf)
const SERVERS = FOREIGN.flatMap((of) => [...callersOf(of), `${of}/ns/one/sa/p`, `${of}/ns/two/sa/p`])

const see = (wanted: Intent, objects: readonly Manifest[]): Observation =>
  observation({ own: liveOwn(wanted), objects: [...AROUND, ...objects], istio: { aliases: aMember.aliases } })
const objectsOf = (seen: Observation): readonly Manifest[] => (seen.objects.ok ? seen.objects.value : [])
const stepsOf = (wanted: Intent, seen: Observation) => plan([wanted], new Map([[aMember.name, seen]]), NOW).steps

/** What is let in of these domains anywhere. */
const accepted = (objects: readonly Manifest[], domains: ReadonlySet<TrustDomain>): ReadonlySet<string> => {
  const all = PLACES.flatMap((place, i) => [
    ...[...acceptedInbound(objects, place, CALLERS)].map((what) => `${i} in ${what}`),
    ...[...acceptedOutbound(objects, place, SERVERS)].map((what) => `${i} out ${what.replace(' ', '#')}`),
  ])
  return new Set(all.filter((what) => [...domains].some((domain) => what.includes(` ${domain} `) || what.includes(`#${domain} `))))
}

/** The same intent, and the record severs these domains. */
function holding(of: Intent, domains: ReadonlySet<TrustDomain>): Intent {
  const held = of.trusts.filter(({ trustDomain }) => domains.has(trustDomain)).map((trust): Held => ({ ...trust, remedy: 'entente sever' }))
  return { ...of, trusts: of.trusts.filter(({ trustDomain }) => !domains.has(trustDomain)), lapsed: held, held }
}
const hasRoots = ({ trusts }: Intent): boolean => trusts.every(({ bundle }) => (bundle?.anchors.length ?? 0) > 0)
const some = fc.subarray([...FOREIGN], { minLength: 1 }).map((domains) => new Set(domains))

describe('a held trust', () => {
  it('stays unchanged if the file matches the objects in place', () => {
    fc.assert(
      fc.property(intent({ resolved: true }).filter(hasRoots), some, (of, domains) => {
        const seen = see(of, [])
        const settled = stepsOf(of, seen).reduce(simulate, seen)
        expect(stepsOf(holding(of, domains), settled)).toEqual([])
      }),
      runs(30),
    )
  }, 180_000)

  it('creates no object if none is in place', () => {
    fc.assert(
      fc.property(intent(), intent(), some, (first, next, domains) => {
        const seen = see(next, render({ ...first, trusts: first.trusts.filter(({ trustDomain }) => !domains.has(trustDomain)) }))
        const after = stepsOf(holding(next, domains), seen).flatMap(({ after }) => (after === undefined ? [] : [after]))
        expect(after.filter((object) => [...domains].some((domain) => JSON.stringify(object).includes(domain)))).toEqual([])
      }),
      runs(30),
    )
  }, 180_000)

  it('accepts nothing in addition, whatever changes for other trusts', () => {
    fc.assert(
      fc.property(intent(), intent(), some, (first, next, domains) => {
        let seen = see(next, render(first))
        const was = accepted(objectsOf(seen), domains)
        for (const step of stepsOf(holding(next, domains), seen)) {
          seen = simulate(seen, step)
          expect([...accepted(objectsOf(seen), domains)].filter((what) => !was.has(what))).toEqual([])
        }
      }),
      runs(40),
    )
  }, 180_000)
})

describe('the objects in place of a held trust', () => {
  const [fa] = FOREIGN as [TrustDomain]
  const root = fakeRoot('fa root')
  const at = { namespace: 'one' }
  const API = { port: 8443, host: 'api.example' }
  const trust = { truster: aMember.name, trusted: member('fa'), distribution: 'pinned', reach: [], trustDomain: fa, approvals: [] } as const
  const held = (more: Partial<Held>): Intent => ({
    member: aMember,
    owner: 'shop',
    trusts: [],
    held: [{ ...trust, accept: [], remedy: '', ...more }],
  })
  const scope = (more: Partial<Inbound>): MeshState => ({
    ...EMPTY,
    inbound: new Map([[workloadsKey(at), { ...noInbound(at), roots: new Map([[fa, [root]]]), ...more }]]),
  })
  const wide = (callers: readonly Principal[] | undefined): MeshState => ({
    ...EMPTY,
    meshWide: { ...noInbound(at), roots: new Map([[fa, [root]]]), callers: callers === undefined ? new Map() : new Map([[fa, callers]]) },
  })
  const [one, two] = callersOf(fa).map((name) => principal(name)) as [Principal, Principal]
  const accept = { at, mtls: 'require', callers: 'all' } as const
  const partsOf = (intent: Intent, before: MeshState) =>
    asItStands(intent, before).trusts.flatMap(({ accept, meshWide }) => [...accept, ...(meshWide === undefined ? [] : [meshWide])])

  it.each([
    {
      what: 'the servers of a gateway that it uses',
      asked: { gateway: [API, { port: 9443 }] },
      before: { gateway: [API] },
      stands: [{ gateway: [API] }],
    },
    { what: 'no server that it does not use', asked: { gateway: [{ port: 9443 }] }, before: { gateway: [API] }, stands: [] },
    {
      what: 'the callers that both it and the file name',
      asked: { callers: [one] },
      before: { callers: new Map([[fa, [one, two]]]) },
      stands: [{ callers: [one] }],
    },
    {
      what: 'the callers in place, if the file names all',
      asked: {},
      before: { callers: new Map([[fa, [two]]]) },
      stands: [{ callers: [two] }],
    },
    { what: 'our STRICT policy', asked: { mtls: 'permissive' as const }, before: { strict: true }, stands: [{ mtls: 'enforce' }] },
  ])('are $what', ({ asked, before, stands }) => {
    expect(partsOf(held({ accept: [{ ...accept, ...asked }] }), scope(before))).toMatchObject(stands)
  })

  it('are empty if no root of it is in place', () => {
    expect(asItStands(held({ accept: [accept] }), scope({ roots: new Map() })).trusts).toEqual([])
  })

  it('of a whole mesh are the callers in place', () => {
    const asked = held({ distribution: 'mesh', meshWide: { mtls: 'require', callers: 'all' } })
    expect(partsOf(asked, wide([one]))).toEqual([{ mtls: 'require', callers: [one] }])
    expect(partsOf(asked, wide(undefined))).toEqual([{ mtls: 'require', callers: 'all' }])
    expect(partsOf(asked, EMPTY)).toEqual([])
  })

  it('keep another trust from adding a server to the gateway that both use', () => {
    const wanted = scope({ gateway: [API, { port: 9443 }] })
    expect([...newServers(held({}), wanted, scope({ gateway: [API] })).inbound]).toEqual([workloadsKey(at)])
    expect([...newServers(held({}), wanted, wanted).inbound]).toEqual([])
  })
})
