/**
 * `accept-invitation`: checks that the endpoint of an invitation serves exactly its roots, and approves them for a member
 * without a cluster. It opens nothing: `trust` in the federation file does.
 */
import { DAY_MS } from '../../core/basics/day.ts'
import { sameSet } from '../../core/basics/same-set.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { comparisonNumber, type Side, sameNumber } from '../../core/exchange/comparison-number.ts'
import { type Invitation, type InvitationDocument, parseInvitation } from '../../core/exchange/invitation.ts'
import { endpointOf } from '../../core/exchange/publication.ts'
import { type Member, type MemberName, memberOfDomain } from '../../core/model/wanted.ts'
import { seversOn } from '../../core/record/severs.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { parseBundle } from '../../core/spiffe/parse-bundle.ts'
import { parseFingerprint } from '../../core/x509/anchor.ts'
import { type AcceptPorts, accept } from '../approve/accept.ts'
import { type DesiredPorts, readDesired } from '../desired.ts'
import { memberName } from '../init/member-name.ts'
import type { Desired } from '../ports-desired.ts'
import type { ComparisonNumber } from '../questions.ts'
import type { Ports } from '../use-case.ts'
import { approvedRoots, invitationFrom, isPublisher } from './invite.ts'

export interface AcceptInvitationInput {
  readonly file: string
  readonly text: string
  /** The name of the new member; absent: the first label of the trust domain. */
  readonly as?: string
  /** The partner's comparison number, as its owner read it out. */
  readonly comparison?: string
  /** Or every root of the invitation. */
  readonly fingerprint?: readonly string[]
  readonly reason: string
}

export interface AcceptedInvitation {
  readonly invitation: Invitation
  /** True: it was accepted before, and nothing was changed. */
  readonly already: boolean
  readonly numbers: readonly ComparisonNumber[]
  /** For the way back; absent if our mesh does not publish, or nothing was changed. */
  readonly answer?: InvitationDocument
}

const ANSWER_VALID_MS = 7 * DAY_MS

/**
 * @throws FederationError invitation-invalid, -expired, -misdirected, -differs, -severed, comparison-differs, endpoint-*,
 *   bundle-refused, fingerprint-mismatch, not-confirmed: then nothing was changed
 */
export async function acceptInvitation(
  ports: DesiredPorts & AcceptPorts & Pick<Ports, 'endpoints'>,
  input: AcceptInvitationInput,
): Promise<AcceptedInvitation> {
  const invitation = parseInvitation(input.text, input.file)
  const desired = await readDesired(ports)
  const own = receiverOf(desired, invitation, input.file)
  const numbers = numbersOf(desired, own, invitation)
  if (desired.record.invitations.has(invitation.id)) return { invitation, already: true, numbers }
  mustBeAcceptable(desired, invitation, input.file, ports.now())
  const agreed = agreedBefore(invitation, input)
  const bundle = await serves(ports, invitation)
  const { trustDomain, endpoint } = invitation
  const member = memberFor(desired, invitation, input.as)
  if (!agreed) await ports.agree({ kind: 'accept-invitation', numbers })
  const offer = { bundle, source: `invitation ${input.file}` }
  const beforehand = async (): Promise<void> => void (await ports.desired.addPartner({ name: member.name, trustDomain, endpoint }))
  // The file is written before the record, which says for ever that the invitation was accepted.
  const consenting = { ...ports, agree: async () => true }
  await accept(consenting, desired, member, offer, { reason: input.reason, invitation: invitation.id }, beforehand)
  const until = new Date(ports.now().getTime() + ANSWER_VALID_MS)
  const answer =
    isPublisher(own) && invitation.answers === undefined
      ? invitationFrom(desired, own, trustDomain, until, invitation.id).document
      : undefined
  return { invitation, already: false, numbers, ...(answer === undefined ? {} : { answer }) }
}

/** Our member that the invitation is for. */
function receiverOf({ federation }: Desired, invitation: Invitation, file: string): Member {
  const homes = [...federation.members.values()].filter(({ home }) => home !== undefined)
  const of = (domain: string) => homes.find(({ trustDomain, aliases }) => [trustDomain, ...aliases].some((one) => one === domain))
  const own = of(invitation.for)
  const ours = homes.map(({ trustDomain }) => trustDomain).join(', ')
  const refuse = (why: string): never => {
    throw new FederationError('invitation-misdirected', file, `${why}; nothing was changed`, {
      hint: `ask its owner for one for your trust domain: entente invite --for ${ours || 'DOMAIN'}`,
    })
  }
  if (own === undefined) return refuse(`is for ${invitation.for}, and the trust domains with a cluster here are ${ours || 'none'}`)
  return of(invitation.trustDomain) === undefined ? own : refuse(`is from ${invitation.trustDomain}, which has a cluster here`)
}

/** Ordered by trust domain, so that both owners see the same list. */
function numbersOf(desired: Desired, own: Member, { trustDomain, roots, endpoint }: Invitation): readonly ComparisonNumber[] {
  const ours: Side = {
    trustDomain: own.trustDomain,
    roots: approvedRoots(desired, own),
    ...(own.publish === undefined ? {} : { endpoint: endpointOf(own, own.publish) }),
  }
  return [ours, { trustDomain, roots, endpoint }]
    .map((side) => ({ trustDomain: side.trustDomain, number: comparisonNumber(side) }))
    .sort((one, other) => (one.trustDomain < other.trustDomain ? -1 : 1))
}

function mustBeAcceptable({ federation, record }: Desired, { trustDomain, notAfter }: Invitation, file: string, now: Date): void {
  if (notAfter <= now)
    throw new FederationError('invitation-expired', file, `was valid until ${notAfter.toISOString()}; nothing was changed`, {
      hint: 'ask its owner for a new one',
    })
  const member = memberOfDomain(federation, trustDomain)
  if (member === undefined) return
  const severs = seversOn(record, federation)
  const standings = [...federation.members.values()].flatMap((truster) => severs(truster, member)?.state ?? [])
  if (!federation.severed.some(({ trusted }) => trusted === member.name) && standings.every((state) => state !== 'severed')) return
  throw new FederationError(
    'invitation-severed',
    file,
    `a trust in ${trustDomain} is severed, and an invitation never lifts a sever; nothing was changed`,
    {
      hint: `entente sever --lift TRUSTER ${member.name} --reason "WHY"`,
    },
  )
}

/** True if the person compared the number or the fingerprints beforehand. `--yes` alone never suffices. */
function agreedBefore(invitation: Invitation, { comparison, fingerprint, file }: AcceptInvitationInput): boolean {
  if (comparison !== undefined) {
    if (sameNumber(comparison, comparisonNumber(invitation))) return true
    throw new FederationError('comparison-differs', file, `its comparison number is not ${comparison}; nothing was changed`, {
      hint: 'read the number of their trust domain again with the owner, over the telephone',
    })
  }
  if (fingerprint === undefined) return false
  const given = new Set(fingerprint.map(parseFingerprint))
  if (given.size === invitation.roots.length && invitation.roots.every((root) => given.has(root))) return true
  throw new FederationError('fingerprint-mismatch', file, 'its roots are not exactly those given with --fingerprint; nothing was changed', {
    hint: 'get the fingerprints from the owner over another channel, then pass each with --fingerprint sha256:…',
  })
}

/**
 * The bundle that the endpoint serves. The first connection is not verified: its body only counts if it has exactly the
 * invited roots. The second one is verified under them.
 */
async function serves({ endpoints, now }: Pick<Ports, 'endpoints' | 'now'>, { trustDomain, roots, endpoint }: Invitation): Promise<Bundle> {
  const exactly = (body: Uint8Array): Bundle => {
    const bundle = parseBundle(trustDomain, body, { now: now() })
    const served = bundle.anchors.map(({ fingerprint }) => fingerprint)
    if (sameSet(served, roots)) return bundle
    throw new FederationError(
      'invitation-differs',
      endpoint.url,
      `serves ${served.join(', ') || 'no root'}, and the invitation names ${roots.join(', ')}; nothing was changed`,
      { hint: 'call the owner; if the roots changed since, ask for a new invitation' },
    )
  }
  if (endpoint.profile === 'https_web') return exactly((await endpoints.fetch(endpoint)).body)
  const endpointBundle = exactly(await endpoints.fetchUnverified(endpoint.url))
  return exactly((await endpoints.fetch({ ...endpoint, endpointBundle })).body)
}

/** The member that the file has, with the new endpoint, or a new member. */
function memberFor({ federation }: Desired, { trustDomain, endpoint }: Invitation, as: string | undefined): Member {
  const known = memberOfDomain(federation, trustDomain)
  if (known !== undefined) return { ...known, bundleEndpoint: endpoint }
  const name = (as ?? memberName(trustDomain.split('.')[0] ?? trustDomain)) as MemberName
  if (federation.members.has(name))
    throw new FederationError('usage', '--as', `the federation file has a member ${name} already; nothing was changed`, {
      hint: 'choose another name: --as NAME',
    })
  return { name, trustDomain, aliases: [], istioNamespace: 'istio-system', bundleEndpoint: endpoint }
}
