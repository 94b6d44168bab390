/**
 * Parses the YAML subset of nearly all manifests, some ten times faster than the library, with the position of every key.
 * The law (plain.test.ts): it returns the same value as the library, or undefined, and then the library parses the text.
 * So it may give up in any doubt: tabs, anchors, tags, folded or multi-line scalars, unusual keys.
 */

import { resolveScalar } from './scalars.ts'

/** The start of the keys and items of each collection: offsets in the text. */
export type Spots = WeakMap<object, ReadonlyMap<string, number> | readonly number[]>

export interface Plain {
  readonly value: unknown
  readonly spots: Spots
  readonly repeated: readonly Repeated[]
}

/** A key that stands twice in a mapping: where it counts, and where it is ignored. */
export interface Repeated {
  readonly key: string
  readonly offset: number
  readonly ignored: number
}

const GIVE_UP = Symbol('not plain')
const MAX_DEPTH = 100

/** @param text one document that ends in a newline; line ends are LF */
export function readPlain(text: string): Plain | undefined {
  try {
    return new Reader(text).read()
  } catch (thrown) {
    if (thrown === GIVE_UP) return undefined
    throw thrown
  }
}

const giveUp = (): never => {
  throw GIVE_UP
}

const NEWLINE = 10
const SPACE = 32
const HASH = 35
const DASH = 45
const COLON = 58

/** Text in any case: it begins like a word, and YAML 1.1 reads it neither as a boolean nor as null. */
const WORD = /^[A-Za-z_/$(;^\\]/
const RESERVED = /^(?:y|n|yes|no|on|off|true|false|null)$/i
const WHOLE = /^(?:0|[1-9][0-9]{0,14})$/
const KEY = /(?:[A-Za-z_/$][A-Za-z0-9_./$-]*|[1-9][0-9]{0,14}|0)(?=:[ \n])/y
/** JSON's escapes mean the same in YAML. */
const DOUBLE = /"(?:[^"\\\n]|\\["\\/bfnrtu])*"/y
const SINGLE = /'(?:[^'\n]|'')*'/y
const FLOW_PLAIN = /[A-Za-z0-9_/$.^;()+-](?:[^,[\]{}:#\n\t]|:(?=[^ ,[\]{}\n\t]))*/y

class Reader {
  private readonly text: string
  private readonly spots: Spots = new WeakMap()
  private readonly repeated: Repeated[] = []
  /** The start of the current line's content, after blank lines and comments; the text's length at the end. */
  private at = 0
  private lineStart = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
  }

  read(): Plain {
    if (this.text.startsWith('---')) this.skipMarker()
    else this.nextLine(0)
    if (this.at === this.text.length) return { value: null, spots: this.spots, repeated: [] }
    const first = this.text[this.at]
    let value: unknown
    if (first === '{' || first === '[') {
      value = this.flow(true)
      this.endOfValue(-1)
    } else value = this.block(this.indent(), -1)
    if (this.at !== this.text.length) giveUp()
    return { value, spots: this.spots, repeated: this.repeated }
  }

  private skipMarker(): void {
    const end = this.text.indexOf('\n')
    if (!/^---[ ]*(?: #.*)?$/.test(this.text.slice(0, end))) giveUp()
    this.nextLine(end + 1)
  }

  private indent(): number {
    return this.at - this.lineStart
  }

  /** Moves to the next line with content, from the beginning of a line. */
  private nextLine(from: number): void {
    const { text } = this
    let start = from
    for (;;) {
      let i = start
      while (text.charCodeAt(i) === SPACE) i++
      if (i >= text.length) {
        this.at = text.length
        this.lineStart = text.length
        return
      }
      const c = text.charCodeAt(i)
      if (c === NEWLINE) start = i + 1
      else if (c === HASH) start = text.indexOf('\n', i) + 1
      else {
        if (c === 9 || (i === start && (text.startsWith('...', i) || text.startsWith('---', i) || c === 37))) giveUp()
        this.at = i
        this.lineStart = start
        return
      }
    }
  }

  /** A block collection that begins here; its lines are indented by `column`, its parent's by `parent`. */
  private block(column: number, parent: number): unknown {
    if (++this.depth > MAX_DEPTH || column <= parent) giveUp()
    const value = this.isDash() ? this.sequence(column) : this.mapping(column)
    this.depth--
    return value
  }

  private isDash(): boolean {
    const next = this.text.charCodeAt(this.at + 1)
    return this.text.charCodeAt(this.at) === DASH && (next === SPACE || next === NEWLINE)
  }

  private sequence(column: number): unknown[] {
    const items: unknown[] = []
    const spots: number[] = []
    let first = true
    while (this.at < this.text.length && (first || this.indent() === column) && this.isDash()) {
      first = false
      const lineStart = this.lineStart
      let i = this.at + 1
      while (this.text.charCodeAt(i) === SPACE) i++
      const c = this.text.charCodeAt(i)
      if (c === NEWLINE || c === HASH) {
        spots.push(this.at)
        items.push(this.below(i, column))
        continue
      }
      spots.push(i)
      this.at = i
      if (this.isDash() || this.isKey()) items.push(this.block(i - lineStart, column))
      else items.push(this.inline(column))
    }
    if (this.at < this.text.length && this.indent() > column) giveUp()
    this.spots.set(items, spots)
    return items
  }

  private isKey(): boolean {
    const c = this.text[this.at]
    const pattern = c === '"' ? DOUBLE : c === "'" ? SINGLE : KEY
    pattern.lastIndex = this.at
    if (!pattern.test(this.text)) return false
    const after = this.text.charCodeAt(pattern.lastIndex + 1)
    return this.text.charCodeAt(pattern.lastIndex) === COLON && (after === SPACE || after === NEWLINE)
  }

  private mapping(column: number): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    const spots = new Map<string, number>()
    let first = true
    while (this.at < this.text.length && (first || this.indent() === column)) {
      if (!first && this.isDash()) break
      first = false
      const start = this.at
      const key = this.key()
      let i = this.at + 1
      while (this.text.charCodeAt(i) === SPACE) i++
      const c = this.text.charCodeAt(i)
      let value: unknown
      if (c === NEWLINE || (c === HASH && i > this.at + 1)) value = this.below(i, column, true)
      else {
        this.at = i
        value = this.inline(column)
      }
      map[key] = value
      this.note(spots, key, start)
    }
    if (this.at < this.text.length && this.indent() > column) giveUp()
    this.spots.set(map, spots)
    return map
  }

  private note(spots: Map<string, number>, key: string, offset: number): void {
    const ignored = spots.get(key)
    if (ignored !== undefined) this.repeated.push({ key, offset, ignored })
    spots.set(key, offset)
  }

  /** Reads a key and stops at its colon. */
  private key(): string {
    if (!this.isKey()) giveUp()
    const c = this.text[this.at]
    if (c === '"' || c === "'") {
      const key = this.quoted()
      if (key === '__proto__') giveUp()
      return key
    }
    const end = KEY.lastIndex
    const key = this.text.slice(this.at, end)
    if (key === '__proto__' || RESERVED.test(key)) giveUp()
    this.at = end
    return key
  }

  /** The value of a key or dash whose line ends at `i`. */
  private below(i: number, column: number, ofKey = false): unknown {
    this.nextLine(this.text.indexOf('\n', i) + 1)
    if (this.at === this.text.length) return null
    const indent = this.indent()
    if (indent > column) {
      const c = this.text[this.at]
      // A scalar or a flow collection on a separate line is rare, so this code gives up.
      if (c === '{' || c === '[' || !(this.isDash() || this.isKey())) giveUp()
      return this.block(indent, column)
    }
    return ofKey && indent === column && this.isDash() ? this.sequence(column) : null
  }

  /** A value on the line of its key or dash. */
  private inline(column: number): unknown {
    const c = this.text[this.at]
    if (c === '|') return this.literal(column)
    let value: unknown
    if (c === '{' || c === '[') value = this.flow(false)
    else if (c === '"' || c === "'") value = this.quoted()
    else value = this.plainScalar()
    this.endOfValue(column)
    return value
  }

  /** Only a comment may follow on the line, and no deeper line after it. */
  private endOfValue(column: number): void {
    let i = this.at
    while (this.text.charCodeAt(i) === SPACE) i++
    const c = this.text.charCodeAt(i)
    if (c !== NEWLINE && !(c === HASH && i > this.at)) giveUp()
    this.nextLine(this.text.indexOf('\n', i) + 1)
    if (this.at < this.text.length && this.indent() > column) giveUp()
  }

  private plainScalar(): unknown {
    const { text } = this
    let end = text.indexOf('\n', this.at)
    let scalar = text.slice(this.at, end)
    const comment = scalar.indexOf(' #')
    if (comment !== -1) {
      scalar = scalar.slice(0, comment)
      end = this.at + comment
    }
    scalar = scalar.trimEnd()
    if (scalar.includes('\t') || scalar.includes(': ') || scalar.endsWith(':')) giveUp()
    this.at = end
    return this.scalar(scalar)
  }

  private scalar(scalar: string): unknown {
    if (WORD.test(scalar)) return RESERVED.test(scalar) ? resolveScalar(scalar) : scalar
    if (WHOLE.test(scalar)) return Number(scalar)
    return /^(?:[0-9+~]|-[^ -]|\.[^.])/.test(scalar) ? resolveScalar(scalar) : giveUp()
  }

  private quoted(): string {
    const double = this.text[this.at] === '"'
    const pattern = double ? DOUBLE : SINGLE
    pattern.lastIndex = this.at
    if (!pattern.test(this.text)) giveUp()
    const raw = this.text.slice(this.at, pattern.lastIndex)
    if (raw.includes('\t')) giveUp()
    this.at = pattern.lastIndex
    if (!double) return raw.slice(1, -1).replaceAll("''", "'")
    if (!raw.includes('\\')) return raw.slice(1, -1)
    try {
      return JSON.parse(raw) as string
    } catch {
      return giveUp()
    }
  }

  /** A block scalar of kind `|`, without an indentation indicator. */
  private literal(column: number): string {
    const { text } = this
    const header = text.slice(this.at, text.indexOf('\n', this.at))
    const [, chomp] = /^\|([+-]?) *(?: #.*)?$/.exec(header) ?? giveUp()
    let start = this.at + header.length + 1
    let indent = -1
    let blanks = 0
    let content = ''
    for (;;) {
      if (start >= text.length) break
      let i = start
      while (text.charCodeAt(i) === SPACE) i++
      const end = text.indexOf('\n', i)
      if (end === i && (indent === -1 || i - start <= indent)) {
        if (indent === -1 && i > start) giveUp()
        blanks++
        start = end + 1
        continue
      }
      if (indent === -1) {
        if (i - start <= column) break
        indent = i - start
      }
      if (i - start < indent) {
        if (i - start > column || text.charCodeAt(i) === 9) giveUp()
        break
      }
      content += '\n'.repeat(blanks) + text.slice(start + indent, end + 1)
      blanks = 0
      start = end + 1
    }
    // Parsers differ on lines of only white space, and on comments after them.
    const before = content.slice(0, -1).lastIndexOf('\n')
    const last = content.slice(before + 1, -1)
    if (content === '' || (/^[ \t]*$/.test(last) && (before === -1 || last !== ''))) giveUp()
    this.nextLine(start)
    if (this.at < text.length && this.indent() > column) giveUp()
    if (chomp === '-') return content.slice(0, -1)
    return chomp === '+' ? content + '\n'.repeat(blanks) : content
  }

  // ── flow ──

  /** @param lines whether it may extend over several lines, as in JSON */
  private flow(lines: boolean): unknown {
    if (++this.depth > MAX_DEPTH) giveUp()
    const value = this.text[this.at] === '{' ? this.flowMap(lines) : this.flowList(lines)
    this.depth--
    return value
  }

  private skip(lines: boolean): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at)
      if (c !== SPACE && !(lines && c === NEWLINE)) return
      this.at++
    }
  }

  private flowMap(lines: boolean): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    const spots = new Map<string, number>()
    this.at++
    this.skip(lines)
    while (this.text[this.at] !== '}') {
      const start = this.at
      const key = this.flowKey()
      if (this.text.charCodeAt(this.at) !== COLON) giveUp()
      this.at++
      const c = this.text.charCodeAt(this.at)
      if (c !== SPACE && c !== NEWLINE && this.text[start] !== '"') giveUp()
      this.skip(lines)
      map[key] = this.flowValue(lines)
      this.note(spots, key, start)
      this.separator(lines, '}')
    }
    this.at++
    this.spots.set(map, spots)
    return map
  }

  private flowKey(): string {
    const c = this.text[this.at]
    if (c === '"' || c === "'") {
      const key = this.quoted()
      return key === '__proto__' ? giveUp() : key
    }
    return this.key()
  }

  private flowList(lines: boolean): unknown[] {
    const items: unknown[] = []
    const spots: number[] = []
    this.at++
    this.skip(lines)
    while (this.text[this.at] !== ']') {
      spots.push(this.at)
      items.push(this.flowValue(lines))
      this.separator(lines, ']')
    }
    this.at++
    this.spots.set(items, spots)
    return items
  }

  /** A comma, or the end of the collection. A key without a value and `a: b` in a list are not supported here. */
  private separator(lines: boolean, end: string): void {
    this.skip(lines)
    if (this.text[this.at] === ',') {
      this.at++
      this.skip(lines)
      if (this.text[this.at] === ',') giveUp()
    } else if (this.text[this.at] !== end) giveUp()
  }

  private flowValue(lines: boolean): unknown {
    const c = this.text[this.at]
    if (c === '{' || c === '[') return this.flow(lines)
    if (c === '"' || c === "'") return this.quoted()
    FLOW_PLAIN.lastIndex = this.at
    if (!FLOW_PLAIN.test(this.text)) giveUp()
    const scalar = this.text.slice(this.at, FLOW_PLAIN.lastIndex)
    this.at = FLOW_PLAIN.lastIndex
    const next = this.text[this.at]
    if (next === ':' || next === '#' || next === '\t') giveUp()
    return this.scalar(scalar.trimEnd())
  }
}
