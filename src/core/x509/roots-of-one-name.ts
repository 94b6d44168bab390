/**
 * Roots with the same subject and different keys. BoringSSL looks up an issuer by its name and by the authority key
 * identifier of the certificate that it signed. It tries the signature of the first root that matches
 * (crypto/x509/x509_vfy.cc, X509_STORE_CTX_get1_issuer; v3_purp.cc, X509_check_akid). When nothing distinguishes two
 * roots, Envoy rejects certificates that the later one signed (tested with Envoy 1.40).
 */

import { groupBy } from '../basics/group-by.ts'
import type { Anchor } from './anchor.ts'
import { type Certificate, certificateIn } from './certificate.ts'
import { OID } from './extensions.ts'
import { publicKeyIn } from './public-key.ts'
import { type Fields, sameBytes } from './syntax/certificate-fields.ts'
import { childrenOf, contentsOf, elementAt } from './syntax/der.ts'
import { comparableName } from './syntax/distinguished-name.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
const keyOf = ({ der }: Pick<Anchor, 'der'>): string => hex(publicKeyIn(der).encoding)

/**
 * Groups of roots that have the same subject for Envoy and at least two keys. A root reissued with the same key is not
 * a different root, because it verifies the same signatures.
 */
export function rootsOfOneName(anchors: readonly Anchor[]): readonly (readonly Anchor[])[] {
  if (anchors.length < 2) return []
  // Reads only the roots whose printed subjects are alike.
  const alike = [...groupBy(anchors, ({ subject }) => subject.toLowerCase().replace(/[^a-z0-9]/g, '')).values()]
  return alike.flatMap((some) => {
    if (some.length < 2) return []
    const groups = groupBy(some, (anchor) => nameAndAge(anchor).subject)
    return [...groups.values()].filter((group) => new Set(group.map(keyOf)).size > 1)
  })
}

interface Listed {
  readonly fingerprint: string
  readonly der: Uint8Array
}

/**
 * The order in which Entente writes roots into one list of Envoy's: by fingerprint, but among roots of one subject the
 * older first. Envoy tries the first root that matches.
 * - Callers under the older root are accepted while the newer one is in the list, even if their intermediate has no
 *   authority key identifier.
 * - Callers under the newer root are accepted if their intermediate names its key.
 * See docs/decisions/0024-roots-of-one-name.md.
 */
export function inListOrder<R extends Listed>(roots: readonly R[]): readonly R[] {
  const byFingerprint = [...roots].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
  if (roots.length < 2) return byFingerprint
  const named = byFingerprint.map((root) => ({ root, ...nameAndAge(root) }))
  const groups = groupBy(named, ({ subject }) => subject)
  const older = new Map([...groups].map(([subject, group]) => [subject, group.toSorted((a, b) => a.since - b.since).values()]))
  return named.flatMap(({ subject }) => older.get(subject)?.next().value?.root ?? [])
}

const NAMES = new WeakMap<Uint8Array, NameAndAge>()

interface NameAndAge {
  readonly subject: string
  readonly since: number
}

/** Caches the answer, because a rotation reads the same few roots many times. An unreadable root gets a unique name. */
function nameAndAge(root: Listed): NameAndAge {
  const known = NAMES.get(root.der) ?? readNameAndAge(root)
  NAMES.set(root.der, known)
  return known
}

function readNameAndAge({ der, fingerprint }: Listed): NameAndAge {
  const fields = certificateIn(der)?.fields
  return { subject: fields === undefined ? fingerprint : comparableName(fields.subject), since: fields?.notBefore.getTime() ?? 0 }
}

/** True if both roots verify the same certificates: same name, same key, and key identifiers that do not differ. */
export function isSameAuthority(a: Anchor, b: Anchor): boolean {
  if (a.subject !== b.subject) return false
  const [one, other] = [certificateIn(a.der)?.fields, certificateIn(b.der)?.fields]
  if (one === undefined || other === undefined || keyOf(a) !== keyOf(b)) return false
  const [id, otherId] = [one, other].map((fields) => fields.extensions.get(OID.subjectKeyId)?.value)
  return sameBytes(one.subject, other.subject) && (id === undefined || otherId === undefined || sameBytes(id, otherId))
}

/**
 * True if a certificate of the chain names these roots as its issuer without identifying one of them.
 * @param chain DER, in any order; unreadable certificates are ignored
 * @param group roots of one subject
 */
export function isAmbiguous(chain: readonly Uint8Array[], group: readonly Anchor[]): boolean {
  const roots = group.flatMap(({ der }) => certificateIn(der) ?? [])
  const certificates = chain.flatMap((der) => certificateIn(der) ?? [])
  return certificates.some((certificate) => {
    if (roots.some(({ fingerprint }) => fingerprint === certificate.fingerprint)) return false
    const issuer = comparableName(certificate.fields.issuer)
    const fitting = roots.filter((root) => comparableName(root.fields.subject) === issuer && fits(certificate.fields, root))
    return new Set(fitting.map(keyOf)).size > 1
  })
}

/** RFC 5280 §4.2.1.1: compares key identifier and serial number. Each counts only if both certificates have it. */
function fits(fields: Fields, { fields: issuer }: Certificate): boolean {
  const value = fields.extensions.get(OID.authorityKeyId)?.value
  if (value === undefined) return true
  const parts = childrenOf(value, elementAt(value, 0))
  const [keyId, serial] = [0x80, 0x82].map((tag) => parts.find((part) => part.tag === tag)).map((part) => part && contentsOf(value, part))
  const own = issuer.extensions.get(OID.subjectKeyId)?.value
  const ownId = own && contentsOf(own, elementAt(own, 0))
  if (keyId !== undefined && ownId !== undefined && !sameBytes(keyId, ownId)) return false
  return serial === undefined || sameBytes(serial, issuer.serial)
}
