/**
 * The only way in which a member's answer becomes a value. Code behind it can print, hash and traverse every value that
 * passes. JSON.parse alone accepts half surrogate pairs (which RFC 8785 cannot print), 1e999 (which becomes Infinity), and
 * any depth (which overflows every recursion).
 */

/** Thrown for bytes that are rejected; the message says why, and where. It quotes no value. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

export interface JsonBounds {
  /** Nesting of objects and arrays. Protocol Buffers stop at 100, and objects of Kubernetes and Istio stay far below. */
  readonly maxDepth: number
  /** Values and members: an empty object takes 2 bytes on the wire, and some 50 of memory. */
  readonly maxValues: number
}

export const BOUNDS: JsonBounds = { maxDepth: 200, maxValues: 8 * 1024 * 1024 }

/**
 * @param body UTF-8. U+0000 is allowed: a ConfigMap may hold it
 * @throws Unfit
 */
export function checkedJson(body: Uint8Array, bounds: Partial<JsonBounds> = {}): unknown {
  const { maxDepth, maxValues } = { ...BOUNDS, ...bounds }
  const shape = shapeOf(body)
  if (shape.depth > maxDepth) throw new Unfit(`is nested deeper than ${maxDepth} levels`)
  if (shape.values > maxValues) throw new Unfit(`holds more than ${maxValues} values`)
  const value = parsed(body)
  if (shape.suspicious) checkValue(value, maxDepth)
  return value
}

/**
 * The same check for a value that another parser made (YAML).
 * @throws Unfit
 */
export function checkValue(value: unknown, maxDepth = BOUNDS.maxDepth): void {
  walk(value, [], maxDepth)
}

function parsed(body: Uint8Array): unknown {
  let text: string
  try {
    text = UTF8.decode(body)
  } catch {
    throw new Unfit('is not UTF-8')
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Unfit('is not JSON')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

interface Shape {
  readonly depth: number
  readonly values: number
  /** True if it may hold an invalid number or text. Only then is every value checked. */
  readonly suspicious: boolean
}

const [QUOTE, BACKSLASH, COMMA, COLON, DOT] = [0x22, 0x5c, 0x2c, 0x3a, 0x2e]
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d]
/** A number with fewer digits than this is always finite. */
const MANY_DIGITS = 300

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** One pass over the bytes, before any value is made. For input that is not JSON the result has no meaning. */
function shapeOf(body: Uint8Array): Shape {
  let [depth, deepest, values, digits] = [0, 0, 1, 0]
  let suspicious = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] as number
    if (byte === QUOTE) {
      for (i++; i < body.length && body[i] !== QUOTE; i++) {
        if (body[i] !== BACKSLASH) continue
        i++
        // \ud800 to \udfff: half a surrogate pair, or one of two halves.
        if (body[i] === 0x75 && ((body[i + 1] as number) | 0x20) === 0x64) suspicious = true
      }
      digits = 0
      continue
    }
    if (isDigit(byte)) {
      if (++digits > MANY_DIGITS) suspicious = true
      continue
    }
    if (byte === DOT) continue
    if ((byte | 0x20) === 0x65 && digits > 0) suspicious = true
    digits = 0
    if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      values++
      if (++depth > deepest) deepest = depth
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) depth--
    else if (byte === COMMA || byte === COLON) values++
  }
  return { depth: deepest, values, suspicious }
}

const HALF_A_PAIR = /\p{Surrogate}/u

type Path = (string | number)[]

/** One shared path: each step is pushed before and popped after its value. */
function walk(value: unknown, path: Path, left: number): void {
  if (typeof value === 'string') {
    if (HALF_A_PAIR.test(value)) throw new Unfit(`holds half a surrogate pair at ${where(path)}`)
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Unfit(`holds a number that is too large at ${where(path)}`)
  } else if (typeof value === 'object' && value !== null) {
    if (left === 0) throw new Unfit(`is nested deeper than ${path.length} levels`)
    for (const key in value) {
      if (HALF_A_PAIR.test(key)) throw new Unfit(`holds half a surrogate pair in a name at ${where(path)}`)
      path.push(Array.isArray(value) ? Number(key) : key)
      walk((value as Record<string, unknown>)[key], path, left - 1)
      path.pop()
    }
  }
}

const MOST_STEPS = 8

/** `items[3].metadata.name`: keys come from the member, so only keys that look like names are shown. */
function where(path: Path): string {
  const steps = path
    .slice(0, MOST_STEPS)
    .map((step) => (typeof step === 'number' ? `[${step}]` : /^[\w.:/-]{1,60}$/.test(step) ? `.${step}` : '.?'))
  const more = path.length > MOST_STEPS ? '…' : ''
  return `${steps.join('').replace(/^\./, '')}${more}` || 'the top'
}
