/** Roots that are offered for a member: which they are, and which of them are approved already. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Member } from '../../core/model/wanted.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import type { EndpointAddress } from '../../core/spiffe/endpoint.ts'
import { parseBundle } from '../../core/spiffe/parse-bundle.ts'
import { sequenceAfter } from '../../core/spiffe/sequence.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Desired } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'

/** A bundle as its owner sent it. */
export interface SentBundle {
  /** The name that the record uses for it. */
  readonly name: string
  readonly read: () => Promise<Uint8Array>
}

export interface Offer {
  readonly bundle: Bundle
  readonly source: string
  /** The chain that the member's CA issues now, if Entente could read it. */
  readonly presented?: readonly Uint8Array[]
  /** True if it is the approved bundle with fewer roots, not a published bundle: its sequence number proves nothing. */
  readonly fewer?: boolean
  /** True if a person must name every root, because no owner's own cluster vouches for them. */
  readonly named?: boolean
}

/**
 * The bundle that the owner sent, or else the roots in the member's own cluster, or else those that its bundle endpoint
 * serves.
 * @param highest of the sequences approved so far; the roots from the member's own cluster get the next one
 * @throws FederationError usage, bundle-malformed, bundle-refused; or the error that prevented reading the cluster
 */
export async function offerOf(
  { observeCluster, endpoints, now }: Pick<Ports, 'observeCluster' | 'endpoints' | 'now'>,
  desired: Desired,
  member: Member,
  sent: SentBundle | undefined,
  highest: bigint | undefined,
): Promise<Offer> {
  if (sent !== undefined) return { bundle: parseBundle(member.trustDomain, await sent.read(), { now: now() }), source: `file ${sent.name}` }
  const context = member.home?.context
  if (context === undefined && member.bundleEndpoint !== undefined)
    return published(endpoints, desired, member, member.bundleEndpoint, now())
  if (context === undefined) {
    throw new FederationError('usage', about.member(member.name), 'has no cluster here from which Entente could read its roots', {
      hint: `entente approve ${member.name} --bundle FILE --fingerprint sha256:…`,
    })
  }
  const { istio, own } = await observeCluster(context, member.istioNamespace)
  if (istio.trustDomain !== member.trustDomain) {
    throw new FederationError(
      'bundle-refused',
      about.member(member.name),
      `its mesh has trust domain ${istio.trustDomain}, the federation file says ${member.trustDomain}`,
      { hint: 'correct the federation file' },
    )
  }
  const { presented } = istio
  const sequence = sequenceAfter(highest)
  return {
    bundle: { ...own, ...(sequence === undefined ? {} : { sequence }) },
    source: `cluster ${context}`,
    ...(presented.ok && { presented: presented.value }),
  }
}

/** The endpoint is verified by the roots that are approved already, so it can vouch for more. A person compares them all the same. */
async function published(
  endpoints: Ports['endpoints'],
  desired: Desired,
  { trustDomain }: Member,
  endpoint: EndpointAddress,
  now: Date,
): Promise<Offer> {
  const endpointBundle = usable(desired).get(trustDomain) ?? { trustDomain, anchors: [] }
  const { body } = await endpoints.fetch(endpoint.profile === 'https_web' ? endpoint : { ...endpoint, endpointBundle })
  return { bundle: parseBundle(trustDomain, body, { now }), source: `endpoint ${endpoint.url}`, named: true }
}

/** The bundles that could be read. */
export const usable = ({ approved }: Pick<Desired, 'approved'>): ReadonlyMap<TrustDomain, Bundle> =>
  new Map([...approved].flatMap(([domain, seen]) => (seen.ok ? [[domain, seen.value] as const] : [])))

/** The highest approved sequence: of the record, or of the approved bundle if the record has none (older records do not). */
export const highestIn = (desired: Desired, { trustDomain }: Member): bigint | undefined =>
  desired.record.domains.get(trustDomain)?.recorded?.highest ?? usable(desired).get(trustDomain)?.sequence

/** True if exactly these roots are in the approved bundle and in the record. */
export function isApproved(desired: Desired, bundle: Bundle): boolean {
  const held = new Set(
    usable(desired)
      .get(bundle.trustDomain)
      ?.anchors.map((anchor) => anchor.fingerprint),
  )
  const recorded = desired.record.domains.get(bundle.trustDomain)?.newest?.roots
  return (
    held.size > 0 &&
    bundle.anchors.length === held.size &&
    bundle.anchors.every(({ fingerprint }) => held.has(fingerprint) && recorded?.has(fingerprint))
  )
}
