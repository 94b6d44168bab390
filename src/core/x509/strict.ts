/**
 * What Go's crypto/x509 (parser.go, Go 1.26), and so istiod, refuses while OpenSSL, and so Node, does not mind.
 * The refusals that belong to reading a field are where the field is read; docs/anchors.md lists them all.
 */
import { childrenOf, contentsOf, DerFault, type Element, elementAt, expectTag, oidOf, TAG } from './der.ts'
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
  checkNameConstraints(fields)
  checkPolicies(fields)
}

/** The critical extensions that nobody on the way understands (Go: UnhandledCriticalExtensions). */
export const unknownCritical = (fields: Fields): readonly string[] =>
  [...fields.extensions].filter(([oid, { critical }]) => critical && !HANDLED.has(oid)).map(([oid]) => oid)

function checkName(name: Uint8Array): void {
  for (const set of childrenOf(name, elementAt(name, 0))) {
    for (const attribute of childrenOf(name, expectTag(set, TAG.set, 'a name'))) {
      const [type, value] = childrenOf(name, expectTag(attribute, TAG.sequence, 'an attribute of a name'))
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
  30: (value) => value.length % 2 === 0,
}

function isUtf8(value: Uint8Array): boolean {
  try {
    utf8.decode(value)
    return true
  } catch {
    return false
  }
}

function checkKeyIds(fields: Fields): void {
  const subject = fields.extensions.get(OID.subjectKeyId)?.value
  if (subject !== undefined) expectTag(elementAt(subject, 0), TAG.octetString, 'the subject key identifier')
  const authority = fields.extensions.get(OID.authorityKeyId)?.value
  if (authority !== undefined) childrenOf(authority, expectTag(elementAt(authority, 0), TAG.sequence, 'the authority key identifier'))
}

const PERMITTED = 0xa0
const EXCLUDED = 0xa1

/** RFC 5280 §4.2.1.10: something must be permitted or excluded, and addresses come with a mask. */
function checkNameConstraints(fields: Fields): void {
  const value = fields.extensions.get(OID.nameConstraints)?.value
  if (value === undefined) return
  const outer = expectTag(elementAt(value, 0), TAG.sequence, 'the name constraints')
  const lists = childrenOf(value, outer)
  const subtrees = lists.flatMap((list) => childrenOf(value, list))
  if (outer.end !== value.length || subtrees.length === 0 || lists.some(({ tag }) => tag !== PERMITTED && tag !== EXCLUDED)) {
    throw new DerFault('name constraints that are empty or malformed')
  }
  for (const subtree of subtrees) checkSubtree(value, subtree)
}

function checkSubtree(value: Uint8Array, subtree: Element): void {
  const [base] = childrenOf(value, expectTag(subtree, TAG.sequence, 'a name constraint'))
  if (base === undefined) throw new DerFault('a name constraint without a name')
  const contents = contentsOf(value, base)
  const kind = base.tag & 0x1f
  if (kind === 7 && !isAddressRange(contents)) throw new DerFault('a name constraint on addresses that is no range')
  if ((kind === 1 || kind === 2 || kind === 6) && contents.some((byte) => byte >= 0x80))
    throw new DerFault('a name constraint that is not ASCII')
  const host = Buffer.from(contents).toString('latin1')
  if ((kind === 2 || kind === 6) && !/^\.?([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?$/.test(host))
    throw new DerFault('a name constraint that is no domain')
  if (kind === 6 && /^\d+(\.\d+){3}$/.test(host)) throw new DerFault('a name constraint on URIs that is an address')
}

function isAddressRange(contents: Uint8Array): boolean {
  if (contents.length !== 8 && contents.length !== 32) return false
  const mask = [...contents.subarray(contents.length / 2)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(mask)
}

function checkPolicies(fields: Fields): void {
  const value = fields.extensions.get(OID.policies)?.value
  if (value === undefined) return
  const seen = new Set<string>()
  for (const policy of childrenOf(value, expectTag(elementAt(value, 0), TAG.sequence, 'the policies'))) {
    const oid = oidOf(value, expectTag(childrenOf(value, expectTag(policy, TAG.sequence, 'a policy'))[0], TAG.oid, 'a policy'))
    if (seen.has(oid)) throw new DerFault(`policy ${oid} is there twice`)
    seen.add(oid)
  }
}
