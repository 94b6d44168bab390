/**
 * Computes the phase of a root rotation from the approved bundle, the roots that proxies hold and the chain that the CA
 * presents. Only the target (the roots that stay) is stored, on the record.
 */

import { MAY_HOLD_RETIRED_ROOT } from '../diagnostics/codes.ts'
import { asWarning, distinct, error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { anyServer } from '../federation/trust-findings.ts'
import { viewOf } from '../mesh/mesh-view.ts'
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
import { unseen } from '../verify/revocation.ts'
import { sameNames } from '../verify/roots-share-name.ts'
import { standings } from '../verify/standings.ts'
import { unknownRoots } from '../verify/unapproved-roots.ts'
import type { Anchor, Fingerprint } from '../x509/anchor.ts'
import { anchorOf } from '../x509/chain.ts'
import { longestLeaf } from './leaf-lifetime.ts'
import { drained, inUse, leavesUnder, vouchesForNobody } from './retirement.ts'
import { rootReplaced } from './root-replaced.ts'

/** In the order of a rotation. */
export const ROTATION_PHASES = ['introducing', 'switch', 'draining', 'retire', 'steady'] as const

/**
 * - `introducing`: some proxy does not hold the roots that stay.
 * - `switch`: every proxy holds them, and the CA still signs under a root that leaves.
 * - `draining`: the CA signs under a root that stays, and certificates under a root that leaves may be valid.
 * - `retire`: no certificate under a root that leaves is valid.
 * - `steady`: no root leaves.
 */
export type RotationPhase = (typeof ROTATION_PHASES)[number]

export interface Rotation {
  readonly member: Member['name']
  readonly trustDomain: TrustDomain
  /** `unknown`: no root leaves by the record, and Entente could not observe whether the meshes agree. */
  readonly phase: RotationPhase | 'unknown'
  readonly staying: readonly Fingerprint[]
  readonly leaving: readonly Fingerprint[]
  /** The approved root that its CA signs under now; undefined if that was not observed or the root is not approved. */
  readonly signs?: Fingerprint
  /** `held` for each root that stays, `unused` for each that leaves. */
  readonly gates: readonly Gate[]
  /** When the last workload certificate from before the switch has expired. */
  readonly drained?: Date
  readonly findings: readonly Finding[]
}

export interface RotationInput {
  readonly member: Member
  /** The approved bundle of its trust domain. */
  readonly bundle: Bundle
  readonly record: RecordView
  /** The intents of all meshes in the federation. */
  readonly intents: readonly Intent[]
  /** The observations; that of the member itself covers every pod. */
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
  const ended = staying.every((root) => vouchesForNobody(root, now)) ? ['a valid root that replaces it: it has expired'] : []
  const held = staying.map((root) => gate('held', root, [...ended, ...late.map(({ who }) => who), ...unannounced(input, root, switched)]))
  const unused = leaving.map((root) => gate('unused', root, vouchesForNobody(root, now) ? [] : waitsForLeaves(input, staying, root)))
  const alive =
    observation !== undefined &&
    leaving.some((root) => !vouchesForNobody(root, now) && leavesUnder(member.name, staying, observation, now).length > 0)
  const blind = leaving.length === 0 ? notObservedIn(input) : []
  const until = presented && switched ? drained(presented, longestLeaf(observation)) : undefined
  return {
    member: member.name,
    trustDomain: bundle.trustDomain,
    phase: blind.length > 0 ? 'unknown' : phaseOf(leaving, switched, held, alive && until !== undefined && until > now),
    staying: staying.map((root) => root.fingerprint),
    leaving: leaving.map((root) => root.fingerprint),
    ...(signs === undefined ? {} : { signs }),
    gates: leaving.length === 0 ? [] : [...held, ...unused],
    ...(until === undefined || leaving.length === 0 ? {} : { drained: until }),
    findings: [
      ...blind,
      ...(leaving.length > 0 && switched ? early(input, staying, late) : []),
      ...(leaving.length === 0 && retiredRoots(record, bundle.trustDomain).size > 0 ? stillHeld(input) : []),
      ...unknownRoots(
        member.name,
        bundle,
        observation?.own,
        `to accept it in addition to the approved roots: entente rotate ${member.name}`,
      ),
      ...(observation === undefined ? [] : rootReplaced(member.name, bundle, observation, now)),
      ...(leaving.length > 0 && !switched ? unnamedBefore(input) : []),
      ...clockDiffers(member.name, observation),
      ...sameNames(
        about.member(member.name),
        bundle.anchors.filter((root) => !vouchesForNobody(root, now)),
        [presented],
      ),
      ...staying.flatMap((root) => endsTooSoon(member, root, observation, now)),
    ],
  }
}

/** Why Entente does not know that no root is left over: in the member's own mesh, and in those that trust it. */
function notObservedIn({ member, bundle, intents, seen }: RotationInput): readonly Finding[] {
  return distinct(
    intents.flatMap((intent): readonly Finding[] => {
      const { name } = intent.member
      const own = name === member.name
      if (!own && !intent.trusts.some(({ trustDomain }) => trustDomain === bundle.trustDomain)) return []
      const observation = seen.get(name)
      const blind = unseen(observation, intent.member)
      const { istio } = observation ?? {}
      const chain =
        !own || istio === undefined
          ? []
          : !istio.ok
            ? [asWarning(istio.error)]
            : istio.value.presented.ok
              ? []
              : [asWarning(istio.value.presented.error)]
      return [...blind, ...chain]
    }),
  )
}

/** The roots that stay: those of the last `rotate` on the record. Without one, or after a newer approval, those approved last. */
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

/** @param draining certificates from before the switch may be valid, by their lifetime or by what workloads report */
function phaseOf(leaving: readonly Anchor[], switched: boolean, held: readonly Gate[], draining: boolean): RotationPhase {
  if (leaving.length === 0) return 'steady'
  if (switched) return draining ? 'draining' : 'retire'
  return held.every(({ open }) => open) ? 'switch' : 'introducing'
}

interface Late {
  readonly who: string
  /** False if Entente could not observe whether they hold it. */
  readonly seen: boolean
}

/** Proxies that do not yet hold all approved roots of the domain, with their mesh. */
const lateHolders = (input: RotationInput): readonly Late[] =>
  holders(input).flatMap(({ in: mesh, standings }): readonly Late[] =>
    standings === undefined
      ? [{ who: `evidence from the proxies of ${mesh}`, seen: false }]
      : standings
          .filter(({ state }) => state !== 'ready' && state !== 'unmounted')
          .map((standing) => ({ who: `${mesh}: ${standing.proxy} (${standing.state})`, seen: true })),
  )

/** Findings that a live proxy holds, or may hold, a retired root. Disconnected proxies are excluded. */
function stillHeld(input: RotationInput): readonly Finding[] {
  const living = holders(input).flatMap(({ standings = [] }) => standings.filter(({ state }) => state !== 'unheard'))
  return living.flatMap(({ findings }) => withFilterAdvice(findings.filter(({ code }) => MAY_HOLD_RETIRED_ROOT.has(code))))
}

interface Holders {
  readonly in: Member['name']
  /** Undefined if the proxies were not observed. */
  readonly standings?: readonly Standing[]
}

/** The proxies that must hold the domain's roots, by mesh. */
function holders({ member, bundle, intents, seen, now }: RotationInput): readonly Holders[] {
  return intents.flatMap((intent): readonly Holders[] => {
    const own = intent.member.name === member.name
    const trusts = own ? intent.trusts.length > 0 : intent.trusts.some((trust) => trust.trustDomain === bundle.trustDomain)
    if (!trusts) return []
    const observation = seen.get(intent.member.name)
    if (observation?.objects.ok !== true || !observation.proxies.ok) return [{ in: intent.member.name }]
    const view = viewOf(observation)
    const only = own ? undefined : bundle.trustDomain
    const delivery = { now: judgedAt(observation, now), boundMs: boundMs(intent.member) }
    const all = standings(wantedNow(intent, view), view, authorOf(intent).own, only, delivery)
    return [{ in: intent.member.name, standings: all }]
  })
}

/** Proxies of the mesh itself without our filter. istiod sends them a new root only with their next certificate. */
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
  // A proxy that answered needs no waiting. One that did not answer counts until every certificate is newer than the switch.
  if (leaves !== undefined)
    return switched && until !== undefined && until <= now
      ? []
      : [...leaves].flatMap(([proxy, answer]) => (answer.ok ? [] : [`${proxy}, which does not hold it yet`]))
  if (until === undefined)
    return [`proxies of ${member.name}: the time of its announcement is not known (entente rotate --look reads their roots)`]
  if (until <= now) return []
  const since = switched ? 'since its CA switched or' : 'since'
  return [
    `proxies of ${member.name} that have not renewed their certificate ${since} it was announced, until ${until.toISOString()} (${because})`,
  ]
}

/** Certain facts: the mesh does not announce the root, or a proxy that answered does not hold it (Istio's secret ROOTCA). */
function without({ member, seen }: RotationInput, root: Anchor): readonly string[] {
  const observation = seen.get(member.name)
  if (observation?.own.ok !== true) return []
  if (!observation.own.value.anchors.some((anchor) => anchor.fingerprint === root.fingerprint))
    return [`${member.name}, which does not yet give it to its own workloads (istio-ca-root-cert)`]
  return [...(observation.leaves ?? [])].flatMap(([proxy, answer]) =>
    answer.ok && !answer.value.roots.includes(root.fingerprint) ? [`${proxy}, which does not hold it yet`] : [],
  )
}

/**
 * The time by which every proxy of the mesh has renewed its certificate since the announcement, and so received the root;
 * undefined if it is not known. istiod sends the root that it signs under with each certificate, so after a switch the
 * time of the switch counts too: a CA switch may rewrite istio-ca-root-cert and thereby reset the announcement time.
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

/** The CA signs under a root that some proxies do not accept: they reject its new certificates now. */
function early(input: RotationInput, staying: readonly Anchor[], late: readonly Late[]): readonly Finding[] {
  const { name } = input.member
  const own = staying.flatMap((root) => without(input, root))
  const waiting = [...new Set([...late.filter(({ seen }) => seen).map(({ who }) => who), ...own])]
  if (waiting.length === 0) return []
  return [
    error(
      'switched-early',
      about.member(name),
      `its CA already signs under the new root, which these do not hold: ${waiting.join(', ')}; calls with its new certificates fail there`,
      `to distribute the new root: entente rotate ${name}; or have the CA sign under the old root again, which all of them hold`,
    ),
  ]
}

/** A CA switch restarts istiod. After a restart istiod may expect servers of another mesh under its own trust domain. */
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
      about.member(name),
      `${root.fingerprint} expires ${root.notAfter.toISOString()}, before the workload certificates signed now (${life.because}): proxies then reject them`,
      `rotate to a root with a later expiry: entente rotate ${name}`,
    ),
  ]
}
