/**
 * An AuthorizationPolicy as istiod reads it: `from`, `to` and `when` become conditions on one list of attributes (istio
 * pilot/pkg/security/authz/model/model.go New, eed52ebb66ad). A field that Entente does not support causes a finding
 * and counts as maybe.
 */
import { type Finding, warning } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at, list, strings, text } from '../../model/manifest.ts'

export type Action = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM' | 'unknown'

/** `other`: an address, a header, a token, metadata, or a field that Entente does not support. */
export type Attribute =
  | 'source.principal'
  | 'source.namespace'
  | 'source.serviceAccount'
  | 'source.trustDomain'
  | 'destination.port'
  | 'method'
  | 'path'
  | 'host'
  | 'other'

export interface Condition {
  readonly attribute: Attribute
  /** The policy's spelling: `notNamespaces`, `request.headers[x-token]`. */
  readonly name: string
  readonly values: readonly string[]
  readonly notValues: readonly string[]
}

/** Matches if one source and one operation match. In each, all conditions must hold. Neither list is ever empty. */
export interface Rule {
  readonly index: number
  readonly sources: readonly (readonly Condition[])[]
  readonly operations: readonly (readonly Condition[])[]
}

export interface Target {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

export interface Policy {
  readonly namespace: string
  readonly name: string
  readonly action: Action
  readonly labels: Readonly<Record<string, string>>
  readonly targets: readonly Target[]
  readonly rules: readonly Rule[]
  /** Annotation istio.io/dry-run: Envoy evaluates and logs the policy but does not enforce it. */
  readonly dryRun: boolean
  /** The extension provider of a CUSTOM policy. */
  readonly provider: string
  /** The policy has an unsupported field outside its rules, so it is uncertain if the policy applies at all. */
  readonly uncertain: boolean
}

export interface ReadPolicy {
  readonly policy: Policy
  readonly findings: readonly Finding[]
}

const SOURCE: Readonly<Record<string, Attribute>> = {
  principals: 'source.principal',
  namespaces: 'source.namespace',
  serviceAccounts: 'source.serviceAccount',
  trustDomains: 'source.trustDomain',
  requestPrincipals: 'other',
  ipBlocks: 'other',
  remoteIpBlocks: 'other',
}
const OPERATION: Readonly<Record<string, Attribute>> = { ports: 'destination.port', methods: 'method', paths: 'path', hosts: 'host' }
const WHEN: Readonly<Record<string, Attribute>> = {
  'source.principal': 'source.principal',
  'source.namespace': 'source.namespace',
  'source.serviceAccount': 'source.serviceAccount',
  'source.trustDomain': 'source.trustDomain',
  'destination.port': 'destination.port',
}
const UNDECIDED =
  /^(source\.ip|remote\.ip|destination\.ip|connection\.sni|request\.auth\.(principal|audiences|presenter)|request\.(headers|auth\.claims).*|experimental\.envoy\.filters\..*)$/
/** The values that strconv.ParseBool accepts as true; istiod reads the annotation with it. */
const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True']
const ACTIONS = ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']
const SPEC = ['selector', 'targetRef', 'targetRefs', 'action', 'rules', 'provider']

export const isPolicy = (object: Manifest): boolean =>
  object.kind === 'AuthorizationPolicy' && object.apiVersion.startsWith('security.istio.io/')

export const policyKey = ({ namespace, name }: Pick<Policy, 'namespace' | 'name'>): string => `${namespace}/${name}`

export function readPolicy(object: Manifest): ReadPolicy {
  const strange: string[] = []
  const spec = at(object, 'spec') ?? {}
  const written = at(spec, 'action') ?? 'ALLOW'
  const action = ACTIONS.includes(text(written)) ? (written as Action) : 'unknown'
  if (action === 'unknown') strange.push(`action ${JSON.stringify(written)}`)
  strange.push(...others(spec, SPEC), ...others(at(spec, 'selector'), ['matchLabels']).map((key) => `selector.${key}`))
  const outside = strange.length > 0
  const policy: Policy = {
    namespace: object.metadata.namespace ?? 'default',
    name: object.metadata.name,
    action,
    labels: strings(at(spec, 'selector', 'matchLabels')),
    targets: readTargets(spec),
    rules: list(at(spec, 'rules')).flatMap((rule, index) => readRule(rule, index, strange)),
    dryRun: TRUE.includes(object.metadata.annotations?.['istio.io/dry-run'] ?? ''),
    provider: text(at(spec, 'provider', 'name')),
    uncertain: outside,
  }
  strange.push(...strangeTargets(policy).map(({ kind, name }) => `target ${kind || '?'} ${name}`))
  return { policy, findings: strange.length === 0 ? [] : [unknown(object, [...new Set(strange)])] }
}

const unknown = (object: Manifest, what: readonly string[]): Finding =>
  warning(
    'policy-not-understood',
    about.object(object),
    `has ${what.join(', ')}, which this version of Entente does not know: what depends on it counts as maybe`,
    'correct it if it is a slip; else judge this policy yourself',
  )

/** The valid targets of policies (istio pilot/pkg/model/policyattachment.go). istiod ignores other targets. */
export function targetKind({ group, kind, name }: Target): 'gateway' | 'service' | 'serviceEntry' | 'waypoints' | undefined {
  if (kind === 'Gateway' && group === 'gateway.networking.k8s.io') return 'gateway'
  if (kind === 'GatewayClass' && group === 'gateway.networking.k8s.io' && name === 'istio-waypoint') return 'waypoints'
  if (kind === 'Service' && (group === '' || group === 'core')) return 'service'
  return kind === 'ServiceEntry' && group === 'networking.istio.io' ? 'serviceEntry' : undefined
}

const strangeTargets = ({ targets }: Pick<Policy, 'targets'>): readonly Target[] =>
  targets.filter((target) => targetKind(target) === undefined)

function readTargets(spec: unknown): readonly Target[] {
  const several = list(at(spec, 'targetRefs'))
  const one = at(spec, 'targetRef')
  return (several.length > 0 ? several : one === undefined ? [] : [one]).map((target) => ({
    group: text(at(target, 'group')),
    kind: text(at(target, 'kind')),
    name: text(at(target, 'name')),
    namespace: text(at(target, 'namespace')),
  }))
}

/** istiod skips a null rule. */
function readRule(rule: unknown, index: number, strange: string[]): readonly Rule[] {
  const here = `rules[${index}]`
  if (typeof rule !== 'object' || rule === null) {
    strange.push(`${here} ${JSON.stringify(rule)}`)
    return []
  }
  const note = (what: string): void => void strange.push(`${here}.${what}`)
  const when = list(at(rule, 'when')).flatMap((condition) => readWhen(condition, note))
  const base = [...when, ...others(rule, ['from', 'to', 'when']).map((key) => undecided(key, note))]
  const part = (key: 'from' | 'to', inner: string, table: Readonly<Record<string, Attribute>>): readonly (readonly Condition[])[] => {
    const entries = list(at(rule, key))
    const odd = at(rule, key) !== undefined && !Array.isArray(at(rule, key)) ? [undecided(key, note)] : []
    if (entries.length === 0) return [odd]
    return entries.map((entry) => [
      ...fields(at(entry, inner), table, note),
      ...others(entry, [inner]).map((name) => undecided(`${key}.${name}`, note)),
    ])
  }
  const decides = (condition: Condition): boolean => !isOperation(condition)
  return [
    {
      index,
      sources: part('from', 'source', SOURCE).map((source) => [...source, ...base.filter(decides)]),
      operations: part('to', 'operation', OPERATION).map((operation) => [...operation, ...base.filter(isOperation)]),
    },
  ]
}

const isOperation = ({ attribute }: Condition): boolean =>
  attribute === 'destination.port' || attribute === 'path' || attribute === 'method' || attribute === 'host'

function undecided(name: string, note?: (what: string) => void): Condition {
  note?.(name)
  return { attribute: 'other', name, values: ['?'], notValues: [] }
}

function readWhen(condition: unknown, note: (what: string) => void): readonly Condition[] {
  const key = text(at(condition, 'key'))
  const values = names(at(condition, 'values'))
  const notValues = names(at(condition, 'notValues'))
  const attribute = WHEN[key] ?? (UNDECIDED.test(key) ? 'other' : undefined)
  if (attribute === undefined || values === undefined || notValues === undefined) return [undecided(`when ${JSON.stringify(key)}`, note)]
  return values.length + notValues.length === 0 ? [] : [{ attribute, name: key, values, notValues }]
}

function fields(value: unknown, table: Readonly<Record<string, Attribute>>, note: (what: string) => void): readonly Condition[] {
  if (typeof value !== 'object' || value === null) return value === undefined || value === null ? [] : [undecided(String(value), note)]
  return Object.entries(value).flatMap(([key, entry]) => {
    const positive = /^not[A-Z]/.test(key) ? `${key.charAt(3).toLowerCase()}${key.slice(4)}` : key
    const attribute = table[positive]
    const found = names(entry)
    if (attribute === undefined || found === undefined) return [undecided(key, note)]
    if (found.length === 0) return []
    return [{ attribute, name: key, values: positive === key ? found : [], notValues: positive === key ? [] : found }]
  })
}

/** Reads a list of strings; an absent list is empty. Undefined for any other value. */
function names(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return []
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined
}

const others = (value: unknown, known: readonly string[]): readonly string[] =>
  typeof value === 'object' && value !== null ? Object.keys(value).filter((key) => !known.includes(key)) : []
