/**
 * Derives the purposes of a leaf from the extended key usages along its chain, RFC 5280 §4.2.1.12. Tested against Go
 * 1.26 and Envoy 1.40:
 * - Go checks every certificate, the root included, and accepts anyExtendedKeyUsage for all purposes (crypto/x509,
 *   checkChainForKeyUsage).
 * - BoringSSL, with Envoy's own list of roots, checks all certificates except the root and requires the purpose by name
 *   (v3_purp.cc, xku_reject).
 * - Envoy's SPIFFE validator does not check it.
 */
import { type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Certificate } from './certificate.ts'
import { extendedKeyUsageOf } from './extensions.ts'
import type { Fields } from './syntax/certificate-fields.ts'

/** Istio's workloads act in both roles. */
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

/** The purposes that Go denies to every leaf below this certificate. Empty without an extended key usage. */
export const missingPurposesOf = (fields: Fields): readonly Purpose[] => ALL.filter((purpose) => !goAllows(fields, purpose))

/**
 * The purposes that Go accepts, and those that Envoy's own list of roots accepts.
 * @param path the leaf first, the anchor last
 */
export function purposesOf(path: readonly Certificate[]): { readonly go: readonly Purpose[]; readonly envoy: readonly Purpose[] } {
  const below = path.length === 1 ? path : path.slice(0, -1)
  return {
    go: ALL.filter((purpose) => path.every(({ fields }) => goAllows(fields, purpose))),
    envoy: ALL.filter((purpose) => below.every(({ fields }) => boringAllows(fields, purpose))),
  }
}

/** Reports which program rejects the leaf in which role although the chain is valid. Empty if none does. */
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
        about.input(subject),
        `an extended key usage on the way does not name ${purpose}: ${refusing.join(' and ')} ${refusing.length === 1 ? 'refuses' : 'refuse'} it as a ${role}`,
        `let the CA issue certificates with clientAuth and serverAuth, or without an extended key usage`,
      ),
    ]
  })
}

/** True if neither Go nor Envoy accepts the leaf in any role, so no mesh can use it. */
export const isPurposeless = (path: readonly Certificate[]): boolean => {
  const { go, envoy } = purposesOf(path)
  return go.length === 0 && envoy.length === 0
}
