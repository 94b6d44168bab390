/**
 * Finds the DestinationRule that applies to a workload and a host, and the client TLS that it sets for each cluster.
 * Follows istiod (istio pilot/pkg/model/push_context.go setDestinationRules and destinationRule, destination_rule.go
 * mergeDestinationRule, sidecar.go DestinationRule, networking/util/util.go GetPortLevelTrafficPolicy and
 * MergeSubsetTrafficPolicy, eed52ebb66ad).
 */

import { sameSet } from '../basics/same-set.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text } from '../model/manifest.ts'
import type { MeshView } from './mesh-view.ts'
import type { Workload } from './mtls.ts'

/** A host, and the namespace of the Service or ServiceEntry that defines it. */
export interface Target {
  readonly host: string
  readonly namespace: string
}

/** One rule, or several rules of one host merged: the subsets of all, and the first traffic policy that is set. */
interface Merged {
  readonly first: Manifest
  readonly exportTo: ReadonlySet<string>
  readonly selector?: Readonly<Record<string, string>>
  policy: { readonly of: Manifest; readonly is: unknown }
  readonly subsets: Map<string, { readonly of: Manifest; readonly policy: unknown }>
}

/** The settings of one cluster. `rule` is the rule that sets them; undefined if no rule applies. */
export interface ClusterPolicy {
  readonly port: number
  /** Empty: the cluster for the whole host. */
  readonly subset: string
  readonly rule?: Manifest
  /** `trafficPolicy.tls`; undefined: auto mTLS decides. */
  readonly tls: unknown
  /** Load balancing is PASSTHROUGH: the endpoints decide about auto mTLS. */
  readonly passthrough: boolean
}

/**
 * Lists every cluster that istiod generates of a host for each client: one per port, and one per port and subset.
 * @param clients all in one namespace
 */
export function clusterPolicies(
  target: Target,
  ports: readonly number[],
  { namespace, clients }: { readonly namespace: string; readonly clients: readonly Workload[] },
  view: MeshView,
  rootNamespace: string,
): readonly ClusterPolicy[] {
  const rules = rulesFor(target, namespace, view, rootNamespace)
  return clients.flatMap((client) => policiesOf(rules && select(rules, client), ports))
}

function policiesOf(merged: Merged | undefined, ports: readonly number[]): readonly ClusterPolicy[] {
  return ports.flatMap((port): ClusterPolicy[] => {
    if (merged === undefined) return [{ port, subset: '', tls: undefined, passthrough: false }]
    const { of, is } = merged.policy
    const whole = ofPort(is, port).policy
    const one: ClusterPolicy = { port, subset: '', rule: of, tls: at(whole, 'tls'), passthrough: isPassthrough(is) }
    const subsets = [...merged.subsets].map(([subset, { of: theirs, policy }]): ClusterPolicy => {
      const { policy: own, exact } = ofPort(policy, port)
      const says = at(own, 'tls') !== undefined || (exact && whole !== undefined)
      return {
        port,
        subset,
        rule: says ? theirs : of,
        tls: says ? at(own, 'tls') : at(whole, 'tls'),
        passthrough: isPassthrough(policy),
      }
    })
    return [one, ...subsets]
  })
}

const isPassthrough = (policy: unknown): boolean => at(policy, 'loadBalancer', 'simple') === 'PASSTHROUGH'

/** Port-level settings replace the settings of the whole policy; they inherit none of them. */
function ofPort(policy: unknown, port: number): { readonly policy: unknown; readonly exact: boolean } {
  const own = list(at(policy, 'portLevelSettings')).find((settings) => at(settings, 'port', 'number') === port)
  return own === undefined ? { policy, exact: false } : { policy: own, exact: true }
}

/**
 * Looks for rules of the host in the clients' namespace, then the host's, then the root namespace. The first with a
 * rule counts.
 */
function rulesFor({ host, namespace }: Target, from: string, view: MeshView, rootNamespace: string): readonly Merged[] | undefined {
  const rulesOf = (place: string): readonly Manifest[] => [...view.in('DestinationRule', place)].sort(inOrder)
  const near = rulesOf(from)
  const own = mostSpecific(
    from === rootNamespace ? near.filter((rule) => isPrivate(rule)) : near.filter((rule) => isFor(rule, from) || exportOf(rule).has('.')),
    host,
  )
  if (own !== undefined) return own
  for (const owner of [namespace, rootNamespace]) {
    const exported = mostSpecific(
      rulesOf(owner).filter((rule) => !isPrivate(rule)),
      host,
    )?.filter(({ exportTo }) => isExported(exportTo, from))
    if (exported !== undefined && exported.length > 0) return exported
  }
  return undefined
}

/** Orders rules with a selector first, then by age, oldest first. */
function inOrder(a: Manifest, b: Manifest): number {
  const rank = (rule: Manifest): string =>
    [selectorOf(rule) === undefined ? 1 : 0, rule.metadata.creationTimestamp ?? '9999', rule.metadata.name, rule.metadata.namespace].join(
      ' ',
    )
  return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0
}

const selectorOf = (rule: Manifest): Readonly<Record<string, string>> | undefined =>
  at(rule, 'spec', 'workloadSelector') === undefined ? undefined : strings(at(rule, 'spec', 'workloadSelector', 'matchLabels'))

/** A rule with a selector applies in its own namespace only. */
const exportOf = (rule: Manifest): ReadonlySet<string> =>
  new Set(selectorOf(rule) === undefined ? list(at(rule, 'spec', 'exportTo')).map(text) : ['.'])

const isExported = (exportTo: ReadonlySet<string>, to: string): boolean => exportTo.size === 0 || exportTo.has('*') || exportTo.has(to)
const isFor = (rule: Manifest, namespace: string): boolean => isExported(exportOf(rule), namespace)

function isPrivate(rule: Manifest): boolean {
  const exportTo = exportOf(rule)
  return exportTo.size === 1 && (exportTo.has('.') || exportTo.has(rule.metadata.namespace ?? ''))
}

/** The rules of the host itself, else of the longest wildcard that covers it, merged. */
function mostSpecific(rules: readonly Manifest[], host: string): readonly Merged[] | undefined {
  const covering = rules.flatMap((rule) => {
    const pattern = fullHost(rule, host)
    const fits = pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : pattern === host
    return fits ? [{ rule, rank: pattern === host ? Number.POSITIVE_INFINITY : pattern.length }] : []
  })
  if (covering.length === 0) return undefined
  const best = Math.max(...covering.map(({ rank }) => rank))
  return merge(covering.filter(({ rank }) => rank === best).map(({ rule }) => rule))
}

/** A name without a dot is that of a Service in the rule's namespace. */
function fullHost(rule: Manifest, host: string): string {
  const name = text(at(rule, 'spec', 'host'))
  if (name.includes('.') || name.startsWith('*')) return name
  const full = `${name}.${rule.metadata.namespace ?? ''}.svc.`
  return host.startsWith(full) ? host : full
}

function merge(rules: readonly Manifest[]): readonly Merged[] {
  const all: Merged[] = []
  for (const rule of rules) {
    const exportTo = exportOf(rule)
    const selector = selectorOf(rule)
    let apart = true
    for (const known of all) {
      apart = !sameSet(exportTo, known.exportTo)
      if (apart && !(known.exportTo.size > 0 && [...known.exportTo].every((to) => exportTo.has(to)))) continue
      const both = selector !== undefined && known.selector !== undefined
      const same = both && sameLabels(selector, known.selector)
      if (both && !same) {
        apart = true
        continue
      }
      if (same || (selector === undefined && known.selector === undefined)) apart = false
      if (known.policy.is === undefined) known.policy = { of: rule, is: at(rule, 'spec', 'trafficPolicy') }
      for (const [name, subset] of subsetsOf(rule)) if (!known.subsets.has(name)) known.subsets.set(name, subset)
    }
    if (!apart) continue
    const policy = { of: rule, is: at(rule, 'spec', 'trafficPolicy') }
    all.push({ first: rule, exportTo, ...(selector && { selector }), policy, subsets: subsetsOf(rule) })
  }
  return all
}

const subsetsOf = (rule: Manifest): Merged['subsets'] =>
  new Map(list(at(rule, 'spec', 'subsets')).map((subset) => [text(at(subset, 'name')), { of: rule, policy: at(subset, 'trafficPolicy') }]))

const sameLabels = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())

/** Returns the first rule whose selector matches, else the last one without a selector. */
function select(rules: readonly Merged[], client: Workload): Merged | undefined {
  const matching = rules.find(
    ({ selector, first }) =>
      selector !== undefined &&
      first.metadata.namespace === client.namespace &&
      Object.entries(selector).every(([key, value]) => client.labels[key] === value),
  )
  return matching ?? rules.filter(({ selector }) => selector === undefined).at(-1)
}
