/** Trust anchors: accepted root certificates. */
import { FederationError } from '../diagnostics/errors.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import type { Fingerprint } from './fingerprint.ts'
import { problemsOf } from './problems.ts'

export { type Fingerprint, fingerprintOf, parseFingerprint } from './fingerprint.ts'

/**
 * Entente builds an anchor only from certificates that docs/anchors.md allows as a root. The holder checks the dates,
 * because time changes them.
 */
export interface Anchor {
  readonly fingerprint: Fingerprint
  readonly der: Uint8Array
  readonly subject: string
  /** The issuer's name. Absent when the certificate is self-issued: then it is a root. */
  readonly issuedBy?: string
  readonly notBefore: Date
  readonly notAfter: Date
}

export const anchorFrom = ({ fingerprint, der, subject, issuer, selfIssued, notBefore, notAfter }: Certificate): Anchor => ({
  fingerprint,
  der,
  subject,
  ...(selfIssued ? {} : { issuedBy: issuer }),
  notBefore,
  notAfter,
})

/**
 * Checks every rule except the dates.
 * @throws FederationError certificate-malformed, or bundle-refused when it must not be an anchor
 */
export function parseAnchor(der: Uint8Array, subject = 'certificate'): Anchor {
  const certificate = readCertificate(der, subject)
  const wrong = problemsOf(certificate, subject, { now: certificate.notBefore, tolerate: 'dates' }).find((f) => f.severity === 'error')
  if (wrong) throw new FederationError('bundle-refused', subject, `${wrong.message} (${wrong.code})`, { hint: wrong.hint })
  return anchorFrom(certificate)
}
