/** Every rule: its code, which is also its anchor in docs/lint.md, and its summary. */

import { type FindingCode, usualSeverity } from '../diagnostics/codes.ts'
import { type Finding, finding, type Severity } from '../diagnostics/finding.ts'
import type { Subject } from '../diagnostics/subject.ts'

interface RuleInfo {
  readonly code: FindingCode
  readonly summary: string
}

export const RULES = [
  { code: 'inert-extra-root-certs', summary: 'ISTIO_META_EXTRA_ROOT_CERTS: nothing in Istio reads it' },
  { code: 'inert-extra-volumes', summary: 'Helm values for extra volumes that no Istio chart has' },
  { code: 'inert-peer-aliases', summary: 'PeerAuthentication has no field trustDomainAliases' },
  { code: 'unknown-field', summary: 'a field that the Istio resource does not have: the API server drops it' },
  { code: 'unknown-mesh-field', summary: 'a field that the mesh config does not have: istiod ignores it' },
  { code: 'inert-global-trust-domain', summary: 'global.trustDomain sets nothing any more' },
  { code: 'unknown-kind', summary: 'a kind or version that Istio does not serve' },
  { code: 'foreign-alias', summary: 'trustDomainAliases make foreign identities equal to local ones' },
  { code: 'ca-without-multiroot', summary: 'caCertificates without ISTIO_MULTIROOT_MESH: istiod ignores them' },
  { code: 'ca-without-xds-agent', summary: 'caCertificates without PROXY_CONFIG_XDS_AGENT: proxies never get them' },
  { code: 'ca-refused', summary: 'an entry of caCertificates that istiod or proxies choke on' },
  {
    code: 'ca-several-roots',
    summary: 'several roots in one entry of caCertificates: istiod looks at the first only',
  },
  { code: 'ca-not-bound', summary: 'caCertificates[].trustDomains does not bind the root to them' },
  { code: 'ca-without-domains', summary: 'a root without trustDomains lets in nobody of another trust domain' },
  { code: 'spiffe-bundle-url', summary: 'spiffeBundleUrl: a fetch that fails takes the roots away' },
  { code: 'cacerts-swap', summary: 'a cacerts bundle that is swapped without overlap' },
  { code: 'cacerts-broken', summary: 'a cacerts whose CA is not under its root: istiod does not start' },
  { code: 'ca-key-in-manifest', summary: "the CA's private key stands in a manifest" },
  { code: 'mtls-not-strict', summary: 'STRICT is missing in a federated scope' },
  { code: 'mtls-may-loosen', summary: 'a PeerAuthentication that would take STRICT from part of a federated scope' },
  { code: 'ports-without-selector', summary: 'portLevelMtls without a selector: refused, or ignored' },
  { code: 'port-of-service', summary: "portLevelMtls names the Service's port, not the workload's" },
  { code: 'san-without-scheme', summary: 'subjectAltNames without spiffe://: no certificate matches' },
  { code: 'policy-filter-removed', summary: 'an EnvoyFilter that removes the filters of AuthorizationPolicies' },
  { code: 'istiod-flag', summary: 'a setting of istiod that weakens identities' },
  {
    code: 'selector-in-root-namespace',
    summary: 'a selector in the root namespace: selects nothing, or in every namespace',
  },
  { code: 'unknown-trust-domain', summary: 'a policy names a trust domain that nobody has' },
  { code: 'principal-never-matches', summary: 'a principal in a form that Istio never matches' },
  { code: 'rule-never-matches', summary: 'a rule whose conditions exclude each other: no request matches it' },
  { code: 'foreign-filter', summary: 'an EnvoyFilter that touches the TLS contexts in which trust is decided' },
  { code: 'mesh-config-unreadable', summary: 'the mesh config in a ConfigMap is not YAML' },
  {
    code: 'mesh-config-refused',
    summary: 'a mesh config that istiod refuses as a whole: nothing of it is in force',
  },
  { code: 'settings-not-read', summary: 'settings of istiod in a form that lint does not read' },
  { code: 'federation-invalid', summary: 'a federation file with problems' },
  { code: 'yaml-invalid', summary: 'a document that is not YAML' },
  { code: 'document-too-large', summary: 'a document too large to be looked at' },
  { code: 'key-repeated', summary: 'a key that stands twice: the last one counts' },
  { code: 'helm-template', summary: 'a Helm template: lint what it renders' },
  { code: 'suppression-without-reason', summary: 'a finding is suppressed without a reason' },
  { code: 'suppression-unused', summary: 'a suppression under which nothing was found' },
  { code: 'suppression-unknown', summary: 'a suppression of a rule that does not exist' },
] as const satisfies readonly RuleInfo[]

export type RuleCode = (typeof RULES)[number]['code']

export const isRule = (code: string): code is RuleCode => RULES.some((rule) => rule.code === code)

export interface LintFinding extends Finding {
  readonly code: RuleCode
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
}

export interface FindingOptions {
  readonly severity?: Severity
  readonly hint?: string
}

/** @param where the position and the object */
export const lintFinding = (
  code: RuleCode,
  { about, ...spot }: { readonly file: string; readonly line: number; readonly column: number; readonly about: Subject },
  message: string,
  { severity = usualSeverity(code), hint = '' }: FindingOptions = {},
): LintFinding => ({ ...finding(code, severity, about, message, hint), code, ...spot })
