/** Converts a bundle between PEM and SPIFFE. A finding names everything that the output format cannot hold. */

import { type Finding, hasErrors, warning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { printBundle, printPemBundle } from '../../core/spiffe/bundle.ts'
import type { Format } from '../../core/spiffe/document.ts'
import { type Inspection, inspect } from '../../core/spiffe/inspect.ts'
import { bundleEmpty, trustDomainMissing } from '../../core/spiffe/root-findings.ts'
import { parseTrustDomain, type TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { anchorFrom } from '../../core/x509/anchor.ts'
import type { Ports } from '../use-case.ts'

export interface ConvertInput {
  readonly bundle: Uint8Array
  /** The input format; detected from the contents if absent. */
  readonly from?: Format
  readonly to: 'pem' | 'spiffe'
  /** The trust domain to select from a bundle map. */
  readonly trustDomain?: string
  /** The sequence for a SPIFFE bundle that has none. */
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
  /** Check validity at this time instead of now. */
  readonly at?: Date
}

export interface Converted {
  readonly findings: readonly Finding[]
  /** The bundle in the output format; absent if it is rejected. */
  readonly text?: string
}

/** @throws FederationError trust-domain-invalid */
export function convertBundle({ now }: Pick<Ports, 'now'>, input: ConvertInput): Converted {
  const inspection = inspect(input.bundle, {
    now: input.at ?? now(),
    ...(input.from !== undefined && { format: input.from }),
    ...(input.trustDomain !== undefined && { trustDomain: parseTrustDomain(input.trustDomain) }),
  })
  const findings = [...inspection.findings, ...lost(inspection, input.to)]
  if (hasErrors(findings)) return { findings }
  const { sequence = input.sequence, refreshHintSeconds = input.refreshHintSeconds } = inspection
  const bundle = {
    // Neither format names the trust domain.
    trustDomain: inspection.trustDomain ?? ('' as TrustDomain),
    anchors: inspection.certificates.map(({ certificate }) => anchorFrom(certificate)),
    ...(sequence !== undefined && { sequence }),
    ...(refreshHintSeconds !== undefined && { refreshHintSeconds }),
  }
  return { findings, text: input.to === 'pem' ? printPemBundle(bundle) : printBundle(bundle) }
}

/** The parts that the output format cannot hold. */
function lost({ findings, certificates, sequence, refreshHintSeconds }: Inspection, to: 'pem' | 'spiffe'): readonly Finding[] {
  if (findings.some(({ code }) => code === 'bundle-map')) return [trustDomainMissing(about.input('file'))]
  const jwt = findings.some(({ code }) => code === 'jwt-svid') ? ['the keys for JWT-SVIDs'] : []
  if (to === 'spiffe')
    return jwt.length === 0
      ? []
      : [warning('lost', about.input('file'), 'Entente leaves out the keys for JWT-SVIDs', 'Istio uses X.509 only')]
  const members = [
    ...(sequence === undefined ? [] : [`spiffe_sequence ${sequence}`]),
    ...(refreshHintSeconds === undefined ? [] : [`spiffe_refresh_hint ${refreshHintSeconds}`]),
    ...jwt,
  ]
  const empty = certificates.length === 0 && !hasErrors(findings)
  if (empty) return [bundleEmpty(about.input('file'), 'pem')]
  return members.length === 0
    ? []
    : [warning('lost', about.input('file'), `PEM cannot hold ${members.join(', ')}`, 'keep the SPIFFE bundle as well')]
}
