/**
 * The extensions that decide how a certificate may be used, RFC 5280 §4.2.1. Each function throws DerFault when Go's
 * parser rejects the extension.
 */

import { bitsOf, booleanOf, type Fields } from './syntax/certificate-fields.ts'
import { childrenOf, contentsOf, DerFault, elementAt, expectTag, integerOf, oidOf, partsOf, TAG } from './syntax/der.ts'

export const OID = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  policies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyId: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
} as const

/** §4.2.1.9. */
export function basicConstraintsOf(fields: Fields): { readonly isCA: boolean; readonly pathLength?: number } {
  const value = fields.extensions.get(OID.basicConstraints)?.value
  if (value === undefined) return { isCA: false }
  const parts = partsOf(value, elementAt(value, 0), 'the basic constraints')
  const flag = parts[0]?.tag === TAG.boolean ? parts[0] : undefined
  const isCA = flag !== undefined && booleanOf(contentsOf(value, flag))
  const rest = flag === undefined ? 0 : 1
  if (parts.length === rest) return { isCA }
  const length = integerOf(value, parts[rest], 'the path length')
  if ((length[0] ?? 0) >= 0x80 || length.length > 4) throw new DerFault('the path length is out of range')
  return { isCA, pathLength: length.reduce((sum, byte) => sum * 256 + byte, 0) }
}

/** §4.2.1.3. Undefined: the extension is absent, so the key may be used for anything. */
export function keyUsageOf(
  fields: Fields,
): { readonly keyCertSign: boolean; readonly cRLSign: boolean; readonly digitalSignature: boolean } | undefined {
  const value = fields.extensions.get(OID.keyUsage)?.value
  if (value === undefined) return undefined
  const first = bitsOf(value, elementAt(value, 0), 'the key usage')[0] ?? 0
  return { digitalSignature: (first & 0x80) !== 0, keyCertSign: (first & 0x04) !== 0, cRLSign: (first & 0x02) !== 0 }
}

/** §4.2.1.12, dotted. Undefined: the extension is absent. */
export function extendedKeyUsageOf(fields: Fields): readonly string[] | undefined {
  const value = fields.extensions.get(OID.extendedKeyUsage)?.value
  if (value === undefined) return undefined
  return partsOf(value, elementAt(value, 0), 'the extended key usage').map((usage) => oidOf(value, usage))
}

/** The kinds of GeneralName by tag, §4.2.1.6. */
export const NAME = { email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87 } as const

/** §4.2.1.6. A directory name is tagged explicitly, so its value is a complete Name. */
export function generalNamesOf(fields: Fields): readonly { readonly kind: number; readonly value: Uint8Array }[] {
  const value = fields.extensions.get(OID.subjectAltName)?.value
  if (value === undefined) return []
  const list = expectTag(elementAt(value, 0), TAG.sequence, 'the alternative names')
  return childrenOf(value, list).map((name) => ({ kind: name.tag, value: contentsOf(value, name) }))
}

/** Returns the URIs. The other kinds are only checked. */
export function uriSansOf(fields: Fields): readonly string[] {
  const uris: string[] = []
  for (const { kind, value } of generalNamesOf(fields)) {
    if (kind === NAME.ip && value.length !== 4 && value.length !== 16) throw new DerFault('an IP address of a wrong length')
    if (kind !== NAME.uri && kind !== NAME.dns && kind !== NAME.email) continue
    if (value.some((byte) => byte >= 0x80)) throw new DerFault('an alternative name that is not ASCII')
    if (kind === NAME.uri) uris.push(checkUri(Buffer.from(value).toString('latin1')))
  }
  return uris
}

/** Non-empty labels of the characters that host names may have. */
export const isDomain = (host: string): boolean => /^[\w-]+(\.[\w-]+)*$/.test(host)

/** RFC 3986 §3.2: user information, host, port; each may be missing. */
const AUTHORITY = /^(?:[\w.~!$&'()*+,;=:-]*@)?(?:[\w-]+(?:\.[\w-]+)*)?(?::\d*)?$/

/** RFC 5280 §4.2.1.6: the URI must be absolute and its host must be a name. */
function checkUri(uri: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test searches for them
  const written = !/[\u0000-\u0020\u007f]/.test(uri) && !/%(?![0-9a-fA-F]{2})/.test(uri)
  const [, rest] = /^[a-zA-Z][a-zA-Z0-9+.-]*:(.*)$/.exec(uri) ?? []
  const authority = rest?.startsWith('//') ? (/^[^/?#]*/.exec(rest.slice(2))?.[0] ?? '') : ''
  if (!written || rest === undefined || !AUTHORITY.test(authority)) throw new DerFault('an alternative name that is not a URI')
  return uri
}
