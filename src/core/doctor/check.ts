/** One check of `doctor`: its subject, its verdict and the evidence for it. Each check has a section in docs/doctor.md. */
import type { Finding } from '../diagnostics/finding.ts'
import type { MemberName } from '../model/wanted.ts'

/**
 * - `warn`: it works, and an owner should review it.
 * - `fail`: federation fails, or the mesh trusts more than it should.
 * - `unknown`: the check could not be made; the evidence says why.
 * - `skipped`: the check has no subject here, or a check that it depends on failed.
 */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown' | 'skipped'

/** Every check, with the condition that it checks. */
export const CHECKS = {
  'api-server': 'the API server answers',
  'api-server-distinct': 'no two members are the same cluster',
  clock: 'its clock agrees with the clock of this machine',
  'clocks-agree': 'their clocks agree',
  rights: 'these credentials have every right that Entente needs',
  istiod: 'istiod runs and answers on its debug port',
  'istio-version': 'Entente supports this version of Istio',
  'istio-versions-close': 'their versions of Istio are at most two minor versions apart',
  'istiod-flags': 'istiod’s settings do not weaken identities',
  'certificate-authority': 'istiod signs the workloads’ certificates',
  'mesh-config': 'the mesh config can be read',
  'mesh-config-owner': 'the mesh config has one owner',
  'trust-domain': 'the trust domain is set',
  'trust-domains-unique': 'their trust domains differ',
  'trust-domain-aliases': 'no alias is the trust domain of another member',
  'extra-roots': 'the mesh config has no caCertificates, which vouch for every trust domain',
  'auto-mtls': 'sidecars use mutual TLS without a DestinationRule',
  'mesh-id': 'their mesh ids are equal',
  'root-expiry': 'its own roots are valid for long enough',
  'root-published': 'istio-ca-root-cert holds the same roots in every namespace',
  'ca-under-root': 'the CA signs under one of those roots',
  'ca-expiry': 'the CA certificate in use is valid for long enough',
  'own-certificate-names': 'each certificate of its own workloads has one name',
  'roots-distinct': 'they share no root',
  network: 'the Istio namespace names its network',
  'networks-distinct': 'their networks differ',
  'cluster-id': 'their cluster ids differ',
  'remote-cluster': 'istiod reads the other cluster’s endpoints',
  gateway: 'it has an east-west gateway with an address',
  'gateway-passthrough': 'the gateway passes mutual TLS through',
  'gateway-known': 'istiod knows a gateway to the other network',
  'gateway-reachable': 'the gateway answers connections from this machine',
  'bundle-endpoint': 'its bundle endpoint serves the roots of the mesh',
  proxies: 'its proxies acknowledge the configuration that istiod sends',
  'data-plane': 'workloads have sidecars',
  mtls: 'workloads accept nothing but mutual TLS',
  'excluded-ports': 'no port bypasses the sidecar',
  'sidecar-ingress': 'no Sidecar resource sets TLS on an ingress listener',
} as const

export type CheckName = keyof typeof CHECKS

export interface Check {
  readonly name: CheckName
  /** One member, or two for a pair: the caller first if the check is about calls. */
  readonly members: readonly MemberName[]
  /** For people: `cluster-b`, `cluster-a → cluster-b`, `cluster-b: sample`. */
  readonly subject: string
  readonly verdict: Verdict
  readonly evidence: string
  /** The next command or edit; empty if there is none. */
  readonly remedy: string
}

export interface About {
  ok(evidence: string): Check
  warn(evidence: string, remedy: string): Check
  fail(evidence: string, remedy: string): Check
  skipped(why: string): Check
  /** @param why the error that prevented the check */
  unknown(why: Finding): Check
}

export function about(name: CheckName, members: readonly MemberName[], subject: string): About {
  const check = (verdict: Verdict, evidence: string, remedy = ''): Check => ({ name, members, subject, verdict, evidence, remedy })
  return {
    ok: (evidence) => check('ok', evidence),
    warn: (evidence, remedy) => check('warn', evidence, remedy),
    fail: (evidence, remedy) => check('fail', evidence, remedy),
    skipped: (why) => check('skipped', why),
    unknown: ({ message, hint }) => check('unknown', message, hint),
  }
}
