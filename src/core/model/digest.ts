/** Content hashes over canonical JSON, RFC 8785. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

declare const digest: unique symbol
/** SHA-256 as `sha256:` and 64 hex digits, over canonical JSON (RFC 8785). */
export type Digest = string & { readonly [digest]: never }

/** @param value JSON; undefined members are left out, as in JSON.stringify */
export const digestOf = (value: unknown): Digest => digestOfText(canonicalJson(value))

export const digestOfText = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest

/** RFC 8785: one text per value, independent of the order of its members. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}
