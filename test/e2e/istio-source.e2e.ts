/** Next to Istio's own source: what its Go code makes of a mesh config, and what lint and impact say of all its manifests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseMeshConfig } from '../../src/adapters/kubernetes/read/mesh-config.ts'
import { run as impact } from '../../src/cli/commands/inspect/impact.ts'
import { FederationError } from '../../src/core/diagnostics/errors.ts'
import { at, list, text } from '../../src/core/model/manifest.ts'
import type { ImpactView } from '../../src/core/view/impact-view.ts'
import type { View } from '../../src/core/view/schemas.ts'
import { cli } from '../support/cli.ts'
import { meshLayers, meshText } from '../support/mesh-texts.ts'
import { type MeshOpinion, startOpinion } from '../support/opinions.ts'
import { quietIo } from '../support/workspace.ts'
import { ensureBuilt, istioSource } from '../testbed/build.ts'

const SEED = 20_261_201
const CASES = 2_000
let istiod: MeshOpinion

beforeAll(async () => {
  const { root, meshConfig } = await ensureBuilt((line) => console.log(line))
  istiod = startOpinion(path.join(root, meshConfig))
})
afterAll(() => istiod?.close())

/** `refused`, or what the settings about trust are. */
function ours(layers: readonly string[]): unknown {
  try {
    const { trustDomain, aliases, extraRoots, extraDomains, authorizers, autoMtls, meshId, rootNamespace, xdsAgent } = parseMeshConfig(
      'm',
      layers,
    )
    return {
      trustDomain,
      aliases: [...aliases].sort(),
      extraRoots,
      extraDomains: [...extraDomains].sort(),
      authorizers: [...authorizers].sort(),
      autoMtls,
      meshId,
      rootNamespace,
      xdsAgent,
    }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    // Stricter than Istio: SPIFFE allows no such trust domain.
    return /its trust domain .* is invalid/.test(cause.message) ? 'stricter' : 'refused'
  }
}

async function theirs(layers: readonly string[]): Promise<unknown> {
  const { mesh, error } = await istiod.ask(layers)
  if (mesh === undefined) return { refused: error }
  const roots = list(mesh.caCertificates)
  const trustDomain = text(mesh.trustDomain)
  return {
    trustDomain,
    aliases: list(mesh.trustDomainAliases).map(text).sort(),
    extraRoots: roots.length,
    extraDomains: [...new Set(roots.flatMap((root) => list(at(root, 'trustDomains')).map(text)))].sort(),
    authorizers: list(mesh.extensionProviders)
      .filter((one) => at(one, 'envoyExtAuthzHttp') !== undefined || at(one, 'envoyExtAuthzGrpc') !== undefined)
      .map((one) => text(at(one, 'name')))
      .sort(),
    autoMtls: mesh.enableAutoMtls === true,
    meshId: text(at(mesh, 'defaultConfig', 'meshId')) || trustDomain,
    rootNamespace: text(mesh.rootNamespace) || 'istio-system',
    xdsAgent: /^(1|t|true)$/i.test(text(at(mesh, 'defaultConfig', 'proxyMetadata', 'PROXY_CONFIG_XDS_AGENT'))),
  }
}

/** Of the cases: that both kinds of answer are frequent enough to compare. */
async function sameAnswers(layers: fc.Arbitrary<readonly string[]>, numRuns: number): Promise<{ readonly refused: number }> {
  let refused = 0
  await fc.assert(
    fc.asyncProperty(layers, async (texts) => {
      const [here, there] = [ours(texts), await theirs(texts)]
      if (here === 'stricter') return
      if (here === 'refused') refused += 1
      if (here === 'refused') expect(there).toHaveProperty('refused')
      else expect(here).toEqual(there)
    }),
    { seed: SEED, numRuns },
  )
  return { refused }
}

describe('a mesh config', () => {
  it('is rejected if Istio rejects it, and read as Istio reads it', { timeout: 60_000 }, async () => {
    const { refused } = await sameAnswers(
      meshText.map((one) => [one]),
      CASES,
    )
    expect(refused / CASES).toBeGreaterThan(0.2)
    expect(refused / CASES).toBeLessThan(0.8)
  })

  it('in layers equals Istio’s merge of them', { timeout: 60_000 }, async () => {
    expect(await sameAnswers(meshLayers, CASES / 10)).toEqual({ refused: 0 })
  })
})

/**
 * The reviewed findings of lint on Istio's manifests: each finding has a row, and each row a finding. `helm-template` and
 * `settings-not-read` are left out: they say that Entente did not read a file.
 */
const REVIEWED: readonly (readonly [code: string, file: RegExp, why: string])[] = [
  ['unknown-field', /^pkg\/config\/validation\/testdata\/crds\/\w+-invalid\.yaml$/, 'the field _err of these tests'],
  ['unknown-field', /^pkg\/config\/analysis\/analyzers\/testdata\/deprecation\.yaml$/, 'EnvoyFilters of Istio 1.2'],
  ['unknown-kind', /^pkg\/config\/analysis\/analyzers\/testdata\/deprecation\.yaml$/, 'a QuotaSpec'],
  ['unknown-field', /^pkg\/config\/analysis\/analyzers\/testdata\/envoy-filter-add-operation\.yaml$/, 'match.app'],
  ['unknown-field', /^tests\/testdata\/config\/rule-websocket-route\.yaml$/, 'websocketUpgrade, of Istio 0.8'],
  ['principal-never-matches', /^pkg\/config\/validation\/testdata\/crds\/authz-(in)?valid\.yaml$/, 'the principal "principal"'],
  ['principal-never-matches', /^pilot\/pkg\/security\/authz\/builder\/testdata\/(http|tcp)\/[\w-]+-in\.yaml$/, 'likewise'],
  ['principal-never-matches', /^pilot\/pkg\/serviceregistry\/ambient\/testdata\/[\w-]+-in\.yaml$/, 'likewise'],
  ['unknown-trust-domain', /^(pilot|pkg)\/[\w/-]+\/testdata\/([\w/-]+\/)?[\w-]+\.yaml$/, 'names such as principal-prefix-*'],
  ['rule-never-matches', /^(pilot|pkg)\/[\w/-]+\/testdata\/([\w/-]+\/)?[\w-]+\.yaml$/, 'rules with every field, "*" among the excluded'],
  ['selector-in-root-namespace', /^samples\/(bookinfo|ratelimit)\/[\w/-]+\.yaml$/, 'filters in istio-system, by labels'],
  ['selector-in-root-namespace', /^tests\/[\w/-]+\/(enable_envoy_\w+|configs)\.yaml$/, 'likewise'],
  ['selector-in-root-namespace', /^pkg\/config\/analysis\/analyzers\/testdata\/authorizationpolicies\.yaml$/, 'a policy, likewise'],
  ['foreign-filter', /^pkg\/config\/analysis\/analyzers\/testdata\/envoy-filter-filterchain\.yaml$/, 'writes a TLS context'],
  ['policy-filter-removed', /^pkg\/config\/analysis\/analyzers\/testdata\/envoy-filter-remove-operation\.yaml$/, 'removes rbac'],
  ['ports-without-selector', /^pkg\/config\/validation\/testdata\/crds\/peerauth-invalid\.yaml$/, 'a PeerAuthentication that is wrong'],
  ['mesh-config-refused', /^operator\/pkg\/util\/testdata\/yaml\/input\/convention_\w+\.yaml$/, 'numbers in proxyMetadata'],
]
const NOT_READ = ['helm-template', 'settings-not-read']

/**
 * Whom the policies of Istio's tests accept of b.example, once its root is in the mesh; policies that accept nobody are
 * left out. `?`: it depends on more than the identity.
 */
const ACCEPTED: Readonly<Record<string, readonly string[]>> = {
  'pilot/pkg/security/authz/builder/testdata/http/allow-empty-rule-in.yaml': ['ALLOW foo/allow-all: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/http/allow-full-rule-in.yaml': [
    'ALLOW foo/httpbin-1: b.example/ns/my-ns/sa/my-sa b.example/ns/foo/sa/sa-only',
  ],
  'pilot/pkg/security/authz/builder/testdata/http/audit-full-rule-in.yaml': ['AUDIT foo/audit-all: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/http/custom-bad-multiple-providers-in.yaml': [
    'CUSTOM foo/httpbin-1: b.example/*',
    'CUSTOM foo/httpbin-2: b.example/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/http/custom-simple-http-in.yaml': [
    'CUSTOM foo/httpbin-1: b.example/*',
    'CUSTOM foo/httpbin-2: b.example/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/http/dry-run-allow-and-deny-in.yaml': [
    'ALLOW foo/httpbin-1: b.example/*',
    'DENY foo/httpbin-2: b.example/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/http/dry-run-allow-in.yaml': ['ALLOW foo/httpbin-1: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/http/dry-run-mix-in.yaml': ['ALLOW foo/httpbin-2: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/http/multiple-policies-in.yaml': [
    'ALLOW foo/httpbin-1: b.example/*',
    'ALLOW foo/httpbin-2: b.example/*',
    'ALLOW foo/httpbin-3: b.example/*',
    'ALLOW foo/httpbin-4: b.example/*',
    'ALLOW foo/httpbin-6: b.example/*?',
    'ALLOW foo/httpbin-7: b.example/ns/namespaces1/* b.example/ns/namespaces2/*',
    'ALLOW foo/httpbin-8: b.example/*?',
    'ALLOW foo/httpbin-9: b.example/*?',
  ],
  'pilot/pkg/security/authz/builder/testdata/http/simple-policy-principal-with-wildcard-in.yaml': ['ALLOW foo/httpbin: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/http/td-aliases-source-principal-in.yaml': ['ALLOW foo/httpbin: b.example/ns/istio-system/*'],
  'pilot/pkg/security/authz/builder/testdata/http/trust-domains-in.yaml': ['ALLOW foo/httpbin: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/tcp/allow-both-http-tcp-in.yaml': [
    'ALLOW foo/httpbin-deny: b.example/ns/ns-1/* b.example/*? -b.example/ns/ns-1/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/tcp/allow-only-http-in.yaml': [
    'ALLOW foo/httpbin-deny: b.example/ns/ns-1/* b.example/*? -b.example/ns/ns-1/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/tcp/audit-both-http-tcp-in.yaml': ['AUDIT foo/httpbin-audit: b.example/*'],
  'pilot/pkg/security/authz/builder/testdata/tcp/custom-both-http-tcp-in.yaml': ['CUSTOM foo/httpbin-deny: b.example/*?'],
  'pilot/pkg/security/authz/builder/testdata/tcp/custom-only-http-in.yaml': [
    'CUSTOM foo/httpbin-1: b.example/*',
    'CUSTOM foo/httpbin-2: b.example/*',
  ],
  'pilot/pkg/security/authz/builder/testdata/tcp/deny-both-http-tcp-in.yaml': ['DENY foo/httpbin-deny: b.example/*?'],
  'pilot/pkg/security/authz/builder/testdata/tcp/dry-run-mix-in.yaml': ['ALLOW foo/httpbin-2: b.example/*'],
  'pilot/pkg/serviceregistry/ambient/testdata/allow-full-in.yaml': ['ALLOW cfg/allow: b.example/*'],
  'pilot/pkg/serviceregistry/ambient/testdata/allow-groups-in.yaml': ['ALLOW default/groups: b.example/*?'],
  'pilot/pkg/serviceregistry/ambient/testdata/deny-groups-in.yaml': ['DENY default/groups-deny: b.example/*?'],
  'pkg/config/analysis/analyzers/testdata/authorizationpolicies.yaml': [
    'ALLOW httpbin-empty/httpbin-empty-namespace-wide: b.example/ns/httpbin/*?',
    'ALLOW httpbin/httpbin: b.example/ns/httpbin/*?',
    'ALLOW httpbin/httpbin-bogus-ns: b.example/*?',
    'ALLOW httpbin/httpbin-namespace-wide: b.example/ns/httpbin/*?',
    'ALLOW httpbin/httpbin-nopods: b.example/ns/httpbin/*?',
    'ALLOW test-ambient/no-workload: b.example/ns/httpbin/*?',
    'ALLOW test-ambient/valid-policy: b.example/ns/httpbin/*?',
  ],
  'pkg/config/validation/testdata/crds/authz-invalid.yaml': ['ALLOW default/service-account-and-namespace: b.example/ns/bar/sa/sa'],
  'pkg/config/validation/testdata/crds/authz-valid.yaml': [
    'ALLOW default/service-account-and-namespace-principal-split: b.example/ns/baz/sa/sa b.example/ns/default/sa/sa b.example/ns/bar/*',
  ],
  'pkg/test/datasets/validation/dataset/security-v1-AuthorizationPolicy.yaml': ['ALLOW default/authorization-policy: b.example/ns/test/*?'],
  'pkg/test/datasets/validation/dataset/security-v1beta1-AuthorizationPolicy.yaml': [
    'ALLOW default/authorization-policy: b.example/ns/test/*?',
  ],
}

describe('the manifests of Istio', () => {
  let source: string
  const directory = mkdtempSync(path.join(tmpdir(), 'entente-istio-'))
  const mesh = path.join(directory, 'mesh.yaml')
  beforeAll(async () => {
    source = await istioSource()
    writeFileSync(mesh, 'trustDomain: cluster.local\n')
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('have the findings that we reviewed, and no others', { timeout: 100_000 }, async () => {
    const seen = new Set<(typeof REVIEWED)[number]>()
    const directories = (await readdir(source, { withFileTypes: true })).filter((entry) => entry.isDirectory())
    // Each as an argument of its own: files of one argument belong to one mesh.
    const { json, stderr } = await cli(['lint', '-o', 'json', ...directories.map(({ name }) => name)], {
      cwd: source,
      kubeconfig: '/nonexistent',
    })
    expect(json, stderr).toBeDefined()
    const { findings, files } = json as View<'Lint'>
    for (const found of findings.filter(({ code }) => !NOT_READ.includes(code))) {
      const row = REVIEWED.find(([of, file]) => of === found.code && file.test(found.file))
      expect(row, JSON.stringify(found)).toBeDefined()
      if (row !== undefined) seen.add(row)
    }
    expect(REVIEWED.filter((row) => !seen.has(row))).toEqual([])
    expect(files).toBeGreaterThan(3_000)
  })

  it('accept the foreign identities that we reviewed, and no others', { timeout: 60_000 }, async () => {
    const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith('.yaml')).sort()
    const found: Record<string, readonly string[]> = {}
    let policies = 0
    for (const file of files) {
      const content = readFileSync(path.join(source, file), 'utf8')
      // Templates are no YAML, and impact refuses them.
      if (!/^kind: "?AuthorizationPolicy/m.test(content) || content.includes('{{')) continue
      policies += 1
      const accepted = await acceptedIn(path.join(source, file), mesh)
      if (accepted.length > 0) found[file] = accepted
    }
    expect(found).toEqual(ACCEPTED)
    expect(policies).toBeGreaterThan(30)
  })
})

async function acceptedIn(policies: string, mesh: string): Promise<readonly string[]> {
  const printed: string[] = []
  const io = quietIo({ print: (line) => void printed.push(String(line)), report: (line) => void printed.push(String(line)) })
  const options = {
    file: 'federation.yaml',
    policies: [policies],
    mesh,
    trusted: 'b.example',
    as: 'mesh',
    output: 'json',
  } as const
  expect(await impact(options, io), printed.join('\n')).toBe(0)
  return (JSON.parse(printed.join('')) as ImpactView).policies.flatMap(({ namespace, name, action, newlyAccepted, maybe, except }) =>
    newlyAccepted.length === 0
      ? []
      : [
          [
            `${action} ${namespace}/${name}:`,
            ...newlyAccepted.map((pattern) => (maybe.includes(pattern) ? `${pattern}?` : pattern)),
            ...except.map((pattern) => `-${pattern}`),
          ].join(' '),
        ],
  )
}
