/** Judging an offered bundle with the roots of the web that Node ships. */
import { rootCertificates } from 'node:tls'
import type { Finding } from '../core/diagnostics/finding.ts'
import { type JudgeContext, judge, publicRoots } from '../core/record/judge-offer.ts'
import type { Bundle } from '../core/spiffe/bundle.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'

export const judgeOffer = (
  offer: Bundle,
  approved: ReadonlyMap<TrustDomain, Bundle>,
  context: Pick<JudgeContext, 'recorded' | 'anySequence'> = {},
): readonly Finding[] => judge(offer, { approved, publicRoots: publicRoots(rootCertificates), ...context })
