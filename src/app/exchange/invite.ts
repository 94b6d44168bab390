/** `invite`: the public facts about our mesh that a partner needs to trust it, as one file. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { comparisonNumber } from '../../core/exchange/comparison-number.ts'
import { type InvitationDocument, printInvitation } from '../../core/exchange/invitation.ts'
import { endpointOf } from '../../core/exchange/publication.ts'
import type { Member, Publication } from '../../core/model/wanted.ts'
import { parseTrustDomain, type TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { usable } from '../approve/offer.ts'
import { type DesiredPorts, memberOf, readDesired } from '../desired.ts'
import type { Desired } from '../ports-desired.ts'
import type { ComparisonNumber } from '../questions.ts'

export interface InviteInput {
  /** The trust domain of the partner. */
  readonly for: string
  /** Our member; absent if only one member publishes. */
  readonly member?: string
  readonly validMs: number
}

export interface Invited {
  readonly document: InvitationDocument
  readonly number: ComparisonNumber
}

/** @throws FederationError usage, trust-domain-invalid, bundle-refused */
export async function invite(ports: DesiredPorts, input: InviteInput): Promise<Invited> {
  const desired = await readDesired(ports)
  const domain = parseTrustDomain(input.for)
  const member = publisherIn(desired, input.member)
  if ([member.trustDomain, ...member.aliases].includes(domain))
    throw new FederationError('usage', '--for', `${domain} is a trust domain of ${member.name} itself`, {
      hint: "name the partner's trust domain",
    })
  return invitationFrom(desired, member, domain, new Date(ports.now().getTime() + input.validMs))
}

export type Publisher = Member & { readonly publish: Publication }
export const isPublisher = (member: Member): member is Publisher => member.publish !== undefined

function publisherIn({ federation }: Desired, name: string | undefined): Publisher {
  const publishers = (name === undefined ? [...federation.members.values()] : [memberOf(federation, name)]).filter(isPublisher)
  const [first, ...others] = publishers
  if (first !== undefined && others.length === 0) return first
  const why = first === undefined ? 'does not publish its bundle' : `${publishers.length} members publish: name one with --member`
  throw new FederationError('usage', name ?? 'this federation', why, {
    hint:
      first === undefined
        ? 'add publish to your member in the federation file, then: entente publish MEMBER'
        : 'entente invite --for DOMAIN --member MEMBER',
  })
}

/** @param answers the id of the invitation that this one answers */
export function invitationFrom(desired: Desired, member: Publisher, to: TrustDomain, notAfter: Date, answers?: string): Invited {
  const { trustDomain, publish } = member
  const roots = approvedRoots(desired, member)
  const endpoint = endpointOf(member, publish)
  const document = printInvitation({ trustDomain, roots, endpoint, for: to, notAfter, ...(answers === undefined ? {} : { answers }) })
  return { document, number: { trustDomain, number: comparisonNumber({ trustDomain, roots, endpoint }) } }
}

/** The roots of our own mesh that are approved in the file and on the record. @throws FederationError bundle-refused if there is none */
export function approvedRoots(desired: Desired, { name, trustDomain }: Member) {
  const recorded = desired.record.domains.get(trustDomain)?.newest?.roots
  const anchors = usable(desired).get(trustDomain)?.anchors ?? []
  const roots = anchors.flatMap(({ fingerprint }) => (recorded?.has(fingerprint) ? [fingerprint] : []))
  if (roots.length > 0) return roots
  throw new FederationError('bundle-refused', name, `no root of ${trustDomain} is approved`, {
    hint: `entente approve ${name} --reason "WHY"`,
  })
}
