/**
 * Whom a workload accepts, read from objects by other means than core's: the second opinion in tests of laws. It knows
 * the Istio semantics only (filters that apply to a pod, DENY rules with `*` suffixes), nothing of states or phases.
 */
import type { Manifest } from '../../src/core/model/manifest.ts'

export interface Place {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

type Json = Readonly<Record<string, unknown>>

/** Any path into JSON, `*` for every element of a list. */
function dig(value: unknown, path: string): unknown[] {
  return path.split('.').reduce<unknown[]>(
    (here, step) =>
      here.flatMap((v) => {
        if (step === '*') return Array.isArray(v) ? v : []
        const next = typeof v === 'object' && v !== null ? (v as Json)[step] : undefined
        return next === undefined ? [] : [next]
      }),
    [value],
  )
}

const SOCKET = 'patch.value.transport_socket.typed_config.common_tls_context.combined_validation_context.default_validation_context'

function applies(object: Manifest, at: Place, selector: string): boolean {
  const [labels = {}] = dig(object, selector) as Json[]
  return (
    ['istio-system', at.namespace].includes(object.metadata.namespace ?? '') &&
    Object.entries(labels).every(([key, value]) => at.labels[key] === value)
  )
}

const filtersAt = (objects: readonly Manifest[], at: Place, target: string): Json[] =>
  objects
    .filter((o) => o.kind === 'EnvoyFilter' && applies(o, at, 'spec.workloadSelector.labels'))
    .flatMap((o) =>
      (dig(o, 'spec.configPatches.*') as Json[]).map((patch): Json => ({ ...patch, priority: dig(o, 'spec.priority')[0] ?? 0 })),
    )
    .filter((patch) => patch.applyTo === target)

/** Of several filters the last in Istio's order decides; among equals any of them may. */
function last(patches: readonly Json[]): Json[] {
  const priority = Math.max(...patches.map((patch) => Number(patch.priority)))
  return patches.filter((patch) => patch.priority === priority)
}

/** `DOMAIN ROOT` for every certificate bound to a domain by these patches, inside them or in the file that they name. */
function bound(patches: readonly Json[], objects: readonly Manifest[], { namespace }: Place): Set<string> {
  const files = patches.flatMap((patch) => dig(patch, `${SOCKET}.custom_validator_config.typed_config.trust_bundles.filename`) as string[])
  if (files.length > 0) return new Set(files.flatMap((file) => inFile(file, objects, namespace)))
  const domains = patches.flatMap((patch) => dig(patch, `${SOCKET}.custom_validator_config.typed_config.trust_domains.*`) as Json[])
  return new Set(
    domains.flatMap((entry) => {
      const [pem = ''] = dig(entry, 'trust_bundle.inline_string') as string[]
      return pem
        .split('-----END CERTIFICATE-----')
        .map((block) => block.replace('-----BEGIN CERTIFICATE-----', '').replace(/\s/g, ''))
        .filter((base64) => base64 !== '')
        .map((base64) => `${entry.name} ${base64}`)
    }),
  )
}

/** The files that the kubelet would write: one for each key of the namespace's ConfigMaps. */
function inFile(path: string, objects: readonly Manifest[], namespace: string): string[] {
  const maps = objects.filter(
    (o) => o.kind === 'ConfigMap' && o.metadata.namespace === namespace && o.metadata.name.startsWith('entente-trust'),
  )
  const [text] = maps.flatMap((map) => dig(map, 'data')).map((data) => (data as Record<string, string>)[path.replace(/^.*\//, '')])
  const domains = Object.entries((JSON.parse(text ?? '{}') as Json).trust_domains ?? {})
  return domains.flatMap(([domain, bundle]) => dig(bundle, 'keys.*.x5c.*').map((base64) => `${domain} ${base64}`))
}

/** `DOMAIN ROOT` that decide at this workload's inbound listeners; undefined: no filter, Istio's own list decides. */
export function inboundRoots(objects: readonly Manifest[], at: Place): ReadonlySet<string> | undefined {
  const patches = filtersAt(objects, at, 'FILTER_CHAIN')
  return patches.length === 0 ? undefined : bound(last(patches), objects, at)
}

const named = (pattern: unknown, caller: string): boolean =>
  typeof pattern === 'string' && (pattern.endsWith('*') ? caller.startsWith(pattern.slice(0, -1)) : pattern === caller)

/** True if a DENY policy denies this caller at the workload. */
export function denied(objects: readonly Manifest[], at: Place, caller: string): boolean {
  const rules = objects
    .filter((o) => o.kind === 'AuthorizationPolicy' && applies(o, at, 'spec.selector.matchLabels') && dig(o, 'spec.action')[0] === 'DENY')
    .flatMap((o) => dig(o, 'spec.rules.*.from.*.source'))
  return rules.some((source) => {
    const [yes = [], no = []] = [dig(source, 'principals'), dig(source, 'notPrincipals')].map(([l]) => (l ?? []) as unknown[])
    return (yes.length === 0 || yes.some((p) => named(p, caller))) && !no.some((p) => named(p, caller))
  })
}

/** True if one of the RBAC filters in the same EnvoyFilter as the roots denies this caller: every one of them must allow it. */
function refusedByName(objects: readonly Manifest[], at: Place, caller: string): boolean {
  const matchers = filtersAt(objects, at, 'HTTP_FILTER').flatMap((patch) => {
    const name = dig(patch, 'patch.value.name')[0]
    return name === 'entente.callers' ? dig(patch, 'patch.value.typed_config.matcher.matcher_list.matchers') : []
  })
  return matchers.some((lines) => {
    const values = [
      ...dig(lines, '*.predicate.single_predicate.value_match'),
      ...dig(lines, '*.predicate.or_matcher.predicate.*.single_predicate.value_match'),
    ] as Json[]
    const id = `spiffe://${caller}`
    return !values.some(({ exact, prefix }) => id === exact || (typeof prefix === 'string' && id.startsWith(prefix)))
  })
}

/** `ROOT CALLER` for each caller that gets in with a certificate under that root. */
export function acceptedInbound(objects: readonly Manifest[], at: Place, callers: readonly string[]): ReadonlySet<string> {
  const patches = filtersAt(objects, at, 'FILTER_CHAIN')
  const sans = patches.flatMap((patch) => dig(patch, `${SOCKET}.match_subject_alt_names.*.prefix`) as string[])
  const accepted = callers
    .filter((caller) => sans.some((prefix) => `spiffe://${caller}`.startsWith(prefix)) && !denied(objects, at, caller))
    .filter((caller) => !refusedByName(objects, at, caller))
    .flatMap((caller) =>
      [...bound(last(patches), objects, at)]
        .filter((pair) => pair.startsWith(`${caller.split('/')[0]} `))
        .map((pair) => `${pair} ${caller}`),
    )
  return new Set(accepted)
}

/** `HOST DOMAIN ROOT SERVER` for each of these servers of that domain that this workload believes with a certificate under that root. */
export function acceptedOutbound(objects: readonly Manifest[], at: Place, servers: readonly string[]): ReadonlySet<string> {
  const patches = filtersAt(objects, at, 'CLUSTER')
  const hostOf = (patch: Json): unknown => dig(patch, 'match.cluster.service')[0]
  return new Set(
    [...new Set(patches.map(hostOf))].flatMap((host) => {
      const here = patches.filter((patch) => hostOf(patch) === host)
      const believed = servers.filter((server) => isNamed(here, server))
      return [...bound(last(here), objects, at)].flatMap((pair) =>
        believed.filter((server) => pair.startsWith(`${server.split('/')[0]} `)).map((server) => `${host} ${pair} ${server}`),
      )
    }),
  )
}

const COMMON = 'patch.value.transport_socket.typed_config.common_tls_context'

/** Merges patches in Istio's order: lists grow; another type of validation context replaces them. An empty list accepts every server. */
function isNamed(patches: readonly Json[], server: string): boolean {
  let matchers: Json[] = []
  for (const patch of [...patches].sort((a, b) => Number(a.priority) - Number(b.priority))) {
    if (dig(patch, `${COMMON}.validation_context`).length > 0) matchers = []
    matchers = [...matchers, ...(dig(patch, `${SOCKET}.match_subject_alt_names.*`) as Json[])]
  }
  const id = `spiffe://${server}`
  return matchers.length === 0 || matchers.some(({ prefix, exact }) => (typeof prefix === 'string' ? id.startsWith(prefix) : exact === id))
}
