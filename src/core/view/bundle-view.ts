/** The JSON of `bundle inspect`, `bundle fetch` and `chain verify`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Inspected, Inspection } from '../spiffe/inspect.ts'
import type { Anchor } from '../x509/anchor.ts'
import type { CertificateView, View } from './schemas.ts'
import { documented } from './versioned.ts'

export const bundleView = ({
  verdict,
  format,
  trustDomain,
  sequence,
  refreshHintSeconds,
  certificates,
  findings,
}: Inspection): View<'Bundle'> =>
  documented('Bundle', {
    verdict,
    format,
    trustDomain: trustDomain ?? null,
    sequence: sequence?.toString() ?? null,
    refreshHintSeconds: refreshHintSeconds ?? null,
    certificates: certificates.map(certificateView),
    findings,
  })

const certificateView = ({ certificate: c, problems }: Inspected): CertificateView => ({
  fingerprint: c.fingerprint,
  subject: c.subject,
  issuer: c.issuer,
  serial: c.serial,
  notBefore: c.notBefore.toISOString(),
  notAfter: c.notAfter.toISOString(),
  isCA: c.isCA,
  selfIssued: c.selfIssued,
  uriSANs: c.uriSANs,
  keyAlgorithm: c.key.algorithm,
  keyBits: c.key.bits,
  signatureAlgorithm: c.signatureAlgorithm,
  problems,
})

/** @param reason why the chain ends at no root */
export const chainView = (
  anchor: Pick<Anchor, 'fingerprint'> | undefined,
  reason: string | undefined,
  findings: readonly Finding[],
): View<'Chain'> =>
  documented('Chain', {
    ...(anchor === undefined ? { valid: false, error: reason ?? '' } : { valid: true, root: anchor.fingerprint }),
    ...(findings.length === 0 ? {} : { findings }),
  })
