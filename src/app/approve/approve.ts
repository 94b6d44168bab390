/** `approve`: records that the owner vouches for a member's roots. Only an approval turns an offer into an approved bundle. */

import type { Member } from '../../core/model/wanted.ts'
import { seversOn } from '../../core/record/severs.ts'
import { sameEndpoint } from '../../core/spiffe/endpoint.ts'
import type { Fingerprint } from '../../core/x509/anchor.ts'
import { type DesiredPorts, memberOf, readDesired } from '../desired.ts'
import { InputError } from '../input-error.ts'
import type { Desired } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { type Accepting, type AcceptPorts, accept, checkFingerprints } from './accept.ts'
import { highestIn, isApproved, offerOf } from './offer.ts'

export interface ApproveInput extends Accepting {
  readonly member: string
}

export interface Approval {
  readonly member: Member
  /** All roots in the bundle. */
  readonly roots: readonly Fingerprint[]
  /** True if exactly these roots were approved before, so nothing was written. */
  readonly already: boolean
}

/** @throws FederationError as `accept`; usage if sequences are to restart without a reason */
export async function approve(
  ports: DesiredPorts & AcceptPorts & Pick<Ports, 'observeCluster' | 'endpoints'>,
  input: ApproveInput,
): Promise<Approval> {
  const desired = await readDesired(ports)
  const member = memberOf(desired.federation, input.member)
  const reset = input.resetSequence === true
  if (reset && input.reason.trim() === '')
    throw new InputError('resetSequence', 'requires a reason: the record keeps why sequence numbers restart')
  const offer = await offerOf(ports, desired, member, input.sent, reset ? undefined : highestIn(desired, member))
  const roots = offer.bundle.anchors.map(({ fingerprint }) => fingerprint)
  if (isApproved(desired, offer.bundle) && !reset && !isAwaited(desired, member) && isConfirmed(desired, member)) {
    if (input.fingerprint !== undefined) checkFingerprints(offer, input, member)
    return { member, roots, already: true }
  }
  await accept(ports, desired, member, offer, input)
  return { member, roots, already: false }
}

/** True if a sever of it was lifted: earlier approvals open nothing for that truster. */
const isAwaited = ({ record, federation }: Desired, member: Member): boolean => {
  const severs = seversOn(record, federation)
  return [...federation.members.values()].some((truster) => severs(truster, member)?.state === 'lifted')
}

/** True if persons approved all of its roots, and the bundle endpoint that the file names. */
function isConfirmed({ record }: Desired, { trustDomain, bundleEndpoint }: Member): boolean {
  const { newest, confirmed, byPerson } = record.domains.get(trustDomain) ?? {}
  const endpoint = byPerson?.endpoint
  return (
    [...(newest?.roots ?? [])].every((root) => confirmed?.has(root)) &&
    (bundleEndpoint === undefined || (endpoint !== undefined && sameEndpoint(endpoint, bundleEndpoint)))
  )
}
