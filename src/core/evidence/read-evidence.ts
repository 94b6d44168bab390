/** Reads an evidence file: the observation of an unreachable mesh, as its owner made it. print-evidence.ts is the inverse. */

import * as z from 'zod'
import { type FindingCode, isFindingCode } from '../diagnostics/codes.ts'
import { FederationError } from '../diagnostics/errors.ts'
import type { Finding } from '../diagnostics/finding.ts'
import { about, subjectText } from '../diagnostics/subject.ts'
import { subject } from '../diagnostics/subject-schema.ts'
import { API_VERSION } from '../model/api-version.ts'
import type { Digest } from '../model/digest.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence, IstioFacts, Observation, ProxyConfig, Seen } from '../model/observed.ts'
import type { Federation, MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { parseBundle } from '../spiffe/parse-bundle.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { decodeBase64 } from '../x509/pem.ts'
import type { ObservedMember } from './print-evidence.ts'

export interface EvidenceRead {
  readonly at: Date
  readonly record: Digest | undefined
  readonly observed: ReadonlyMap<MemberName, ObservedMember>
}

const finding = z
  .object({
    // A newer version of Entente may have written an unknown code; its message is kept.
    code: z.string().transform((code): FindingCode => (isFindingCode(code) ? code : 'not-checked')),
    severity: z.enum(['error', 'warning', 'info']),
    subject: z.string(),
    // Older versions write none, and a newer one may write an unknown kind.
    about: subject.optional().catch(undefined),
    message: z.string(),
    hint: z.string(),
  })
  .transform(
    ({ about: known, ...one }): Finding => ({
      ...one,
      about: known !== undefined && subjectText(known) === one.subject ? known : about.other(one.subject),
    }),
  )
const seen = <T extends z.ZodType>(value: T) =>
  z.discriminatedUnion('ok', [z.object({ ok: z.literal(true), value }), z.object({ ok: z.literal(false), error: finding })])
const texts = z.array(z.string())
const map = z.record(z.string(), z.string())

const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: map.optional(),
    annotations: map.optional(),
    creationTimestamp: z.string().optional(),
    writtenAt: z.string().optional(),
  }),
})

const fingerprints = z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits'))
const pins = z.record(z.string(), fingerprints).transform((held) => new Map(Object.entries(held)))
const held = { pins: pins.optional(), file: z.string().optional() }
const config = z.object({
  inbound: z.array(
    z.object({
      name: z.string(),
      port: z.number().optional(),
      hosts: texts.optional(),
      tls: z.enum(['mutual', 'none']),
      sanPrefixes: texts,
      guards: z.array(z.object({ own: texts, callers: texts })).optional(),
      ...held,
    }),
  ),
  outbound: z.array(
    z.object({
      host: z.string(),
      port: z.number(),
      subset: z.string(),
      mutual: z.boolean(),
      sans: texts,
      endpoints: z.number().optional(),
      ...held,
    }),
  ),
  denies: z.array(z.object({ policy: z.string(), trustDomain: z.string(), except: texts })),
})

const der = z.string().transform((text, context): Uint8Array => {
  const bytes = decodeBase64(Buffer.from(text, 'latin1'))
  if (bytes === undefined) context.addIssue('is not base64')
  return bytes ?? z.NEVER
})

const istio = z.looseObject({
  trustDomain: z.string(),
  aliases: texts,
  extraRoots: z.number(),
  hidesRoots: z.boolean().optional(),
  extraDomains: texts.optional(),
  authorizers: texts.optional(),
  autoMtls: z.boolean(),
  xdsAgent: z.boolean().optional(),
  meshId: z.string().optional(),
  configOwners: z
    .array(z.object({ config: z.string(), owner: z.string().optional(), named: z.string().optional(), last: z.string().optional() }))
    .optional(),
  network: z.string().optional(),
  rootNamespace: z.string(),
  istiods: z.array(z.object({ pod: z.string(), revision: z.string(), version: z.string().optional(), env: map })),
  presented: seen(z.array(der)),
})

const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))
const member = z.object({
  member: z.string(),
  trustDomain: z.string(),
  namespaces: texts,
  objects: seen(z.array(manifest)),
  own: seen(z.looseObject({})),
  ownSince: instant.nullable(),
  istio: seen(istio),
  pods: seen(z.array(manifest)).nullable(),
  proxies: seen(
    z.array(
      z.looseObject({
        proxy: z.string(),
        namespace: z.string(),
        pod: z.string(),
        version: z.string().optional(),
        heard: z.boolean(),
        acknowledged: z.boolean(),
        sent: z.object({ listeners: z.string(), clusters: z.string() }),
        rejected: z.string().optional(),
        config: z.number().int().optional(),
      }),
    ),
  ),
  configs: z.array(config),
})
const document = z.object({
  /** Files of older versions have none. */
  apiVersion: z.literal(API_VERSION, `is of another version: want ${API_VERSION}`).optional(),
  at: instant,
  federation: z.string(),
  record: z.string().nullable(),
  evidence: z.array(member).min(1, 'contains no member'),
})
type MemberDocument = z.infer<typeof member>

/** Deeper than any evidence that Entente writes. Code that recurses over it could overflow the stack. */
const MAX_DEPTH = 100

/**
 * @param path the name of the file, for errors
 * @param now the instant at which the roots are judged
 * @throws FederationError evidence-malformed with the position in the document, also for another federation or an unknown member
 */
export function parseEvidence(body: Uint8Array, path: string, federation: Federation, now: Date): EvidenceRead {
  const wrong = (where: string, message: string, cause?: unknown): FederationError =>
    new FederationError('evidence-malformed', where === '' ? path : `${path}: ${where}`, message, {
      hint: 'ask its owner to create it again: entente verify -o evidence > FILE',
      cause,
    })
  const doc = json(body, wrong)
  const parsed = document.safeParse(doc)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue?.path.join('.') ?? ''
    throw where === 'evidence' && issue?.code === 'invalid_type'
      ? wrong('', 'contains verdicts but no observations: it is the output of verify -o json')
      : wrong(where, issue?.message ?? 'is not evidence')
  }
  const { at, record, evidence } = parsed.data
  if (parsed.data.federation !== federation.name)
    throw wrong('', `is from federation ${parsed.data.federation}; this federation is ${federation.name}`)
  const observed = evidence.map((one, i): readonly [MemberName, ObservedMember] => {
    const known = federation.members.get(one.member as MemberName)
    if (known === undefined) throw wrong(`evidence.${i}`, `is about ${one.member}, which is not a member of ${federation.name}`)
    if (known.trustDomain !== one.trustDomain)
      throw wrong(`evidence.${i}`, `has trust domain ${one.trustDomain} for ${known.name}; the federation file says ${known.trustDomain}`)
    const failed = (field: string, cause: unknown): FederationError =>
      wrong(`evidence.${i}.${field}`, cause instanceof Error ? cause.message : String(cause), cause)
    return [known.name, { member: known, namespaces: one.namespaces, observation: observationOf(one, now, failed) }]
  })
  return { at, record: (record ?? undefined) as Digest | undefined, observed: new Map(observed) }
}

function json(body: Uint8Array, wrong: (where: string, message: string, cause?: unknown) => FederationError): unknown {
  let doc: unknown
  try {
    doc = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw wrong('', `is not JSON: ${cause instanceof Error ? cause.message : cause}`, cause)
  }
  if (depthOf(doc) > MAX_DEPTH) throw wrong('', 'is nested too deeply')
  return doc
}

/** Counts level by level, without recursion: deep nesting would overflow the stack. */
function depthOf(doc: unknown): number {
  let level: unknown[] = [doc]
  for (let depth = 0; ; depth++) {
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
    if (level.length === 0 || depth > MAX_DEPTH) return depth
  }
}

function observationOf(one: MemberDocument, now: Date, failed: (field: string, cause: unknown) => FederationError): Observation {
  // JSON has no undefined: an optional field of zod is absent.
  const configs = one.configs as unknown as readonly ProxyConfig[]
  const proxies = mapped(one.proxies, (all) =>
    all.map(({ config, ...rest }, i): Evidence => {
      if (config === undefined) return rest as Evidence
      const shared = configs[config]
      if (shared === undefined) throw failed(`proxies.value.${i}.config`, 'is not an index of configs')
      return { ...(rest as Evidence), config: shared }
    }),
  )
  const own = mapped(one.own, (bundle): Bundle => {
    try {
      return parseBundle(one.trustDomain as TrustDomain, Buffer.from(JSON.stringify(bundle)), { now, format: 'spiffe', tolerate: 'dates' })
    } catch (cause) {
      throw failed('own', cause)
    }
  })
  return {
    objects: one.objects as Seen<readonly Manifest[]>,
    own,
    ...(one.ownSince === null ? {} : { ownSince: one.ownSince }),
    istio: one.istio as unknown as Seen<IstioFacts>,
    ...(one.pods === null ? {} : { pods: one.pods as Seen<readonly Manifest[]> }),
    proxies,
  }
}

const mapped = <T, U>(part: { ok: true; value: T } | { ok: false; error: Finding }, read: (value: T) => U): Seen<U> =>
  part.ok ? { ok: true, value: read(part.value) } : part
