/**
 * A read-only walker over DER (X.690), for the fields that node:crypto's X509Certificate does not expose. It builds no
 * tree, encodes nothing and has no certificate logic. Like Go's cryptobyte, it requires definite, minimal lengths and
 * one-byte tags.
 */

/** Thrown for bytes that are not DER; certificate.ts turns it into a FederationError. */
export class DerFault extends Error {
  override readonly name = 'DerFault'
}

/** One element: its header starts at `from`, its contents are `start` to `end`. */
export interface Element {
  readonly tag: number
  readonly from: number
  readonly start: number
  readonly end: number
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** @throws DerFault */
export function elementAt(bytes: Uint8Array, from: number, limit = bytes.length): Element {
  const tag = bytes[from]
  const first = bytes[from + 1]
  if (tag === undefined || first === undefined || from + 2 > limit) throw new DerFault('cut short')
  if ((tag & 0x1f) === 0x1f) throw new DerFault('a tag of more than one byte')
  let start = from + 2
  let length = first
  if (first >= 0x80) {
    const size = first - 0x80
    if (size === 0 || size > 4) throw new DerFault('a length that is not DER')
    length = 0
    for (let i = 0; i < size; i++) length = length * 256 + (bytes[start + i] ?? 0)
    start += size
    if (length < 0x80 || length < 256 ** (size - 1)) throw new DerFault('a length that is not minimal')
  }
  if (start + length > limit) throw new DerFault('cut short')
  return { tag, from, start, end: start + length }
}

/** @throws DerFault */
export function childrenOf(bytes: Uint8Array, parent: Element): Element[] {
  const children: Element[] = []
  for (let at = parent.start; at < parent.end; ) {
    const child = elementAt(bytes, at, parent.end)
    children.push(child)
    at = child.end
  }
  return children
}

/**
 * Returns the element if it has this tag.
 * @throws DerFault
 */
export function expectTag(element: Element | undefined, tag: number, what: string): Element {
  if (element?.tag !== tag) throw new DerFault(`${what} is missing or of the wrong type`)
  return element
}

/**
 * The parts of a SEQUENCE.
 * @throws DerFault when the element is not a SEQUENCE
 */
export const partsOf = (bytes: Uint8Array, element: Element | undefined, what: string): Element[] =>
  childrenOf(bytes, expectTag(element, TAG.sequence, what))

export const contentsOf = (bytes: Uint8Array, element: Element): Uint8Array => bytes.subarray(element.start, element.end)
export const encodingOf = (bytes: Uint8Array, element: Element): Uint8Array => bytes.subarray(element.from, element.end)

interface Identifier {
  readonly contents: Uint8Array
  readonly oid: string
}

/** A cache of object identifiers, keyed by a hash of their contents: certificates share about twenty. */
const identifiers = new Map<number, Identifier>()
const MAX_IDENTIFIERS = 1000

/**
 * Dotted decimal. Like Go, rejects an arc that is padded or longer than 31 bits.
 * @throws DerFault
 */
export function oidOf(bytes: Uint8Array, { tag, start, end }: Element): string {
  if (tag !== TAG.oid || start === end) throw new DerFault('a bad object identifier')
  let key = end - start
  for (let at = start; at < end; at++) key = (Math.imul(key, 31) + (bytes[at] as number)) | 0
  const before = identifiers.get(key)
  if (before !== undefined && isAt(bytes, start, end, before.contents)) return before.oid
  const contents = bytes.slice(start, end)
  const oid = arcsOf(contents).join('.')
  if (identifiers.size < MAX_IDENTIFIERS) identifiers.set(key, { contents, oid })
  return oid
}

function isAt(bytes: Uint8Array, start: number, end: number, contents: Uint8Array): boolean {
  if (end - start !== contents.length) return false
  for (let at = start; at < end; at++) if (bytes[at] !== contents[at - start]) return false
  return true
}

function arcsOf(contents: Uint8Array): readonly number[] {
  const arcs: number[] = []
  let arc: number | undefined
  for (const byte of contents) {
    if (arc === undefined && byte === 0x80) throw new DerFault('an object identifier that is not DER')
    const more: number = (arc ?? 0) * 128 + (byte & 0x7f)
    if (more >= 2 ** 31) throw new DerFault('an object identifier out of range')
    arc = byte < 0x80 ? undefined : more
    if (arc !== undefined) continue
    const root = Math.min(Math.floor(more / 40), 2)
    arcs.push(...(arcs.length === 0 ? [root, more - 40 * root] : [more]))
  }
  if (arcs.length === 0 || arc !== undefined) throw new DerFault('a bad object identifier')
  return arcs
}

/** The contents of a minimal INTEGER: two's complement, big-endian. @throws DerFault */
export function integerOf(bytes: Uint8Array, element: Element | undefined, what: string): Uint8Array {
  const contents = contentsOf(bytes, expectTag(element, TAG.integer, what))
  const first = contents[0]
  const next = contents[1]
  const padded = next !== undefined && ((first === 0 && next < 0x80) || (first === 0xff && next >= 0x80))
  if (first === undefined || padded) throw new DerFault(`${what} is not a minimal INTEGER`)
  return contents
}
