/**
 * The library: the pure functions that the command line is made of. Shapes are in `model.ts`; nothing in here does I/O,
 * reads a clock, or throws anything but a FederationError.
 */
export { readDocuments } from './adapters/yaml/documents.ts'
export { digestOf } from './core/digest.ts'
export { type ErrorCode, FederationError } from './core/errors.ts'
export { type Problem, parseFederation } from './core/federation.ts'
export type { Finding, Severity } from './core/finding.ts'
export {
  type IdentityImpact,
  type Impact,
  type ImpactOptions,
  impact,
  type PolicyImpact,
  type Widening,
} from './core/impact/impact.ts'
export { type AdmissionFacts, admissionOf, readPolicies } from './core/impact/read.ts'
export { type Admission, type Distributed, type Situation, trusting } from './core/impact/situation.ts'
export { type Approved, intents } from './core/intent.ts'
export { readProxyConfig } from './core/istio/live.ts'
export { readState, render } from './core/istio/render.ts'
export type { Inbound, MeshState, Outbound, Root, Roots, Share } from './core/istio/state.ts'
export type { LintOptions } from './core/lint/context.ts'
export { type LintResult, lint } from './core/lint/lint.ts'
export type { LintFinding, RuleCode } from './core/lint/rules.ts'
export type { LintFile, Source } from './core/lint/source.ts'
export type * from './core/model.ts'
export { plan, type Seens, simulate } from './core/plan.ts'
export { checkWitness, parseRecord, printEntry, type Recorded, recordedBundles, seal } from './core/record.ts'
export { type RecordLines, readLines } from './core/record-text.ts'
export { type Bundle, type ParseOptions, parseBundle, printBundle, printPemBundle } from './core/spiffe/bundle.ts'
export { type Inspection, type InspectOptions, inspect } from './core/spiffe/inspect.ts'
export { type JudgeContext, judge, publicRoots } from './core/spiffe/judge.ts'
export { type Principal, parsePrincipal, parseSpiffeId, type SpiffeId } from './core/spiffe/spiffe-id.ts'
export { parseTrustDomain, type TrustDomain } from './core/spiffe/trust-domain.ts'
export { verify } from './core/verify.ts'
export { type PlanView, planView, type VerifyView, verifyView } from './core/view.ts'
export { type Anchor, type Fingerprint, fingerprintOf, parseFingerprint } from './core/x509/anchor.ts'
export { anchorOf, type Vouched } from './core/x509/chain.ts'
