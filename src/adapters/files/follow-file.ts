/** `following.json` beside the federation file: what `follow` keeps between two fetches. It is a cache; do not commit it. */
import { join } from 'node:path'
import * as z from 'zod'
import type { FollowMemories, FollowMemory } from '../../app/ports-desired.ts'
import { subject } from '../../core/diagnostics/subject-schema.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { readIfThere, writeAtomically } from './write-files.ts'

const MAX_BYTES = 64 * 1024 * 1024
const date = z.iso.datetime().transform((text) => new Date(text))
const fingerprint = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const finding = z.strictObject({
  code: z.string(),
  severity: z.enum(['error', 'warning', 'info']),
  subject: z.string(),
  about: subject,
  message: z.string(),
  hint: z.string(),
})
const memory = z.strictObject({
  endpoint: z.strictObject({ profile: z.enum(['https_web', 'https_spiffe']), url: z.string(), endpointId: z.string().optional() }),
  watched: z
    .strictObject({
      roots: z.array(fingerprint),
      sequence: z
        .string()
        .regex(/^\d{1,20}$/)
        .transform(BigInt),
      since: date,
      last: date,
      running: z.boolean(),
      certificates: z.array(fingerprint),
    })
    .optional(),
  success: z
    .strictObject({
      at: date,
      decision: z.union([
        z.strictObject({ kind: z.enum(['same', 'approve']) }),
        z.strictObject({ kind: z.literal('hold'), until: date, missing: z.number() }),
        z.strictObject({ kind: z.literal('person'), reason: z.string() }),
        z.strictObject({ kind: z.literal('refuse'), findings: z.array(finding) }),
      ]),
    })
    .optional(),
  failure: z.strictObject({ at: date, finding }).optional(),
  chain: z.array(z.string().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))).optional(),
  refreshHintSeconds: z.number().optional(),
})
const file = z.strictObject({ kind: z.literal('Following'), domains: z.record(z.string(), memory) })

export function followFile(directory: string): FollowMemories {
  const path = join(directory, 'following.json')
  return {
    read: async () => parse(await readIfThere(path, MAX_BYTES)),
    write: (memories) => writeAtomically(path, `${JSON.stringify({ kind: 'Following', domains: Object.fromEntries(memories) }, asJson)}\n`),
  }
}

const asJson = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value

/** A damaged file, or one of another version, counts as none: then every hold starts again. */
function parse(bytes: Uint8Array | undefined): ReadonlyMap<TrustDomain, FollowMemory> {
  try {
    const read = file.safeParse(JSON.parse(Buffer.from(bytes ?? []).toString('utf8')))
    return new Map(Object.entries(read.data?.domains ?? {}) as unknown as [TrustDomain, FollowMemory][])
  } catch {
    return new Map()
  }
}
