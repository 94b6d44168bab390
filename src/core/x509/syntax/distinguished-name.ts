/**
 * Names of subjects and issuers, RFC 5280 §4.1.2.4. Checks them as Go's parser does (crypto/x509, parseName) and prints
 * them as OpenSSL does.
 */
import { X509Certificate } from 'node:crypto'
import { childrenOf, DerFault, elementAt, expectTag, oidOf, TAG } from './der.ts'
import { printable } from './printable.ts'

const MAX_LENGTH = 1000

/** OpenSSL's short names of the common attributes. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
}

/** Text that RFC 2253 and OpenSSL print without an escape. */
const PLAIN = /^[\w()*./:@&'!?%~$|-](?:[\w()*./:@&'!?%~$| -]*[\w()*./:@&'!?%~$|-])?$/

/**
 * `CN=…, O=…`, in the order of the certificate. Special characters are escaped (RFC 2253), so it is safe to print.
 * @param name the raw Name
 * @param der the certificate that contains the name; OpenSSL reads it when the name is not plain
 * @throws DerFault for a name that Go or OpenSSL cannot parse
 */
export function distinguishedName(name: Uint8Array, der: Uint8Array, which: 'subject' | 'issuer'): string {
  return readName(name) ?? printable((new X509Certificate(der)[which] ?? '').split('\n').join(', '), MAX_LENGTH)
}

/**
 * The string types that BoringSSL converts to UTF-8 before it compares them (ASN1_MASK_CANON): UTF8String,
 * PrintableString, T61String, IA5String, VisibleString, BMPString.
 */
const COMPARED: Readonly<Record<number, (bytes: Buffer) => string>> = {
  12: (bytes) => bytes.toString('utf8'),
  19: (bytes) => bytes.toString('latin1'),
  20: (bytes) => bytes.toString('latin1'),
  22: (bytes) => bytes.toString('latin1'),
  26: (bytes) => bytes.toString('latin1'),
  30: (bytes) =>
    Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le'),
}

/**
 * Returns equal strings for two names that Envoy considers equal. BoringSSL ignores the string type and the case of
 * ASCII letters, and treats a run of spaces as one (crypto/x509/x_name.cc, x509_name_canon). Go compares bytes.
 * @param encoding a raw Name that is known to be well-formed
 */
export function comparableName(encoding: Uint8Array): string {
  const name = Buffer.from(encoding.buffer, encoding.byteOffset, encoding.byteLength)
  const sets = childrenOf(name, elementAt(name, 0)).map((set) =>
    childrenOf(name, set).map((attribute) => {
      const [type, value] = childrenOf(name, attribute)
      if (type === undefined || value === undefined) return []
      const bytes = name.subarray(value.start, value.end)
      const text = COMPARED[value.tag]?.(bytes)
      return [oidOf(name, type), text === undefined ? `${value.tag} ${bytes.toString('hex')}` : comparable(text)]
    }),
  )
  return JSON.stringify(sets)
}

const comparable = (text: string): string =>
  text
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/^ | $/g, '')

/** Undefined if OpenSSL would escape, convert or join a part of the name. */
function readName(encoding: Uint8Array): string | undefined {
  const name = Buffer.from(encoding.buffer, encoding.byteOffset, encoding.byteLength)
  let printed = ''
  let plain = true
  for (const set of childrenOf(name, elementAt(name, 0))) {
    const attributes = childrenOf(name, expectTag(set, TAG.set, 'a name'))
    if (attributes.length !== 1) plain = false
    for (const attribute of attributes) {
      const parts = childrenOf(name, expectTag(attribute, TAG.sequence, 'an attribute of a name'))
      const oid = oidOf(name, expectTag(parts[0], TAG.oid, "an attribute's type"))
      const value = parts[1]
      if (value === undefined) throw new DerFault('an attribute of a name without a value')
      if (parts.length > 2) throw new DerFault('an attribute of a name with two values')
      const text = name.toString('latin1', value.start, value.end)
      checkString(value.tag, text)
      const shortName = SHORT_NAMES[oid]
      plain &&= shortName !== undefined && PLAIN_TAGS.has(value.tag) && PLAIN.test(text)
      printed += `${printed === '' ? '' : ', '}${shortName}=${text}`
    }
  }
  return plain && printed.length <= MAX_LENGTH ? printed : undefined
}

/** UTF8String, PrintableString, IA5String: ASCII is the same in all of them. */
const PLAIN_TAGS: ReadonlySet<number> = new Set([12, 19, 22])

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @param text one character per byte */
function checkString(tag: number, text: string): void {
  const valid = STRINGS[tag]
  if (valid === undefined) throw new DerFault(`a name of string type ${tag}, which Go does not take`)
  if (!valid(text)) throw new DerFault('a name with characters that its string type does not allow')
}

const only =
  (pattern: RegExp) =>
  (text: string): boolean =>
    pattern.test(text)

// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches all of ASCII
const ASCII = /^[\u0000-\u007f]*$/

/** By tag: UTF8String, NumericString, PrintableString, T61String, IA5String, BMPString. */
const STRINGS: Readonly<Record<number, (text: string) => boolean>> = {
  12: isUtf8,
  18: only(/^[0-9 ]*$/),
  19: only(/^[a-zA-Z0-9'()+,\-./ :=?*&]*$/),
  20: () => true,
  22: only(ASCII),
  30: isUcs2,
}

function isUtf8(text: string): boolean {
  if (ASCII.test(text)) return true
  try {
    utf8.decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}

/** Rejects surrogates and non-characters. A terminator is neither. */
function isUcs2(text: string): boolean {
  if (text.length % 2 !== 0) return false
  for (let at = 0; at < text.length; at += 2) {
    const point = text.charCodeAt(at) * 256 + text.charCodeAt(at + 1)
    if (point >= 0xfffe || (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xd800 && point <= 0xdfff)) return false
  }
  return true
}
