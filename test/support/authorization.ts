/** AuthorizationPolicies as values for tests, and arbitrary ones. */
import fc from 'fast-check'
import { type Policy, readPolicy } from '../../src/core/impact/policy/policy.ts'
import { type Admission, type Situation, trusting } from '../../src/core/impact/situation.ts'
import { object } from './observations.ts'

export const LOCAL = 'b.example'
export const FOREIGN = 'a.example'
export const THIRD = 'c.example'

export const ALONE: Admission = { trustDomain: LOCAL, aliases: [], extra: [], pinned: [], rootNamespace: 'istio-system' }

/** @param where NAMESPACE/NAME */
export const policy = (where: string, spec: object, annotations: Readonly<Record<string, string>> = {}): Policy =>
  readPolicy(object('security.istio.io/v1', 'AuthorizationPolicy', where, { spec }, { annotations })).policy

export const from = (...sources: readonly object[]) => ({ from: sources.map((source) => ({ source })) })
export const to = (...operations: readonly object[]) => ({ to: operations.map((operation) => ({ operation })) })
export const when = (key: string, values: readonly string[], notValues: readonly string[] = []) => ({ when: [{ key, values, notValues }] })
export const allow = (...rules: readonly object[]) => ({ rules })
export const deny = (...rules: readonly object[]) => ({ action: 'DENY', rules })

/** Before and after the mesh trusts one more domain, under these policies. */
export const change = (policies: readonly Policy[], how: 'mesh' | 'alias', domain = FOREIGN): readonly [Situation, Situation] => [
  { admission: ALONE, policies },
  { admission: trusting(ALONE, domain, how), policies },
]

const NAMESPACES = ['foo', 'foobar', 'bar']
const ACCOUNTS = ['web', 'web-admin', 'client']
const DOMAINS = [LOCAL, FOREIGN, THIRD]
const namespace = fc.constantFrom(...NAMESPACES)
const account = fc.constantFrom(...ACCOUNTS)
const domain = fc.constantFrom(...DOMAINS)

/** Of the names that the policies know, and of others. */
export const anyId = (of: readonly string[] = DOMAINS): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...of), fc.constantFrom(...NAMESPACES, 'foob', 'qux', 'xfoo'), fc.constantFrom(...ACCOUNTS, 'x-admin', 'other'))
    .map(([td, ns, sa]) => `spiffe://${td}/ns/${ns}/sa/${sa}`)

const namespaceValue = fc.oneof(namespace, fc.constantFrom('*', 'foo*', '*ar', 'f*o'))
const serviceAccountValue = fc.oneof(
  account,
  fc.tuple(namespace, account).map((parts) => parts.join('/')),
)
const trustDomainValue = fc.oneof(domain, fc.constantFrom('*', '*.example', 'a*', 'b.*'))
const principalValue = fc.oneof(
  fc.tuple(domain, namespace, account).map(([td, ns, sa]) => `${td}/ns/${ns}/sa/${sa}`),
  fc.tuple(namespace, account).map(([ns, sa]) => `*/ns/${ns}/sa/${sa}`),
  fc.tuple(namespace, account).map(([ns, sa]) => `cluster.local/ns/${ns}/sa/${sa}`),
  domain.map((td) => `${td}/*`),
  fc.tuple(domain, namespace).map(([td, ns]) => `${td}/ns/${ns}/*`),
  fc.tuple(domain, namespace).map(([td, ns]) => `${td}/ns/${ns}*`),
  account.map((sa) => `*/sa/${sa}`),
  fc.constantFrom('*', '*-admin', '*.example/ns/foo/sa/web', 'a*/ns/foo/sa/web', '*foo/sa/web'),
)
const some = (value: fc.Arbitrary<string>): fc.Arbitrary<string[]> => fc.array(value, { minLength: 1, maxLength: 2 })

const field = (name: string, value: fc.Arbitrary<string>): fc.Arbitrary<object> => some(value).map((values) => ({ [name]: values }))
const POSITIVE = [
  field('principals', principalValue),
  field('namespaces', namespaceValue),
  field('serviceAccounts', serviceAccountValue),
  field('trustDomains', trustDomainValue),
]
const NEGATIVE = [
  field('notPrincipals', principalValue),
  field('notNamespaces', namespaceValue),
  field('notServiceAccounts', serviceAccountValue),
  field('notTrustDomains', trustDomainValue),
]
const UNDECIDED = [field('requestPrincipals', fc.constant('*')), field('ipBlocks', fc.constant('10.0.0.0/8'))]

const rule = (fields: readonly fc.Arbitrary<object>[]): fc.Arbitrary<object> =>
  fc
    .tuple(
      fc.array(
        fc.array(fc.oneof(...fields), { minLength: 1, maxLength: 2 }).map((parts) => Object.assign({}, ...parts) as object),
        { maxLength: 2 },
      ),
      fc.constantFrom({}, {}, to({ methods: ['GET'] }), to({ paths: ['/api/*'] }, { ports: ['8080'] })),
    )
    .map(([sources, operations]) => ({ ...(sources.length === 0 ? {} : from(...sources)), ...operations }))

const policies = (fields: readonly fc.Arbitrary<object>[], actions: readonly string[]): fc.Arbitrary<readonly Policy[]> =>
  fc
    .array(fc.tuple(fc.constantFrom(...actions), fc.array(rule(fields), { maxLength: 2 }), fc.constantFrom('sample', 'istio-system')), {
      maxLength: 4,
    })
    .map((made) => made.map(([action, rules, where], i) => policy(`${where}/p${i}`, { action, rules })))

export const anyPolicies = policies([...POSITIVE, ...NEGATIVE, ...UNDECIDED], ['ALLOW', 'ALLOW', 'DENY', 'AUDIT'])
/** None of them denies a caller because of one of its names. */
export const openPolicies = policies([...POSITIVE, ...UNDECIDED], ['ALLOW', 'AUDIT'])
