import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, authority, B, federation, NOW, wanted } from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { destinationRule, object, ok, peerAuthentication, pod, service } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import { plan } from '../plan/plan.ts'
import { render } from '../trust/render.ts'
import { verify } from '../verify/verdict.ts'
import { withoutKeys } from './masked.ts'
import { evidenceView } from './print-evidence.ts'
import { parseEvidence } from './read-evidence.ts'

const SECRET = 'S3CR3T'
const PEM = `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\n-----END EC PRIVATE KEY-----\n`
const networking = (kind: string, where: string, spec: object): Manifest => object('networking.istio.io/v1', kind, where, { spec })
const filter = (where: string, ...configPatches: readonly object[]): Manifest =>
  object('networking.istio.io/v1alpha3', 'EnvoyFilter', where, { spec: { workloadSelector: { labels: { app: 'other' } }, configPatches } })
const policy = (where: string, spec: object): Manifest => object('security.istio.io/v1', 'AuthorizationPolicy', where, { spec })
const tls = (value: object) => ({ transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: value } })

/** Objects of other teams, with a secret wherever one can stand. */
const OTHERS: readonly { readonly name: string; readonly object: Manifest }[] = [
  {
    name: 'a private key in a TLS context',
    object: filter('sample/tls', {
      applyTo: 'FILTER_CHAIN',
      match: { context: 'SIDECAR_INBOUND', listener: { portNumber: 8080 } },
      patch: {
        operation: 'MERGE',
        value: tls({ tls_certificates: [{ private_key: { inline_bytes: Buffer.from(PEM).toString('base64') } }] }),
      },
    }),
  },
  {
    name: 'a private key as text',
    object: filter('pay/tls', {
      applyTo: 'CLUSTER',
      patch: { operation: 'MERGE', value: tls({ tls_certificates: [{ private_key: { inline_string: PEM } }] }) },
    }),
  },
  {
    name: 'a key as DER, without a hint that it is one',
    object: filter('pay/der', {
      applyTo: 'CLUSTER',
      patch: { operation: 'ADD', value: { key: { inline_bytes: Buffer.from(SECRET).toString('base64') } } },
    }),
  },
  {
    name: 'a token that a filter adds, and one in its code',
    object: filter('pay/token', {
      applyTo: 'HTTP_FILTER',
      patch: {
        operation: 'INSERT_BEFORE',
        value: {
          name: 'envoy.lua',
          typed_config: {
            '@type': 'type.googleapis.com/x',
            inline_code: SECRET,
            headers: [{ key: 'authorization', value: `Bearer ${SECRET}` }],
          },
        },
      },
    }),
  },
  {
    name: 'metadata that a filter matches',
    object: filter('pay/proxy', { applyTo: 'CLUSTER', match: { proxy: { metadata: { token: SECRET } } }, patch: {} }),
  },
  {
    name: 'an API key that a policy compares',
    object: policy('pay/key', { rules: [{ when: [{ key: 'request.headers[x-api-key]', values: [SECRET] }] }] }),
  },
  {
    name: 'a key that a policy of the scope denies',
    object: policy('sample/key', { action: 'DENY', rules: [{ when: [{ key: 'request.headers[x]', notValues: [SECRET] }] }] }),
  },
  { name: 'a claim of a token', object: policy('pay/claim', { rules: [{ from: [{ source: { requestPrincipals: [SECRET] } }] }] }) },
  {
    name: 'an unknown field',
    object: policy('pay/new', { rules: [{ to: [{ operation: { bodies: [SECRET] } }], also: { deep: [SECRET] } }] }),
  },
  {
    name: 'a cookie of a DestinationRule',
    object: destinationRule('pay/cookie', {
      host: 'pay',
      trafficPolicy: { loadBalancer: { consistentHash: { httpCookie: { name: SECRET } } } },
    }),
  },
  {
    name: 'a password in a mesh gateway',
    object: networking('Gateway', 'pay/gw', {
      selector: { app: 'gw' },
      servers: [{ hosts: ['*'], port: { number: 443, protocol: 'TLS', name: 'x' }, tls: { mode: 'SIMPLE', credentialName: SECRET } }],
    }),
  },
  {
    name: 'an extension’s configuration',
    object: object('extensions.istio.io/v1alpha1', 'WasmPlugin', 'sample/wasm', {
      spec: { pluginConfig: { key: SECRET }, imagePullSecret: SECRET },
    }),
  },
  {
    name: 'headers of a route',
    object: networking('VirtualService', 'sample/vs', { http: [{ headers: { request: { set: { authorization: SECRET } } } }] }),
  },
  {
    name: 'the annotations of an object',
    object: object(
      'v1',
      'Service',
      'sample/annotated',
      { spec: {} },
      {
        annotations: {
          'kubectl.kubernetes.io/last-applied-configuration': SECRET,
          'example.com/token': SECRET,
          'proxy.istio.io/config': SECRET,
          'sidecar.istio.io/status': SECRET,
          'sidecar.istio.io/userVolume': SECRET,
        },
      },
    ),
  },
  {
    name: 'the environment of a pod',
    object: object(
      'v1',
      'Pod',
      'sample/env',
      {
        spec: {
          containers: [
            { name: 'app', env: [{ name: 'PW', value: SECRET }], args: [SECRET], command: [SECRET] },
            { name: 'istio-proxy', args: ['proxy', 'sidecar', SECRET], env: [{ name: 'PROXY_CONFIG', value: SECRET }] },
          ],
          volumes: [{ secret: SECRET }],
        },
        status: { phase: 'Running', message: SECRET },
      },
      { labels: { app: 'env' } },
    ),
  },
  {
    name: 'a key next to the roots of a ConfigMap',
    object: object('v1', 'ConfigMap', 'istio-system/team-root-cert', { data: { 'root.pem': PEM, password: SECRET } }),
  },
  {
    name: 'a key in an object that claims to be Entente’s',
    object: object(
      'v1',
      'ConfigMap',
      'sample/ours',
      { data: { key: PEM, also: Buffer.from(PEM).toString('base64') } },
      { labels: { 'app.kubernetes.io/managed-by': 'entente' } },
    ),
  },
]

const [caA, caB] = await Promise.all([authority(A), authority(B)])
const of = federation()
const intents = wanted(of, caA.bundle, caB.bundle)

async function seen(others: readonly Manifest[]): Promise<ReadonlyMap<MemberName, Observation>> {
  const around = [
    pod('sample/client', { app: 'client' }),
    pod('sample/server', { app: 'server' }),
    service('sample/server'),
    peerAuthentication('pay/loose', 'PERMISSIVE'),
    ...others,
  ]
  const looks = intents.map(async (intent) => {
    const own = intent.member.trustDomain === A ? caA.bundle : caB.bundle
    const istiod = await (own === caA.bundle ? caA : caB).leaf(`spiffe://${own.trustDomain}/ns/istio-system/sa/istiod`)
    const mesh = memoryMesh(intent.member.name, { own, objects: [...render(intent), ...around], istio: { presented: ok(istiod.chainDer) } })
    await mesh.proxies()
    return [intent.member.name, await mesh.observe({ namespaces: ['sample'] })] as const
  })
  return new Map(await Promise.all(looks))
}

function printed(seenOf: ReadonlyMap<MemberName, Observation>): string {
  const observed = intents.map(({ member }) => ({ member, namespaces: ['sample'], observation: seenOf.get(member.name) as Observation }))
  return JSON.stringify(evidenceView({ federation: of.name, record: undefined, at: NOW, observed, verdicts: [], findings: [] }))
}

describe('masked evidence', () => {
  it.each(OTHERS)('contains no secret: $name', async ({ object: other }) => {
    const text = printed(await seen([other]))
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain(Buffer.from(SECRET).toString('base64'))
    expect(text).not.toContain(Buffer.from(PEM).toString('base64').slice(0, 40))
  })

  it('yields the same verdicts and plan as the unmasked observation, whatever foreign objects exist', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray([...OTHERS]), async (some) => {
        const before = await seen(some.map(({ object: one }) => one))
        const handed = parseEvidence(Buffer.from(printed(before)), 'seen.json', of, NOW)
        const after = new Map([...handed.observed].map(([name, { observation }]) => [name, observation]))
        expect(verify(of, intents, after, NOW)).toEqual(verify(of, intents, before, NOW))
        expect(plan(intents, after, NOW)).toEqual(plan(intents, before, NOW))
      }),
      { numRuns: 25 },
    )
  })
})

describe('a private key in a text', () => {
  it.each([
    { name: 'alone', text: PEM, is: '(a private key stood here)\n' },
    { name: 'between certificates', text: `a -----BEGIN X-----b${PEM}c`, is: 'a -----BEGIN X-----b(a private key stood here)\nc' },
    { name: 'without an end', text: 'a -----BEGIN PRIVATE KEY-----\nMIIE', is: 'a (a private key stood here)' },
    { name: 'on one line', text: `${PEM.replaceAll('\n', '\\n')}x`, is: '(a private key stood here)\\nx' },
    { name: 'as base64', text: Buffer.from(PEM).toString('base64'), is: '(a private key stood here)' },
    { name: 'only named', text: 'its PRIVATE KEY is gone', is: 'its PRIVATE KEY is gone' },
  ])('is removed: $name', ({ text, is }) => {
    expect(withoutKeys(text)).toBe(is)
  })

  it('is removed quickly from a long text', () => {
    expect(withoutKeys('-----BEGIN PRIVATE KEY-----'.repeat(20_000))).not.toContain('BEGIN')
  })
})
