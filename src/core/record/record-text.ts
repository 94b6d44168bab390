/**
 * The record's bytes as lines. A value has one text (RFC 8785), so that what is not that text, byte for byte, was edited,
 * whatever value a JSON parser makes of it: a second member of the same name, `1.0`, `\u0061`, CRLF.
 */

import { FederationError } from '../diagnostics/errors.ts'
import { canonicalJson } from '../model/digest.ts'

/** An entry has 5 levels. What is deeper is none, and is not given to a parser that recurses. */
const MAX_DEPTH = 16
const [QUOTE, BACKSLASH, LINE_FEED, OPEN, SPACE] = [0x22, 0x5c, 0x0a, 0x7b, 0x20]

export interface RecordLines {
  /** The value of every line. */
  readonly lines: readonly unknown[]
  /** Length in bytes of these lines, the last line break included where it is there. */
  readonly whole: number
  /** The last entry is complete, and the line break after it is missing. */
  readonly unended?: true
  /** What follows them: the beginning of an entry, without an end. Nothing was done on account of it. */
  readonly torn?: string
}

/**
 * @param before number of lines that the file has before these bytes
 * @throws FederationError record-broken, naming the line that nothing of ours wrote
 */
export function readLines(bytes: Uint8Array, file: string, before = 0): RecordLines {
  const lines: unknown[] = []
  const where = (): string => `${file}:${before + lines.length + 1}`
  let start = 0
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    lines.push(readLine(decode(bytes.subarray(start, end), where()), where()))
    start = end + 1
  }
  const tail = bytes.subarray(start)
  if (tail.length === 0) return { lines, whole: start }
  if (isBeginning(tail)) return { lines, whole: start, torn: Buffer.from(tail).toString('utf8') }
  return { lines: [...lines, readLine(decode(tail, where()), where())], whole: bytes.length, unended: true }
}

/**
 * One line without its line break.
 * @throws FederationError record-broken unless it is the canonical print of its value
 */
export function readLine(line: string, where: string): unknown {
  if (line.startsWith('\ufeff')) throw broken(where, 'begins with a byte order mark', EDITOR)
  if (line.includes('\r')) throw broken(where, 'has a carriage return', EDITOR)
  if (line === '') throw broken(where, 'is empty')
  const { depth } = outline(line)
  if (depth > MAX_DEPTH) throw broken(where, 'is nested too deeply')
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw broken(where, 'is not JSON')
  }
  if (printed(value) !== line) throw broken(where, 'is not written as it was: it is not the canonical JSON (RFC 8785) of what it says')
  return value
}

/** Undefined for what has no canonical JSON: a lone surrogate, a number beyond all bounds. */
export function printed(value: unknown): string | undefined {
  try {
    return canonicalJson(value)
  } catch {
    return undefined
  }
}

const EDITOR = 'an editor, or Git, changed its line ends or encoding: restore it, and have .gitattributes say: audit.jsonl -text'

export const broken = (where: string, message: string, hint = 'restore the file from Git; entente audit verify says what holds') =>
  new FederationError('record-broken', where, message, { hint })

function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw broken(where, 'is not UTF-8')
  }
}

/** Whether an append could have been cut off here: an object that has begun, and that has no end. */
function isBeginning(tail: Uint8Array): boolean {
  // One character for each byte: a cut may be inside a character.
  return tail[0] === OPEN && tail.every((byte) => byte >= SPACE) && !outline(Buffer.from(tail).toString('latin1')).closed
}

/** How deep the brackets outside strings go, and whether all of them were closed at some point. */
function outline(text: string): { readonly depth: number; readonly closed: boolean } {
  let [depth, most, inString, closed] = [0, 0, false, false]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === BACKSLASH) i++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === 0x7b || code === 0x5b) most = Math.max(most, ++depth)
    else if (code === 0x7d || code === 0x5d) closed ||= --depth <= 0
  }
  return { depth: most, closed }
}
