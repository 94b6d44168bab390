/** The RBAC rights that Entente needs in one cluster: deploy/rbac.yaml, limited to the namespaces of one federation. */
import type { Patient } from './question.ts'

export interface Need {
  readonly verb: string
  readonly group: string
  /** A subresource is written as `serviceaccounts/token`. */
  readonly resource: string
  readonly namespace?: string
  readonly name?: string
  readonly purpose: 'read' | 'evidence' | 'write' | 'doctor'
  /** Alternative ways to reach istiod. All needs of one way are enough. */
  readonly road?: 'direct' | 'port-forward'
}

const ISTIO_NETWORKING = 'networking.istio.io'
const ISTIO_SECURITY = 'security.istio.io'

/**
 * @param istiods the names of istiod's pods, for port-forward
 * @param trustBundles the names of ClusterTrustBundles that hold the mesh's roots
 */
export function needsOf(patient: Patient, istiods: readonly string[], trustBundles: readonly string[] = []): readonly Need[] {
  const { istioNamespace: namespace } = patient
  const bundles = trustBundles.map(
    (name): Need => ({ verb: 'get', group: 'certificates.k8s.io', resource: 'clustertrustbundles', name, purpose: 'read' }),
  )
  return [
    ...reading(patient),
    ...bundles,
    ...evidence(namespace, istiods),
    ...(patient.writes ? writing(patient) : []),
    ...looking(patient),
  ]
}

function reading({ istioNamespace: namespace, namespaces, accepts }: Patient): readonly Need[] {
  const read = (verb: string, group: string, resources: readonly string[], at: Pick<Need, 'namespace' | 'name'> = {}): readonly Need[] =>
    resources.map((resource) => ({ verb, group, resource, ...at, purpose: 'read' }))
  return [
    ...read('list', ISTIO_NETWORKING, ['envoyfilters', 'destinationrules', 'serviceentries', 'gateways']),
    ...read('list', ISTIO_SECURITY, ['peerauthentications', 'authorizationpolicies']),
    ...read('list', '', ['configmaps']),
    ...read('get', '', ['configmaps'], { namespace }),
    ...read('list', '', ['pods'], { namespace }),
    ...read('get', '', ['namespaces'], { name: namespace }),
    ...(accepts.some(({ at }) => at.everywhere) ? read('list', '', ['pods']) : []),
    ...namespaces.flatMap((near) => [
      ...read('list', '', ['pods', 'services'], { namespace: near }),
      ...read('list', 'discovery.k8s.io', ['endpointslices'], { namespace: near }),
    ]),
  ]
}

/** Rights to read proxies' configuration from istiod: a token for its debug port, or a port-forward. */
const evidence = (namespace: string, istiods: readonly string[]): readonly Need[] => [
  { verb: 'create', group: '', resource: 'serviceaccounts/token', namespace, name: 'entente', purpose: 'evidence', road: 'direct' },
  ...istiods.flatMap((name) =>
    ['get', 'create'].map(
      (verb): Need => ({ verb, group: '', resource: 'pods/portforward', namespace, name, purpose: 'evidence', road: 'port-forward' }),
    ),
  ),
]

function writing({ istioNamespace, accepts, reaches, trusted }: Patient): readonly Need[] {
  const scopes = [...new Set([...accepts.map(({ at }) => at.namespace), ...reaches.map(({ namespace }) => namespace)])]
  const write = (group: string, resource: string, verbs: readonly string[], namespace: string, name?: string): readonly Need[] =>
    verbs.map((verb) => ({ verb, group, resource, namespace, ...(name === undefined ? {} : { name }), purpose: 'write' }))
  const all = ['get', 'create', 'patch', 'update', 'delete']
  if (trusted.length === 0) return []
  return [
    ...write('', 'configmaps', ['create'], istioNamespace),
    ...write('', 'configmaps', ['update'], istioNamespace, 'entente-record'),
    ...trusted.flatMap((member) => write('', 'configmaps', ['patch', 'update', 'delete'], istioNamespace, `${member}-root-cert`)),
    ...scopes.flatMap((namespace) => [
      ...write(ISTIO_NETWORKING, 'envoyfilters', all, namespace),
      ...write(ISTIO_SECURITY, 'peerauthentications', all, namespace),
      ...write(ISTIO_SECURITY, 'authorizationpolicies', all, namespace),
    ]),
  ]
}

/** Rights that only `doctor` uses. Without them some of its checks are `unknown`; no other command fails. */
function looking({ istioNamespace, namespaces }: Patient): readonly Need[] {
  const look = (verb: string, group: string, resource: string, at: Pick<Need, 'namespace' | 'name'> = {}): Need => ({
    verb,
    group,
    resource,
    ...at,
    purpose: 'doctor',
  })
  return [
    look('get', '', 'namespaces', { name: 'kube-system' }),
    look('list', '', 'services', { namespace: istioNamespace }),
    look('list', 'gateway.networking.k8s.io', 'gateways'),
    ...namespaces.flatMap((namespace) => [
      look('get', '', 'namespaces', { name: namespace }),
      look('list', ISTIO_NETWORKING, 'sidecars', { namespace }),
    ]),
  ]
}

/** The missing rules, to paste into a Role or ClusterRole. */
export function ruleText(needs: readonly Need[]): string {
  const rules = new Map<string, { readonly need: Need; readonly resources: Set<string>; readonly verbs: Set<string> }>()
  for (const need of needs) {
    const key = `${need.group} ${need.namespace ?? ''} ${need.name ?? ''} ${verbsOf(needs, need)}`
    const rule = rules.get(key) ?? { need, resources: new Set(), verbs: new Set() }
    rule.resources.add(need.resource)
    rule.verbs.add(need.verb)
    rules.set(key, rule)
  }
  return [...rules.values()]
    .map(({ need, resources, verbs }) => {
      const names = need.name === undefined ? '' : `, resourceNames: [${need.name}]`
      const where = need.namespace === undefined ? 'ClusterRole' : `Role in ${need.namespace}`
      return `${where}: { apiGroups: ["${need.group}"], resources: [${[...resources].join(', ')}]${names}, verbs: [${[...verbs].join(', ')}] }`
    })
    .join('; ')
}

/** Resources that need the same verbs share one rule. */
const verbsOf = (needs: readonly Need[], { group, resource, namespace, name }: Need): string =>
  needs
    .filter((n) => n.group === group && n.resource === resource && n.namespace === namespace && n.name === name)
    .map(({ verb }) => verb)
    .join(',')
