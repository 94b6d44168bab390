/**
 * The fields of a record entry, by action. The table is closed: an entry with an unknown action, an unknown field or
 * without a required field is rejected. A version that skipped unknown entries could skip a sever.
 */
import * as z from 'zod'
import type { Change, Gate } from '../model/planned.ts'
import type { AuditDraft } from '../model/recorded.ts'

const text = z.string()
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'is not sha256: and 64 hex digits')
const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a name')
const trustDomain = z.string().regex(/^[a-z0-9._-]{1,255}$/, 'is not a trust domain')
/** Only the form of `Date.toISOString`: each instant has one text, so printing an entry again gives the same bytes. */
const instant = z.string().refine((at) => !Number.isNaN(Date.parse(at)) && new Date(at).toISOString() === at, 'is not an instant')
/** `spiffe_sequence`: 64 bits (go-spiffe), which a JavaScript number cannot hold exactly. */
const sequence = z.string().refine((n) => /^(0|[1-9]\d{0,19})$/.test(n) && BigInt(n) < 2n ** 64n, 'is not a 64-bit number')

const change = z.strictObject({
  effect: z.enum(['widens', 'narrows']),
  of: z.enum({ root: 'root', caller: 'caller', workloads: 'workloads', host: 'host', server: 'server', names: 'names' } as const satisfies {
    readonly [K in Change['of']]: K
  }),
  trusted: trustDomain,
  what: text,
})
const step = z.strictObject({
  id: digest,
  member: label.optional(),
  object: text.optional(),
  changes: z.array(change),
  before: digest.nullable().optional(),
  after: digest.nullable().optional(),
})
const home = z.strictObject({
  member: label,
  trustDomain,
  aliases: z.array(trustDomain).optional(),
  istioNamespace: label,
  context: text.optional(),
  directory: text.optional(),
  continues: z.literal(true).optional(),
})
const gate = z.strictObject({
  needs: z.enum({ held: 'held', unused: 'unused', apart: 'apart' } as const satisfies { readonly [K in Gate['needs']]: K }),
  root: digest,
  open: z.boolean(),
  waitingFor: z.array(text),
})
const finding = z.strictObject({ code: text, severity: z.enum(['error', 'warning', 'info']), subject: text, message: text, hint: text })

const ACTIONS = {
  approve: {
    trustDomain,
    roots: z.array(digest),
    source: text,
    sequence: sequence.optional(),
    sequenceReset: z.literal(true).optional(),
    endpoint: z
      .discriminatedUnion('profile', [
        z.strictObject({ profile: z.literal('https_web'), url: text }),
        z.strictObject({ profile: z.literal('https_spiffe'), url: text, endpointId: text }),
      ])
      .optional(),
    invitation: text.optional(),
  },
  offer: { trustDomain, roots: z.array(digest), sequence: sequence.optional() },
  refuse: { trustDomain, roots: z.array(digest) },
  begin: {
    plan: digest,
    steps: z.array(step),
    evidence: z.array(z.strictObject({ member: label, digest, at: instant })).optional(),
    homes: z.array(home).optional(),
  },
  end: { begin: digest, done: z.array(digest), stopped: finding.optional() },
  override: { gate },
  rotate: { trustDomain, to: z.array(digest) },
  // Older versions of Entente wrote no domains.
  sever: { truster: label, trusted: label, trusterDomain: trustDomain.optional(), trustedDomain: trustDomain.optional() },
  lift: { truster: label, trusted: label, trusterDomain: trustDomain, trustedDomain: trustDomain },
  remove: { member: label, context: text.optional(), directory: text.optional(), unseen: z.literal(true).optional() },
} satisfies Record<AuditDraft['action'], z.ZodRawShape>

const common = {
  seq: z.number().int().min(1),
  prev: digest,
  hash: digest,
  at: instant,
  actor: z.strictObject({ name: text, via: z.enum(['os', 'git', 'kubernetes', 'token', 'endpoint']), claimed: text.optional() }),
  reason: text,
}
const SCHEMAS: ReadonlyMap<string, z.ZodType> = new Map(
  Object.entries(ACTIONS).map(([action, members]) => [action, z.strictObject({ action: z.literal(action), ...common, ...members })]),
)

/** The problem with the entry, as a predicate (`has no truster`); undefined if it has the form of its action. */
export function misfit(entry: object): string | undefined {
  const action: unknown = 'action' in entry ? entry.action : undefined
  const schema = typeof action === 'string' ? SCHEMAS.get(action) : undefined
  if (schema === undefined) return `has an action that this version does not know: ${JSON.stringify(action ?? null).slice(0, 80)}`
  const issue = schema.safeParse(entry).error?.issues[0]
  if (issue === undefined) return undefined
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  return `does not have the form of action ${action}: ${where}${issue.message}`.slice(0, 300)
}
