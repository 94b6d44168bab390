/** deploy/ on a real API server: who may write what once the admission policy is in force, and the CronJob's script as its pod would run it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { cli } from '../support/cli.ts'
import { Bed } from '../testbed/bed.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { ISTIO_NAMESPACE } from '../testbed/layout.ts'
import { type Outcome, outcome, run, until } from '../testbed/run.ts'
import { bAccepts, codes, ours } from './shop.ts'

const DEPLOY = path.resolve(import.meta.dirname, '../../deploy')
const MAIN = path.resolve(import.meta.dirname, '../../dist/cli/main.js')
const CRON = `system:serviceaccount:${ISTIO_NAMESPACE}:entente-cron`
const OPERATOR = ['--as', 'ann', '--as-group', 'entente-operators', '--as-group', 'system:authenticated']

let bed: Bed
let mallory: string
const workspace = mkdtempSync(path.join(tmpdir(), 'entente-deploy-'))

const documents = (file: string): KubeObject[] =>
  parseAllDocuments(readFileSync(path.join(DEPLOY, file), 'utf8')).map((document) => {
    expect(document.errors, file).toEqual([])
    return document.toJS() as KubeObject
  })

/** kubectl in cluster b. @param who flags, or a kubeconfig file */
function kubectl(who: readonly string[] | string, args: readonly string[], input?: KubeObject): Promise<Outcome> {
  const flags = typeof who === 'string' ? ['--kubeconfig', who] : ['--kubeconfig', bed.kubeconfig, '--context', bed.b.context, ...who]
  return outcome('kubectl', [...flags, ...args], input === undefined ? {} : { input: JSON.stringify(input) })
}

const apply = (who: readonly string[] | string, object: KubeObject) => kubectl(who, ['apply', '--server-side', '-f', '-'], object)

function expectRefused({ code, stderr }: Outcome, ...words: readonly (string | RegExp)[]): void {
  expect(code, stderr).not.toBe(0)
  for (const word of ['ValidatingAdmissionPolicy', ...words]) expect(stderr).toMatch(word)
}

function expectDone({ code, stderr }: Outcome): void {
  expect(code, stderr).toBe(0)
}

const LABELS = { 'app.kubernetes.io/managed-by': 'entente' }
const API = { EnvoyFilter: 'networking.istio.io/v1alpha3', ConfigMap: 'v1' } as const

const OURS: readonly KubeObject[] = [
  { apiVersion: API.EnvoyFilter, kind: 'EnvoyFilter', metadata: { name: 'entente-x', namespace: 'sample', labels: LABELS }, spec: {} },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'entente-x', namespace: 'sample', labels: LABELS },
    spec: { mtls: { mode: 'STRICT' } },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'entente-x', namespace: 'sample', labels: LABELS },
    spec: { action: 'DENY', rules: [{ from: [{ source: { principals: ['nobody.example/*'] } }] }] },
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'cluster-a-root-cert', namespace: ISTIO_NAMESPACE, labels: LABELS },
    data: { 'cluster-a-root.pem': '' },
  },
]

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'
const VALIDATOR = { name: 'envoy.tls.cert_validator.spiffe' }
const socket = (common: object, type = `${TLS}.DownstreamTlsContext`) => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: { '@type': type, common_tls_context: common },
})
const PINNED = socket({ combined_validation_context: { default_validation_context: { custom_validator_config: VALIDATOR } } })

function filter(namespace: string, applyTo: string, value: object, operation = 'MERGE'): KubeObject {
  const configPatches = [{ applyTo, patch: { operation, value } }]
  return { apiVersion: API.EnvoyFilter, kind: 'EnvoyFilter', metadata: { name: 'theirs', namespace }, spec: { configPatches } }
}

const reference = ({ kind, metadata }: KubeObject): string[] => ['-n', metadata.namespace ?? '', kind, metadata.name]

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  for (const name of ['sample', 'elsewhere']) await bed.b.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  mallory = await bed.b.account('mallory', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])
})

afterAll(async () => {
  rmSync(workspace, { recursive: true, force: true })
  await bed?.giveBack()
})

describe('the manifests', () => {
  it.each(['rbac.yaml', 'cronjob.yaml', 'admission.yaml'])('of %s are accepted by the API server unchanged', async (file) => {
    const manifest = path.join(DEPLOY, file)
    expectDone(await kubectl([], ['apply', '--server-side', '--dry-run=server', '-f', manifest]))
    expectDone(await kubectl([], ['apply', '--server-side', '-f', manifest]))
  })

  it('of alerts.yaml are well-formed: each alert has an expression and says which command to run', () => {
    const [rule] = documents('alerts.yaml')
    expect(rule).toMatchObject({ apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule' })
    const { groups } = (rule as KubeObject).spec as {
      groups: { rules: { alert: string; expr: string; annotations: { description: string } }[] }[]
    }
    const [cronJob] = documents('cronjob.yaml').filter(({ kind }) => kind === 'CronJob')
    for (const { expr, annotations } of groups.flatMap(({ rules }) => rules)) {
      expect(expr).toContain(`"${cronJob?.metadata.name}"`)
      expect(expr).toContain(`namespace="${cronJob?.metadata.namespace}"`)
      expect(annotations.description).toMatch(/kubectl|entente/)
    }
  })

  it('give the CronJob’s account no right beyond those of the CLI', async () => {
    const roles = documents('rbac.yaml').map(({ metadata }) => metadata.name)
    for (const { kind, roleRef } of documents('cronjob.yaml')) {
      expect(kind).not.toMatch(/^(Cluster)?Role$/)
      if (roleRef !== undefined) expect(roles).toContain((roleRef as { name: string }).name)
    }
    expect((await kubectl(['--as', CRON], ['auth', 'can-i', 'get', 'secrets', '-A'])).stdout.trim()).toBe('no')
  })
})

describe('objects of Entente', () => {
  beforeAll(async () => {
    expectDone(await kubectl([], ['label', 'namespace', 'sample', 'entente.dev/federated=true']))
    const probe = { ...(OURS[3] as KubeObject), metadata: { name: 'probe', namespace: 'elsewhere', labels: LABELS } }
    await until('the policy to be in force', async () => {
      const { code } = await kubectl(mallory, ['create', '--dry-run=server', '-f', '-'], probe)
      return code !== 0
    })
  })

  it.each(OURS)(
    '$kind: an operator may write it; others, cluster administrators too, may not create, change or delete it',
    async (object) => {
      const why = [`${object.kind} ${object.metadata.namespace}/${object.metadata.name}`, 'belongs to Entente', 'entente apply']
      expectRefused(await apply(mallory, object), ...why, 'istio-system:mallory may not create it')
      expectDone(await apply(OPERATOR, object))
      for (const who of [mallory, []]) {
        const change = [...reference(object), 'x=y', '--overwrite']
        expectRefused(await kubectl(who, ['label', ...change]), ...why, 'may not update it')
        expectRefused(await kubectl(who, ['label', ...reference(object), 'app.kubernetes.io/managed-by-']), ...why)
        expectRefused(await kubectl(who, ['delete', ...reference(object)]), ...why, 'may not delete it')
      }
      expectDone(await kubectl(OPERATOR, ['delete', ...reference(object)]))
    },
  )

  it('can be tested with a dry run, as docs/deploy.md says', async () => {
    const object = OURS[0] as KubeObject
    expectDone(await apply(OPERATOR, object))
    const label = 'app.kubernetes.io/managed-by=entente'
    for (const [who, expected] of [[[], expectRefused] as const, [OPERATOR, expectDone] as const]) {
      const made = await kubectl(who, ['-n', 'sample', 'create', 'configmap', 'probe', '--dry-run=client', '-o', 'json'])
      const labelled = await kubectl(who, ['label', '--local', '-f', '-', label, '-o', 'json'], JSON.parse(made.stdout) as KubeObject)
      const filters = await kubectl(who, ['-n', 'sample', 'delete', 'envoyfilter', '-l', label, '--dry-run=server'])
      expected(filters)
      if (who.length === 0)
        expectRefused(await kubectl(who, ['create', '--dry-run=server', '-f', '-'], JSON.parse(labelled.stdout) as KubeObject))
    }
    expect(await kubectl([], ['get', ...reference(object)])).toMatchObject({ code: 0 })
    expectDone(await kubectl(OPERATOR, ['delete', ...reference(object)]))
  })

  it('include the record’s head, with or without the label', async () => {
    const metadata = { name: 'entente-record', namespace: ISTIO_NAMESPACE }
    expectRefused(
      await apply(mallory, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { head: '' } }),
      'entente-record belongs to Entente',
    )
    expectDone(await apply(mallory, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, namespace: 'elsewhere' } }))
  })

  it('cannot be created by adding our label to a foreign object', async () => {
    const metadata = { name: 'theirs', namespace: 'elsewhere' }
    expectDone(await apply(mallory, { apiVersion: 'v1', kind: 'ConfigMap', metadata }))
    expectRefused(
      await apply(mallory, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, labels: LABELS } }),
      'belongs to Entente',
    )
    expectDone(await kubectl(mallory, ['delete', '-n', 'elsewhere', 'configmap', 'theirs']))
  })

  it('go with their namespace: its controller may delete them, and nothing else', async () => {
    const object = OURS[0] as KubeObject
    const controller = ['--as', 'system:serviceaccount:kube-system:namespace-controller', '--as-group', 'system:masters']
    expectDone(await apply(OPERATOR, object))
    expectRefused(await kubectl(controller, ['label', ...reference(object), 'x=y']), 'may not update it')
    expectDone(await kubectl(controller, ['delete', ...reference(object)]))
  })
})

describe('a foreign EnvoyFilter', () => {
  const wrapped = { name: 'x', typed_config: { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', value: {} } }
  const camel = {
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      typedConfig: { commonTlsContext: { combinedValidationContext: { defaultValidationContext: { customValidatorConfig: VALIDATOR } } } },
    },
  }
  const added = (common: object) => ({ name: 'own', transport_socket: socket(common, `${TLS}.UpstreamTlsContext`) })

  it.each([
    { what: 'a validator', applyTo: 'FILTER_CHAIN', value: { transport_socket: PINNED } },
    { what: 'a validator, named as in JSON', applyTo: 'CLUSTER', value: camel },
    { what: 'a validator in a listener’s chains', applyTo: 'LISTENER', value: { filter_chains: [{ transport_socket: PINNED }] } },
    { what: 'a validator in the default chain', applyTo: 'LISTENER', value: { default_filter_chain: { transport_socket: PINNED } } },
    { what: 'a validator in a socket match', applyTo: 'CLUSTER', value: { transport_socket_matches: [{ transport_socket: PINNED }] } },
    { what: 'roots in place of ours', applyTo: 'FILTER_CHAIN', value: { transport_socket: socket({ validation_context: {} }) } },
    { what: 'a socket that may hide one', applyTo: 'FILTER_CHAIN', value: { transport_socket: wrapped } },
    {
      what: 'a validator in a cluster of its own',
      applyTo: 'CLUSTER',
      operation: 'ADD',
      value: added({ validation_context: { custom_validator_config: VALIDATOR } }),
    },
    {
      what: 'what may hide one in a cluster of its own',
      applyTo: 'CLUSTER',
      operation: 'ADD',
      value: { name: 'own', transport_socket: wrapped },
    },
    {
      what: 'no TLS in place of ours',
      applyTo: 'CLUSTER',
      value: { transport_socket: { name: 'envoy.transport_sockets.raw_buffer' } },
    },
    {
      what: 'no client certificate required',
      applyTo: 'FILTER_CHAIN',
      value: {
        transport_socket: { name: 'x', typed_config: { '@type': `${TLS}.DownstreamTlsContext`, require_client_certificate: false } },
      },
    },
  ])('with $what is denied in a federated and in the root namespace, and nowhere else', async ({ applyTo, value, operation }) => {
    for (const namespace of ['sample', ISTIO_NAMESPACE]) {
      const refused = await apply(mallory, filter(namespace, applyTo, value, operation))
      expectRefused(refused, `EnvoyFilter ${namespace}/theirs says how certificates are checked`, `namespace ${namespace} is federated`)
    }
    const elsewhere = filter('elsewhere', applyTo, value, operation)
    expectDone(await apply(mallory, elsewhere))
    expectDone(await kubectl(mallory, ['delete', ...reference(elsewhere)]))
  })

  const chainFilter = (name: string, subFilter?: string) => ({
    context: 'SIDECAR_INBOUND',
    listener: { filterChain: { filter: { name, ...(subFilter === undefined ? {} : { subFilter: { name: subFilter } }) } } },
  })
  const HCM = 'envoy.filters.network.http_connection_manager'
  const typed = (type: string) => ({ name: 'x', typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.${type}` } })
  const perFilter = { typed_per_filter_config: { 'envoy.filters.http.rbac': {} } }
  const patched = (namespace: string, applyTo: string, operation: string, match?: object, value?: object): KubeObject => ({
    ...filter(namespace, applyTo, {}),
    spec: { configPatches: [{ applyTo, ...(match && { match }), patch: { operation, ...(value && { value }) } }] },
  })

  it.each([
    {
      what: 'removes a policy’s filter',
      applyTo: 'HTTP_FILTER',
      operation: 'REMOVE',
      match: chainFilter(HCM, 'envoy.filters.http.rbac'),
    },
    {
      what: 'replaces it',
      applyTo: 'HTTP_FILTER',
      operation: 'REPLACE',
      match: chainFilter(HCM, 'envoy.filters.http.rbac'),
      value: { name: 'x' },
    },
    {
      what: 'changes it',
      applyTo: 'HTTP_FILTER',
      operation: 'MERGE',
      match: chainFilter(HCM, 'envoy.filters.http.rbac'),
      value: { name: 'x' },
    },
    { what: 'removes every HTTP filter', applyTo: 'HTTP_FILTER', operation: 'REMOVE' },
    { what: 'removes our guard of headers', applyTo: 'HTTP_FILTER', operation: 'REMOVE', match: chainFilter(HCM, 'entente.headers') },
    { what: 'removes our guard of names', applyTo: 'NETWORK_FILTER', operation: 'REMOVE', match: chainFilter('entente.names') },
    { what: 'removes RBAC of TCP', applyTo: 'NETWORK_FILTER', operation: 'REMOVE', match: chainFilter('envoy.filters.network.rbac') },
    { what: 'removes the connection manager', applyTo: 'NETWORK_FILTER', operation: 'REMOVE', match: chainFilter(HCM) },
    {
      what: 'gives it other filters',
      applyTo: 'NETWORK_FILTER',
      operation: 'MERGE',
      match: chainFilter(HCM),
      value: { typed_config: { http_filters: [] } },
    },
    {
      what: 'makes it forward foreign names',
      applyTo: 'NETWORK_FILTER',
      operation: 'MERGE',
      match: chainFilter(HCM),
      value: { typed_config: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' } },
    },
    {
      what: 'ends the chain before the guards',
      applyTo: 'NETWORK_FILTER',
      operation: 'INSERT_FIRST',
      value: typed('network.tcp_proxy.v3.TcpProxy'),
    },
    { what: 'inserts what it hides', applyTo: 'NETWORK_FILTER', operation: 'INSERT_FIRST', value: { name: 'x', config_discovery: {} } },
    { what: 'adds a chain', applyTo: 'FILTER_CHAIN', operation: 'ADD', value: { name: 'x' } },
    { what: 'removes a chain', applyTo: 'FILTER_CHAIN', operation: 'REMOVE' },
    { what: 'changes the match of a chain', applyTo: 'FILTER_CHAIN', operation: 'MERGE', value: { filter_chain_match: {} } },
    { what: 'adds a listener', applyTo: 'LISTENER', operation: 'ADD', value: { name: 'x' } },
    { what: 'adds a chain to a listener', applyTo: 'LISTENER', operation: 'MERGE', value: { filter_chains: [{ name: 'x' }] } },
    { what: 'disables TLS inspection', applyTo: 'LISTENER_FILTER', operation: 'REMOVE' },
    { what: 'switches a policy off for a route', applyTo: 'HTTP_ROUTE', operation: 'MERGE', value: perFilter },
    { what: 'switches it off for a host', applyTo: 'VIRTUAL_HOST', operation: 'MERGE', value: { routes: [perFilter] } },
    {
      what: 'switches it off for all',
      applyTo: 'ROUTE_CONFIGURATION',
      operation: 'MERGE',
      value: { virtual_hosts: [{ routes: [perFilter] }] },
    },
    {
      what: 'sets the caller’s identity',
      applyTo: 'VIRTUAL_HOST',
      operation: 'MERGE',
      value: { request_headers_to_add: [{ header: { key: 'X-Forwarded-Client-Cert' } }] },
    },
    {
      what: 'adds a cluster under a name of Istio’s',
      applyTo: 'CLUSTER',
      operation: 'ADD',
      value: { name: 'outbound|80||server.sample.svc.cluster.local' },
    },
    { what: 'adds a listener at the start', applyTo: 'BOOTSTRAP', operation: 'MERGE', value: { static_resources: {} } },
  ])('that $what is denied in a federated and in the root namespace, and nowhere else', async ({ applyTo, operation, match, value }) => {
    for (const namespace of ['sample', ISTIO_NAMESPACE]) {
      const object = patched(namespace, applyTo, operation, match, value)
      expectRefused(
        await apply(mallory, object),
        `EnvoyFilter ${namespace}/theirs can take away or go around`,
        `namespace ${namespace} is federated`,
      )
    }
    // An account that may write Entente's objects may write it: in the root namespace only with the rights for a whole mesh.
    expectDone(await kubectl(OPERATOR, ['create', '--dry-run=server', '-f', '-'], patched('sample', applyTo, operation, match, value)))
    const elsewhere = patched('elsewhere', applyTo, operation, match, value)
    expectDone(await apply(mallory, elsewhere))
    expectDone(await kubectl(mallory, ['delete', ...reference(elsewhere)]))
  })

  it.each([
    {
      what: 'removes a filter of its own',
      applyTo: 'HTTP_FILTER',
      operation: 'REMOVE',
      match: chainFilter(HCM, 'envoy.filters.http.fault'),
    },
    {
      what: 'inserts a filter of TCP',
      applyTo: 'NETWORK_FILTER',
      operation: 'INSERT_BEFORE',
      value: typed('network.ext_authz.v3.ExtAuthz'),
    },
    {
      what: 'sets a timeout',
      applyTo: 'NETWORK_FILTER',
      operation: 'MERGE',
      match: chainFilter(HCM),
      value: { typed_config: { common_http_protocol_options: { idle_timeout: '30s' } } },
    },
    { what: 'sets a buffer', applyTo: 'LISTENER', operation: 'MERGE', value: { per_connection_buffer_limit_bytes: 1024 } },
    {
      what: 'adds a listener for outgoing calls',
      applyTo: 'LISTENER',
      operation: 'ADD',
      match: { context: 'SIDECAR_OUTBOUND' },
      value: { name: 'x' },
    },
    {
      what: 'adds a header',
      applyTo: 'VIRTUAL_HOST',
      operation: 'MERGE',
      value: { request_headers_to_add: [{ header: { key: 'x-team' } }] },
    },
    { what: 'counts', applyTo: 'BOOTSTRAP', operation: 'MERGE', value: { stats_config: {} } },
  ])('that $what is allowed', async ({ applyTo, operation, match, value }) => {
    const theirs = patched('sample', applyTo, operation, match, value)
    expectDone(await apply(mallory, theirs))
    expectDone(await kubectl(mallory, ['delete', ...reference(theirs)]))
  })

  it.each([
    { what: 'another subject', applyTo: 'HTTP_FILTER', value: { name: 'x' }, operation: 'INSERT_BEFORE' },
    { what: 'TLS parameters', applyTo: 'FILTER_CHAIN', value: { transport_socket: socket({ tls_params: {} }) }, operation: 'MERGE' },
    { what: 'a cluster of its own', applyTo: 'CLUSTER', value: added({ validation_context: { trusted_ca: {} } }), operation: 'ADD' },
  ])('with $what is allowed, and may be changed and deleted', async ({ applyTo, value, operation }) => {
    const theirs = filter('sample', applyTo, value, operation)
    expectDone(await apply(mallory, theirs))
    expectDone(await kubectl(mallory, ['label', ...reference(theirs), 'x=y']))
    const patch = JSON.stringify([{ op: 'replace', path: '/spec/configPatches/0', value: { applyTo: 'CLUSTER', patch: { value: camel } } }])
    expectRefused(await kubectl(mallory, ['patch', ...reference(theirs), '--type', 'json', '-p', patch]), 'how certificates are checked')
    expectDone(await kubectl(mallory, ['delete', ...reference(theirs)]))
  })

  it('with no patch, or only patches that remove, is allowed', async () => {
    const theirs = { ...filter('sample', 'CLUSTER', {}), spec: { configPatches: [{ applyTo: 'CLUSTER', patch: { operation: 'REMOVE' } }] } }
    expectDone(await apply(mallory, theirs))
    expectDone(await apply(mallory, { ...theirs, spec: { configPatches: [] } }))
    expectDone(await kubectl(mallory, ['delete', ...reference(theirs)]))
  })
})

describe('the CronJob', () => {
  const file = (name: string): string => path.join(workspace, name)
  const [job] = documents('cronjob.yaml').filter(({ kind }) => kind === 'CronJob')
  const container = (
    job as unknown as {
      spec: { jobTemplate: { spec: { template: { spec: { containers: [{ args: [string]; env: { name: string; value: string }[] }] } } } } }
    }
  ).spec.jobTemplate.spec.template.spec.containers[0]
  const script = container.args[0]

  /** A pod's view: its account's token where pods find it, the API server by environment, no kubeconfig. Its files are `workspace`. */
  async function inPod(command: string, cwd = workspace): Promise<Outcome> {
    const server = new URL(bed.b.api.access.server)
    const given = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
    const env = {
      ...given,
      ...{ REPOSITORY: file('git'), STATE: file('state'), HOME: file('home'), PATH: `${file('bin')}:${process.env.PATH}` },
      ...{ KUBERNETES_SERVICE_HOST: server.hostname, KUBERNETES_SERVICE_PORT: server.port, KUBECONFIG: '', COMMAND: command },
    }
    const mount = 'mount -t tmpfs pod /run && mkdir -p /run/secrets/kubernetes.io && cp -r "$0" /run/secrets/kubernetes.io/serviceaccount'
    const inside = `${mount} && exec /bin/sh -euc "$COMMAND"`
    return outcome('unshare', ['--mount', '/bin/sh', '-euc', inside, file('account')], { cwd, env, timeoutMs: 100_000 })
  }

  const ownRoots = async (): Promise<number> => {
    const filters = (await ours(bed.b)).filter(({ kind }) => kind === 'EnvoyFilter')
    const own = JSON.stringify(filters).match(/"name":"cluster-b\.example","trust_bundle":\{"inline_string":"([^"]*)"/)?.[1] ?? ''
    return own.split('BEGIN CERTIFICATE').length - 1
  }

  beforeAll(async () => {
    for (const directory of ['bin', 'home', 'account', 'state']) mkdirSync(file(directory))
    writeFileSync(file('bin/entente'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, { mode: 0o755 })
    writeFileSync(file('account/token'), await bed.b.kube.token(ISTIO_NAMESPACE, 'entente-cron', 'https://kubernetes.default.svc'))
    writeFileSync(file('account/ca.crt'), bed.b.api.access.ca)
    writeFileSync(file('account/namespace'), ISTIO_NAMESPACE)
    await bed.b.pod({ namespace: 'sample', name: 'server' })
    await bed.service('sample', 'server', [])
    await run('git', ['init', '-q', '--bare', '-b', 'main', file('git')])
    await run('git', ['clone', '-q', file('git'), file('desk')])
    const members = [
      { name: 'cluster-a', trustDomain: 'cluster-a.example' },
      { name: 'cluster-b', trustDomain: 'cluster-b.example', cluster: { context: 'in-cluster' } },
    ]
    const federation = {
      apiVersion: 'entente.dev/v1alpha1',
      kind: 'Federation',
      metadata: { name: 'shop' },
      spec: { members, trust: [bAccepts()] },
    }
    writeFileSync(file('desk/federation.yaml'), stringify(federation))
    const offered = await cli(['export', '--context', 'cluster-a'], { cwd: workspace, kubeconfig: bed.kubeconfig })
    writeFileSync(file('offer.json'), offered.stdout)
    const fingerprint = offered.stderr.match(/sha256:[0-9a-f]{64}/)?.[0] ?? ''
    const commands = [
      `entente approve cluster-a --bundle ../offer.json --fingerprint ${fingerprint} --yes --reason e2e`,
      'entente approve cluster-b --yes --reason e2e',
      'entente apply --yes --reason e2e',
      'git add -A && git commit -q -m start && git push -q -u origin main',
    ]
    expectDone(await inPod(commands.join('\n'), file('desk')))
  })

  it('reports status with the pod’s own account, and writes nothing; a partner without access is no alarm', async () => {
    const heads = async () => (await ours(bed.b)).map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`)
    const before = await heads()
    const { code, stdout, stderr } = await inPod(script)
    expect(JSON.parse(stdout), stderr).toMatchObject({ trusts: [{ state: 'unknown', findings: [{ code: 'chain-unseen' }] }], steps: [] })
    expect(code, stderr).toBe(0)
    expect(await heads()).toEqual(before)
  })

  it('observes the partner too, with a kubeconfig that reads its own account’s token by a command', async () => {
    const account = '/var/run/secrets/kubernetes.io/serviceaccount'
    const { server } = bed.b.api.access
    const answer = `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$(cat ${account}/token)"`
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', answer], interactiveMode: 'Never' }
    const a = bed.a.api.access
    const contexts = ['in-cluster', 'cluster-a'].map((name) => ({ name, context: { cluster: name, user: name } }))
    const clusters = [
      { name: 'in-cluster', cluster: { server, 'certificate-authority': `${account}/ca.crt` } },
      { name: 'cluster-a', cluster: { server: a.server, 'certificate-authority-data': Buffer.from(a.ca).toString('base64') } },
    ]
    const users = [
      { name: 'in-cluster', user: { exec } },
      { name: 'cluster-a', user: { token: a.token } },
    ]
    writeFileSync(file('kubeconfig'), stringify({ apiVersion: 'v1', kind: 'Config', clusters, users, contexts }))
    const federation = readFileSync(file('desk/federation.yaml'), 'utf8')
    const both = federation.replace('trustDomain: cluster-a.example', '$&\n      cluster:\n        context: cluster-a')
    writeFileSync(file('desk/both.yaml'), both)
    const { stdout, stderr } = await inPod(`KUBECONFIG=${file('kubeconfig')} entente status -f both.yaml -o json`, file('desk'))
    const [trust] = (JSON.parse(stdout) as { trusts: { proxies: object; findings: { code: string }[] }[] }).trusts
    expect(trust?.proxies, stderr).toMatchObject({ total: 1, ready: 1 })
    expect(codes(trust?.findings ?? []), stdout).toEqual(['one-way']) // Entente observed the chain of a, and that a trusts nobody
  })

  it('fails if the state differs from the file, and an account that the policy does not name cannot repair it', async () => {
    const [policy] = (await ours(bed.b)).filter(({ kind }) => kind === 'AuthorizationPolicy')
    expectDone(await kubectl(OPERATOR, ['delete', ...reference(policy as KubeObject)]))
    await until('the job to fail', async () => (await inPod(script)).code !== 0)
    await run('cp', ['-r', file('state/checkout'), file('theirs')])
    writeFileSync(file('mallory'), readFileSync(mallory, 'utf8').replaceAll(bed.b.context, 'in-cluster'))
    const refused = await inPod(`KUBECONFIG=${file('mallory')} entente apply --yes --reason e2e`, file('theirs'))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /admission refuses.*ConfigMap istio-system\/entente-record belongs to Entente.*mallory may not update it/s,
    )
    expectDone(await inPod('entente apply --yes --reason e2e', file('state/checkout')))
    await until('the job to end well', async () => (await inPod(script)).code === 0)
  })

  it('approves and applies a new root of its own mesh, and commits the record to Git', async () => {
    await bed.b.addRoot()
    const { code, stdout, stderr } = await inPod(script)
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).toContain('own-root-unknown')
    expect(await ownRoots()).toBe(2)
    const log = await run('git', ['-C', file('git'), 'log', '--format=%s', 'main'])
    expect(log.split('\n').slice(0, 3)).toEqual(
      ['applied', 'approved'].map((did) => `Entente: roots of cluster-b ${did}`).concat('Entente: what an earlier run did'),
    )
    expectDone(await inPod('entente audit verify', file('state/checkout')))
  })

  it('only observes if it has no member of its own', async () => {
    await bed.b.addRoot()
    const { code, stdout } = await inPod(`OWN=\n${script}`)
    expect(code).toBe(1)
    expect(stdout).toContain('own-root-unknown')
    expect(await ownRoots()).toBe(2)
  })
})
