/** Content hashes over canonical JSON, RFC 8785. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

declare const digest: unique symbol
/** SHA-256 as `sha256:` and 64 hex digits, over canonical JSON (RFC 8785). */
export type Digest = string & { readonly [digest]: never }

/** @param value JSON; undefined members are left out, as in JSON.stringify */
export const digestOf = (value: unknown): Digest => digestOfText(canonicalJson(value))

export const digestOfText = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest

/**
 * RFC 8785: one text for one value, whatever order its members came in. JSON.stringify writes it so, once the members are
 * in order; what it would write otherwise is left to the library, which is several times slower.
 */
export function canonicalJson(value: unknown): string {
  const ordered = inOrder(value)
  const written = ordered === ODD ? undefined : JSON.stringify(ordered)
  // Perhaps a lone surrogate, which JSON.stringify escapes and RFC 8785 refuses.
  const text = written?.includes('\\ud') === false ? written : canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

const ODD = Symbol('to be written by the library')

/** The value with all members in order, the very value where they are; ODD where JSON.stringify alone would not do. */
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

/** A JavaScript object has numbers first, whatever order they came in. */
const isOdd = (key: string): boolean => key.charCodeAt(0) <= 0x39 && /^\d+$/.test(key)
