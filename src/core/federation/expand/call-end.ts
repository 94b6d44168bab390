/** The two ends of a call, and groups of members as one of them. */
import type { WrittenDocument, WrittenEnd } from '../schema.ts'

export type MemberEntry = WrittenDocument['spec']['members'][number]

/** The workloads at one end: selected by labels, identified by their service account. */
export interface CallEnd {
  /** A member or a group. */
  readonly member: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly selector?: Readonly<Record<string, string>>
}

/** `cluster-b/sample/server`: account `server`, labels `app: server`. */
export function endOfCall(written: WrittenEnd): CallEnd {
  if (typeof written !== 'string') {
    const { selector, ...end } = written
    return selector === undefined ? end : { ...end, selector }
  }
  const [member = '', namespace = '', name = ''] = written.split('/')
  return { member, namespace, serviceAccount: name, selector: { app: name } }
}

export const principalOf = (
  { trustDomain }: Pick<MemberEntry, 'trustDomain'>,
  { namespace, serviceAccount }: Pick<CallEnd, 'namespace' | 'serviceAccount'>,
): string => `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`

/** The Service that bears the name of its account, in the DNS domain that Istio uses in every cluster by default. */
export const hostOf = ({ namespace, serviceAccount }: CallEnd): string => `${serviceAccount}.${namespace}.svc.cluster.local`
