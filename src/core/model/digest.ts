/** Content hashes over canonical JSON, RFC 8785. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

declare const digest: unique symbol
/** SHA-256 as `sha256:` and 64 hex digits, over canonical JSON (RFC 8785). */
export type Digest = string & { readonly [digest]: never }

/** @param value JSON; undefined members are omitted, as in JSON.stringify */
export const digestOf = (value: unknown): Digest => digestOfText(canonicalJson(value))

export const digestOfText = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest

/**
 * RFC 8785: equal values give equal texts, whatever the order of their members. After sorting the members,
 * JSON.stringify writes that form for most values. The library writes the others; it is several times slower.
 */
export function canonicalJson(value: unknown): string {
  const ordered = inOrder(value)
  const written = ordered === ODD ? undefined : JSON.stringify(ordered)
  // A match may be a lone surrogate, which JSON.stringify escapes and RFC 8785 rejects.
  const text = written?.includes('\\ud') === false ? written : canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

const ODD = Symbol('to be written by the library')

/**
 * Returns the value with all members sorted, and the same value if they already are. Returns ODD when JSON.stringify
 * alone does not write RFC 8785.
 */
function inOrder(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : ODD
  if (typeof value !== 'object' || value === null) return ['string', 'boolean', 'undefined', 'object'].includes(typeof value) ? value : ODD
  if (Array.isArray(value)) return itemsInOrder(value)
  return 'toJSON' in value ? ODD : membersInOrder(value as Readonly<Record<string, unknown>>)
}

function itemsInOrder(list: readonly unknown[]): unknown {
  const items: unknown[] = []
  let same = true
  for (const item of list) {
    const ordered = inOrder(item)
    if (ordered === ODD) return ODD
    same &&= ordered === item
    items.push(ordered)
  }
  return same ? list : items
}

function membersInOrder(object: Readonly<Record<string, unknown>>): unknown {
  const keys = Object.keys(object)
  const sorted = keys.every((key, i) => i === 0 || (keys[i - 1] as string) < key)
  const members: [string, unknown][] = []
  let same = sorted
  for (const key of sorted ? keys : keys.sort()) {
    const ordered = isOdd(key) ? ODD : inOrder(object[key])
    if (ordered === ODD) return ODD
    same &&= ordered === object[key]
    members.push([key, ordered])
  }
  return same ? object : Object.fromEntries(members)
}

/** A JavaScript object lists integer keys first, whatever the insertion order. */
const isOdd = (key: string): boolean => key.charCodeAt(0) <= 0x39 && /^\d+$/.test(key)
