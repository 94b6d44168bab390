/** Settings of istiod that weaken identities. Read at eed52ebb66ad: istio pilot/pkg/features/{pilot,security}.go. */

/** Parses a flag like Go's strconv.ParseBool. */
export const isOn = (value: string | undefined): boolean => /^(1|t|true)$/i.test(value ?? '')
export const isOff = (value: string | undefined): boolean => /^(0|f|false)$/i.test(value ?? '')

export const WEAKENING: readonly {
  readonly flag: string
  readonly when: (value: string | undefined) => boolean
  readonly means: string
}[] = [
  { flag: 'PILOT_SKIP_VALIDATE_TRUST_DOMAIN', when: isOn, means: 'sidecars do not check the trust domain of their callers' },
  { flag: 'PILOT_ENABLE_XDS_IDENTITY_CHECK', when: isOff, means: 'a proxy can request the configuration of another workload' },
  { flag: 'XDS_AUTH', when: isOff, means: 'any client that reaches istiod can request the configuration of any proxy' },
]

/**
 * The ClusterTrustBundle in which an istiod with ENABLE_CLUSTER_TRUST_BUNDLE_API keeps the mesh's roots, instead of the
 * ConfigMaps istio-ca-root-cert.
 */
export const TRUST_BUNDLE = 'istio.io:istiod-ca:root-cert'

export const keepsTrustBundle = (istiods: readonly { readonly env: Readonly<Record<string, string>> }[]): boolean =>
  istiods.some(({ env }) => isOn(env.ENABLE_CLUSTER_TRUST_BUNDLE_API))
