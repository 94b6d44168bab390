/**
 * What Go's crypto/x509 (parser.go, Go 1.26), and so istiod, refuses while OpenSSL, and so Node, does not mind.
 * The refusals that belong to reading a field are where the field is read; docs/anchors.md lists them all.
 */
import { childrenOf, contentsOf, DerFault, elementAt, expectTag, oidOf, partsOf, TAG } from './der.ts'
import { checkExtensionSyntax, isHandledNames } from './extension-syntax.ts'
import { extendedKeyUsageOf, keyUsageOf, OID, uriSansOf } from './extensions.ts'
import { type Fields, sameBytes } from './fields.ts'

/** Extensions that Go handles, so that they may be critical. Any other critical one fails every verification. */
const HANDLED: ReadonlySet<string> = new Set(Object.values(OID))
const NEVER_CRITICAL = [OID.subjectKeyId, OID.authorityKeyId, OID.authorityInfoAccess]

/** @throws DerFault for the first thing that Go refuses to parse */
export function checkAsGoDoes(fields: Fields): void {
  checkName(fields.subject)
  if (!sameBytes(fields.issuer, fields.subject)) checkName(fields.issuer)
  for (const oid of NEVER_CRITICAL) {
    if (fields.extensions.get(oid)?.critical) throw new DerFault(`extension ${oid} must not be critical`)
  }
  uriSansOf(fields)
  keyUsageOf(fields)
  extendedKeyUsageOf(fields)
  checkKeyIds(fields)
  checkExtensionSyntax(fields)
}

/** The critical extensions that nobody on the way understands, or not all of (Go: UnhandledCriticalExtensions). */
export const unknownCritical = (fields: Fields): readonly string[] =>
  [...fields.extensions]
    .filter(([oid, { critical }]) => critical && (!HANDLED.has(oid) || !isHandledNames(fields, oid)))
    .map(([oid]) => oid)

function checkName(name: Uint8Array): void {
  for (const set of childrenOf(name, elementAt(name, 0))) {
    for (const attribute of childrenOf(name, expectTag(set, TAG.set, 'a name'))) {
      const [type, value] = partsOf(name, attribute, 'an attribute of a name')
      oidOf(name, expectTag(type, TAG.oid, "an attribute's type"))
      if (value === undefined) throw new DerFault('an attribute of a name without a value')
      checkString(value.tag, contentsOf(name, value))
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function checkString(tag: number, value: Uint8Array): void {
  const valid = STRINGS[tag]
  if (valid === undefined) throw new DerFault(`a name of string type ${tag}, which Go does not take`)
  if (!valid(value)) throw new DerFault('a name with characters that its string type does not allow')
}

const only =
  (pattern: RegExp) =>
  (value: Uint8Array): boolean =>
    pattern.test(Buffer.from(value).toString('latin1'))

/** By tag: UTF8String, NumericString, PrintableString, T61String, IA5String, BMPString. */
const STRINGS: Readonly<Record<number, (value: Uint8Array) => boolean>> = {
  12: isUtf8,
  18: only(/^[0-9 ]*$/),
  19: only(/^[a-zA-Z0-9'()+,\-./ :=?*&]*$/),
  20: () => true,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is meant
  22: only(/^[\u0000-\u007f]*$/),
  30: isUcs2,
}

function isUtf8(value: Uint8Array): boolean {
  try {
    utf8.decode(value)
    return true
  } catch {
    return false
  }
}

/** No surrogates and no non-characters; a terminator is none of it. */
function isUcs2(value: Uint8Array): boolean {
  if (value.length % 2 !== 0) return false
  for (let at = 0; at < value.length; at += 2) {
    const point = (value[at] ?? 0) * 256 + (value[at + 1] ?? 0)
    if (point >= 0xfffe || (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xd800 && point <= 0xdfff)) return false
  }
  return true
}

function checkKeyIds(fields: Fields): void {
  const subject = fields.extensions.get(OID.subjectKeyId)?.value
  if (subject !== undefined) expectTag(elementAt(subject, 0), TAG.octetString, 'the subject key identifier')
  const authority = fields.extensions.get(OID.authorityKeyId)?.value
  if (authority !== undefined) partsOf(authority, elementAt(authority, 0), 'the authority key identifier')
}
