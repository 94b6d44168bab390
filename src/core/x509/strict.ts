/**
 * Checks that Go's crypto/x509 (parser.go, Go 1.26), and therefore istiod, performs, but OpenSSL, and therefore Node,
 * does not. Checks on the syntax of a field are in the code that reads the field. docs/anchors.md lists them all.
 */

import { extendedKeyUsageOf, keyUsageOf, OID } from './extensions.ts'
import type { Fields } from './syntax/certificate-fields.ts'
import { DerFault, elementAt, expectTag, partsOf, TAG } from './syntax/der.ts'
import { checkExtensionSyntax, isHandledNames } from './syntax/extension-syntax.ts'

/** The extensions that Go handles, so they may be critical. Any other critical extension fails every verification. */
const HANDLED: ReadonlySet<string> = new Set(Object.values(OID))
const NEVER_CRITICAL = [OID.subjectKeyId, OID.authorityKeyId, OID.authorityInfoAccess]

/**
 * Names, alternative names and the key are checked where they are read.
 * @throws DerFault for the first thing that Go's parser rejects
 */
export function checkAsGoDoes(fields: Fields): void {
  for (const oid of NEVER_CRITICAL) {
    if (fields.extensions.get(oid)?.critical) throw new DerFault(`extension ${oid} must not be critical`)
  }
  keyUsageOf(fields)
  extendedKeyUsageOf(fields)
  checkKeyIds(fields)
  checkExtensionSyntax(fields)
}

/** The critical extensions that Go does not handle, or handles only in part (Go: UnhandledCriticalExtensions). */
export function unknownCritical(fields: Fields): readonly string[] {
  const unknown: string[] = []
  fields.extensions.forEach(({ critical }, oid) => {
    if (critical && (!HANDLED.has(oid) || !isHandledNames(fields, oid))) unknown.push(oid)
  })
  return unknown
}

function checkKeyIds(fields: Fields): void {
  const subject = fields.extensions.get(OID.subjectKeyId)?.value
  if (subject !== undefined) expectTag(elementAt(subject, 0), TAG.octetString, 'the subject key identifier')
  const authority = fields.extensions.get(OID.authorityKeyId)?.value
  if (authority !== undefined) partsOf(authority, elementAt(authority, 0), 'the authority key identifier')
}
