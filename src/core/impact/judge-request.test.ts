import { describe, expect, it } from 'vitest'
import { ALONE, allow, deny, FOREIGN, from, LOCAL, policy, to, when } from '../../../test/support/authorization.ts'
import { Judge, judge } from './judge-request.ts'
import type { Operation } from './policy/operation.ts'
import type { Policy } from './policy/policy.ts'
import { verdictOf } from './policy/truth.ts'
import type { WorkloadSet } from './policy/workload-set.ts'
import { type Admission, trusting } from './situation.ts'

const SERVER: WorkloadSet = { namespace: 'sample', labels: { app: 'server' } }
const MESH = trusting(ALONE, FOREIGN, 'mesh')
const id = (domain: string, namespace = 'foo', account = 'web'): string => `spiffe://${domain}/ns/${namespace}/sa/${account}`
const verdict = (of: string, policies: readonly Policy[], more: { admission?: Admission; set?: WorkloadSet; operation?: Operation } = {}) =>
  verdictOf(judge(of, new Judge({ admission: more.admission ?? MESH, policies }).bench(more.set ?? SERVER), more.operation))

describe('a caller', () => {
  it.each([
    { name: 'of the mesh itself is accepted if no policy applies', of: id(LOCAL), policies: [], is: 'allow' },
    { name: 'of a domain that TLS accepts is accepted, too', of: id(FOREIGN), policies: [], is: 'allow' },
    { name: 'of any other domain is rejected', of: id('z.example'), policies: [], is: 'deny' },
    { name: 'is denied by an empty spec', of: id(LOCAL), policies: [policy('sample/p', {})], is: 'deny' },
    { name: 'is not denied by a DENY without rules', of: id(LOCAL), policies: [policy('sample/p', deny())], is: 'allow' },
    {
      name: 'is denied where one policy denies and another allows',
      of: id(LOCAL),
      policies: [policy('sample/a', allow({})), policy('sample/d', deny({}))],
      is: 'deny',
    },
    {
      name: 'depends on a token if a rule does',
      of: id(LOCAL),
      policies: [policy('sample/p', allow(from({ requestPrincipals: ['*'] })))],
      is: 'maybe',
    },
    {
      name: 'depends on no token if its name does not match',
      of: id(LOCAL),
      policies: [policy('sample/p', allow(from({ namespaces: ['bar'], requestPrincipals: ['*'] })))],
      is: 'deny',
    },
    {
      name: 'is not accepted by a rule that excludes every path, which no request matches',
      of: id(LOCAL),
      policies: [policy('sample/p', { action: 'ALLOW', rules: [{ to: [{ operation: { paths: ['/x'], notPaths: ['/y', '*'] } }] }] })],
      is: 'deny',
    },
    {
      name: 'is not denied by a rule that excludes every method',
      of: id(LOCAL),
      policies: [policy('sample/p', deny({ to: [{ operation: { notMethods: ['*'] } }] }))],
      is: 'allow',
    },
    {
      name: 'depends on a header if a rule does',
      of: id(LOCAL),
      policies: [policy('sample/p', deny(when('request.headers[x]', ['y'])))],
      is: 'maybe',
    },
    {
      name: 'is not affected by a dry run',
      of: id(LOCAL),
      policies: [policy('sample/p', deny({}), { 'istio.io/dry-run': 'true' })],
      is: 'allow',
    },
    { name: 'is not affected by AUDIT', of: id(LOCAL), policies: [policy('sample/p', { action: 'AUDIT', rules: [{}] })], is: 'allow' },
    {
      name: 'depends on a provider',
      of: id(LOCAL),
      policies: [policy('sample/p', { action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] })],
      is: 'maybe',
    },
    {
      name: 'is undecided under a rule that Entente cannot evaluate',
      of: id(LOCAL),
      policies: [policy('sample/p', { action: 'LOG', rules: [] })],
      is: 'maybe',
    },
    {
      name: 'is undecided under an unknown field',
      of: id(LOCAL),
      policies: [policy('sample/p', allow(from({ namespaces: ['foo'], moods: ['good'] })))],
      is: 'maybe',
    },
    {
      name: 'is undecided under an unknown condition',
      of: id(LOCAL),
      policies: [policy('sample/p', allow(when('source.mood', ['good'])))],
      is: 'maybe',
    },
  ])('$name', ({ of, policies, is }) => {
    expect(verdict(of, policies)).toBe(is)
  })

  it('is denied by a CUSTOM policy whose provider the mesh config lacks', () => {
    const custom = [policy('sample/p', { action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] })]
    expect(verdict(id(LOCAL), custom, { admission: { ...MESH, authorizers: ['other'] } })).toBe('deny')
    expect(verdict(id(LOCAL), custom, { admission: { ...MESH, authorizers: ['opa'] } })).toBe('maybe')
  })

  it('that passes the callers’ DENY policy still needs an ALLOW policy', () => {
    const callers = policy('sample/entente', deny(from({ principals: [`${FOREIGN}/*`], notPrincipals: [`${FOREIGN}/ns/foo/sa/web`] })))
    expect(verdict(id(FOREIGN), [callers])).toBe('allow')
    expect(verdict(id(FOREIGN, 'foo', 'other'), [callers])).toBe('deny')
    expect(verdict(id(FOREIGN), [callers, policy('sample/locals', allow(from({ principals: [`${LOCAL}/*`] })))])).toBe('deny')
  })
})

describe('operations', () => {
  const get = policy('sample/get', allow(to({ methods: ['GET'] })))
  it('that are not given count as accepted if some operation passes', () => {
    expect(verdict(id(LOCAL), [get])).toBe('allow')
    expect(verdict(id(LOCAL), [policy('sample/no-post', deny(to({ methods: ['POST'] })))])).toBe('allow')
  })

  it('that are all denied accept nobody', () => {
    expect(verdict(id(LOCAL), [get, policy('sample/no-get', deny(to({ methods: ['GET', 'HEAD'] })))])).toBe('deny')
    expect(verdict(id(LOCAL), [get, policy('sample/no-other', deny(to({ notMethods: ['GET'] })))])).toBe('allow')
    expect(
      verdict(id(LOCAL), [policy('sample/api', allow(to({ paths: ['/api/*'] }))), policy('sample/no-api', deny(to({ paths: ['/api*'] })))]),
    ).toBe('deny')
  })

  it('that are given are judged one by one', () => {
    const operation = { method: 'POST', path: '/', host: 'server', port: '8080' }
    expect(verdict(id(LOCAL), [get], { operation })).toBe('deny')
    expect(verdict(id(LOCAL), [get], { operation: { ...operation, method: 'GET' } })).toBe('allow')
  })
})

describe('a policy', () => {
  const deniesAll = deny({})
  const gateway = { namespace: 'sample', labels: { 'gateway.networking.k8s.io/gateway-name': 'gw' } }
  const target = (group: string, kind: string, name: string) => ({ targetRefs: [{ group, kind, name }] })
  it.each([
    { name: 'of the root namespace applies everywhere', where: 'istio-system/p', spec: {}, set: SERVER, applies: true },
    {
      name: 'of the root namespace applies by selector',
      where: 'istio-system/p',
      spec: { selector: { matchLabels: { app: 'server' } } },
      set: SERVER,
      applies: true,
    },
    { name: 'of another namespace does not apply', where: 'other/p', spec: {}, set: SERVER, applies: false },
    {
      name: 'with other labels does not apply',
      where: 'sample/p',
      spec: { selector: { matchLabels: { app: 'client' } } },
      set: SERVER,
      applies: false,
    },
    {
      name: 'with a target does not apply to sidecars',
      where: 'sample/p',
      spec: target('', 'Service', 'server'),
      set: SERVER,
      applies: false,
    },
    {
      name: 'with a gateway as target applies there',
      where: 'sample/p',
      spec: target('gateway.networking.k8s.io', 'Gateway', 'gw'),
      set: gateway,
      applies: true,
    },
    {
      name: 'with another gateway as target does not apply',
      where: 'sample/p',
      spec: target('gateway.networking.k8s.io', 'Gateway', 'other'),
      set: gateway,
      applies: false,
    },
    { name: 'without a target applies to gateways by selector', where: 'sample/p', spec: {}, set: gateway, applies: true },
    {
      name: 'with a service as target applies at its waypoint',
      where: 'sample/p',
      spec: target('', 'Service', 'server'),
      set: { namespace: 'sample', labels: {}, waypointFor: 'Service/server' },
      applies: true,
    },
    {
      name: 'without a target does not apply to waypoints',
      where: 'sample/p',
      spec: {},
      set: { namespace: 'sample', labels: {}, waypointFor: 'Service/server' },
      applies: false,
    },
    {
      name: 'for all waypoints applies from the root namespace',
      where: 'istio-system/p',
      spec: target('gateway.networking.k8s.io', 'GatewayClass', 'istio-waypoint'),
      set: { namespace: 'sample', labels: {}, waypointFor: 'Service/server' },
      applies: true,
    },
    {
      name: 'with the old targetRef applies as with one target',
      where: 'sample/p',
      spec: { targetRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' } },
      set: gateway,
      applies: true,
    },
  ])('$name', ({ where, spec, set, applies }) => {
    expect(verdict(id(LOCAL), [policy(where, { ...spec, ...deniesAll })], { set })).toBe(applies ? 'deny' : 'allow')
  })
})
