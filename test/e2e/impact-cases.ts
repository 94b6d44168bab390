/** Policies that cover what AuthorizationPolicy can say, for impact.e2e.ts. `@` is the namespace of the pod they are tried on, `@pod` its name. */

export interface Written {
  readonly name: string
  /** Default: the pod's. */
  readonly namespace?: 'istio-system' | 'elsewhere'
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec: object
}

export interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface PolicyCase {
  readonly name: string
  readonly policies: readonly Written[]
  /** Default: one GET of `/`. */
  readonly asked?: readonly Asked[]
}

const A = 'cluster-a.example'
const B = 'cluster-b.example'

const from = (...sources: readonly object[]) => ({ from: sources.map((source) => ({ source })) })
const to = (...operations: readonly object[]) => ({ to: operations.map((operation) => ({ operation })) })
const when = (key: string, values?: readonly string[], notValues?: readonly string[]) => ({
  when: [{ key, ...(values && { values }), ...(notValues && { notValues }) }],
})
const allow = (...rules: readonly object[]): object => ({ rules })
const deny = (...rules: readonly object[]): object => ({ action: 'DENY', rules })
const one = (
  name: string,
  spec: object,
  more: Partial<PolicyCase> & Partial<Pick<Written, 'namespace' | 'annotations'>> = {},
): PolicyCase => {
  const { asked, namespace, annotations } = more
  return {
    name,
    policies: [{ name: 'case', spec, ...(namespace && { namespace }), ...(annotations && { annotations }) }],
    ...(asked && { asked }),
  }
}
const several = (name: string, policies: readonly Written[], asked?: readonly Asked[]): PolicyCase => ({
  name,
  policies,
  ...(asked && { asked }),
})
const everyone = { name: 'everyone', spec: allow({}) }

export const CASES: readonly PolicyCase[] = [
  several('no policy at all', []),
  one('an empty spec', {}),
  one('ALLOW without rules', { action: 'ALLOW', rules: [] }),
  one('DENY without rules', { action: 'DENY', rules: [] }),
  one('ALLOW with an empty rule', allow({})),
  one('DENY with an empty rule', deny({})),
  one('a local principal', allow(from({ principals: [`${B}/ns/sample/sa/client`] }))),
  one('a principal of cluster.local', allow(from({ principals: ['cluster.local/ns/sample/sa/client'] }))),
  one('a foreign principal', allow(from({ principals: [`${A}/ns/sample/sa/client`] }))),
  one('any principal', allow(from({ principals: ['*'] }))),
  one('a principal by prefix', allow(from({ principals: [`${B}/ns/sample/*`] }))),
  one('a principal by a prefix that ends in a name', allow(from({ principals: [`${A}/ns/sam*`] }))),
  one('a principal by suffix', allow(from({ principals: ['*/ns/foo/sa/web'] }))),
  one('a principal by the end of a name', allow(from({ principals: ['*-admin'] }))),
  one('a trust domain by suffix', allow(from({ principals: ['*-b.example/ns/sample/sa/client'] }))),
  one('a trust domain by a suffix that both have', allow(from({ principals: ['*.example/ns/sample/sa/client'] }))),
  one('a trust domain by prefix, five segments', allow(from({ principals: ['cluster-*/ns/sample/sa/client'] }))),
  one('a star at both ends', allow(from({ principals: ['*sample*'] }))),
  one('notPrincipals, local', allow(from({ notPrincipals: [`${B}/ns/sample/sa/client`] }))),
  one('notPrincipals, any domain', allow(from({ notPrincipals: ['*/ns/sample/sa/client'] }))),
  one('principals and notPrincipals', allow(from({ principals: ['*/ns/sample/sa/client', '*/ns/foo/sa/web'], notPrincipals: [`${A}/*`] }))),
  one('a namespace', allow(from({ namespaces: ['sample'] }))),
  one('a namespace by prefix', allow(from({ namespaces: ['sam*'] }))),
  one('a namespace by suffix', allow(from({ namespaces: ['*-1'] }))),
  one('a namespace with a star inside', allow(from({ namespaces: ['b*r-1'] }))),
  one('any namespace', allow(from({ namespaces: ['*'] }))),
  one('notNamespaces', allow(from({ notNamespaces: ['sample'] }))),
  one('a service account of the policy’s namespace', allow(from({ serviceAccounts: ['admin'] }))),
  one('a service account elsewhere', allow(from({ serviceAccounts: ['sample/client', 'foo/web'] }))),
  one('notServiceAccounts', allow(from({ notServiceAccounts: ['sample/client'] }))),
  one('a trust domain', allow(from({ trustDomains: [B] }))),
  one('a foreign trust domain', allow(from({ trustDomains: [A] }))),
  one('trust domains by prefix', allow(from({ trustDomains: ['cluster-a*'] }))),
  one('trust domains by suffix', allow(from({ trustDomains: ['*-b.example'] }))),
  one('any trust domain', allow(from({ trustDomains: ['*'] }))),
  one('notTrustDomains', allow(from({ notTrustDomains: [B] }))),
  one('a namespace and a trust domain', allow(from({ namespaces: ['sample'], trustDomains: [B] }))),
  one('two sources', allow(from({ namespaces: ['foo'] }, { principals: [`${B}/ns/sample/sa/client`] }))),
  one('two rules', allow(from({ serviceAccounts: ['foo/web'] }), from({ trustDomains: [B] }))),
  one('when source.principal', allow(when('source.principal', [`${B}/ns/sample/sa/client`]))),
  one('when source.principal is not', allow(when('source.principal', undefined, [`${B}/ns/sample/sa/client`]))),
  one('when source.namespace', allow(when('source.namespace', ['foo']))),
  one('when source.serviceAccount', allow(when('source.serviceAccount', ['sample/client']))),
  one('when source.trustDomain', allow(when('source.trustDomain', [B]))),
  one('when source.trustDomain is not', allow(when('source.trustDomain', undefined, [A]))),
  one('when destination.port', allow({ ...from({ namespaces: ['sample'] }), ...when('destination.port', ['8080']) })),
  one('when another destination.port', allow({ ...from({ namespaces: ['sample'] }), ...when('destination.port', ['9999']) })),
  one('when source.ip: a maybe', allow(when('source.ip', ['10.77.0.0/16']))),
  one('when a header is there: a maybe', allow(when('request.headers[x-token]', ['secret'])), {
    asked: [{}, { headers: { 'x-token': 'secret' } }],
  }),
  one('requestPrincipals: a maybe', allow(from({ requestPrincipals: ['*'] }))),
  one('notRequestPrincipals and a namespace: a maybe for some', allow(from({ namespaces: ['sample'], notRequestPrincipals: ['*'] }))),
  one('ipBlocks that nobody has: a maybe', allow(from({ ipBlocks: ['192.0.2.0/24'] }))),
  one('claims: a maybe', allow(when('request.auth.claims[group]', ['admins']))),
  one('DENY a local principal', deny(from({ principals: [`${B}/ns/sample/sa/client`] }))),
  one('DENY an account in any domain', deny(from({ principals: ['*/ns/sample/sa/client'] }))),
  one('DENY a namespace', deny(from({ namespaces: ['sample'] }))),
  one('DENY all but a local principal', deny(from({ notPrincipals: [`${B}/ns/sample/sa/client`] }))),
  one('DENY other trust domains', deny(from({ notTrustDomains: [B] }))),
  one('DENY other namespaces', deny(from({ notNamespaces: ['sample'] }))),
  one('DENY other service accounts', deny(from({ notServiceAccounts: ['sample/client'] }))),
  one(
    'DENY a foreign domain but its callers, as Entente writes it',
    deny(from({ principals: [`${A}/*`], notPrincipals: [`${A}/ns/sample/sa/client`] })),
  ),
  several('that, beside an ALLOW that knows local callers only', [
    { name: 'callers', spec: deny(from({ principals: [`${A}/*`], notPrincipals: [`${A}/ns/sample/sa/client`] })) },
    { name: 'locals', spec: allow(from({ principals: [`${B}/*`] })) },
  ]),
  several('DENY wins over ALLOW', [{ name: 'deny', spec: deny(from({ namespaces: ['sample'] })) }, everyone]),
  several('two ALLOWs add up', [
    { name: 'one', spec: allow(from({ namespaces: ['foo'] })) },
    { name: 'two', spec: allow(from({ serviceAccounts: ['sample/client'] })) },
  ]),
  several('an empty spec beside an ALLOW', [
    { name: 'nobody', spec: {} },
    { name: 'some', spec: allow(from({ namespaces: ['foo'] })) },
  ]),
  one('AUDIT only', { action: 'AUDIT', rules: [from({ namespaces: ['foo'] })] }),
  several('AUDIT beside an ALLOW', [
    { name: 'audit', spec: { action: 'AUDIT', rules: [{}] } },
    { name: 'some', spec: allow(from({ namespaces: ['foo'] })) },
  ]),
  one('a dry run of ALLOW', allow(from({ namespaces: ['foo'] })), { annotations: { 'istio.io/dry-run': 'true' } }),
  one('a dry run of DENY', deny({}), { annotations: { 'istio.io/dry-run': 'true' } }),
  one(
    'CUSTOM with a provider that is not there',
    { action: 'CUSTOM', provider: { name: 'nobody' }, rules: [to({ paths: ['/custom/*'] })] },
    { asked: [{}, { path: '/custom/x' }] },
  ),
  one(
    'CUSTOM with a provider: a maybe',
    { action: 'CUSTOM', provider: { name: 'checker' }, rules: [to({ paths: ['/custom/*'] })] },
    { asked: [{}, { path: '/custom/x' }] },
  ),
  several(
    'methods and paths',
    [
      {
        name: 'read',
        spec: allow(
          { ...from({ namespaces: ['sample'] }), ...to({ methods: ['GET'], paths: ['/api/*'] }) },
          { ...from({ principals: [`${B}/ns/foo/sa/web`] }), ...to({ notPaths: ['/api/*'] }) },
        ),
      },
    ],
    [{ path: '/api/x' }, { path: '/other' }, { method: 'POST', path: '/api/x' }],
  ),
  several(
    'a path by suffix, a template, a method by prefix',
    [{ name: 'paths', spec: allow(to({ paths: ['*.html'] }, { paths: ['/v1/{*}/items'] }, { methods: ['PO*'] })) }],
    [{ path: '/index.html' }, { path: '/v1/shop/items' }, { path: '/v1/a/b/items' }, { method: 'POST' }, {}],
  ),
  several('hosts and ports', [
    { name: 'hosts', spec: allow(to({ hosts: ['SERVER.*'], ports: ['8080'] }), to({ hosts: ['other'], notPorts: ['8080'] })) },
  ]),
  several(
    'DENY of some operations',
    [{ name: 'no-posts', spec: deny({ ...from({ notPrincipals: [`${B}/ns/sample/sa/client`] }), ...to({ methods: ['POST'] }) }) }],
    [{}, { method: 'POST' }],
  ),
  several(
    'ALLOW and DENY of the same operations',
    [
      { name: 'get', spec: allow(to({ methods: ['GET'] })) },
      { name: 'no-get', spec: deny({ ...from({ namespaces: ['foo'] }), ...to({ methods: ['GET'] }) }) },
    ],
    [{}, { method: 'POST' }],
  ),
  several('a selector that matches', [
    { name: 'here', spec: { selector: { matchLabels: { app: '@pod' } }, ...allow(from({ namespaces: ['foo'] })) } },
  ]),
  several('a selector that does not match', [
    { name: 'not-here', spec: { selector: { matchLabels: { app: 'another' } }, ...allow(from({ namespaces: ['foo'] })) } },
  ]),
  several('the root namespace, by selector', [
    {
      name: '@-root',
      namespace: 'istio-system',
      spec: {
        selector: { matchLabels: { app: '@pod' } },
        ...allow(from({ serviceAccounts: ['admin'], trustDomains: ['*'] }), from({ namespaces: ['foo'] })),
      },
    },
  ]),
  several('a DENY in the root namespace and an ALLOW here', [
    {
      name: '@-root',
      namespace: 'istio-system',
      spec: { selector: { matchLabels: { app: '@pod' } }, ...deny(from({ namespaces: ['foo'] })) },
    },
    { name: 'here', spec: allow(from({ trustDomains: [B] }), from({ namespaces: ['foo'] })) },
  ]),
  several('a policy of another namespace', [{ name: 'theirs', namespace: 'elsewhere', spec: deny({}) }]),
  several('targetRefs on a sidecar', [
    { name: 'gateway', spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }], ...deny({}) } },
    { name: 'service', spec: { targetRefs: [{ group: '', kind: 'Service', name: '@pod' }], ...deny({}) } },
  ]),
]

/** The cases that affect every pod of the mesh, and therefore run alone. */
export const WIDE_CASES: readonly PolicyCase[] = [
  several('the root namespace, without a selector, and an ALLOW here', [
    { name: 'no-web', namespace: 'istio-system', spec: deny(from({ principals: ['*/ns/foo/sa/web'] })) },
    { name: 'sample', namespace: 'istio-system', spec: allow(from({ namespaces: ['sample', 'foo'] })) },
    { name: 'here', spec: allow(from({ principals: [`${A}/ns/ns1/sa/admin`] })) },
  ]),
]
