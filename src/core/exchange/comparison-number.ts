/**
 * The number that two owners read out to each other: it binds the name of a trust domain to its roots and its endpoint.
 * The iteration makes a search for two sets of roots with one number expensive, as in Signal's safety numbers.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '../model/digest.ts'
import type { EndpointAddress } from '../spiffe/endpoint.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'

export interface Side {
  readonly trustDomain: TrustDomain
  readonly roots: readonly Fingerprint[]
  /** Absent if the side publishes no bundle. */
  readonly endpoint?: EndpointAddress
}

const ITERATIONS = 5200
const GROUPS = 6
/** Five bytes give five digits, nearly evenly. */
const BYTES = 5

/** 30 digits in groups of five. The order of the roots does not matter. */
export function comparisonNumber({ trustDomain, roots, endpoint }: Side): string {
  const bytes = Buffer.from(canonicalJson({ trustDomain, roots: [...new Set(roots)].sort(), endpoint: endpoint ?? null }))
  let digest = createHash('sha256').update(bytes).digest()
  for (let i = 1; i < ITERATIONS; i++) digest = createHash('sha256').update(digest).update(bytes).digest()
  const group = (i: number): string => String(digest.readUIntBE(i * BYTES, BYTES) % 100_000).padStart(5, '0')
  return Array.from({ length: GROUPS }, (_, i) => group(i)).join(' ')
}

/** Accepts the digits with any spacing. */
export const sameNumber = (one: string, other: string): boolean => one.replace(/\D/g, '') === other.replace(/\D/g, '')
