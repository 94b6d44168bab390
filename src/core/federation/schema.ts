/** The schema of a federation file: its fields and the syntax of each. parse.ts checks the fields against each other. */

import { z } from 'zod'
import { endOf } from '../basics/day.ts'
import { API_VERSION } from '../model/api-version.ts'

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
const place = { namespace: label('a namespace').optional(), selector: selector.optional() }
const HOST = /^(\*|(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?)$/
const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day: YYYY-MM-DD')
  .refine((day) => endOf(day) !== undefined, 'no such day')

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
        }),
      )
      .min(1),
    trust: z
      .array(
        z.strictObject({
          truster: z.string(),
          trusted: z.string(),
          distribution: z.enum(['pinned', 'mounted', 'mesh', 'anchors']),
          until: date.optional(),
          accept: z
            .array(
              z.strictObject({
                ...place,
                mtls: z.enum(['enforce', 'require', 'permissive']),
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
                callers: z.union([
                  z.literal('all'),
                  z.array(z.string()).min(1, 'name a caller, or remove the entry: Entente accepts only named callers'),
                ]),
              }),
            )
            .optional(),
          reach: z
            .array(
              z.strictObject({
                ...place,
                services: z.array(z.strictObject({ host: z.string(), servedBy: z.array(z.string()).min(1).optional() })).min(1),
              }),
            )
            .optional(),
        }),
      )
      .nullish(),
    severed: z
      .array(z.strictObject({ truster: z.string(), trusted: z.string(), at: z.iso.datetime({ offset: true }), reason: z.string().min(1) }))
      .nullish(),
  }),
})
export type Document = z.infer<typeof schema>
export type TrustEntry = NonNullable<Document['spec']['trust']>[number]
