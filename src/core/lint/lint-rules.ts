/** Every rule: its code, which is its anchor in docs/lint.md, how bad what it finds usually is, and what it is about. */
import type { Finding, Severity } from '../diagnostics/finding.ts'

interface RuleInfo {
  readonly code: string
  readonly severity: Severity
  readonly summary: string
}

export const RULES = [
  { code: 'inert-extra-root-certs', severity: 'error', summary: 'ISTIO_META_EXTRA_ROOT_CERTS: nothing in Istio reads it' },
  { code: 'inert-extra-volumes', severity: 'error', summary: 'Helm values for extra volumes that no Istio chart has' },
  { code: 'inert-peer-aliases', severity: 'error', summary: 'PeerAuthentication has no field trustDomainAliases' },
  { code: 'unknown-field', severity: 'error', summary: 'a field that the Istio resource does not have: the API server drops it' },
  { code: 'unknown-mesh-field', severity: 'error', summary: 'a field that the mesh config does not have: istiod ignores it' },
  { code: 'inert-global-trust-domain', severity: 'error', summary: 'global.trustDomain sets nothing any more' },
  { code: 'unknown-kind', severity: 'warning', summary: 'a kind or version that Istio does not serve' },
  { code: 'foreign-alias', severity: 'error', summary: 'trustDomainAliases make foreign identities equal to local ones' },
  { code: 'ca-without-multiroot', severity: 'error', summary: 'caCertificates without ISTIO_MULTIROOT_MESH: istiod ignores them' },
  { code: 'ca-without-xds-agent', severity: 'warning', summary: 'caCertificates without PROXY_CONFIG_XDS_AGENT: proxies never get them' },
  { code: 'ca-refused', severity: 'error', summary: 'an entry of caCertificates that istiod or proxies choke on' },
  {
    code: 'ca-several-roots',
    severity: 'warning',
    summary: 'several roots in one entry of caCertificates: istiod looks at the first only',
  },
  { code: 'ca-not-bound', severity: 'warning', summary: 'caCertificates[].trustDomains does not bind the root to them' },
  { code: 'ca-without-domains', severity: 'info', summary: 'a root without trustDomains lets in nobody of another trust domain' },
  { code: 'spiffe-bundle-url', severity: 'warning', summary: 'spiffeBundleUrl: a fetch that fails takes the roots away' },
  { code: 'cacerts-swap', severity: 'error', summary: 'a cacerts bundle that is swapped without overlap' },
  { code: 'cacerts-broken', severity: 'error', summary: 'a cacerts whose CA is not under its root: istiod does not start' },
  { code: 'ca-key-in-manifest', severity: 'warning', summary: "the CA's private key stands in a manifest" },
  { code: 'mtls-not-strict', severity: 'error', summary: 'STRICT is missing in a federated scope' },
  { code: 'mtls-may-loosen', severity: 'warning', summary: 'a PeerAuthentication that would take STRICT from part of a federated scope' },
  { code: 'ports-without-selector', severity: 'error', summary: 'portLevelMtls without a selector: refused, or ignored' },
  { code: 'port-of-service', severity: 'warning', summary: "portLevelMtls names the Service's port, not the workload's" },
  { code: 'san-without-scheme', severity: 'error', summary: 'subjectAltNames without spiffe://: no certificate matches' },
  { code: 'policy-filter-removed', severity: 'warning', summary: 'an EnvoyFilter that removes the filters of AuthorizationPolicies' },
  { code: 'istiod-flag', severity: 'warning', summary: 'a setting of istiod that weakens identities' },
  {
    code: 'selector-in-root-namespace',
    severity: 'warning',
    summary: 'a selector in the root namespace: selects nothing, or in every namespace',
  },
  { code: 'unknown-trust-domain', severity: 'warning', summary: 'a policy names a trust domain that nobody has' },
  { code: 'principal-never-matches', severity: 'error', summary: 'a principal in a form that Istio never matches' },
  { code: 'foreign-filter', severity: 'warning', summary: 'an EnvoyFilter that touches the TLS contexts in which trust is decided' },
  { code: 'mesh-config-unreadable', severity: 'error', summary: 'the mesh config in a ConfigMap is not YAML' },
  {
    code: 'mesh-config-refused',
    severity: 'error',
    summary: 'a mesh config that istiod refuses as a whole: nothing of it is in force',
  },
  { code: 'federation-invalid', severity: 'error', summary: 'a federation file with problems' },
  { code: 'yaml-invalid', severity: 'error', summary: 'a document that is not YAML' },
  { code: 'document-too-large', severity: 'error', summary: 'a document too large to be looked at' },
  { code: 'key-repeated', severity: 'warning', summary: 'a key that stands twice: the last one counts' },
  { code: 'helm-template', severity: 'info', summary: 'a Helm template: lint what it renders' },
  { code: 'suppression-without-reason', severity: 'error', summary: 'a finding is suppressed without a reason' },
  { code: 'suppression-unused', severity: 'warning', summary: 'a suppression under which nothing was found' },
  { code: 'suppression-unknown', severity: 'warning', summary: 'a suppression of a rule that does not exist' },
] as const satisfies readonly RuleInfo[]

export type RuleCode = (typeof RULES)[number]['code']

export const isRule = (code: string): code is RuleCode => RULES.some((rule) => rule.code === code)

const SEVERITIES = new Map<string, Severity>(RULES.map(({ code, severity }) => [code, severity]))

export interface LintFinding extends Finding {
  readonly code: RuleCode
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
}

export interface Told {
  readonly severity?: Severity
  readonly hint?: string
}

/** @param where the place and the thing */
export const told = (
  code: RuleCode,
  where: { readonly file: string; readonly line: number; readonly column: number; readonly subject: string },
  message: string,
  { severity = SEVERITIES.get(code) ?? 'warning', hint = '' }: Told = {},
): LintFinding => ({ code, severity, message, hint, ...where })
