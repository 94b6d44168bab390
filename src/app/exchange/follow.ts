/** `follow`: fetches the bundle endpoints of partners, and approves what the policy of each allows. */
import { sameSet } from '../../core/basics/same-set.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError, withSubject } from '../../core/diagnostics/finding.ts'
import { within } from '../../core/diagnostics/subject.ts'
import { offerFindings } from '../../core/exchange/follow-findings.ts'
import { type Approved, type Decision, type Fetched, type Followed, followed } from '../../core/exchange/following.ts'
import { type FollowPolicy, holderOf, type Member } from '../../core/model/wanted.ts'
import { highestOf } from '../../core/record/projection.ts'
import { seal } from '../../core/record/record.ts'
import { isSevered } from '../../core/record/severs.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { type EndpointAddress, sameEndpoint } from '../../core/spiffe/endpoint.ts'
import { inspect } from '../../core/spiffe/inspect.ts'
import { bundleMissing } from '../../core/spiffe/root-findings.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { fingerprintOf } from '../../core/x509/anchor.ts'
import { anchorOf } from '../../core/x509/chain.ts'
import { judgeOffer } from '../approve/accept.ts'
import { highestIn, usable } from '../approve/offer.ts'
import { type DesiredPorts, memberOf, readDesired } from '../desired.ts'
import type { Desired, FollowMemory } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'

export type FollowPorts = DesiredPorts & Pick<Ports, 'endpoints' | 'publicRoots'>

export interface FollowInput {
  /** Only these members; empty: every member with a bundle endpoint. */
  readonly members: readonly string[]
  /** For tests: the policy AddOnly has no hold. */
  readonly withoutHold?: boolean
}

/** What one fetch of one partner led to. */
export interface FollowedMember {
  readonly member: Followable
  readonly at: Date
  /** Absent if the fetch failed. */
  readonly decision?: Decision
  readonly findings: readonly Finding[]
  readonly refreshHintSeconds?: number
}

export type Followable = Member & { readonly bundleEndpoint: EndpointAddress }

/** At most this many fetches at once: a partner that answers slowly holds one place for at most the time of a fetch. */
export const AT_ONCE = 64

/** Fetches every endpoint once. A slow or failing endpoint delays no other one. */
export async function follow(ports: FollowPorts, { members, withoutHold = false }: FollowInput): Promise<readonly FollowedMember[]> {
  const desired = await readDesired(ports)
  const session = await Session.open(ports, withoutHold)
  const followable = followableIn(desired, members)
  const results = new Map<Member, FollowedMember>()
  const waiting = [...followable]
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.set(next, await session.follow(desired, next))
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, followable.length) }, worker))
  await session.save()
  return followable.flatMap((member) => results.get(member) ?? [])
}

/** @throws FederationError usage if the federation has no such member, or it has no bundle endpoint */
export function followableIn({ federation }: Desired, names: readonly string[]): readonly Followable[] {
  const all = names.length > 0 ? names.map((name) => memberOf(federation, name)) : [...federation.members.values()]
  const without = names.length > 0 ? all.find((member) => !hasEndpoint(member)) : undefined
  if (without !== undefined)
    throw new FederationError('usage', without.name, 'has no bundleEndpoint in the federation file', {
      hint: 'add bundleEndpoint, or accept an invitation: entente accept-invitation FILE',
    })
  return all.filter(hasEndpoint)
}

const hasEndpoint = (member: Member): member is Followable => member.bundleEndpoint !== undefined

/** What the fetches of one process share: the memory, and the order of writes to the record. */
export class Session {
  private readonly ports: FollowPorts
  private readonly memories: Map<TrustDomain, FollowMemory>
  private readonly withoutHold: boolean
  private last: Promise<unknown> = Promise.resolve()

  private constructor(ports: FollowPorts, memories: Map<TrustDomain, FollowMemory>, withoutHold: boolean) {
    this.ports = ports
    this.memories = memories
    this.withoutHold = withoutHold
  }

  static async open(ports: FollowPorts, withoutHold: boolean): Promise<Session> {
    return new Session(ports, new Map(await ports.memories.read()), withoutHold)
  }

  /** @throws FederationError file-unwritable */
  save(): Promise<void> {
    return this.inTurn(() => this.ports.memories.write(this.memories))
  }

  /** One fetch of one partner, and what follows from it. It throws nothing that the partner can cause. */
  async follow(desired: Desired, member: Followable): Promise<FollowedMember> {
    const { trustDomain, bundleEndpoint: endpoint } = member
    try {
      const offer = await fetchOffer(this.ports, desired, member)
      return await this.conclude(desired, member, offer)
    } catch (thrown) {
      if (!(thrown instanceof FederationError)) throw thrown
      const at = this.ports.now()
      const finding = fromError(thrown)
      const before = this.memoryOf(member)
      this.memories.set(trustDomain, { ...before, endpoint, failure: { at, finding } })
      const hint = before?.refreshHintSeconds
      return {
        member,
        at,
        findings: [withSubject(finding, within(member.name, finding.about))],
        ...(hint === undefined ? {} : { refreshHintSeconds: hint }),
      }
    }
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task)
    this.last = result.catch(() => undefined)
    return result
  }

  private memoryOf({ trustDomain, bundleEndpoint }: Followable): FollowMemory | undefined {
    const memory = this.memories.get(trustDomain)
    return memory !== undefined && sameEndpoint(memory.endpoint, bundleEndpoint) ? memory : undefined
  }

  private async conclude(desired: Desired, member: Followable, offer: Offer): Promise<FollowedMember> {
    const first = await decide(this.ports, desired, member, offer, this.policyOf(member), this.memoryOf(member))
    // What is written is decided by the files and the record as they are then.
    const result = isWritten(first)
      ? await this.inTurn(async () => {
          const now = await readDesired(this.ports)
          const current = followableNow(now, member)
          const again = await decide(this.ports, now, current, offer, this.policyOf(current), this.memoryOf(current))
          await carryOut(this.ports, now, current, offer, again)
          return again
        })
      : first
    const { at, bundle } = offer
    const hint = bundle?.refreshHintSeconds
    const refresh = hint === undefined ? {} : { refreshHintSeconds: hint }
    this.memories.set(member.trustDomain, {
      endpoint: member.bundleEndpoint,
      success: { at, decision: result.decision },
      ...(result.watched === undefined || result.decision.kind === 'approve' ? {} : { watched: result.watched }),
      ...(offer.profile === 'https_spiffe' ? { chain: offer.chain } : {}),
      ...refresh,
    })
    const roots = bundle?.anchors.map(({ fingerprint }) => fingerprint) ?? []
    return { member, at, decision: result.decision, findings: offerFindings({ member, ...result, roots }), ...refresh }
  }

  private policyOf({ follow = { kind: 'Manual' } }: Member): FollowPolicy {
    return this.withoutHold && follow.kind === 'AddOnly' ? { ...follow, holdMs: 0 } : follow
  }
}

/** The member as the file has it now. @throws FederationError changed-meanwhile if it is not what was fetched from */
function followableNow({ federation }: Desired, { name, trustDomain, bundleEndpoint }: Followable): Followable {
  const now = federation.members.get(name)
  if (now !== undefined && hasEndpoint(now) && now.trustDomain === trustDomain && sameEndpoint(now.bundleEndpoint, bundleEndpoint))
    return now
  throw new FederationError('changed-meanwhile', name, 'has another bundle endpoint in the federation file now; nothing was approved', {
    hint: 'entente follow',
  })
}

type Offer = Omit<Fetched, 'bundle'> & { readonly bundle?: Bundle; readonly chain: readonly Uint8Array[] }

async function fetchOffer({ endpoints, now }: FollowPorts, desired: Desired, member: Followable): Promise<Offer> {
  const { trustDomain, bundleEndpoint } = member
  const { newest, confirmed } = desired.record.domains.get(trustDomain) ?? {}
  const recorded = usable(desired)
    .get(trustDomain)
    ?.anchors.filter(({ fingerprint }) => newest?.roots.has(fingerprint))
  if (recorded === undefined || recorded.length === 0) {
    const { message, hint } = bundleMissing(holderOf(member), 'none is approved, so nothing verifies its bundle endpoint')
    throw new FederationError('bundle-refused', member.name, message, { hint })
  }
  const { body, chain } = await endpoints.fetch(
    bundleEndpoint.profile === 'https_web' ? bundleEndpoint : { ...bundleEndpoint, endpointBundle: { trustDomain, anchors: recorded } },
  )
  const at = now()
  const { bundle, findings } = inspect(body, { format: 'spiffe', trustDomain, now: at })
  const offered = new Set(bundle?.anchors.map(({ fingerprint }) => fingerprint))
  const vouching = recorded.filter(({ fingerprint }) => confirmed?.has(fingerprint))
  const staying = vouching.filter(({ fingerprint }) => offered.has(fingerprint))
  const under = [staying, vouching, recorded].map((anchors) => anchorOf(chain, anchors, at).anchor).find((anchor) => anchor !== undefined)
  return {
    at,
    chain,
    profile: bundleEndpoint.profile,
    certificate: fingerprintOf(chain[0] ?? new Uint8Array()),
    findings,
    ...(bundle === undefined ? {} : { bundle }),
    ...(under === undefined || bundleEndpoint.profile === 'https_web' ? {} : { under: under.fingerprint }),
  }
}

async function decide(
  ports: FollowPorts,
  desired: Desired,
  member: Followable,
  { bundle, ...offer }: Offer,
  policy: FollowPolicy,
  memory: FollowMemory | undefined,
): Promise<Followed> {
  if (bundle === undefined) return { decision: { kind: 'refuse', findings: offer.findings }, added: [], removed: [] }
  const approved = approvedOf(desired, member)
  const judged = isAsApproved(bundle, approved) ? [] : await judgeOffer(ports, desired, member, { bundle, source: '' }, false)
  return followed(policy, approved, { ...offer, bundle, findings: [...offer.findings, ...judged] }, memory?.watched)
}

/** The roots were judged when they were approved: a thousand partners whose bundles did not change cost little. */
const isAsApproved = ({ anchors, sequence }: Bundle, { roots, highest }: Approved): boolean =>
  sameSet(
    anchors.map(({ fingerprint }) => fingerprint),
    roots,
  ) &&
  (sequence === undefined || highest === undefined || sequence >= highest)

function approvedOf({ record, federation, ...desired }: Desired, member: Followable): Approved {
  const { newest, confirmed, refused, byPerson } = record.domains.get(member.trustDomain) ?? {}
  const highest = highestIn({ ...desired, record, federation }, member)
  const endpoint = byPerson?.endpoint
  return {
    roots: newest?.roots ?? new Set(),
    confirmed: confirmed ?? new Set(),
    refused: refused ?? new Set(),
    ...(highest === undefined ? {} : { highest }),
    sameEndpoint: endpoint !== undefined && sameEndpoint(endpoint, member.bundleEndpoint),
    severed: isSevered(federation, record, member),
  }
}

const isWritten = ({ decision: { kind } }: Followed): boolean => kind === 'approve' || kind === 'hold' || kind === 'person'

async function carryOut(
  ports: FollowPorts,
  desired: Desired,
  member: Followable,
  { bundle }: Offer,
  { decision }: Followed,
): Promise<void> {
  if (bundle === undefined) return
  const { trustDomain, bundleEndpoint } = member
  const roots = bundle.anchors.map(({ fingerprint }) => fingerprint)
  const said = { actor: { name: bundleEndpoint.url, via: 'endpoint' as const }, at: ports.now(), reason: 'follow', trustDomain, roots }
  const numbered = (sequence: bigint | undefined) => (sequence === undefined ? {} : { sequence: `${sequence}` })
  const { head } = desired.record
  if (decision.kind === 'approve') {
    const highest = highestOf(highestIn(desired, member), bundle.sequence)
    await ports.record.append(seal(head, { ...said, ...numbered(highest), action: 'approve', source: `endpoint ${bundleEndpoint.url}` }))
    await ports.bundles.write(bundle)
  } else if ((decision.kind === 'hold' || decision.kind === 'person') && isNews(desired, member, roots, said.at)) {
    await ports.record.append(seal(head, { ...said, ...numbered(bundle.sequence), action: 'offer' }))
  }
}

/** An endpoint that changes its offer at every fetch must not fill the record: after these offers, one an hour. */
const MOST_OFFERS = 16
const QUIET_MS = 3_600_000

function isNews({ record }: Desired, { trustDomain }: Member, roots: readonly string[], now: Date): boolean {
  const offers = record.domains.get(trustDomain)?.offers ?? []
  const last = offers.at(-1)
  if (last === undefined) return true
  if (sameSet<string>(last.roots, roots)) return false
  return offers.length < MOST_OFFERS || now.getTime() - last.at.getTime() >= QUIET_MS
}
