/** Reads the fields of one certificate in the layout of RFC 5280 §4.1 with the DER walker. It checks syntax only. */
import { childrenOf, contentsOf, DerFault, type Element, elementAt, encodingOf, expectTag, integerOf, oidOf, partsOf, TAG } from './der.ts'

export interface Extension {
  readonly critical: boolean
  readonly value: Uint8Array
}

export interface Fields {
  /** 1, 2 or 3: the version number, which is one more than the value in the field. */
  readonly version: number
  /** Two's complement. */
  readonly serial: Uint8Array
  readonly signatureOid: string
  /** The parameters of the signature algorithm, header included; undefined when absent. */
  readonly signatureParameters?: Uint8Array
  /** The raw Name, header included. Two names are equal when these bytes are. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: PublicKey
  /** By OID. Empty below version 3. */
  readonly extensions: ReadonlyMap<string, Extension>
}

export interface PublicKey {
  /** The SubjectPublicKeyInfo, header included. */
  readonly encoding: Uint8Array
  readonly oid: string
  /** The algorithm's parameters, header included; undefined when absent. */
  readonly parameters?: Uint8Array
  /** The key itself: the contents of the bit string. */
  readonly bits: Uint8Array
}

const VERSION = 0xa0
const EXTENSIONS = 0xa3
/** issuerUniqueID, subjectUniqueID, extensions: in this order, each at most once. */
const OPTIONAL: ReadonlySet<number> = new Set([0x81, 0x82, EXTENSIONS])

/**
 * Reads the parts by index. Array patterns with a rest element run an iterator, and V8 spent most of the time for the
 * first ten thousand certificates on compiling those.
 * @throws DerFault when the bytes are not exactly one certificate
 */
export function fieldsOf(der: Uint8Array): Fields {
  const certificate = expectTag(elementAt(der, 0), TAG.sequence, 'the certificate')
  if (certificate.end !== der.length) throw new DerFault(`${der.length - certificate.end} bytes after its end`)
  const whole = childrenOf(der, certificate)
  if (whole.length > 3) throw new DerFault('something after the signature')
  checkBits(der, whole[2], 'the signature')

  const parts = partsOf(der, whole[0], 'the signed part')
  const version = parts[0]?.tag === VERSION ? versionOf(der, parts[0]) : 1
  const first = parts[0]?.tag === VERSION ? 1 : 0
  const inner = expectTag(parts[first + 1], TAG.sequence, 'the signature algorithm')
  if (!sameElement(der, inner, expectTag(whole[1], TAG.sequence, 'the signature algorithm'))) {
    throw new DerFault('the two signature algorithms differ')
  }
  const signatureAlgorithm = algorithmOf(der, inner, 'the signature algorithm')
  const validity = partsOf(der, parts[first + 3], 'the validity')
  if (validity.length > 2) throw new DerFault('something after the validity')
  checkOptional(der, parts, first + 6)
  const fields: Fields = {
    version,
    serial: integerOf(der, parts[first], 'the serial number'),
    signatureOid: signatureAlgorithm.oid,
    issuer: encodingOf(der, expectTag(parts[first + 2], TAG.sequence, 'the issuer')),
    notBefore: timeOf(der, validity[0]),
    notAfter: timeOf(der, validity[1]),
    subject: encodingOf(der, expectTag(parts[first + 4], TAG.sequence, 'the subject')),
    publicKey: publicKeyOf(der, expectTag(parts[first + 5], TAG.sequence, 'the public key')),
    extensions: version === 3 ? extensionsOf(der, parts, first + 6) : new Map(),
  }
  return signatureAlgorithm.parameters === undefined ? fields : { ...fields, signatureParameters: signatureAlgorithm.parameters }
}

/** @param from the index of the first optional part */
function checkOptional(der: Uint8Array, parts: readonly Element[], from: number): void {
  let last = 0
  for (let i = from; i < parts.length; i++) {
    const part = parts[i] as Element
    if (!OPTIONAL.has(part.tag) || part.tag <= last) throw new DerFault('an unknown field')
    if (part.tag !== EXTENSIONS) checkBits(der, { ...part, tag: TAG.bitString }, 'a unique identifier')
    last = part.tag
  }
}

function versionOf(der: Uint8Array, element: Element | undefined): number {
  const inner = element === undefined ? [] : childrenOf(der, element)
  const contents = integerOf(der, inner[0], 'the version')
  if (inner.length > 1) throw new DerFault('something after the version')
  const version = (contents[0] ?? 0) + 1
  if (contents.length !== 1 || version > 3) throw new DerFault('an unknown version')
  return version
}

export interface Algorithm {
  readonly oid: string
  /** Header included; undefined when absent. */
  readonly parameters?: Uint8Array
}

/** An AlgorithmIdentifier, §4.1.1.2. @throws DerFault */
export function algorithmOf(bytes: Uint8Array, element: Element | undefined, what: string): Algorithm {
  const parts = partsOf(bytes, element, what)
  if (parts.length > 2) throw new DerFault(`something after ${what}`)
  const oid = oidOf(bytes, expectTag(parts[0], TAG.oid, what))
  return parts[1] === undefined ? { oid } : { oid, parameters: encodingOf(bytes, parts[1]) }
}

export function publicKeyOf(der: Uint8Array, element: Element): PublicKey {
  const parts = childrenOf(der, element)
  const { oid, parameters } = algorithmOf(der, parts[0], "the public key's algorithm")
  const bits = contentsOf(der, expectTag(parts[1], TAG.bitString, 'the public key'))
  if (bits[0] !== 0 || parts.length > 2) throw new DerFault('a public key that is not whole bytes, or something after it')
  const encoding = encodingOf(der, element)
  return parameters === undefined ? { encoding, oid, bits: bits.subarray(1) } : { encoding, oid, parameters, bits: bits.subarray(1) }
}

/** RFC 5280 §4.1.2.5: seconds are present, the zone is Z, and the year of the short form is in 1950-2049. */
function timeOf(der: Uint8Array, element: Element | undefined): Date {
  const long = element?.tag === TAG.generalizedTime
  const length = long ? 15 : 13
  if (element === undefined || !(long || element.tag === TAG.utcTime) || element.end - element.start !== length)
    throw new DerFault('a date that is not RFC 5280')
  const rest = element.start + (long ? 4 : 2)
  const first = pairAt(der, element.start)
  const fullYear = long ? first * 100 + pairAt(der, element.start + 2) : first + (first < 50 ? 2000 : 1900)
  const [month, day, hour] = [pairAt(der, rest), pairAt(der, rest + 2), pairAt(der, rest + 4)]
  const [minute, second] = [pairAt(der, rest + 6), pairAt(der, rest + 8)]
  if (der[element.end - 1] !== 0x5a) throw new DerFault('a date that is not RFC 5280')
  const date = new Date(Date.UTC(fullYear, month - 1, day, hour, minute, second))
  // Date.UTC maps years below 100 to the 20th century, but Go's zero time is in year 1.
  if (fullYear < 100) date.setUTCFullYear(fullYear, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new DerFault('a date that is none')
  return date
}

function pairAt(digits: Uint8Array, at: number): number {
  const [tens, ones] = [(digits[at] ?? 0) - 0x30, (digits[at + 1] ?? 0) - 0x30]
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw new DerFault('a date that is not RFC 5280')
  return tens * 10 + ones
}

/** @param from the index of the first optional part; the extensions are the last part */
function extensionsOf(der: Uint8Array, optional: readonly Element[], from: number): Map<string, Extension> {
  const extensions = new Map<string, Extension>()
  const wrapper = optional.length > from ? optional[optional.length - 1] : undefined
  if (wrapper?.tag !== EXTENSIONS) return extensions
  const lists = childrenOf(der, wrapper)
  if (lists.length > 1) throw new DerFault('something after the extensions')
  for (const element of partsOf(der, lists[0], 'the list of extensions')) {
    const parts = partsOf(der, element, 'an extension')
    const oid = oidOf(der, expectTag(parts[0], TAG.oid, "an extension's name"))
    const flag = parts[1]?.tag === TAG.boolean ? contentsOf(der, parts[1]) : undefined
    const at = flag === undefined ? 1 : 2
    const value = contentsOf(der, expectTag(parts[at], TAG.octetString, `extension ${oid}`))
    if (parts.length > at + 1) throw new DerFault(`something after extension ${oid}`)
    if (extensions.has(oid)) throw new DerFault(`extension ${oid} is there twice`)
    extensions.set(oid, { critical: flag !== undefined && booleanOf(flag), value })
  }
  return extensions
}

export function booleanOf(contents: Uint8Array): boolean {
  if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) throw new DerFault('a boolean that is not DER')
  return contents[0] === 0xff
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0

const sameElement = (bytes: Uint8Array, a: Element, b: Element): boolean => {
  if (a.end - a.from !== b.end - b.from) return false
  for (let at = 0; at < a.end - a.from; at++) if (bytes[a.from + at] !== bytes[b.from + at]) return false
  return true
}

/**
 * Checks a BIT STRING whose unused bits must be zero.
 * @throws DerFault
 */
function checkBits(bytes: Uint8Array, given: Element | undefined, what: string): Element {
  const element = expectTag(given, TAG.bitString, what)
  const size = element.end - element.start
  const unused = size === 0 ? 8 : (bytes[element.start] ?? 8)
  const spare = size < 2 ? 0 : (bytes[element.end - 1] ?? 0) & ((1 << unused) - 1)
  if (unused > 7 || spare !== 0 || (size === 1 && unused !== 0)) throw new DerFault(`${what} is not a DER bit string`)
  return element
}

/**
 * The contents of a BIT STRING after the count of unused bits. The unused bits must be zero.
 * @throws DerFault
 */
export const bitsOf = (bytes: Uint8Array, given: Element | undefined, what: string): Uint8Array => {
  const element = checkBits(bytes, given, what)
  return bytes.subarray(element.start + 1, element.end)
}

/**
 * The TBSCertificate, header included, which the issuer signed, and the signature. The signature is undefined if it is
 * not whole bytes; no algorithm produces that.
 * @param der a certificate known to be well-formed
 */
export function signedPartsOf(der: Uint8Array): { readonly signed: Uint8Array; readonly signature?: Uint8Array } {
  const [tbs, , signature] = childrenOf(der, elementAt(der, 0))
  const signed = encodingOf(der, expectTag(tbs, TAG.sequence, 'the signed part'))
  const bits = bitsOf(der, signature, 'the signature')
  return der[signature?.start ?? 0] === 0 ? { signed, signature: bits } : { signed }
}
