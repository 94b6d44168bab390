/** Edits of a certificate's DER that no issuing library makes. Signatures are invalid afterwards; no verifier checks a root's own. */
import { childrenOf, elementAt } from '../../src/core/x509/syntax/der.ts'

/** One element: tag, length, contents. */
export function encode(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents)
  const length =
    body.length < 0x80 ? [body.length] : body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return new Uint8Array(Buffer.concat([Buffer.from([tag, ...length]), body]))
}

/** The direct parts of the certificate and of its signed part, header included. */
function partsOf(der: Uint8Array): { readonly signed: Uint8Array[]; readonly rest: readonly Uint8Array[] } {
  const slice = ({ from, end }: { from: number; end: number }): Uint8Array => der.subarray(from, end)
  const [tbs, ...rest] = childrenOf(der, elementAt(der, 0))
  if (tbs === undefined) throw new Error('no certificate')
  return { signed: childrenOf(der, tbs).map(slice), rest: rest.map(slice) }
}

function edit(der: Uint8Array, change: (signed: Uint8Array[]) => Uint8Array[]): Uint8Array {
  const { signed, rest } = partsOf(der)
  return encode(0x30, encode(0x30, ...change(signed)), ...rest)
}

/** No version field and no extensions. */
export const asV1 = (der: Uint8Array): Uint8Array => edit(der, (signed) => signed.filter((part) => part[0] !== 0xa0 && part[0] !== 0xa3))

/** @param serial the INTEGER's contents, two's complement */
export const withSerial = (der: Uint8Array, serial: readonly number[]): Uint8Array =>
  edit(der, (signed) => signed.map((part, i) => (i === 1 ? encode(0x02, Uint8Array.from(serial)) : part)))

/** Another issuer, so that it is not self-issued. @param name the common name */
export const withIssuer = (der: Uint8Array, name: string): Uint8Array =>
  edit(der, (signed) => signed.map((part, i) => (i === 3 ? commonName(name) : part)))

/** Issued by its own subject. */
export const selfIssued = (der: Uint8Array): Uint8Array =>
  edit(der, (signed) => signed.map((part, i) => (i === 3 ? (signed[5] ?? part) : part)))

export const commonName = (name: string, tag = 0x0c): Uint8Array =>
  encode(0x30, encode(0x31, encode(0x30, encode(0x06, Uint8Array.from([0x55, 0x04, 0x03])), encode(tag, Buffer.from(name, 'latin1')))))

/** Another subject and issuer. @param name raw contents of the string */
export const withName = (der: Uint8Array, name: Uint8Array): Uint8Array =>
  edit(der, (signed) => signed.map((part, i) => (i === 3 || i === 5 ? name : part)))

/** Another name for the signature algorithm, inside and outside. @param oid its contents */
export function withSignatureOid(der: Uint8Array, oid: readonly number[]): Uint8Array {
  const algorithm = encode(0x30, encode(0x06, Uint8Array.from(oid)), Uint8Array.from([5, 0]))
  const { signed, rest } = partsOf(der)
  const inner = signed.map((part, i) => (i === 2 ? algorithm : part))
  return encode(0x30, encode(0x30, ...inner), algorithm, ...rest.slice(1))
}

/** Another first date. @param date as a GeneralizedTime writes it: `00010101000000Z` */
export const withNotBefore = (der: Uint8Array, date: string): Uint8Array =>
  edit(der, (signed) =>
    signed.map((part, i) => {
      if (i !== 4) return part
      const [, end] = childrenOf(part, elementAt(part, 0))
      return encode(0x30, encode(0x18, Buffer.from(date)), part.subarray(end?.from, end?.end))
    }),
  )

export const sha1WithRsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5]

/** More extensions. @param extensions whole Extension elements */
export function withExtensions(der: Uint8Array, extensions: readonly Uint8Array[]): Uint8Array {
  return edit(der, (signed) =>
    signed.map((part) => {
      if (part[0] !== 0xa3) return part
      const [list] = childrenOf(part, elementAt(part, 0))
      if (list === undefined) return part
      return encode(0xa3, encode(0x30, part.subarray(list.start, list.end), ...extensions))
    }),
  )
}

/** @param oid the OID's contents */
export const extension = (oid: readonly number[], critical: boolean, value: Uint8Array): Uint8Array =>
  encode(0x30, encode(0x06, Uint8Array.from(oid)), ...(critical ? [Uint8Array.from([1, 1, 0xff])] : []), encode(0x04, value))
