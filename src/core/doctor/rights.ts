/** Check for missing RBAC rights, with the rules to add. */
import type { Check } from './check.ts'
import { type Need, ruleText } from './needs.ts'
import { type ObservedCluster, on } from './observed-cluster.ts'
import type { RightSeen } from './seen.ts'

const FOR: Readonly<Record<Need['purpose'], string>> = {
  read: 'to plan',
  evidence: 'to read proxies’ configuration from istiod',
  write: 'to apply',
  doctor: 'for some checks of entente doctor',
}

export function rightsCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'rights')
  const { rights } = observed.seen
  if (!rights.ok) return check.unknown(rights.error)
  const missing = missingOf(rights.value)
  if (missing.length === 0)
    return check.ok(`all ${rights.value.length} needed rights${observed.patient.declared === undefined ? ' to read' : ''} are granted`)
  const evidence = (['read', 'evidence', 'write', 'doctor'] as const)
    .map((purpose) => ({ purpose, needs: missing.filter((need) => need.purpose === purpose) }))
    .filter(({ needs }) => needs.length > 0)
    .map(({ purpose, needs }) => `${FOR[purpose]}: ${needs.map(phrase).join(', ')}`)
  const only = missing.every(({ purpose }) => purpose === 'doctor')
  const remedy = `add ${ruleText(missing)}`
  return only ? check.warn(`missing ${evidence.join('; ')}`, remedy) : check.fail(`missing ${evidence.join('; ')}`, remedy)
}

/** Either way to reach istiod is enough. If both lack rights, report those of the direct way. */
function missingOf(rights: readonly RightSeen[]): readonly Need[] {
  const roads = ['direct', 'port-forward'] as const
  const whole = roads.some((road) => {
    const needs = rights.filter(({ need }) => need.road === road)
    return needs.length > 0 && needs.every(({ allowed }) => allowed)
  })
  return rights
    .filter(({ need, allowed }) => !allowed && (need.road === undefined || (!whole && need.road === 'direct')))
    .map(({ need }) => need)
}

const phrase = ({ verb, group, resource, namespace, name }: Need): string =>
  `${verb} ${resource}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${name}`}${namespace === undefined ? '' : ` in ${namespace}`}`
