/** Checks the mTLS mode around federated scopes, and resources that affect more workloads than they appear to. */

import { about } from '../diagnostics/subject.ts'
import { describeMode, type Effective, effectiveMode } from '../mesh/mtls.ts'
import { keepsTo } from '../mesh/plaintext.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, isOurs, list, strings, text } from '../model/manifest.ts'
import type { Accept, Trust } from '../model/wanted.ts'
import { describeWorkloads, relation, selects } from '../model/workloads.ts'
import { strictPolicy } from '../trust/callers/policies.ts'
import { readWorkloads } from '../trust/pinned/pinned-filter.ts'
import { plaintextOf } from '../trust/state.ts'
import { type Context, type Federated, findingAt, findingIn, inNamespace, type Mesh, meshFor } from './context.ts'
import type { LintFinding } from './lint-rules.ts'
import { field, type Resource } from './resource.ts'
import { walk } from './source.ts'

interface Scope {
  readonly accept: Accept
  readonly of: Federated
  readonly trust: number
  readonly index: number
}

export function scopesOf({ members }: Mesh): readonly Scope[] {
  return members.flatMap(({ member, of }) =>
    of.federation.trusts.flatMap((trust, t) =>
      trust.truster !== member.name || isSevered(trust, of) ? [] : trust.accept.map((accept, index) => ({ accept, of, trust: t, index })),
    ),
  )
}

const isSevered = ({ truster, trusted }: Trust, { federation }: Federated): boolean =>
  federation.severed.some((severed) => severed.truster === truster && severed.trusted === trusted)

export const strict = (context: Context): readonly LintFinding[] =>
  [...context.meshes].flatMap(([given, mesh]) => {
    // The files do not show which of the root namespaces applies here.
    if (mesh.rootNamespaces.length > 1) return []
    const at = (namespace: string): readonly Resource[] => inNamespace(context, namespace, given)
    return scopesOf(mesh).flatMap((scope) => {
      const { namespace } = scope.accept.at
      return looseIn(scope, { here: at(namespace), wide: namespace === mesh.rootNamespace ? [] : at(mesh.rootNamespace) }, mesh)
    })
  })

/** Dates manifests before the policy that Entente will write: istiod applies the oldest one. */
const aged = ({ manifest }: Resource): Manifest => ({
  ...manifest,
  metadata: { ...manifest.metadata, creationTimestamp: manifest.metadata.creationTimestamp ?? '0000' },
})

const WORKLOADS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'])

interface Around {
  /** The resources in the scope's namespace; `wide`: those in the root namespace. */
  readonly here: readonly Resource[]
  readonly wide: readonly Resource[]
}

function looseIn({ accept, of, trust, index }: Scope, { here, wide }: Around, mesh: Mesh): readonly LintFinding[] {
  const authentications = [...here, ...wide].filter(({ kind, manifest }) => kind === 'PeerAuthentication' && !isOurs(manifest))
  const { namespace, labels = {} } = accept.at
  const allowed = plaintextOf(accept)
  const { plaintext } = allowed
  const ours: Manifest = {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'entente', namespace },
    spec: strictPolicy({ at: accept.at, ...allowed }),
  }
  const policies = [...authentications.map(aged), ...(accept.mtls === 'enforce' ? [ours] : [])]
  const mode = (of: Readonly<Record<string, string>>): Effective => effectiveMode({ namespace, labels: of }, policies, mesh.rootNamespace)
  const running = here.filter(({ kind }) => WORKLOADS.has(kind))
  const subjects = [
    { name: 'a pod with these labels', labels },
    ...running
      .map((r) => ({ name: r.title, labels: strings(field(r, 'spec', 'template', 'metadata', 'labels')) }))
      .filter((subject) => selects(accept.at, namespace, subject.labels)),
  ]
  const loose = subjects.flatMap((subject) => {
    const effective = mode(subject.labels)
    return keepsTo(effective, plaintext) ? [] : [{ subject, effective }]
  })
  const where = `${of.federation.name}: ${describeWorkloads(accept.at)}`
  const [first] = loose
  if (first !== undefined) {
    const policy = authentications.find(({ title }) => title === first.effective.decidedBy)
    const message = `${where}: ${first.subject.name}: ${describeMode(first.effective)}; who comes in plaintext shows no identity, and entente plan refuses this scope`
    const hint =
      policy === undefined ? 'write mtls: enforce, or create a PeerAuthentication with mode STRICT' : `set ${policy.title} to STRICT`
    return [
      policy === undefined
        ? findingAt('mtls-not-strict', of.view, ['spec', 'trust', trust, 'accept', index], about.input('Federation'), message, { hint })
        : findingIn('mtls-not-strict', policy, ['spec'], message, { hint }),
    ]
  }
  return authentications.flatMap((policy) => {
    const selected = readWorkloads(policy.manifest, 'selector', 'matchLabels')
    if (policy.namespace !== namespace || selected.labels === undefined || relation(selected, accept.at) !== 'overlapping') return []
    const effective = mode({ ...labels, ...selected.labels })
    if (keepsTo(effective, plaintext)) return []
    const message = `${where}: ${describeMode(effective)}: a pod of ${describeWorkloads(selected)} that comes into this scope would take plaintext, too`
    return [findingIn('mtls-may-loosen', policy, ['spec'], message, { hint: `set ${policy.title} to STRICT, or keep the two apart` })]
  })
}

// ── the root namespace ──

/** The path of the selector in each kind. */
const SELECTORS: Readonly<Record<string, readonly string[]>> = {
  PeerAuthentication: ['spec', 'selector', 'matchLabels'],
  AuthorizationPolicy: ['spec', 'selector', 'matchLabels'],
  RequestAuthentication: ['spec', 'selector', 'matchLabels'],
  EnvoyFilter: ['spec', 'workloadSelector', 'labels'],
}

export const rootSelectors = (context: Context): readonly LintFinding[] =>
  context.resources.flatMap((resource) => {
    const path = SELECTORS[resource.kind]
    const { rootNamespaces } = meshFor(context, resource)
    if (path === undefined || !rootNamespaces.includes(resource.namespace) || isOurs(resource.manifest)) return []
    const labels = strings(field(resource, ...path))
    if (Object.keys(labels).length === 0) return []
    const several = rootNamespaces.length > 1
    const root = several ? `${resource.namespace}, as one of the mesh configs here says,` : resource.namespace
    if (resource.kind === 'PeerAuthentication') {
      const message = `${root} is the root namespace: a PeerAuthentication with a selector there applies to no workload at all`
      return [
        findingIn('selector-in-root-namespace', resource, path, message, {
          severity: several ? 'warning' : 'error',
          hint: 'move it to the namespace of the workloads, or remove the selector to mean the whole mesh',
        }),
      ]
    }
    const gateways = Object.entries(labels).some(([key, value]) => /gateway/.test(`${key} ${value}`))
    const message = `${root} is the root namespace: this applies to workloads with these labels in every namespace, not only in ${resource.namespace}`
    return [
      findingIn('selector-in-root-namespace', resource, path, message, {
        ...(gateways ? { severity: 'info' as const } : {}),
        hint: 'move it to the namespace of the workloads, unless all namespaces are meant',
      }),
    ]
  })

// ── filters ──

const TLS_KEYS: ReadonlySet<string> = new Set([
  'transport_socket',
  'transportSocket',
  'transport_socket_matches',
  'transportSocketMatches',
  'common_tls_context',
  'commonTlsContext',
])
const TOUCHING: ReadonlySet<string> = new Set(['FILTER_CHAIN', 'LISTENER', 'CLUSTER'])

export function filters(context: Context): readonly LintFinding[] {
  const all = new Map([...context.meshes.values()].map((mesh) => [mesh, scopesOf(mesh)]))
  return context.resources.flatMap((resource) => {
    if (resource.kind !== 'EnvoyFilter' || isOurs(resource.manifest)) return []
    const mesh = meshFor(context, resource)
    const scopes = (all.get(mesh) ?? []).filter(
      ({ accept }) => resource.namespace === accept.at.namespace || resource.namespace === mesh.rootNamespace,
    )
    return list(field(resource, 'spec', 'configPatches')).flatMap((patch, i) => {
      const applyTo = text(at(patch, 'applyTo'))
      if (!TOUCHING.has(applyTo) || !touchesTls(at(patch, 'patch'))) return []
      const priority = Number(field(resource, 'spec', 'priority') ?? 0)
      const where =
        scopes.length === 0 ? '' : ` It reaches the federated ${scopes.map(({ accept }) => describeWorkloads(accept.at)).join(', ')}.`
      const last =
        priority >= 1000 ? 'its priority is as high as ours, so that it may win' : 'ours has priority 1000, so that it comes last'
      const message = `configPatches[${i}] (${applyTo}) writes a TLS context, which decides whom a proxy trusts; of two filters the last one wins: ${last}.${where}`
      return [
        findingIn('foreign-filter', resource, ['spec', 'configPatches', i], message, {
          hint: 'make sure that it leaves the validation context alone',
        }),
      ]
    })
  })
}

function touchesTls(patch: unknown): boolean {
  let found = false
  walk(patch, (_, key) => {
    if (TLS_KEYS.has(String(key))) found = true
  })
  return found
}
