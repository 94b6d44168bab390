/** The long form of a federation file: what the short forms expand to. Nothing but this reaches the rest of Entente. */
import type { WrittenDocument, WrittenTrust } from '../schema.ts'

type WrittenAccept = NonNullable<WrittenTrust['accept']>[number]
type WrittenReach = NonNullable<WrittenTrust['reach']>[number]
type WrittenService = WrittenReach['services'][number]

/** Callers and servers are principals with their trust domain: `cluster-a.example/ns/sample/sa/client`. */
export type AcceptEntry = Omit<WrittenAccept, 'mtls' | 'callers'> & {
  readonly mtls: NonNullable<WrittenAccept['mtls']>
  readonly callers: 'all' | readonly string[]
}
export type ServiceEntry = Omit<WrittenService, 'servedBy'> & { readonly servedBy?: readonly string[] }
export type ReachEntry = Omit<WrittenReach, 'services'> & { readonly services: readonly ServiceEntry[] }

/** One direction between two members, with the defaults filled in. */
export type TrustEntry = Omit<WrittenTrust, 'distribution' | 'accept' | 'reach'> & {
  readonly distribution: NonNullable<WrittenTrust['distribution']>
  readonly accept?: readonly AcceptEntry[]
  readonly reach?: readonly ReachEntry[]
}

/** A federation file without groups, defaults, includes and calls. It is a valid federation file itself. */
export interface LongDocument {
  readonly apiVersion: WrittenDocument['apiVersion']
  readonly kind: WrittenDocument['kind']
  readonly metadata: WrittenDocument['metadata']
  readonly spec: Pick<WrittenDocument['spec'], 'members'> & {
    readonly trust: readonly TrustEntry[]
    readonly severed: NonNullable<WrittenDocument['spec']['severed']>
    readonly expect?: NonNullable<WrittenDocument['spec']['expect']>
  }
}
