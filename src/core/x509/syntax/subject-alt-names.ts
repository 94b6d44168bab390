/**
 * The subject and alternative names of a certificate, as Envoy reads them (source/common/tls/utility.cc
 * getSubjectAltNames).
 */
import { X509Certificate } from 'node:crypto'
import { generalNamesOf, NAME } from '../extensions.ts'
import { fieldsOf } from './certificate-fields.ts'

/** The alternative names of each kind, in the order of the certificate, and the subject attributes in sequence. */
export interface CertificateNames {
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  readonly subject: string
}

/**
 * Undefined when the certificate cannot be read.
 * @param der one certificate
 */
export function namesIn(der: Uint8Array): CertificateNames | undefined {
  try {
    const names = generalNamesOf(fieldsOf(der))
    const of = (wanted: number): readonly string[] =>
      names.flatMap(({ kind, value }) => (kind === wanted ? [Buffer.from(value).toString('latin1')] : []))
    // Node puts one attribute on each line.
    const subject = new X509Certificate(der).subject ?? ''
    return { uris: of(NAME.uri), dns: of(NAME.dns), subject: subject.split('\n').join(',') }
  } catch {
    return undefined
  }
}
