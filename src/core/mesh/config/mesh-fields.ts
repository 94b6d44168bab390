/** Parses the lines of mesh-schema.ts into the fields of Istio's mesh config. */
import { MESH_SCHEMA } from './mesh-schema.ts'

export type FieldType =
  | { readonly is: 'boolean' | 'text' | 'number' | 'duration' }
  /** A mapping with values of any type. */
  | { readonly is: 'struct' }
  | { readonly is: 'integer'; readonly least: number; readonly most: number }
  | { readonly is: 'enum'; readonly values: readonly string[] }
  | { readonly is: 'list' | 'map'; readonly of: FieldType }
  | { readonly is: 'message'; readonly name: string }

export interface MessageField {
  readonly json: string
  readonly proto: string
  readonly type: FieldType
  /** Of the fields of one oneof that are set, Go keeps the one with the highest place. */
  readonly oneof?: { readonly name: string; readonly place: number }
}

const integer = (bits: number, signed: boolean): FieldType =>
  signed ? { is: 'integer', least: -(2 ** (bits - 1)), most: 2 ** (bits - 1) - 1 } : { is: 'integer', least: 0, most: 2 ** bits - 1 }

const PLAIN: Readonly<Record<string, FieldType>> = {
  b: { is: 'boolean' },
  s: { is: 'text' },
  f: { is: 'number' },
  d: { is: 'duration' },
  '?': { is: 'struct' },
  i: integer(32, true),
  u: integer(32, false),
  I: integer(64, true),
  U: integer(64, false),
}

function typeIn(text: string): FieldType {
  if (text.startsWith('[]')) return { is: 'list', of: typeIn(text.slice(2)) }
  if (text.startsWith('*')) return { is: 'map', of: typeIn(text.slice(1)) }
  if (text.startsWith('@')) return { is: 'message', name: text.slice(1) }
  if (text.startsWith('(')) return { is: 'enum', values: text.slice(1, -1).split('|') }
  return PLAIN[text] ?? { is: 'struct' }
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

function fieldIn(text: string): MessageField {
  const [, names = '', type = '', name, place] = /^([^=]*)=([^~]*)(?:~([A-Za-z]+)(\d+))?$/.exec(text) ?? []
  const [json = '', proto = snake(json)] = names.split('/')
  return { json, proto, type: typeIn(type), ...(name === undefined ? {} : { oneof: { name, place: Number(place) } }) }
}

const LINES = new Map(MESH_SCHEMA.map((line) => [line.slice(0, line.indexOf(' ')), line]))
const parsed = new Map<string, readonly MessageField[]>()

/** The fields of a message, such as `MeshConfig`. */
export function fieldsOf(message: string): readonly MessageField[] {
  const known = parsed.get(message)
  if (known !== undefined) return known
  const made = (LINES.get(message) ?? '').split(' ').slice(1).map(fieldIn)
  parsed.set(message, made)
  return made
}

const PROTO_NAMES = new Map([...LINES.keys()].flatMap(fieldsOf).map(({ json, proto }) => [json, proto]))

/** The name in the .proto file: `trust_domain` of `trustDomain`. */
export const protoName = (json: string): string => PROTO_NAMES.get(json) ?? json
