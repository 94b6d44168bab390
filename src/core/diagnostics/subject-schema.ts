/** The JSON form of a subject. Separate from subject.ts, so that printing a finding does not load zod. */
import * as z from 'zod'
import type { Subject } from './subject.ts'

const text = z.string()
const member = { member: text.exactOptional().meta({ description: 'The member whose mesh it is in' }) }

export const subject = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('member'), member: text }).readonly(),
  z.strictObject({ kind: z.literal('trust'), truster: text, trusted: text }).readonly(),
  z.strictObject({ kind: z.literal('scope'), ...member, scope: text.meta({ description: 'A set of workloads' }) }).readonly(),
  z
    .strictObject({
      kind: z.literal('object'),
      ...member,
      object: z.strictObject({ kind: text, namespace: text.exactOptional(), name: text }).readonly(),
      scope: text.exactOptional().meta({ description: 'The workloads that the finding is limited to' }),
    })
    .readonly(),
  z
    .strictObject({ kind: z.literal('proxy'), ...member, proxies: z.array(text.meta({ description: 'POD.NAMESPACE' })).readonly() })
    .readonly(),
  z.strictObject({ kind: z.literal('istiod'), ...member, istiod: text }).readonly(),
  z.strictObject({ kind: z.literal('host'), ...member, host: text }).readonly(),
  z.strictObject({ kind: z.literal('trust-domain'), ...member, trustDomain: text }).readonly(),
  z.strictObject({ kind: z.literal('root'), ...member, trustDomain: text, fingerprint: text }).readonly(),
  z.strictObject({ kind: z.literal('file'), ...member, file: text, line: z.number().int().exactOptional() }).readonly(),
  z
    .strictObject({ kind: z.literal('input'), ...member, part: text.meta({ description: 'file (all of it), block 2, key 3, leaf' }) })
    .readonly(),
  z.strictObject({ kind: z.literal('other'), ...member, text }).readonly(),
]) satisfies z.ZodType<Subject>
