/**
 * What the extended key usages along a chain let its leaf be, RFC 5280 §4.2.1.12. Run beside Go 1.26 and Envoy 1.40: Go asks
 * every certificate, the root too, and takes anyExtendedKeyUsage for all (crypto/x509, checkChainForKeyUsage). BoringSSL,
 * with Envoy's own list of roots, asks all but the root, and wants the purpose by its name (v3_purp.cc, xku_reject).
 * Envoy's SPIFFE validator does not look at it.
 */
import { type Finding, warning } from '../diagnostics/finding.ts'
import type { Certificate } from './certificate.ts'
import { extendedKeyUsageOf } from './extensions.ts'
import type { Fields } from './syntax/certificate-fields.ts'

/** Istio's workloads are both. */
const PURPOSES = { clientAuth: '1.3.6.1.5.5.7.3.2', serverAuth: '1.3.6.1.5.5.7.3.1' } as const
const ANY_PURPOSE = '2.5.29.37.0'

export type Purpose = keyof typeof PURPOSES

const ALL = Object.keys(PURPOSES) as readonly Purpose[]

const goAllows = (fields: Fields, purpose: Purpose): boolean => {
  const usages = extendedKeyUsageOf(fields)
  return usages === undefined || usages.includes(PURPOSES[purpose]) || usages.includes(ANY_PURPOSE)
}

const boringAllows = (fields: Fields, purpose: Purpose): boolean => extendedKeyUsageOf(fields)?.includes(PURPOSES[purpose]) ?? true

/** The code of every finding about purposes: of a root here, and of a chain in `purposeFindings`. */
export const PURPOSE_FINDING = 'extended-key-usage'

/** What Go keeps whatever is under this certificate from being. Empty where it has no extended key usage. */
export const missingPurposesOf = (fields: Fields): readonly Purpose[] => ALL.filter((purpose) => !goAllows(fields, purpose))

/** What the leaf may be to Go, and to Envoy's own list. @param path the leaf first, the anchor last */
export function purposesOf(path: readonly Certificate[]): { readonly go: readonly Purpose[]; readonly envoy: readonly Purpose[] } {
  const below = path.length === 1 ? path : path.slice(0, -1)
  return {
    go: ALL.filter((purpose) => path.every(({ fields }) => goAllows(fields, purpose))),
    envoy: ALL.filter((purpose) => below.every(({ fields }) => boringAllows(fields, purpose))),
  }
}

/** Who refuses the leaf in which role, though the chain holds. Empty: nobody. */
export function purposeFindings(subject: string, path: readonly Certificate[]): readonly Finding[] {
  const { go, envoy } = purposesOf(path)
  return ALL.flatMap((purpose) => {
    const refusing = [
      ...(go.includes(purpose) ? [] : ['Go']),
      ...(envoy.includes(purpose) ? [] : ['Envoy, with Istio’s own list of roots,']),
    ]
    if (refusing.length === 0) return []
    const role = purpose === 'clientAuth' ? 'client' : 'server'
    return [
      warning(
        'extended-key-usage',
        subject,
        `an extended key usage on the way does not name ${purpose}: ${refusing.join(' and ')} ${refusing.length === 1 ? 'refuses' : 'refuse'} it as a ${role}`,
        `let the CA issue certificates with clientAuth and serverAuth, or without an extended key usage`,
      ),
    ]
  })
}

/** No mesh has a use for it: neither reader takes its leaf in any role. */
export const isPurposeless = (path: readonly Certificate[]): boolean => {
  const { go, envoy } = purposesOf(path)
  return go.length === 0 && envoy.length === 0
}
