/**
 * Decodes a mesh config as istiod does: protobuf's JSON in the older dialect of github.com/golang/protobuf/jsonpb
 * (istio pkg/util/protomarshal at eed52ebb66ad).
 * - A field has two spellings. If both are present, the camelCase one counts.
 * - null and unknown fields are skipped.
 * - Of the fields of a oneof, the last in the .proto file counts.
 * - Any other value of a wrong type is an error.
 */
import { type FieldType, fieldsOf, type MessageField, protoName } from './mesh-fields.ts'
import { isPlaceholder } from './unfilled.ts'

export type FieldPath = readonly (string | number)[]

export interface Fault {
  /** Keys in the spelling of the text. */
  readonly path: FieldPath
  /** `is true where istiod requires text` */
  readonly problem: string
  readonly hint: string
}

export interface Decoded {
  /** Fields by their JSON names, without null and without fields that istiod does not know. */
  readonly value: Readonly<Record<string, unknown>>
  readonly faults: readonly Fault[]
  /** Fields that istiod ignores, each with the fields that it knows at that place. */
  readonly unknown: readonly { readonly path: FieldPath; readonly known: readonly string[] }[]
}

/** Limits the report: a longer list helps no reader. */
const MAX_FAULTS = 20

interface Found {
  readonly faults: Fault[]
  readonly unknown: { path: FieldPath; known: readonly string[] }[]
  readonly open: (value: unknown) => boolean
}

/**
 * `as-is`: the text that istiod reads. `template`: a text that a tool still fills in, so a placeholder is valid in any
 * field.
 */
export type Stage = 'as-is' | 'template'

/** @param value a mapping, or null */
export function decode(value: unknown, stage: Stage): Decoded {
  const found: Found = { faults: [], unknown: [], open: stage === 'template' ? isPlaceholder : () => false }
  const decoded = message('MeshConfig', value, [], found)
  return { value: isRecord(decoded) ? decoded : {}, faults: found.faults, unknown: found.unknown }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function message(name: string, value: unknown, path: FieldPath, found: Found): unknown {
  if (value === null || value === undefined) return {}
  if (!isRecord(value)) return fault(value, path, 'a mapping', 'write it as a mapping', found)
  const fields = fieldsOf(name)
  const made: Record<string, unknown> = {}
  for (const { json, proto, type } of fields) {
    const key = keyFor(value, json, proto)
    const raw = key === undefined ? undefined : value[key]
    if (key !== undefined && raw !== null && raw !== undefined) made[json] = decodeAs(type, raw, [...path, key], found)
  }
  const known = new Set(fields.flatMap(({ json, proto }) => [json, proto]))
  for (const key of Object.keys(value))
    if (!known.has(key) && found.unknown.length < MAX_FAULTS)
      found.unknown.push({ path: [...path, key], known: fields.map(({ json }) => json) })
  return withoutOverridden(made, fields)
}

function withoutOverridden(made: Readonly<Record<string, unknown>>, fields: readonly MessageField[]): Readonly<Record<string, unknown>> {
  const last = new Map<string, number>()
  const set = fields.flatMap(({ json, oneof }) => (oneof === undefined || made[json] === undefined ? [] : [{ json, ...oneof }]))
  for (const { name, place } of set) last.set(name, Math.max(place, last.get(name) ?? 0))
  const overridden = new Set(set.filter(({ name, place }) => last.get(name) !== place).map(({ json }) => json))
  return overridden.size === 0 ? made : Object.fromEntries(Object.entries(made).filter(([json]) => !overridden.has(json)))
}

const keyFor = (value: Readonly<Record<string, unknown>>, json: string, proto: string): string | undefined =>
  Object.hasOwn(value, json) ? json : Object.hasOwn(value, proto) ? proto : undefined

function decodeAs(type: FieldType, value: unknown, path: FieldPath, found: Found): unknown {
  switch (type.is) {
    case 'list':
      if (found.open(value)) return []
      if (!Array.isArray(value)) return fault(value, path, 'a list', `write ${last(path)} as a list`, found)
      return value.map((item, i) => (item === null ? emptyOf(type.of) : decodeAs(type.of, item, [...path, i], found)))
    case 'map':
      if (found.open(value)) return {}
      if (!isRecord(value)) return fault(value, path, 'a mapping', `write ${last(path)} as a mapping`, found)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          item === null ? emptyOf(type.of) : decodeAs(type.of, item, [...path, key], found),
        ]),
      )
    case 'message':
      return found.open(value) ? {} : message(type.name, value, path, found)
    case 'struct':
      return isRecord(value) || found.open(value) ? value : fault(value, path, 'a mapping', 'write it as a mapping', found)
    default:
      return scalar(type, value, path, found)
  }
}

/** The value that Go decodes from null in a list or map. */
const emptyOf = ({ is }: FieldType): unknown =>
  is === 'text' ? '' : is === 'list' ? [] : is === 'message' || is === 'map' ? {} : undefined

type Scalar = Exclude<FieldType, { readonly is: 'list' | 'map' } | { readonly is: 'message' } | { readonly is: 'struct' }>

function scalar(type: Scalar, value: unknown, path: FieldPath, found: Found): unknown {
  if (found.open(value) || fits(type, value)) return value
  const [requires, hint] = demand(type, value, path)
  return fault(value, path, requires, hint, found)
}

function fits(type: Scalar, value: unknown): boolean {
  switch (type.is) {
    case 'boolean':
      return typeof value === 'boolean'
    case 'text':
      return typeof value === 'string'
    case 'duration':
      return typeof value === 'string' && nanoseconds(value) !== undefined
    case 'enum':
      return typeof value === 'string' ? type.values.includes(value) : Number.isInteger(value) && Math.abs(value as number) < 2 ** 31
    case 'integer': {
      const number = typeof value === 'string' && /^-?(0|[1-9]\d*)$/.test(value) ? Number(value) : value
      return Number.isInteger(number) && (number as number) >= type.least && (number as number) <= type.most
    }
    case 'number':
      return typeof value === 'string'
        ? /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$|^(NaN|-?Infinity)$/.test(value)
        : typeof value === 'number'
  }
}

function demand(type: Scalar, value: unknown, path: FieldPath): readonly [string, string] {
  const key = typeof path.at(-1) === 'number' ? '' : `${last(path)}: `
  switch (type.is) {
    case 'boolean':
      return [
        'true or false without quotes',
        /^(true|false)$/i.test(String(value)) ? `write ${key}${String(value).toLowerCase()}` : 'write true or false',
      ]
    case 'text':
      return ['text', typeof value === 'boolean' || typeof value === 'number' ? `write ${key}"${value}"` : 'write it as text']
    case 'duration':
      return [
        'a duration with its unit',
        typeof value === 'number' ? `write ${key}${value}s, if seconds are meant` : 'write it like 10s or 1m30s',
      ]
    case 'enum':
      return [`one of ${type.values.join(', ')}`, spelled(type.values, value, key)]
    case 'integer':
      return ['an integer', 'write an integer']
    case 'number':
      return ['a number', 'write a number']
  }
}

function spelled(values: readonly string[], value: unknown, key: string): string {
  const same = values.find((one) => one.toLowerCase() === String(value).toLowerCase() || (value === false && one === 'OFF'))
  return same === undefined ? `write one of ${values.join(', ')}` : `write ${key}${value === false ? '"OFF"' : same}`
}

const last = (path: FieldPath): string => String(path.findLast((step) => typeof step === 'string') ?? '')

function fault(value: unknown, path: FieldPath, requires: string, hint: string, { faults }: Found): undefined {
  if (faults.length < MAX_FAULTS) faults.push({ path, problem: `is ${shown(value)}, and istiod requires ${requires}`, hint })
  return undefined
}

/** Omits long text, because it may be a key. */
export function shown(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' && /^[\w.:/*+ -]{0,60}$/.test(value) ? JSON.stringify(value) : 'a text'
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}
/** Go counts durations in 64 bits. */
const LONGEST = 2n ** 63n - 1n

/** Parses a duration like Go's time.ParseDuration. */
export function nanoseconds(text: string): number | undefined {
  const [, sign, rest = ''] = /^([-+]?)(.*)$/.exec(text) ?? []
  if (rest === '0') return 0
  if (rest.length > 100 || !/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  const parts = [...rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/gy)]
  const total = parts.reduce((sum, [, whole = '', fraction = '', unit = '']) => sum + partOf(whole, fraction, UNITS[unit] ?? 0n), 0n)
  if (total > LONGEST) return undefined
  return Number(sign === '-' ? -total : total)
}

const partOf = (whole: string, fraction: string, unit: bigint): bigint =>
  BigInt(whole) * unit + (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length)

/** `defaultConfig.proxyMetadata.A`, `caCertificates[0].pem` */
export const pathText = (path: FieldPath): string =>
  path.reduce<string>((all, step) => (typeof step === 'number' ? `${all}[${step}]` : all === '' ? step : `${all}.${step}`), '')

/** Converts a path of JSON names to the keys of the text, some of which may be in snake_case. */
export function spelledPath(raw: unknown, path: FieldPath): FieldPath {
  let here = raw
  return path.map((step) => {
    const other = typeof step === 'string' && isRecord(here) && !Object.hasOwn(here, step) ? protoName(step) : step
    const key = isRecord(here) && Object.hasOwn(here, other) ? other : step
    here = typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>)[key] : undefined
    return key
  })
}
