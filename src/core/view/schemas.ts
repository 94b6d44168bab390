/**
 * The schemas of every command's JSON output (docs/cli.md). TypeScript infers the view types from them, and
 * scripts/schemas.ts generates `schemas/*.json` of the package. Commands import only the types, so that printing does
 * not load zod.
 */

import * as z from 'zod'
import type { FindingCode } from '../diagnostics/finding.ts'
import { subject } from '../diagnostics/subject-schema.ts'
import { invitationSchema } from '../exchange/invitation.ts'
import { API_VERSION } from '../model/api-version.ts'

const fingerprint = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const digest = fingerprint
const instant = z.iso.datetime()
/** A Kubernetes object. */
const manifest = z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({ name: z.string() }) })

export const finding = z
  .strictObject({
    /** A later version may add codes: the schema accepts any string. */
    code: z.string().meta({ description: 'Stable; docs/findings.md explains each' }) as z.ZodType<FindingCode, string>,
    severity: z.enum(['error', 'warning', 'info']),
    subject: z.string().meta({ description: 'Text for people; `about` is the same as data' }),
    about: subject,
    message: z.string(),
    hint: z.string().meta({ description: 'The next thing to do; empty where there is nothing' }),
    accepted: z
      .strictObject({ reason: z.string(), until: z.string().meta({ description: 'The last day, YYYY-MM-DD' }).optional() })
      .readonly()
      .optional()
      .meta({ description: 'The owner expects not to see this: it makes no exit code' }),
  })
  .readonly()
const findings = z.array(finding).readonly()

const gate = z
  .strictObject({
    needs: z.enum(['held', 'unused', 'apart']),
    root: fingerprint,
    open: z.boolean(),
    waitingFor: z.array(z.string()).readonly(),
  })
  .readonly()

const change = z
  .strictObject({
    effect: z.enum(['widens', 'narrows']),
    of: z.enum(['root', 'caller', 'workloads', 'host', 'server', 'names']),
    trusted: z.string(),
    what: z.string(),
  })
  .readonly()

const step = z
  .strictObject({
    id: digest.meta({ description: 'A content hash: the same step has the same id in every plan' }),
    member: z.string(),
    phase: z.enum(['guard', 'open', 'close', 'clean']),
    object: z.strictObject({ apiVersion: z.string(), kind: z.string(), namespace: z.string().nullable(), name: z.string() }).readonly(),
    before: manifest.nullable(),
    after: manifest.nullable(),
    changes: z.array(change).readonly(),
    drains: z.number().int().meta({ description: 'Proxies whose inbound connections Envoy drains' }),
    gates: z.array(gate).readonly(),
    reason: z.string(),
  })
  .readonly()

const proxies = z.array(z.string()).readonly()
const verdict = z
  .strictObject({
    truster: z.string(),
    trusted: z.string(),
    state: z.enum(['proven', 'lagging', 'broken', 'unknown', 'severed']),
    roots: z.array(fingerprint).readonly(),
    proxies: z
      .strictObject({
        total: z.number().int(),
        ready: z.number().int(),
        lagging: proxies,
        rejected: proxies,
        unheard: proxies,
      })
      .readonly(),
    ends: instant.nullable(),
    findings,
  })
  .readonly()

const leaf = z
  .strictObject({
    member: z.string(),
    proxy: z.string().meta({ description: 'POD.NAMESPACE' }),
    root: fingerprint.nullable(),
    issuer: fingerprint.nullable(),
    until: instant,
    holds: z.array(fingerprint).readonly(),
  })
  .readonly()

const connections = z
  .strictObject({
    proxy: z.string().meta({ description: 'POD.NAMESPACE' }),
    state: z.enum(['gone', 'draining', 'open', 'unseen']),
    open: z.number().int().nullable(),
    until: instant.nullable(),
  })
  .readonly()

/** Members whose directory has what no proxy has before it is committed and delivered. */
const undelivered = z.array(z.strictObject({ member: z.string(), directory: z.string() }).readonly()).readonly()

const actor = z
  .strictObject({
    name: z.string(),
    via: z.string(),
    claimed: z.string().optional().meta({ description: '--actor: nothing authenticated this name' }),
  })
  .readonly()
const said = { at: instant, by: actor, reason: z.string() }
const since = z.strictObject(said).readonly()
const opened = z
  .strictObject({
    what: z.string(),
    since,
    certain: z.boolean().meta({ description: 'false if an apply was changing it, or was interrupted' }),
  })
  .readonly()
const openings = z.array(opened).readonly()
const fingerprints = z.array(fingerprint).readonly()

const verification = { at: instant, trusts: z.array(verdict).readonly(), findings }

const lintFinding = z
  .strictObject({
    ...finding.unwrap().shape,
    file: z.string(),
    line: z.number().int(),
    column: z.number().int(),
    help: z.string(),
  })
  .readonly()

const certificate = z
  .strictObject({
    fingerprint,
    subject: z.string(),
    issuer: z.string(),
    serial: z.string(),
    notBefore: instant,
    notAfter: instant,
    isCA: z.boolean(),
    selfIssued: z.boolean(),
    uriSANs: z.array(z.string()).readonly(),
    keyAlgorithm: z.string(),
    keyBits: z.number().int(),
    signatureAlgorithm: z.string(),
    problems: z.array(z.string()).readonly(),
  })
  .readonly()

/** A top-level document, identified by `apiVersion` and `kind`. */
const document = <K extends string, T extends z.ZodRawShape>(kind: K, shape: T) =>
  z.strictObject({ apiVersion: z.literal(API_VERSION), kind: z.literal(kind), ...shape }).readonly()

/** Every document by its kind. */
export const VIEWS = {
  Follow: document('Follow', {
    partners: z
      .array(
        z
          .strictObject({
            member: z.string(),
            trustDomain: z.string(),
            at: instant,
            decision: z.enum(['same', 'approve', 'hold', 'person', 'refuse', 'failed']),
            reason: z.string().nullable().meta({ description: 'Why a change waits for a person' }),
            until: instant.nullable().meta({ description: 'When Entente approves a change by itself, at the earliest' }),
          })
          .readonly(),
      )
      .readonly(),
    findings,
  }),
  Invitation: invitationSchema,
  AcceptInvitation: document('AcceptInvitation', {
    trustDomain: z.string(),
    already: z.boolean().meta({ description: 'It was accepted before; nothing was changed' }),
    numbers: z.array(z.strictObject({ trustDomain: z.string(), number: z.string() }).readonly()).readonly(),
    answer: invitationSchema.nullable().meta({ description: 'For the way back; null if your mesh does not publish' }),
  }),
  Refuse: document('Refuse', { member: z.string(), trustDomain: z.string(), roots: fingerprints }),
  Publish: document('Publish', {
    member: z.string(),
    bundleEndpoint: invitationSchema.unwrap().shape.bundleEndpoint,
    sequence: z.string().nullable().meta({ description: 'Decimal: it may exceed 2^53' }),
    objects: z.array(manifest).readonly(),
    done: z.array(digest).readonly().meta({ description: 'Ids of the steps that were carried out' }),
    answers: z.boolean().nullable().meta({ description: 'The endpoint answers with this sequence; null if nobody asked it' }),
    findings,
  }),
  Init: document('Init', {
    file: z.string(),
    members: z
      .array(
        z
          .strictObject({
            name: z.string(),
            trustDomain: z.string(),
            context: z.string().nullable().meta({ description: 'null without a cluster: Git delivers the objects' }),
            roots: fingerprints.meta({ description: 'Approved from the cluster' }),
          })
          .readonly(),
      )
      .readonly(),
  }),
  Approve: document('Approve', {
    member: z.string(),
    trustDomain: z.string(),
    roots: fingerprints,
    already: z.boolean().meta({ description: 'Exactly these were approved before; nothing was changed' }),
  }),
  CallAdd: document('CallAdd', {
    file: z.string(),
    from: z.string(),
    to: z.string(),
    hosts: z.array(z.string()).readonly(),
    added: z.boolean().meta({ description: 'false: the file had this call already' }),
  }),
  Plan: document('Plan', { federation: z.string(), digest, steps: z.array(step).readonly(), findings }),
  Apply: document('Apply', { federation: z.string(), digest, done: z.array(digest).readonly(), undelivered, findings }),
  Render: document('Render', {
    out: z.string(),
    members: z
      .array(
        z.strictObject({ member: z.string(), files: z.array(z.string()).readonly(), removed: z.array(z.string()).readonly() }).readonly(),
      )
      .readonly(),
    findings,
  }),
  Mount: document('Mount', {
    workloads: z
      .array(
        z
          .strictObject({
            member: z.string(),
            namespace: z.string(),
            kind: z.string(),
            name: z.string(),
            sets: z.array(z.string()).readonly(),
            pods: z.array(z.string()).readonly(),
            lacking: z.array(z.string()).readonly(),
            pinned: z.boolean(),
            template: z.enum(['mounted', 'bare']).nullable(),
            patch: z.looseObject({}).nullable(),
          })
          .readonly(),
      )
      .readonly(),
    findings,
  }),
  Verify: document('Verify', { ...verification, leaves: z.array(leaf).readonly().optional() }),
  Evidence: document('Evidence', {
    ...verification,
    federation: z.string(),
    record: digest.nullable(),
    evidence: z.array(z.looseObject({ member: z.string(), trustDomain: z.string() })).readonly(),
  }),
  Status: document('Status', { ...verification, steps: z.array(step).readonly() }),
  Sever: document('Sever', { ...verification, connections: z.array(connections).readonly(), undelivered }),
  Remove: document('Remove', {
    ...verification,
    homes: z
      .array(
        z
          .strictObject({
            member: z.string(),
            context: z.string().nullable(),
            directory: z.string().nullable(),
            state: z.enum(['ended', 'undelivered', 'left', 'unknown']),
            objects: z.number().int().nullable(),
          })
          .readonly(),
      )
      .readonly(),
    done: z.array(digest).readonly(),
  }),
  Lift: document('Lift', {
    truster: z.string(),
    trusted: z.string(),
    trusterDomain: z.string(),
    trustedDomain: z.string(),
    lifted: z.strictObject({ at: instant.nullable(), by: actor.nullable(), reason: z.string() }).readonly(),
    next: z.array(z.string()).readonly(),
  }),
  Rotation: document('Rotation', {
    member: z.string(),
    trustDomain: z.string(),
    phase: z.enum(['introducing', 'switch', 'draining', 'retire', 'steady', 'unknown']),
    staying: z.array(fingerprint).readonly(),
    leaving: z.array(fingerprint).readonly(),
    signs: fingerprint.nullable(),
    gates: z.array(gate).readonly(),
    drained: instant.nullable(),
    next: z.string(),
    findings,
  }),
  Doctor: document('Doctor', {
    at: instant,
    verdict: z.enum(['ok', 'warn', 'fail']),
    counts: z.record(z.enum(['ok', 'warn', 'fail', 'unknown', 'skipped']), z.number().int()).readonly(),
    checks: z
      .array(
        z
          .strictObject({
            name: z.string(),
            title: z.string(),
            members: z.array(z.string()).readonly(),
            subject: z.string(),
            verdict: z.enum(['ok', 'warn', 'fail', 'unknown', 'skipped']),
            evidence: z.string(),
            remedy: z.string(),
            anchor: z.string(),
          })
          .readonly(),
      )
      .readonly(),
  }),
  Impact: document('Impact', {
    policies: z
      .array(
        z
          .strictObject({
            member: z.string().optional(),
            namespace: z.string(),
            name: z.string(),
            action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM', 'unknown']),
            newlyAccepted: z.array(z.string()).readonly(),
            maybe: z.array(z.string()).readonly(),
            except: z.array(z.string()).readonly(),
            at: z.array(z.string()).readonly(),
            rules: z.array(z.number().int()).readonly(),
            because: z.string(),
            closedBy: z.array(z.string()).readonly(),
            examples: z.array(z.string()).readonly(),
          })
          .readonly(),
      )
      .readonly(),
    identities: z
      .array(
        z
          .strictObject({ id: z.string(), before: z.enum(['allow', 'deny', 'maybe']), after: z.enum(['allow', 'deny', 'maybe']) })
          .readonly(),
      )
      .readonly(),
    findings,
  }),
  Lint: document('Lint', {
    findings: z.array(lintFinding).readonly(),
    suppressed: z.array(z.strictObject({ ...lintFinding.unwrap().shape, reason: z.string() }).readonly()).readonly(),
    notChecked: z.array(z.strictObject({ rule: z.string(), because: z.string() }).readonly()).readonly(),
    replacement: z
      .strictObject({ federation: z.string(), placeholders: z.array(z.string()).readonly() })
      .readonly()
      .nullable(),
    files: z.number().int(),
    objects: z.number().int(),
  }),
  RecordCheck: document('RecordCheck', { valid: z.boolean(), entries: z.number().int(), head: digest.nullable(), findings }),
  AuditReport: document('AuditReport', {
    at: instant,
    entries: z.number().int(),
    head: digest.nullable(),
    approved: z.array(z.strictObject({ trustDomain: z.string(), roots: fingerprints, source: z.string(), ...said }).readonly()).readonly(),
    severed: z
      .array(z.strictObject({ truster: z.string(), trusted: z.string(), trustedDomain: z.string().nullable(), ...said }).readonly())
      .readonly(),
    trusts: z
      .array(
        z
          .strictObject({
            truster: z.string(),
            trusted: z.string(),
            workloads: z.string(),
            roots: fingerprints,
            callers: openings,
            hosts: openings,
            servers: openings,
          })
          .readonly(),
      )
      .readonly(),
    running: z.array(since).readonly().meta({ description: 'Applies that had begun and not ended' }),
  }),
  AuditWho: document('AuditWho', {
    at: instant,
    target: z.string(),
    callers: z
      .array(
        z
          .strictObject({
            caller: z.string(),
            trusted: z.string(),
            workloads: z.string(),
            roots: fingerprints,
            since,
            certain: z.boolean(),
          })
          .readonly(),
      )
      .readonly(),
  }),
  Bundle: document('Bundle', {
    verdict: z.enum(['accept', 'reject']),
    format: z.enum(['pem', 'der', 'spiffe']),
    trustDomain: z.string().nullable(),
    sequence: z.string().nullable().meta({ description: 'Decimal: it may exceed 2^53' }),
    refreshHintSeconds: z.number().nullable(),
    certificates: z.array(certificate).readonly(),
    findings,
  }),
  Export: document('Export', {
    trustDomain: z.string(),
    format: z.enum(['spiffe', 'pem']),
    roots: z.array(z.strictObject({ fingerprint, subject: z.string(), notAfter: instant }).readonly()).readonly(),
    bundle: z.string().meta({ description: 'The text that the command prints without -o json' }),
  }),
  Convert: document('Convert', {
    format: z.enum(['pem', 'spiffe']),
    bundle: z.string().nullable().meta({ description: 'null if it is rejected' }),
    findings,
  }),
  Error: document('Error', {
    code: z.string().meta({ description: 'Stable; docs/findings.md explains each. `internal` is a bug in Entente' }),
    subject: z.string(),
    message: z.string(),
    hint: z.string(),
    faults: z
      .array(z.strictObject({ message: z.string(), hint: z.string() }).readonly())
      .readonly()
      .meta({ description: 'Each problem, where the error has several' }),
  }),
  Chain: document('Chain', {
    valid: z.boolean(),
    root: fingerprint.optional(),
    error: z.string().optional(),
    findings: findings.optional(),
  }),
  Version: document('Version', {
    version: z.string(),
    commit: z
      .string()
      .nullable()
      .meta({ description: 'null in a checkout; ends in -modified if the build was made of a changed checkout' }),
    node: z.string(),
    istio: z
      .strictObject({
        oldest: z.string().meta({ description: 'The oldest minor version whose API server has the kinds that Entente writes' }),
        tested: z.array(z.string()).readonly().meta({ description: 'Versions whose listeners Entente has recorded' }),
      })
      .readonly(),
  }),
  Demo: document('Demo', {
    ok: z.boolean(),
    directory: z.string(),
    steps: z
      .array(
        z
          .strictObject({
            step: z.number().int(),
            title: z.string(),
            ok: z.boolean(),
            checks: z
              .array(z.strictObject({ what: z.string(), expected: z.string(), got: z.string(), ok: z.boolean() }).readonly())
              .readonly(),
          })
          .readonly(),
      )
      .readonly(),
  }),
} as const

export type Kind = keyof typeof VIEWS
/** The JSON document of a kind. */
export type View<K extends Kind> = z.infer<(typeof VIEWS)[K]>
export type StepView = z.infer<typeof step>
export type VerdictView = z.infer<typeof verdict>
export type CertificateView = z.infer<typeof certificate>
