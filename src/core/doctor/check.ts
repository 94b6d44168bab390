/** One look of `doctor`: what was asked of whom, the verdict, and what it rests on. Each name has a section in docs/doctor.md. */
import type { Finding } from '../diagnostics/finding.ts'
import type { MemberName } from '../model/wanted.ts'

/**
 * `warn`: works, and is worth a thought. `fail`: federation fails, or trusts what it should not. `unknown`: it could not be
 * made, and the evidence says why. `skipped`: there is nothing to look at, or what it builds on failed.
 */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown' | 'skipped'

/** Every check and what it is about. */
export const CHECKS = {
  'api-server': 'the API server answers',
  'api-server-distinct': 'no two members live in one cluster',
  clock: 'its clock agrees with the one here',
  'clocks-agree': 'their clocks agree',
  rights: 'our credentials suffice',
  istiod: 'istiod runs and lets itself be asked',
  'istio-version': 'the version of Istio is one that is supported',
  'istio-versions-close': 'their versions of Istio are close',
  'istiod-flags': 'istiod’s settings do not weaken identities',
  'certificate-authority': 'istiod signs the workloads’ certificates',
  'mesh-config': 'the mesh config can be read',
  'mesh-config-owner': 'the mesh config has one owner',
  'trust-domain': 'the trust domain is set',
  'trust-domains-unique': 'their trust domains differ',
  'trust-domain-aliases': 'no foreign trust domain counts as its own',
  'extra-roots': 'no root is trusted for every trust domain',
  'auto-mtls': 'calls use mutual TLS of themselves',
  'mesh-id': 'their mesh ids are equal',
  'root-expiry': 'its own roots are valid for long enough',
  'root-published': 'every namespace has the same roots',
  'ca-under-root': 'what its CA signs is under those roots',
  'ca-expiry': 'the CA that signs now is valid for long enough',
  'own-certificate-names': 'certificates of its own workloads have one name each',
  'roots-distinct': 'they share no root',
  network: 'its network is named',
  'networks-distinct': 'their networks differ',
  'cluster-id': 'their cluster ids differ',
  'remote-cluster': 'istiod reads the other cluster’s endpoints',
  gateway: 'it has an east-west gateway with an address',
  'gateway-passthrough': 'the gateway passes mutual TLS through',
  'gateway-known': 'istiod knows the way to the other network',
  'gateway-reachable': 'the gateway answers, as seen from here',
  proxies: 'its proxies take what istiod sends',
  'data-plane': 'workloads have sidecars',
  mtls: 'workloads accept nothing but mutual TLS',
  'excluded-ports': 'no port goes past the sidecar',
  'sidecar-ingress': 'no Sidecar has TLS settings of its own',
} as const

export type CheckName = keyof typeof CHECKS

export interface Check {
  readonly name: CheckName
  /** One member; two for a pair, in the direction of the calls where there is one. */
  readonly members: readonly MemberName[]
  /** As people name it: `cluster-b`, `cluster-a → cluster-b`, `cluster-b: sample`. */
  readonly subject: string
  readonly verdict: Verdict
  readonly evidence: string
  /** What to do; empty where there is nothing. */
  readonly remedy: string
}

export interface About {
  ok(evidence: string): Check
  warn(evidence: string, remedy: string): Check
  fail(evidence: string, remedy: string): Check
  skipped(why: string): Check
  /** What kept us from looking. */
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
