/**
 * Splits the bytes of the record into lines. Each value has exactly one canonical text (RFC 8785). A line with other bytes
 * was edited, even if a JSON parser gives the same value: a repeated member name, `1.0`, `\u0061`, CRLF.
 */

import { FederationError } from '../diagnostics/errors.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import { canonicalJson } from '../model/digest.ts'

/** An entry has 5 levels. Deeper text is rejected before a recursive parser reads it. */
const MAX_DEPTH = 16
const [QUOTE, BACKSLASH, LINE_FEED, OPEN, SPACE] = [0x22, 0x5c, 0x0a, 0x7b, 0x20]

export interface RecordLines {
  /** The value of every line. */
  readonly lines: readonly unknown[]
  /** Length in bytes of these lines, including the last line break if it exists. */
  readonly whole: number
  /** The last entry is complete but lacks its line break. */
  readonly unended?: true
  /** The rest of the file: the beginning of an entry whose write was cut off. No action followed from it. */
  readonly torn?: string
}

/**
 * @param before the number of lines in the file before these bytes
 * @throws FederationError record-broken with the number of the line that Entente did not write
 */
export function readLines(bytes: Uint8Array, file: string, before = 0): RecordLines {
  const lines: unknown[] = []
  const where = (): Subject => about.file(file, before + lines.length + 1)
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
 * Parses one line without its line break.
 * @throws FederationError record-broken unless the line is the canonical text of its value
 */
export function readLine(line: string, where: Subject): unknown {
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
  if (printed(value) !== line) throw broken(where, 'was edited: it is not the canonical JSON (RFC 8785) of its value')
  return value
}

/** Undefined for a value without canonical JSON: a lone surrogate or a number out of range. */
export function printed(value: unknown): string | undefined {
  try {
    return canonicalJson(value)
  } catch {
    return undefined
  }
}

const EDITOR = 'an editor or Git changed its line ends or encoding: restore the file, and add to .gitattributes: audit.jsonl -text'

export const broken = (where: Subject, message: string, hint = 'restore the file from Git, then check it: entente audit verify') =>
  new FederationError('record-broken', where, message, { hint })

function decode(bytes: Uint8Array, where: Subject): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw broken(where, 'is not UTF-8')
  }
}

/** Whether this may be an append that was cut off: the text begins an object and does not end it. */
function isBeginning(tail: Uint8Array): boolean {
  // One character per byte, because a cut may be inside a UTF-8 character.
  return tail[0] === OPEN && tail.every((byte) => byte >= SPACE) && !outline(Buffer.from(tail).toString('latin1')).closed
}

/** The depth of brackets outside strings, and whether all of them were closed at some point. */
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
