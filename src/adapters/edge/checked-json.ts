/**
 * The one way in which what a member answered becomes a value. What passes can be printed, hashed and walked by any code
 * behind it: JSON.parse alone lets through half surrogate pairs (which RFC 8785 cannot print), 1e999 (which it reads as
 * Infinity), and any depth (which ends every recursion).
 */

/** Thrown for bytes that are not fit; the message says what about them, and where. It quotes no value. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

export interface JsonBounds {
  /** Nesting of objects and arrays. Protocol Buffers stop at 100, and no object of Kubernetes or Istio comes near. */
  readonly maxDepth: number
  /** Values and members: an empty object takes 2 bytes on the wire, and some 50 of memory. */
  readonly maxValues: number
}

export const BOUNDS: JsonBounds = { maxDepth: 200, maxValues: 8 * 1024 * 1024 }

/**
 * @param body UTF-8. U+0000 is text like any other: a ConfigMap may hold it
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
 * The same for a value that another parser made (YAML).
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
  /** Something in it may be no number, or no text: only then every value is looked at. */
  readonly suspicious: boolean
}

const [QUOTE, BACKSLASH, COMMA, COLON, DOT] = [0x22, 0x5c, 0x2c, 0x3a, 0x2e]
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d]
/** Fewer digits than this make a finite number, whatever they are. */
const MANY_DIGITS = 300

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** One pass over the bytes, before anything is made of them. Of what is not JSON it tells nothing of use. */
function shapeOf(body: Uint8Array): Shape {
  let [depth, deepest, values, digits] = [0, 0, 1, 0]
  let suspicious = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] as number
    if (byte === QUOTE) {
      for (i++; i < body.length && body[i] !== QUOTE; i++) {
        if (body[i] !== BACKSLASH) continue
        i++
        // \ud800 to \udfff: half a pair, or one of two halves.
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

/** One path for all of it: a step is put on and taken off again. */
function walk(value: unknown, path: Path, left: number): void {
  if (typeof value === 'string') {
    if (HALF_A_PAIR.test(value)) throw new Unfit(`holds half a surrogate pair at ${where(path)}`)
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Unfit(`holds a number beyond all bounds at ${where(path)}`)
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

/** `items[3].metadata.name`: keys are the member's, so only what looks like a name is shown. */
function where(path: Path): string {
  const steps = path
    .slice(0, MOST_STEPS)
    .map((step) => (typeof step === 'number' ? `[${step}]` : /^[\w.:/-]{1,60}$/.test(step) ? `.${step}` : '.?'))
  const more = path.length > MOST_STEPS ? '…' : ''
  return `${steps.join('').replace(/^\./, '')}${more}` || 'the top'
}
