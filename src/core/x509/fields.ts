/** The fields of one certificate as RFC 5280 §4.1 lays them out, read with the DER walker. Shape only, no judgement. */
import { childrenOf, contentsOf, DerFault, type Element, elementAt, encodingOf, expectTag, integerOf, oidOf, partsOf, TAG } from './der.ts'

export interface Extension {
  readonly critical: boolean
  readonly value: Uint8Array
}

export interface Fields {
  /** 1, 2 or 3: as people count, not as the field does. */
  readonly version: number
  /** Two's complement. */
  readonly serial: Uint8Array
  readonly signatureOid: string
  /** The raw Name, header included: two names are the same when these bytes are. */
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
  /** The key itself: the bit string's bytes. */
  readonly bits: Uint8Array
}

const VERSION = 0xa0
const EXTENSIONS = 0xa3
/** issuerUniqueID, subjectUniqueID, extensions: in this order, each at most once. */
const OPTIONAL = /^(129,)?(130,)?(163,)?$/

/** @throws DerFault when the bytes are not exactly one certificate */
export function fieldsOf(der: Uint8Array): Fields {
  const certificate = expectTag(elementAt(der, 0), TAG.sequence, 'the certificate')
  if (certificate.end !== der.length) throw new DerFault(`${der.length - certificate.end} bytes after its end`)
  const [tbs, outerAlgorithm, signature, ...rest] = childrenOf(der, certificate)
  if (rest.length > 0) throw new DerFault('something after the signature')
  bitsOf(der, signature, 'the signature')

  const parts = partsOf(der, tbs, 'the signed part')
  const version = parts[0]?.tag === VERSION ? versionOf(der, parts.shift()) : 1
  const [serial, algorithm, issuer, validity, subject, key, ...optional] = parts
  const inner = expectTag(algorithm, TAG.sequence, 'the signature algorithm')
  if (!sameBytes(encodingOf(der, inner), encodingOf(der, expectTag(outerAlgorithm, TAG.sequence, 'the signature algorithm')))) {
    throw new DerFault('the two signature algorithms differ')
  }
  const [notBefore, notAfter] = partsOf(der, validity, 'the validity')
  return {
    version,
    serial: integerOf(der, serial, 'the serial number'),
    signatureOid: algorithmOid(der, inner),
    issuer: encodingOf(der, expectTag(issuer, TAG.sequence, 'the issuer')),
    notBefore: timeOf(der, notBefore),
    notAfter: timeOf(der, notAfter),
    subject: encodingOf(der, expectTag(subject, TAG.sequence, 'the subject')),
    publicKey: publicKeyOf(der, expectTag(key, TAG.sequence, 'the public key')),
    extensions: version === 3 ? extensionsOf(der, optional) : new Map(),
  }
}

function versionOf(der: Uint8Array, element: Element | undefined): number {
  const [inner, ...more] = element === undefined ? [] : childrenOf(der, element)
  const contents = integerOf(der, inner, 'the version')
  if (more.length > 0) throw new DerFault('something after the version')
  const version = (contents[0] ?? 0) + 1
  if (contents.length !== 1 || version > 3) throw new DerFault('an unknown version')
  return version
}

const algorithmOid = (der: Uint8Array, algorithm: Element): string =>
  oidOf(der, expectTag(childrenOf(der, algorithm)[0], TAG.oid, 'the algorithm'))

export function publicKeyOf(der: Uint8Array, element: Element): PublicKey {
  const [algorithm, key] = childrenOf(der, element)
  const [oid, parameters] = partsOf(der, algorithm, "the public key's algorithm")
  const bits = contentsOf(der, expectTag(key, TAG.bitString, 'the public key'))
  if (bits[0] !== 0) throw new DerFault('a public key that is not whole bytes')
  return {
    encoding: encodingOf(der, element),
    oid: oidOf(der, expectTag(oid, TAG.oid, "the public key's algorithm")),
    ...(parameters && { parameters: encodingOf(der, parameters) }),
    bits: bits.subarray(1),
  }
}

/** RFC 5280 §4.1.2.5: seconds are there, the zone is Z, and the year of the short form lies in 1950-2049. */
function timeOf(der: Uint8Array, element: Element | undefined): Date {
  const long = element?.tag === TAG.generalizedTime
  const contents = element === undefined ? new Uint8Array() : contentsOf(der, element)
  const length = long ? 15 : 13
  const digits = contents.subarray(0, length - 1)
  if (!(long || element?.tag === TAG.utcTime) || contents.length !== length || contents[length - 1] !== 0x5a)
    throw new DerFault('a date that is not RFC 5280')
  const pairs: number[] = []
  for (let i = 0; i < digits.length; i += 2) pairs.push(pairAt(digits, i))
  const [first = 0] = pairs
  const [century, year = 0, month = 0, ...rest] = long ? pairs : [first < 50 ? 20 : 19, ...pairs]
  const [day = 0, hour = 0, minute = 0, second = 0] = rest
  const fullYear = (century ?? 0) * 100 + year
  const date = new Date(Date.UTC(fullYear, month - 1, day, hour, minute, second))
  if (fullYear < 100 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new DerFault('a date that is none')
  return date
}

function pairAt(digits: Uint8Array, at: number): number {
  const [tens, ones] = [(digits[at] ?? 0) - 0x30, (digits[at + 1] ?? 0) - 0x30]
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw new DerFault('a date that is not RFC 5280')
  return tens * 10 + ones
}

function extensionsOf(der: Uint8Array, optional: readonly Element[]): Map<string, Extension> {
  const extensions = new Map<string, Extension>()
  const wrapper = optional.find((part) => part.tag === EXTENSIONS)
  if (!OPTIONAL.test(optional.map(({ tag }) => `${tag},`).join(''))) throw new DerFault('an unknown field')
  if (wrapper === undefined) return extensions
  const [list] = childrenOf(der, wrapper)
  for (const element of partsOf(der, list, 'the list of extensions')) {
    const parts = partsOf(der, element, 'an extension')
    const oid = oidOf(der, expectTag(parts[0], TAG.oid, "an extension's name"))
    const flag = parts[1]?.tag === TAG.boolean ? contentsOf(der, parts[1]) : undefined
    const value = contentsOf(der, expectTag(parts[flag === undefined ? 1 : 2], TAG.octetString, `extension ${oid}`))
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

/** The contents of a BIT STRING after the count of unused bits, which are zero. @throws DerFault */
export function bitsOf(bytes: Uint8Array, element: Element | undefined, what: string): Uint8Array {
  const contents = contentsOf(bytes, expectTag(element, TAG.bitString, what))
  const unused = contents[0] ?? 8
  const bits = contents.subarray(1)
  const spare = (bits[bits.length - 1] ?? 0) & ((1 << unused) - 1)
  if (unused > 7 || spare !== 0 || (bits.length === 0 && unused !== 0)) throw new DerFault(`${what} is not a DER bit string`)
  return bits
}
