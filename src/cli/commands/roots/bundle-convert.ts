/** `bundle convert`: PEM, DER or SPIFFE in, PEM or SPIFFE out. A finding names everything that the output format cannot hold. */

import { type Finding, hasErrors, warning } from '../../../core/diagnostics/finding.ts'
import { printBundle, printPemBundle } from '../../../core/spiffe/bundle.ts'
import type { Format } from '../../../core/spiffe/document.ts'
import { type Inspection, inspect } from '../../../core/spiffe/inspect.ts'
import { bundleEmpty, trustDomainMissing } from '../../../core/spiffe/root-findings.ts'
import { parseTrustDomain, type TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { anchorFrom } from '../../../core/x509/anchor.ts'
import type { BundleWorld } from '../../io.ts'
import { document } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface ConvertArgs {
  readonly file: string
  /** The input format; detected from the contents if absent. */
  readonly from?: Format
  readonly to: 'pem' | 'spiffe'
  /** The trust domain to select from a bundle map. */
  readonly trustDomain?: string
  /** The sequence for a SPIFFE bundle that has none. */
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
  readonly at?: Date
}

/**
 * Prints the bundle, or nothing if it is rejected. Findings go to stderr.
 * @returns the exit code: 0 printed, 1 rejected
 * @throws FederationError trust-domain-invalid, or what `readFile` throws
 */
export async function bundleConvert(args: ConvertArgs, world: BundleWorld): Promise<number> {
  const inspection = inspect(await world.readFile(args.file), {
    now: args.at ?? world.now(),
    ...(args.from !== undefined && { format: args.from }),
    ...(args.trustDomain !== undefined && { trustDomain: parseTrustDomain(args.trustDomain) }),
  })
  const findings = [...inspection.findings, ...lost(inspection, args.to)]
  if (findings.length > 0) world.tell(findingsText(findings, world.color))
  if (hasErrors(findings)) return 1
  const { sequence = args.sequence, refreshHintSeconds = args.refreshHintSeconds } = inspection
  const bundle = {
    // Neither format names the trust domain.
    trustDomain: inspection.trustDomain ?? ('' as TrustDomain),
    anchors: inspection.certificates.map(({ certificate }) => anchorFrom(certificate)),
    ...(sequence !== undefined && { sequence }),
    ...(refreshHintSeconds !== undefined && { refreshHintSeconds }),
  }
  world.print(document((args.to === 'pem' ? printPemBundle(bundle) : printBundle(bundle)).trimEnd()))
  return 0
}

/** The parts that the output format cannot hold. */
function lost({ findings, certificates, sequence, refreshHintSeconds }: Inspection, to: 'pem' | 'spiffe'): readonly Finding[] {
  if (findings.some(({ code }) => code === 'bundle-map')) {
    return [trustDomainMissing('file')]
  }
  const jwt = findings.some(({ code }) => code === 'jwt-svid') ? ['the keys for JWT-SVIDs'] : []
  if (to === 'spiffe')
    return jwt.length === 0 ? [] : [warning('lost', 'file', 'Entente leaves out the keys for JWT-SVIDs', 'Istio uses X.509 only')]
  const members = [
    ...(sequence === undefined ? [] : [`spiffe_sequence ${sequence}`]),
    ...(refreshHintSeconds === undefined ? [] : [`spiffe_refresh_hint ${refreshHintSeconds}`]),
    ...jwt,
  ]
  const empty = certificates.length === 0 && !hasErrors(findings)
  if (empty) return [bundleEmpty('file', 'pem')]
  return members.length === 0 ? [] : [warning('lost', 'file', `PEM cannot hold ${members.join(', ')}`, 'keep the SPIFFE bundle as well')]
}
