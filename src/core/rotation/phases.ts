/**
 * Where the rotation of a mesh's root stands. Nothing of it is stored but what somebody wants (which roots are to stay,
 * on the record): the phase is computed from the approved bundle, from what proxies hold, and from what the CA presents.
 */

import { MAY_HOLD_RETIRED_ROOT } from '../diagnostics/codes.ts'
import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { anyServer } from '../federation/trust-findings.ts'
import { clockDiffers, judgedAt } from '../model/clock.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Gate } from '../model/planned.ts'
import { holderOf, type Intent, type Member } from '../model/wanted.ts'
import { type RecordView, retiredRoots } from '../record/projection.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { rootExpired } from '../spiffe/root-findings.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { withFilterAdvice } from '../trust/live/proxy-findings.ts'
import { boundMs } from '../trust/mounted/delivery.ts'
import { wantedNow } from '../trust/mounted/unmounted-pods.ts'
import { authorOf } from '../trust/render.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import type { Standing } from '../verify/proxy-standing.ts'
import { sameNames } from '../verify/roots-share-name.ts'
import { standings } from '../verify/standings.ts'
import { unknownRoots } from '../verify/unapproved-roots.ts'
import type { Anchor, Fingerprint } from '../x509/anchor.ts'
import { anchorOf } from '../x509/chain.ts'
import { longestLeaf } from './leaf-lifetime.ts'
import { drained, inUse, leavesUnder, vouchesForNobody } from './retirement.ts'
import { swapped } from './root-swap.ts'

/** In the order in which a rotation goes through them. */
export const ROTATION_PHASES = ['introducing', 'switch', 'draining', 'retire', 'steady'] as const

/**
 * `introducing`: not everybody holds the roots that are to stay · `switch`: everybody does, and the CA signs under one
 * that leaves · `draining`: it signs under one that stays, and leaves from before may live · `retire`: none does any
 * more · `steady`: no root is to leave.
 */
export type RotationPhase = (typeof ROTATION_PHASES)[number]

export interface Rotation {
  readonly member: Member['name']
  readonly trustDomain: TrustDomain
  readonly phase: RotationPhase
  readonly staying: readonly Fingerprint[]
  readonly leaving: readonly Fingerprint[]
  /** The approved root that its CA signs under now; undefined when that could not be seen, or when it is none of them. */
  readonly signs?: Fingerprint
  /** `held` for each root that stays, `unused` for each that leaves. */
  readonly gates: readonly Gate[]
  /** When the last leaf from before the switch is gone. */
  readonly drained?: Date
  readonly findings: readonly Finding[]
}

export interface RotationInput {
  readonly member: Member
  /** What is approved for its trust domain. */
  readonly bundle: Bundle
  readonly record: RecordView
  /** Of all meshes of the federation. */
  readonly intents: readonly Intent[]
  /** The member's own observation with every pod. */
  readonly seen: Seens
  readonly now: Date
}

export function rotation(input: RotationInput): Rotation {
  const { member, bundle, record, seen } = input
  const kept = target(bundle, record)
  const staying = bundle.anchors.filter((anchor) => kept.has(anchor.fingerprint))
  const leaving = bundle.anchors.filter((anchor) => !kept.has(anchor.fingerprint))
  const observation = seen.get(member.name)
  const now = judgedAt(observation, input.now)
  const presented = presentedBy(observation)
  const signs = presented && anchorOf(presented, bundle.anchors, now).anchor?.fingerprint
  const late = leaving.length === 0 ? [] : lateHolders(input)
  const switched = signs !== undefined && kept.has(signs)
  const ended = staying.every((root) => vouchesForNobody(root, now)) ? ['a root in its place that is valid: it has expired'] : []
  const held = staying.map((root) => gate('held', root, [...ended, ...late.map(({ who }) => who), ...unannounced(input, root, switched)]))
  const unused = leaving.map((root) => gate('unused', root, vouchesForNobody(root, now) ? [] : waitsForLeaves(input, staying, root)))
  const alive =
    observation !== undefined &&
    leaving.some((root) => !vouchesForNobody(root, now) && leavesUnder(member.name, staying, observation, now).length > 0)
  const until = presented && switched ? drained(presented, longestLeaf(observation)) : undefined
  return {
    member: member.name,
    trustDomain: bundle.trustDomain,
    phase: phaseOf(leaving, switched, held, alive && until !== undefined && until > now),
    staying: staying.map((root) => root.fingerprint),
    leaving: leaving.map((root) => root.fingerprint),
    ...(signs === undefined ? {} : { signs }),
    gates: leaving.length === 0 ? [] : [...held, ...unused],
    ...(until === undefined || leaving.length === 0 ? {} : { drained: until }),
    findings: [
      ...(leaving.length > 0 && switched ? early(input, staying, late) : []),
      ...(leaving.length === 0 && retiredRoots(record, bundle.trustDomain).size > 0 ? stillHeld(input) : []),
      ...unknownRoots(member.name, bundle, observation?.own, `entente rotate ${member.name} accepts it beside those that are approved`),
      ...(observation === undefined ? [] : swapped(member.name, bundle, observation, now)),
      ...(leaving.length > 0 && !switched ? unnamedBefore(input) : []),
      ...clockDiffers(member.name, observation),
      ...sameNames(
        member.name,
        bundle.anchors.filter((root) => !vouchesForNobody(root, now)),
        [presented],
      ),
      ...staying.flatMap((root) => endsTooSoon(member, root, observation, now)),
    ],
  }
}

/** The roots that are to stay: what was said last on the record, or else, or where others were approved since, those that were approved last. */
function target(bundle: Bundle, record: RecordView): ReadonlySet<Fingerprint> {
  const roots = bundle.anchors.map((anchor) => anchor.fingerprint)
  const { first, rotation } = record.domains.get(bundle.trustDomain) ?? {}
  const approvedAt = (root: Fingerprint): number => first?.get(root) ?? 0
  const latest = Math.max(...roots.map(approvedAt))
  if (rotation !== undefined && rotation.seq > latest && rotation.to.length > 0 && rotation.to.every((root) => roots.includes(root)))
    return new Set(rotation.to)
  return new Set(roots.filter((root) => approvedAt(root) === latest))
}

const gate = (needs: Gate['needs'], { fingerprint }: Anchor, waitingFor: readonly string[]): Gate => ({
  needs,
  root: fingerprint,
  open: waitingFor.length === 0,
  waitingFor,
})

/** @param draining certificates from before the switch are about, by time, or earlier than that by what workloads say */
function phaseOf(leaving: readonly Anchor[], switched: boolean, held: readonly Gate[], draining: boolean): RotationPhase {
  if (leaving.length === 0) return 'steady'
  if (switched) return draining ? 'draining' : 'retire'
  return held.every(({ open }) => open) ? 'switch' : 'introducing'
}

interface Late {
  readonly who: string
  /** False where it could not be seen whether they hold it. */
  readonly seen: boolean
}

/** Proxies that do not hold all approved roots of the domain yet, by the mesh they are in. */
const lateHolders = (input: RotationInput): readonly Late[] =>
  holders(input).flatMap(({ in: mesh, standings }): readonly Late[] =>
    standings === undefined
      ? [{ who: `evidence from the proxies of ${mesh}`, seen: false }]
      : standings
          .filter(({ state }) => state !== 'ready' && state !== 'unmounted')
          .map((standing) => ({ who: `${mesh}: ${standing.proxy} (${standing.state})`, seen: true })),
  )

/** What says that a proxy has, or may have, a root that was retired. The dead are not among them: nobody waits for them. */

function stillHeld(input: RotationInput): readonly Finding[] {
  const living = holders(input).flatMap(({ standings = [] }) => standings.filter(({ state }) => state !== 'unheard'))
  return living.flatMap(({ findings }) => withFilterAdvice(findings.filter(({ code }) => MAY_HOLD_RETIRED_ROOT.has(code))))
}

interface Holders {
  readonly in: Member['name']
  /** Undefined: they cannot be seen. */
  readonly standings?: readonly Standing[]
}

/** The proxies that are to hold the domain's roots, mesh by mesh. */
function holders({ member, bundle, intents, seen, now }: RotationInput): readonly Holders[] {
  return intents.flatMap((intent): readonly Holders[] => {
    const own = intent.member.name === member.name
    const trusts = own ? intent.trusts.length > 0 : intent.trusts.some((trust) => trust.trustDomain === bundle.trustDomain)
    if (!trusts) return []
    const observation = seen.get(intent.member.name)
    if (observation?.objects.ok !== true || !observation.proxies.ok) return [{ in: intent.member.name }]
    const objects = observation.objects.value
    const only = own ? undefined : bundle.trustDomain
    const delivery = { now: judgedAt(observation, now), boundMs: boundMs(intent.member) }
    const all = standings(wantedNow(intent, objects), objects, observation.proxies.value, authorOf(intent).own, only, delivery)
    return [{ in: intent.member.name, standings: all }]
  })
}

/** The mesh's own proxies learn a root from their next certificate, where no filter of ours tells them. */
function unannounced(input: RotationInput, root: Anchor, switched: boolean): readonly string[] {
  const { member, seen, now: here } = input
  if (member.home === undefined) return []
  const observation = seen.get(member.name)
  if (observation?.own.ok !== true) return [`the roots that ${member.name} gives to its own workloads`]
  const known = without(input, root)
  if (known.length > 0) return known
  const now = judgedAt(observation, here)
  const { until, because } = heldFrom(observation, switched)
  const { leaves } = observation
  // Asked for what it holds, a workload need not be waited for; once every certificate is newer than the switch, nor need one that is mute.
  if (leaves !== undefined)
    return switched && until !== undefined && until <= now
      ? []
      : [...leaves].flatMap(([proxy, answer]) => (answer.ok ? [] : [`${proxy}, which does not hold it yet`]))
  if (until === undefined)
    return [`proxies of ${member.name}: when it began to give it to them is not known (entente rotate --look asks them)`]
  if (until <= now) return []
  const since = switched ? 'since its CA switched or' : 'since'
  return [
    `proxies of ${member.name} that have not renewed their certificate ${since} it was announced, until ${until.toISOString()} (${because})`,
  ]
}

/** What is certain: the mesh does not announce the root, or a proxy that was asked (Istio's secret ROOTCA) does not have it. */
function without({ member, seen }: RotationInput, root: Anchor): readonly string[] {
  const observation = seen.get(member.name)
  if (observation?.own.ok !== true) return []
  if (!observation.own.value.anchors.some((anchor) => anchor.fingerprint === root.fingerprint))
    return [`${member.name}, which does not give it to its own workloads yet (istio-ca-root-cert)`]
  return [...(observation.leaves ?? [])].flatMap(([proxy, answer]) =>
    answer.ok && !answer.value.roots.includes(root.fingerprint) ? [`${proxy}, which does not hold it yet`] : [],
  )
}

/**
 * From when on every proxy of the mesh has had a certificate since the root was announced, and the roots with it; undefined: not
 * told. Who switches a CA may write the roots anew, so after a switch the time of that counts, too: what the CA gives out comes
 * with the root that it signs under.
 */
function heldFrom(observation: Observation, switched: boolean): { readonly until?: Date; readonly because: string } {
  const life = longestLeaf(observation)
  const presented = switched ? presentedBy(observation) : undefined
  const since = observation.ownSince === undefined ? [] : [observation.ownSince.getTime() + life.milliseconds]
  const renewed = presented === undefined ? undefined : drained(presented, life)
  const ends = [...since, ...(renewed === undefined ? [] : [renewed.getTime()])]
  return { because: life.because, ...(ends.length === 0 ? {} : { until: new Date(Math.min(...ends)) }) }
}

function waitsForLeaves({ member, seen, now, bundle }: RotationInput, staying: readonly Anchor[], root: Anchor): readonly string[] {
  return member.home === undefined
    ? [`a bundle of ${member.name} without it`]
    : inUse(member.name, { ...bundle, anchors: staying }, root, seen, now)
}

/** The CA signs under a root that some do not accept: they refuse its new leaves now. */
function early(input: RotationInput, staying: readonly Anchor[], late: readonly Late[]): readonly Finding[] {
  const { name } = input.member
  const own = staying.flatMap((root) => without(input, root))
  const waiting = [...new Set([...late.filter(({ seen }) => seen).map(({ who }) => who), ...own])]
  if (waiting.length === 0) return []
  return [
    error(
      'switched-early',
      name,
      `its CA signs under the new root already, and not everybody holds it: ${waiting.join(', ')}; calls with its new certificates fail there`,
      `entente rotate ${name} brings it there; or let the CA sign under the old root again, which everybody still holds`,
    ),
  ]
}

/** A switch restarts istiod, which then may expect the servers of another mesh under its own trust domain. */
const unnamedBefore = ({ member, intents }: RotationInput): readonly Finding[] =>
  (intents.find((intent) => intent.member.name === member.name)?.trusts ?? []).flatMap(({ trusted, reach }) =>
    reach.flatMap(({ services }) =>
      services
        .filter(({ servedBy }) => servedBy === undefined)
        .map(({ host }) => anyServer({ truster: member.name, trusted }, host, 'switch')),
    ),
  )

function endsTooSoon(member: Member, root: Anchor, observation: Observation | undefined, now: Date): readonly Finding[] {
  if (root.notAfter <= now) return [rootExpired(holderOf(member), { ...root, role: 'staying' })]
  const { name } = member
  const life = longestLeaf(observation)
  if (root.notAfter.getTime() - now.getTime() >= life.milliseconds) return []
  return [
    warning(
      'root-ends-before-leaves',
      name,
      `${root.fingerprint} ends ${root.notAfter.toISOString()}, before the leaves it signs now (${life.because}): they are refused from then on`,
      'rotate to a root that outlives them',
    ),
  ]
}
