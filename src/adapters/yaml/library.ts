/**
 * Parses YAML with the library: complete, but slow. It reads as Kubernetes does: YAML 1.1 with its scalars, and the last
 * of two equal keys counts.
 */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParseOptions,
  parseAllDocuments,
  type Scalar,
  type ScalarTag,
  type SchemaOptions,
  type Tags,
  visit,
} from 'yaml'
import { tooDeepAt } from './depth.ts'
import type { Repeated } from './plain.ts'
import { resolveScalar } from './scalars.ts'

/** Replaces the library's numbers: for some scalars Kubernetes reads text instead, and vice versa. */
const numeric = (tag: string, test: RegExp): ScalarTag => ({ tag: `tag:yaml.org,2002:${tag}`, default: true, test, resolve: resolveScalar })
const NUMBERS = [numeric('int', /^[-+]?[0-9]/), numeric('float', /^[-+.]/)]
const MERGE = 'tag:yaml.org,2002:merge'
const REPLACED = new Set([...NUMBERS.map(({ tag }) => tag), MERGE, 'tag:yaml.org,2002:timestamp'])

/** Kubernetes merges in order: `<<` overrides the keys before it. The library lets every other key override it. */
function mergeOver(tag: ScalarTag): ScalarTag {
  const resolve: ScalarTag['resolve'] = (...given) => {
    const key = tag.resolve(...given)
    if (!isScalar(key)) return key
    const merge = key.addToJSMap?.bind(key)
    return Object.assign(key, {
      addToJSMap: ((context, map, value) => {
        const merged = new Map<unknown, unknown>()
        merge?.(context, merged, value)
        for (const [name, one] of merged) put(map, name, one)
      }) satisfies Scalar['addToJSMap'],
    })
  }
  return { ...tag, resolve }
}

function put(map: Parameters<NonNullable<Scalar['addToJSMap']>>[1], key: unknown, value: unknown): void {
  if (map instanceof Map) map.set(key, value)
  else if (map instanceof Set) map.add(key)
  else Object.defineProperty(map, String(key), { value, writable: true, enumerable: true, configurable: true })
}

const tagsFor = (tags: Tags): Tags => [
  ...NUMBERS,
  ...tags.flatMap((tag) => (typeof tag === 'object' && tag.tag === MERGE ? [mergeOver(tag as ScalarTag)] : [])),
  ...tags.filter((tag) => typeof tag === 'string' || !REPLACED.has(tag.tag)),
]

const OPTIONS: ParseOptions & SchemaOptions & { version: '1.1'; logLevel: 'error' } = {
  version: '1.1',
  schema: 'yaml-1.1',
  uniqueKeys: false,
  logLevel: 'error',
  // This code finds the position of a fault itself; the library would search the text again for each fault.
  prettyErrors: false,
  customTags: tagsFor,
}

/** Enough for values files that use many anchors, too few for an alias bomb. */
const MAX_ALIASES = 1_000

export interface LibraryFault {
  readonly message: string
  readonly offset: number
}

export interface LibraryDocument {
  readonly value: unknown
  readonly fault?: LibraryFault
  readonly repeated: readonly Repeated[]
  readonly document: Document.Parsed
}

/** Never throws. */
export function readWithLibrary(text: string): readonly LibraryDocument[] | LibraryFault {
  const deep = tooDeepAt(text)
  if (deep !== undefined) return { message: 'is nested too deeply', offset: deep }
  try {
    const documents = parseAllDocuments(text, OPTIONS)
    if (!Array.isArray(documents)) return []
    return documents.map((document) => {
      const [first] = document.errors
      if (first !== undefined)
        return { value: undefined, document, repeated: [], fault: { message: firstLine(first.message), offset: first.pos[0] } }
      return resultOf(document)
    })
  } catch (cause) {
    // Nesting of thousands of levels overflows the library's stack.
    return { message: cause instanceof RangeError ? 'is nested too deeply' : String(cause), offset: 0 }
  }
}

function resultOf(document: Document.Parsed): LibraryDocument {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    if (!isWithinItself(value)) return { value, document, repeated: repeatedIn(document) }
    const fault = { message: 'an alias is inside the value that it refers to', offset: document.range[0] }
    return { value: undefined, document, repeated: [], fault }
  } catch (cause) {
    const message = cause instanceof RangeError ? 'is nested too deeply' : firstLine(cause instanceof Error ? cause.message : String(cause))
    return { value: undefined, document, repeated: [], fault: { message, offset: document.range[0] } }
  }
}

function repeatedIn(document: Document.Parsed): readonly Repeated[] {
  const found: Repeated[] = []
  visit(document, {
    Map: (_, map) => {
      const offsets = new Map<string, number>()
      for (const { key } of map.items) {
        const offset = rangeOf(key)
        const name = isScalar(key) ? String(key.value) : undefined
        if (name === undefined || name === '<<' || offset === undefined) continue
        const ignored = offsets.get(name)
        if (ignored !== undefined) found.push({ key: name, offset, ignored })
        offsets.set(name, offset)
      }
    },
  })
  return found
}

/** True if some part of it contains itself: the library accepts `&a [*a]`. */
function isWithinItself(root: unknown): boolean {
  const around = new Set<object>()
  const done = new Set<object>()
  const go = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null || done.has(value)) return false
    if (around.has(value)) return true
    around.add(value)
    const found = Object.values(value).some(go)
    around.delete(value)
    done.add(value)
    return found
  }
  return go(root)
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')

/** The start of the key (or item) at the path, or of the closest one around it that exists. */
export function offsetIn(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents
  let offset = rangeOf(node) ?? document.range[0]
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document)
    const pair = isMap(node) ? node.items.findLast(({ key }) => String(isScalar(key) ? key.value : key) === String(step)) : undefined
    const next = pair === undefined ? (isSeq(node) ? node.items[Number(step)] : undefined) : pair.value
    const found = rangeOf(pair === undefined ? next : pair.key)
    if (found === undefined) return offset
    offset = found
    node = next
  }
  return offset
}

function rangeOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined
}
