/**
 * The schemas of a federation file and of a file that it includes: the fields, and the syntax of each. expand/ turns what is
 * short into entries of `trust`; parse.ts checks the fields against each other.
 */

import * as z from 'zod'
import { endOf } from '../basics/day.ts'
import { API_VERSION } from '../model/api-version.ts'
import { exchangeFields } from './exchange-fields.ts'
import { MAX_INCLUDES } from './expand/included.ts'

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const label = (what: string) => z.string().regex(LABEL, `${what} must be a DNS label: a-z 0-9 -, at most 63 characters`)
const selector = z
  .record(
    z.string().regex(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'not a label key'),
    z
      .string()
      .regex(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/, 'not a label value; if YAML reads it as a number or boolean, quote it'),
  )
  .refine(
    (labels) => !('entente.dev/mounted' in labels),
    'remove entente.dev/mounted: Entente adds this label itself where it selects pods with the mount',
  )
const HOST = /^(\*|(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?)$/
const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day: YYYY-MM-DD')
  .refine((day) => endOf(day) !== undefined, 'no such day')

const distribution = z.enum(['pinned', 'mounted', 'mesh', 'anchors'])
const mtls = z.enum(['enforce', 'require', 'permissive'])
const serviceAccount = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'a service account must be a DNS name: a-z 0-9 - . , at most 253 characters')
const place = { namespace: label('a namespace').optional(), selector: selector.optional(), serviceAccount: serviceAccount.optional() }

/** The account of a caller or server, without its trust domain: that of the trusted member. */
const identity = z.strictObject({ namespace: label('a namespace'), serviceAccount })
const principals = (empty?: string) => z.array(z.union([z.string(), identity])).min(1, empty)

const callEnd = z.union([
  z.string().regex(/^[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/, 'must be MEMBER/NAMESPACE/NAME, such as cluster-b/sample/server'),
  z.strictObject({ member: label('a member name'), namespace: label('a namespace'), serviceAccount, selector: selector.optional() }),
])
const calls = z
  .array(z.strictObject({ from: callEnd, to: callEnd, hosts: z.array(z.string()).min(1).optional(), mtls: mtls.optional() }))
  .nullish()

/** A file that `spec.include` names: calls of some namespaces, and nothing else. */
export const includedSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('Calls'),
  spec: z.strictObject({ calls }),
})

export const schema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('Federation'),
  metadata: z.strictObject({ name: label('the name') }),
  spec: z.strictObject({
    members: z
      .array(
        z.strictObject({
          name: label('a member name'),
          trustDomain: z.string(),
          trustDomainAliases: z.array(z.string()).optional(),
          network: z.string().optional(),
          cluster: z.strictObject({ context: z.string().min(1).optional(), directory: z.string().min(1).optional() }).optional(),
          istio: z.strictObject({ namespace: label('a namespace').optional(), crl: z.literal('ignore').optional() }).optional(),
          kubeletSync: z
            .string()
            .regex(/^[1-9]\d{0,3}s$/, 'must be seconds, such as 60s')
            .optional(),
          ...exchangeFields,
        }),
      )
      .min(1),
    groups: z.array(z.strictObject({ name: label('a group name'), members: z.array(z.string()).min(1) })).nullish(),
    defaults: z
      .strictObject({ distribution: distribution.extract(['pinned', 'mounted']).optional(), until: date.optional(), mtls: mtls.optional() })
      .nullish(),
    include: z
      .array(z.strictObject({ path: z.string().min(1), namespaces: z.array(label('a namespace')).min(1) }))
      .max(MAX_INCLUDES, `names more than ${MAX_INCLUDES} files`)
      .nullish(),
    calls,
    trust: z
      .array(
        z.strictObject({
          truster: z.string(),
          trusted: z.string(),
          distribution: distribution.optional(),
          until: date.optional(),
          accept: z
            .array(
              z.strictObject({
                ...place,
                mtls: mtls.optional(),
                ports: z.record(z.string(), z.enum(['permissive', 'disable'])).optional(),
                gateway: z
                  .array(
                    z.strictObject({
                      port: z.number().int().min(1).max(65535),
                      host: z.string().regex(HOST, 'not a host name').optional(),
                    }),
                  )
                  .min(1)
                  .optional(),
                callers: z.union([z.literal('all'), principals('name a caller, or remove the entry: Entente accepts only named callers')]),
              }),
            )
            .optional(),
          reach: z
            .array(
              z.strictObject({
                ...place,
                services: z.array(z.strictObject({ host: z.string(), servedBy: principals().optional() })).min(1),
              }),
            )
            .optional(),
        }),
      )
      .nullish(),
    expect: z
      .array(
        z.strictObject({
          code: z.string(),
          member: z.string().optional(),
          subject: z.string().optional(),
          reason: z.string().min(1),
          until: date,
        }),
      )
      .nullish(),
    severed: z
      .array(z.strictObject({ truster: z.string(), trusted: z.string(), at: z.iso.datetime({ offset: true }), reason: z.string().min(1) }))
      .nullish(),
  }),
})

/** The federation file as its owner wrote it. */
export type WrittenDocument = z.infer<typeof schema>
export type WrittenTrust = NonNullable<WrittenDocument['spec']['trust']>[number]
export type WrittenCall = NonNullable<z.infer<typeof calls>>[number]
export type WrittenEnd = z.infer<typeof callEnd>
