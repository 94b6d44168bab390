/** The JSON of `bundle inspect`, `bundle fetch`, `chain verify` and `follow`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Decision } from '../exchange/following.ts'
import type { Member } from '../model/wanted.ts'
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

export interface FollowedPartner {
  readonly member: Pick<Member, 'name' | 'trustDomain'>
  readonly at: Date
  /** Absent if the fetch failed. */
  readonly decision?: Decision
}

export const followView = (partners: readonly FollowedPartner[], findings: readonly Finding[]): View<'Follow'> =>
  documented('Follow', {
    partners: partners.map(({ member, at, decision }) => ({
      member: member.name,
      trustDomain: member.trustDomain,
      at: at.toISOString(),
      decision: decision?.kind ?? 'failed',
      reason: decision?.kind === 'person' ? decision.reason : null,
      until: decision?.kind === 'hold' ? decision.until.toISOString() : null,
    })),
    findings,
  })
