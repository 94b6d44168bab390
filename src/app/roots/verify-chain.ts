/** Checks whether a root vouches for a certificate chain, and if not, why. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { sameNames } from '../../core/verify/roots-share-name.ts'
import { type Anchor, anchorFrom } from '../../core/x509/anchor.ts'
import { readCertificate } from '../../core/x509/certificate.ts'
import { pathTo, type Vouched } from '../../core/x509/chain.ts'
import { splitPem } from '../../core/x509/pem.ts'
import { isKeyDer, isKeyLabel, privateKey } from '../../core/x509/private-key.ts'
import { isPurposeless, purposeFindings } from '../../core/x509/purposes.ts'
import type { Ports } from '../use-case.ts'

export interface ChainInput {
  /** PEM: the roots. */
  readonly trusted: Uint8Array
  /** PEM: the workload certificate, then intermediates in any order. */
  readonly chain: Uint8Array
  /** Check validity at this time instead of now. */
  readonly at?: Date
}

export type ChainVerdict = Vouched & { readonly findings: readonly Finding[] }

const PURPOSELESS =
  'its extended key usages allow neither clientAuth nor serverAuth, so Go, and Envoy with Istio’s own list of roots, reject it in either role'

/** A file that is no chain yields a verdict, not an exception. */
export function verifyChain({ now }: Pick<Ports, 'now'>, { trusted, chain, at = now() }: ChainInput): ChainVerdict {
  try {
    const [certificates, roots] = [certificatesIn(chain, 'the chain'), rootsIn(trusted)]
    const findings = sameNames(
      about.input('the roots'),
      roots.filter(({ notAfter }) => notAfter > at),
      [certificates],
    )
    const { path, reason } = pathTo(certificates, roots, at, (one) => purposeFindings('the chain', one.certificates).length === 0)
    if (path === undefined) return { ...(reason === undefined ? {} : { reason }), findings }
    if (isPurposeless(path.certificates)) return { reason: PURPOSELESS, findings }
    return { anchor: path.anchor, findings: [...findings, ...purposeFindings('the chain', path.certificates)] }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { reason: cause.message, findings: [] }
  }
}

/** Any well-formed certificate. If it is expired or no CA, the message about the path says so. */
const rootsIn = (file: Uint8Array): readonly Anchor[] =>
  certificatesIn(file, 'the roots').map((der, i) => anchorFrom(readCertificate(der, `root ${i + 1}`)))

/** @throws FederationError chain-malformed */
function certificatesIn(file: Uint8Array, what: string): readonly Uint8Array[] {
  const { blocks, findings } = splitPem(file)
  const key = blocks.find(({ label, der }) => isKeyLabel(label) || isKeyDer(der))
  if (key !== undefined)
    throw new FederationError(
      'chain-malformed',
      about.input(what),
      `block ${key.number} is not a certificate but a private key (private-key)`,
      {
        hint: privateKey('', '').hint,
      },
    )
  const wrong = findings.find(({ code }) => code === 'private-key') ?? findings.find(({ severity }) => severity === 'error')
  if (wrong)
    throw new FederationError('chain-malformed', about.input(what), `${wrong.subject}: ${wrong.message} (${wrong.code})`, {
      hint: wrong.hint,
    })
  const other = blocks.find(({ label }) => label !== 'CERTIFICATE')
  if (other)
    throw new FederationError('chain-malformed', about.input(what), `block ${other.number} is not a certificate`, {
      hint: 'remove all blocks except CERTIFICATE',
    })
  return blocks.map(({ der }) => der)
}
