/**
 * Reads JSON (RFC 8259) without the losses of JSON.parse: a number keeps its digits, and an object reports its repeated
 * members. Otherwise it accepts exactly the texts that JSON.parse accepts, up to a nesting of 64.
 */

/** Thrown for text that is not JSON. `at` is the offset of the fault. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault'
  readonly at: number

  constructor(message: string, at: number) {
    super(`${message} at character ${at}`)
    this.at = at
  }
}

/** A number with its digits as written. */
export class JsonNumber {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

const NONE: ReadonlySet<string> = new Set()

export class JsonObject {
  readonly members = new Map<string, Json>()
  private again: Set<string> | undefined

  get(name: string): Json | undefined {
    return this.members.get(name)
  }

  /** The first value of a name is kept. */
  add(name: string, value: Json): void {
    if (!this.members.has(name)) this.members.set(name, value)
    else this.again = (this.again ?? new Set()).add(name)
  }

  /** Names that are there more than once. */
  get repeated(): ReadonlySet<string> {
    return this.again ?? NONE
  }
}

export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject

const MAX_DEPTH = 64

/** @throws JsonFault */
export function readJson(text: string): Json {
  const reader = new Reader(text)
  const value = reader.value(0)
  reader.end()
  return value
}

class Reader {
  private at = 0
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw new JsonFault('nested too deeply', this.at)
    this.skipSpace()
    const char = this.text[this.at]
    if (char === '{') return this.object(depth)
    if (char === '[') return this.array(depth)
    if (char === '"') return this.string()
    return this.scalar()
  }

  end(): void {
    this.skipSpace()
    if (this.at < this.text.length) throw new JsonFault('something after the end', this.at)
  }

  private object(depth: number): JsonObject {
    const object = new JsonObject()
    this.list('}', () => {
      if (this.text[this.at] !== '"') throw new JsonFault('want a member name', this.at)
      const name = this.string()
      this.skipSpace()
      if (this.text[this.at++] !== ':') throw new JsonFault('want a colon', this.at - 1)
      const value = this.value(depth + 1)
      object.add(name, value)
    })
    return object
  }

  private array(depth: number): Json[] {
    const array: Json[] = []
    this.list(']', () => array.push(this.value(depth + 1)))
    return array
  }

  private list(close: string, item: () => void): void {
    this.at++
    this.skipSpace()
    if (this.text[this.at] === close) {
      this.at++
      return
    }
    for (;;) {
      this.skipSpace()
      item()
      this.skipSpace()
      const char = this.text[this.at++]
      if (char === close) return
      if (char !== ',') throw new JsonFault(`want , or ${close}`, this.at - 1)
    }
  }

  /** Finds the closing quote first: the long strings of a bundle are then cut out in one go. */
  private string(): string {
    const start = this.at + 1
    let end = this.text.indexOf('"', start)
    let escaped = false
    while (end !== -1 && this.isEscaped(end, start)) {
      escaped = true
      end = this.text.indexOf('"', end + 1)
    }
    if (end === -1) throw new JsonFault('a string without an end', this.at)
    const raw = this.text.slice(start, end)
    this.at = end + 1
    // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
    if (!escaped && !/[\\\u0000-\u001f]/.test(raw)) return raw
    try {
      return JSON.parse(`"${raw}"`) as string
    } catch {
      throw new JsonFault('a bad string', start)
    }
  }

  private isEscaped(quote: number, start: number): boolean {
    let backslashes = 0
    while (quote - 1 - backslashes >= start && this.text[quote - 1 - backslashes] === '\\') backslashes++
    return backslashes % 2 === 1
  }

  private scalar(): Json {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
    pattern.lastIndex = this.at
    const token = pattern.exec(this.text)?.[0]
    if (token === undefined) throw new JsonFault(this.at < this.text.length ? 'want a value' : 'cut short', this.at)
    this.at += token.length
    if (token === 'true') return true
    if (token === 'false') return false
    return token === 'null' ? null : new JsonNumber(token)
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }
}
