/** Load balancing by locality, as Istio checks it: istio pkg/config/validation/agent at eed52ebb66ad. */
import { at, list, text } from '../../model/manifest.ts'
import type { Fault, FieldPath } from './decode.ts'
import { isPlaceholder } from './unfilled.ts'

type Mesh = Readonly<Record<string, unknown>>

const LOCALITY: FieldPath = ['localityLbSetting']
const ZONES: FieldPath = ['zoneAwareLbSetting']
/** Labels by which Envoy orders endpoints itself. */
const TOPOLOGY = new Set(['topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'topology.istio.io/subzone'])

export function localityFaults(mesh: Mesh): readonly Fault[] {
  const setting = at(mesh, ...LOCALITY)
  const [distribute, failover] = [list(at(setting, 'distribute')), list(at(setting, 'failover'))]
  if (distribute.length > 0 && failover.length > 0)
    return [{ path: LOCALITY, problem: 'has distribute and failover, and istiod takes one of them only', hint: 'remove one of them' }]
  return [
    ...(failover.length > 0 ? topologyLabels(at(setting, 'failoverPriority'), [...LOCALITY, 'failoverPriority']) : []),
    ...distribute.flatMap((one, i) => weights(at(one, 'to'), [...LOCALITY, 'distribute', i])),
    ...overlaps(
      distribute.map((one) => text(at(one, 'from'))),
      [...LOCALITY, 'distribute'],
      refusedAfter,
    ),
    ...regions(failover, [...LOCALITY, 'failover']),
  ]
}

export const zoneFaults = (mesh: Mesh): readonly Fault[] => [
  ...topologyLabels(at(mesh, ...ZONES, 'failoverPriority'), [...ZONES, 'failoverPriority']),
  ...regions(list(at(mesh, ...ZONES, 'failover')), [...ZONES, 'failover']),
]

const topologyLabels = (priority: unknown, path: FieldPath): readonly Fault[] =>
  list(priority).flatMap((label, i) =>
    TOPOLOGY.has(text(label))
      ? [{ path: [...path, i], problem: `is ${text(label)}, and istiod takes no label of a region or zone here`, hint: 'remove it' }]
      : [],
  )

function weights(to: unknown, path: FieldPath): readonly Fault[] {
  const entries = Object.entries((to ?? {}) as object)
  if (entries.some(([, weight]) => isPlaceholder(weight))) return []
  const given = entries.map(([, weight]) => Number(weight ?? 0))
  const sum = given.reduce((all, weight) => all + weight, 0)
  if (sum !== 100 || given.some((weight) => weight < 1))
    return [{ path, problem: `has weights that add up to ${sum}`, hint: 'make them add up to 100' }]
  return overlaps(
    entries.map(([locality]) => locality),
    path,
    // Istio reads a mapping in any order.
    (before, now) => refusedAfter(before, now) || refusedAfter(now, before),
  )
}

const regions = (failover: readonly unknown[], path: FieldPath): readonly Fault[] =>
  failover.flatMap((one, i) => {
    const [from, to] = [text(at(one, 'from')), text(at(one, 'to'))]
    if (from !== to && !/[/*]/.test(from + to)) return []
    return [{ path: [...path, i], problem: 'must lead from one region to another, without / and *', hint: 'name two regions' }]
  })

type Locality = readonly string[]

/** Localities REGION/ZONE/SUBZONE. */
function overlaps(localities: readonly string[], path: FieldPath, refused: (before: Locality, now: Locality) => boolean): readonly Fault[] {
  const before: Locality[] = []
  for (const locality of localities) {
    const parts = partsOf(locality)
    const name = JSON.stringify(locality)
    if (parts.includes('') || /\*./s.test(locality))
      return [{ path, problem: `names ${name}, which is no REGION/ZONE/SUBZONE with a * at most at its end`, hint: 'mend the locality' }]
    if (before.some((other) => refused(other, parts)))
      return [{ path, problem: `names ${name}, which overlaps with another locality`, hint: 'remove one of the two' }]
    before.push(parts)
  }
  return []
}

/** The subzone may hold slashes. */
function partsOf(locality: string): Locality {
  const [region = '', zone, ...subzone] = locality.split('/')
  return [region, ...(zone === undefined ? [] : [zone]), ...(subzone.length === 0 ? [] : [subzone.join('/')])]
}

/**
 * Whether Istio refuses `now` after `before`: one of them is all of a region or zone of the other. It does not see that a
 * wildcard contains a locality before it.
 */
const refusedAfter = (before: Locality, now: Locality): boolean =>
  before.join('/') === '*' ||
  Array.from({ length: Math.max(before.length, now.length) }, (_, i) => i).every(
    (i) => before[i] === undefined || now[i] === undefined || before[i] === now[i] || (i > 0 && before[i] === '*'),
  )
