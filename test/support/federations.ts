/** Federation files and approvals of owners, as values for tests. */

import { type Approved, intents } from '../../src/core/federation/intents.ts'
import { parseFederation } from '../../src/core/federation/parse.ts'
import type { Digest } from '../../src/core/model/digest.ts'
import { digestOf } from '../../src/core/model/digest.ts'
import type { AuditDraft, AuditEntry } from '../../src/core/model/recorded.ts'
import type { Actor, Federation, Intent, MemberName } from '../../src/core/model/wanted.ts'
import { project, type RecordView } from '../../src/core/record/projection.ts'
import { seal } from '../../src/core/record/record.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import { type Principal, parsePrincipal } from '../../src/core/spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { type Anchor, fingerprintOf } from '../../src/core/x509/anchor.ts'
import { makeCa, type TestCa } from './ca.ts'

/** The instant of most tests: test certificates are valid from 2025 to 2034. */
export const NOW = new Date('2026-06-01T00:00:00Z')
export const ALICE: Actor = { name: 'alice', via: 'os' }

export const domain = (name: string): TrustDomain => parseTrustDomain(name)
export const principal = (text: string): Principal => parsePrincipal(text)
export const member = (name: string): MemberName => name as MemberName
export const digest = (value: unknown): Digest => digestOf(value)

export const A = domain('cluster-a.example')
export const B = domain('cluster-b.example')
export const C = domain('cluster-c.example')
export const CLIENT = principal('cluster-a.example/ns/sample/sa/client')
export const SERVER_HOST = 'server.sample.svc.cluster.local'

const authorities = new Map<string, Promise<TestCa>>()

/** The same authority for the same name, wherever a test file asks. */
export function authority(trustDomain: string, name = 'root'): Promise<TestCa> {
  const key = `${trustDomain} ${name}`
  const made = authorities.get(key) ?? makeCa({ trustDomain, name })
  authorities.set(key, made)
  return made
}

/** A root with only a fingerprint of its own, for tests in which no code parses the certificate. */
export function fakeRoot(name: string): Anchor {
  const der = new TextEncoder().encode(name)
  return {
    der,
    fingerprint: fingerprintOf(der),
    subject: `CN=${name}`,
    notBefore: new Date('2025-01-01'),
    notAfter: new Date('2035-01-01'),
  }
}

export const bundleOf = (trustDomain: TrustDomain, ...anchors: readonly Anchor[]): Bundle => ({ trustDomain, anchors })

/** The `spec` of a federation file, as YAML gives it. */
export interface Spec {
  members: Record<string, unknown>[]
  trust: Record<string, unknown>[]
  severed: Record<string, unknown>[]
}

export const acceptEntry = (more: object = {}) => ({
  namespace: 'sample',
  selector: { app: 'server' },
  mtls: 'enforce',
  callers: [CLIENT],
  ...more,
})

export const reachEntry = (more: object = {}) => ({
  namespace: 'sample',
  selector: { app: 'client' },
  services: [{ host: SERVER_HOST, servedBy: ['cluster-b.example/ns/sample/sa/server'] }],
  ...more,
})

/** The README's federation: a client in a calls a server in b. */
export function spec(change: (spec: Spec) => void = () => {}): Spec {
  const made: Spec = {
    members: ['a', 'b'].map((x) => ({ name: `cluster-${x}`, trustDomain: `cluster-${x}.example`, cluster: { context: `cluster-${x}` } })),
    trust: [
      { truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', accept: [acceptEntry()] },
      { truster: 'cluster-a', trusted: 'cluster-b', distribution: 'pinned', reach: [reachEntry()] },
    ],
    severed: [],
  }
  change(made)
  return made
}

export const document = (of: unknown = spec()): Record<string, unknown> => ({
  apiVersion: 'entente.dev/v1alpha1',
  kind: 'Federation',
  metadata: { name: 'shop' },
  spec: of,
})

export function federation(of: Spec = spec()): Federation {
  const parsed = parseFederation(document(of))
  if ('problems' in parsed) throw new Error(parsed.problems.map((p) => `${p.path.join('.')}: ${p.message}`).join('; '))
  return parsed.federation
}

/** `bundles/`, read without trouble. */
export const approvedOf = (...bundles: readonly Bundle[]): Approved =>
  new Map(bundles.map((bundle) => [bundle.trustDomain, { ok: true, value: bundle }]))

/** A record of these drafts, one after the other. */
export function sealAll(drafts: readonly AuditDraft[]): readonly AuditEntry[] {
  const record: AuditEntry[] = []
  for (const draft of drafts) record.push(seal(record.at(-1), draft))
  return record
}

/** A record of these drafts, as what decides by it sees it. */
export const viewOf = (drafts: readonly AuditDraft[]): RecordView => project(sealAll(drafts))

/** The record in which every root of these bundles was approved. */
export const recordOf = (...bundles: readonly Bundle[]): RecordView => viewOf(bundles.map(approval))

export const approval = (bundle: Bundle): AuditDraft => ({
  actor: ALICE,
  at: new Date('2026-05-01T00:00:00Z'),
  reason: 'first contact',
  action: 'approve',
  trustDomain: bundle.trustDomain,
  roots: bundle.anchors.map((anchor) => anchor.fingerprint),
  source: 'its own cluster',
})

/** The intents of a federation whose bundles are all approved, in the record too. */
export const wanted = (of: Federation, ...bundles: readonly Bundle[]): readonly Intent[] =>
  intents(of, approvedOf(...bundles), recordOf(...bundles), NOW).intents
