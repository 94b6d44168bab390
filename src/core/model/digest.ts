/** Content hashes over canonical JSON, RFC 8785. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

declare const digest: unique symbol
/** SHA-256 as `sha256:` and 64 hex digits, over canonical JSON (RFC 8785). */
export type Digest = string & { readonly [digest]: never }

/** @param value JSON; members that are undefined are left out, as JSON.stringify does */
export const digestOf = (value: unknown): Digest => digestOfText(canonicalJson(value))

export const digestOfText = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest

/** RFC 8785: one text for one value, whatever order its members came in. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}
