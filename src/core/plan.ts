/** The plan: the steps from what is seen to what is wanted, with what each changes in trust, and the findings. */
import { digestOf } from './digest.ts'
import { error, type Finding } from './finding.ts'
import { announcedRoots, type Checked, check } from './istio/checks.ts'
import { isGateway, podsIn } from './istio/pods.ts'
import { type Author, authorOf, readState, renderState, sizeOf } from './istio/render.ts'
import { type Inbound, type MeshState, noInbound, noOutbound, type Outbound, ownDomains, type Roots, wantedState } from './istio/state.ts'
import { narrowedInbound, narrowedOutbound, PHASES, stage } from './istio/transition.ts'
import { content, isOurs, keyOf, MANAGED_BY, OWNER, ownerOf, sameContent, title } from './manifest.ts'
import type { Change, Gate, Intent, Manifest, MemberName, Observation, Phase, Plan, Step } from './model.ts'
import type { Principal } from './spiffe/spiffe-id.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import { describeWorkloads } from './workloads.ts'
import { anchorOf } from './x509/chain.ts'

export type Seens = ReadonlyMap<MemberName, Observation>

/**
 * @param wanted one Intent for each mesh, all of one owner
 * @param seen what was observed of each member; one that is missing here gets no steps
 * @param now the instant at which chains are judged
 */
export function plan(wanted: readonly Intent[], seen: Seens, now: Date): Plan {
  const parts = wanted.map((intent) => planMesh(intent, wanted, seen, now))
  const steps = parts.flatMap((part) => part.steps)
  const name = wanted[0]?.owner ?? ''
  return { name, digest: digestOf([name, ...steps.map((step) => step.id)]), steps, findings: parts.flatMap((part) => part.findings) }
}

/** What one mesh is to become, step by step: also what `apply` waits for after each phase. */
export interface Course {
  readonly before: MeshState
  readonly after: MeshState
  readonly author: Author
  readonly checked: Checked
}

/** The states between which a mesh moves; undefined when its objects could not be seen. */
export function course(intent: Intent, seen: Observation): Course | undefined {
  if (!seen.objects.ok) return undefined
  const before = readState(seen.objects.value.filter((object) => ownerOf(object) === intent.owner))
  const wanted = wantedState(intent, before)
  const checked = check(intent, wanted, seen)
  return { before, after: allowed(wanted, before, checked, intent), author: authorOf(intent), checked }
}

/** What is wanted, less what something speaks against. */
function allowed(wanted: MeshState, before: MeshState, checked: Checked, intent: Intent): MeshState {
  const own = new Set(ownDomains(intent))
  const inbound = [...wanted.inbound].flatMap(([key, scope]): [string, Inbound][] => {
    const strict = scope.strict && !checked.strictAlready.has(key)
    if (!checked.blocked && !checked.blockedInbound.has(key)) return [[key, { ...scope, strict }]]
    const was = before.inbound.get(key)
    return was === undefined ? [] : [[key, narrowedInbound(was, scope, own)]]
  })
  const outbound = [...wanted.outbound].flatMap(([key, scope]): [string, Outbound][] => {
    if (!checked.blocked && !checked.blockedOutbound.has(key)) return [[key, scope]]
    const was = before.outbound.get(key)
    return was === undefined ? [] : [[key, narrowedOutbound(was, scope, own)]]
  })
  return {
    inbound: new Map(inbound),
    outbound: new Map(outbound),
    shares: checked.blocked ? new Map([...wanted.shares].filter(([name]) => before.shares.has(name))) : wanted.shares,
  }
}

function planMesh(
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): { readonly steps: readonly Step[]; readonly findings: readonly Finding[] } {
  const { name } = intent.member
  const observation = seen.get(name)
  if (observation === undefined) return { steps: [], findings: [error('not-observed', name, 'was not observed', 'entente plan')] }
  if (!observation.objects.ok) return { steps: [], findings: [observation.objects.error] }
  const going = course(intent, observation)
  if (going === undefined) return { steps: [], findings: [] }
  const objects = observation.objects.value
  const foreign = foreignOwners(intent, going, objects)
  const current = new Map(objects.filter((object) => ownerOf(object) === intent.owner).map((object) => [keyOf(object), content(object)]))
  const steps: Step[] = []
  const findings: Finding[] = [...going.checked.findings, ...announcedRoots(intent, observation), ...foreign.findings]
  for (const phase of PHASES) {
    const state = stage(going.before, going.after, phase, going.author.own)
    for (const [key, before, after] of differences(current, renderState(state, going.author), phase)) {
      if (foreign.keys.has(key)) continue
      if (after !== undefined && sizeOf(after) > MAX_BYTES) {
        findings.push(tooLarge(after, intent))
        continue
      }
      const changes = changesOf(before, after, previousOf(going, phase), state, going.author.own)
      steps.push({
        id: digestOf([name, phase, before ?? null, after ?? null]),
        member: name,
        phase,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        changes,
        drains: drained(before ?? after, objects),
        gates: gatesOf(phase, changes, going, intent, wanted, seen, now),
        reason: reasonOf(before, after, phase, changes),
      })
      if (after === undefined) current.delete(key)
      else current.set(key, after)
    }
  }
  return { steps, findings }
}

const previousOf = ({ before, after, author }: Course, phase: Phase): MeshState => {
  const previous = PHASES[PHASES.indexOf(phase) - 1]
  return previous === undefined ? before : stage(before, after, previous, author.own)
}

/** etcd takes requests of 1.5 MiB and answers more with an opaque 500; a ConfigMap holds 1 MiB. */
const MAX_BYTES = 1_000_000

function tooLarge(object: Manifest, { member }: Intent): Finding {
  return error(
    'object-too-large',
    member.name,
    `${title(object)} would have ${Math.ceil(sizeOf(object) / 1024)} KiB; the API server takes about 1 MiB`,
    'trust fewer domains at one set of workloads',
  )
}

/** Objects under our names that are somebody else's: never written. */
function foreignOwners(
  intent: Intent,
  going: Course,
  objects: readonly Manifest[],
): { readonly keys: ReadonlySet<string>; readonly findings: readonly Finding[] } {
  const others = new Map(objects.filter((object) => ownerOf(object) !== intent.owner).map((object) => [keyOf(object), object]))
  const clashes = renderState(going.after, going.author).flatMap((object) => others.get(keyOf(object)) ?? [])
  return {
    keys: new Set(clashes.map(keyOf)),
    findings: clashes.map((object) => {
      const owner = isOurs(object) ? `the federation ${object.metadata.labels?.[OWNER] ?? '(none)'}` : 'somebody else'
      return error(
        'owned-by',
        `${intent.member.name}: ${title(object)}`,
        `belongs to ${owner} (no label ${MANAGED_BY}: entente with ${OWNER}: ${intent.owner})`,
        'remove it there, or let that federation say what is wanted here',
      )
    }),
  }
}

/** In which phases objects of a kind are written: filters open and close, what restricts comes first and goes last. */
const WRITES: Readonly<Record<Phase, (kind: string, removal: boolean) => boolean>> = {
  guard: (kind, removal) => kind !== 'EnvoyFilter' && !removal,
  open: (kind, removal) => (kind === 'EnvoyFilter' || kind === 'AuthorizationPolicy') && !removal,
  close: (kind) => kind === 'EnvoyFilter',
  clean: (kind) => kind !== 'EnvoyFilter',
}

function differences(
  current: ReadonlyMap<string, Manifest>,
  desired: readonly Manifest[],
  phase: Phase,
): readonly [string, Manifest | undefined, Manifest | undefined][] {
  const wanted = new Map(desired.map((object) => [keyOf(object), object]))
  const writes = WRITES[phase]
  const made = [...wanted].flatMap(([key, after]): [string, Manifest | undefined, Manifest | undefined][] => {
    const before = current.get(key)
    return !writes(after.kind, false) || (before !== undefined && sameContent(before, after)) ? [] : [[key, before, after]]
  })
  const removed = [...current].flatMap(([key, before]): [string, Manifest | undefined, Manifest | undefined][] =>
    wanted.has(key) || !writes(before.kind, true) ? [] : [[key, before, undefined]],
  )
  return [...made, ...removed]
}

// ── what a step changes in trust ──

type Accepted = ReadonlyMap<TrustDomain, { readonly roots: readonly string[]; readonly callers: readonly string[]; readonly where: string }>

/**
 * The effect of writing one object between two stages. Only what passes both the roots and the callers is let in, so a
 * policy alone changes nothing until there is a root.
 */
function changesOf(
  before: Manifest | undefined,
  after: Manifest | undefined,
  from: MeshState,
  to: MeshState,
  own: ReadonlySet<TrustDomain>,
): readonly Change[] {
  const written = readState([...(before === undefined ? [] : [before]), ...(after === undefined ? [] : [after])])
  const kind = (before ?? after)?.kind
  const inbound = [...written.inbound.keys()].flatMap((key) => {
    const was = from.inbound.get(key)
    const becomes = to.inbound.get(key)
    if (was === undefined && becomes === undefined) return []
    const scope = (was ?? becomes) as Inbound
    const b = was ?? noInbound(scope.at)
    const a = becomes ?? noInbound(scope.at)
    // Each object moves its own part only: a filter the roots, a policy the callers.
    const moved = kind === 'EnvoyFilter' ? { ...b, roots: a.roots } : { ...b, callers: a.callers }
    return compare(acceptedBy(b, own), acceptedBy(moved, own))
  })
  const outbound = [...written.outbound.keys()].flatMap((key) => {
    const was = from.outbound.get(key)
    const becomes = to.outbound.get(key)
    const scope = was ?? becomes
    if (scope === undefined) return []
    return compareHosts(was ?? noOutbound(scope.from), becomes ?? noOutbound(scope.from))
  })
  return [...inbound, ...outbound]
}

function acceptedBy(scope: Inbound, own: ReadonlySet<TrustDomain>): Accepted {
  return new Map(
    [...scope.roots].map(([domain, roots]) => {
      const named: readonly Principal[] | undefined = scope.callers.get(domain)
      return [
        domain,
        {
          roots: roots.map((root) => root.fingerprint),
          callers: own.has(domain) ? [] : (named ?? [`${domain}/*`]),
          where: describeWorkloads(scope.at),
        },
      ]
    }),
  )
}

function compare(before: Accepted, after: Accepted): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((trusted) => {
    const b = before.get(trusted)
    const a = after.get(trusted)
    const where =
      b === undefined || a === undefined
        ? [{ effect: a === undefined ? 'narrows' : 'widens', of: 'workloads', trusted, what: (a ?? b)?.where ?? '' } as const]
        : []
    return [
      ...where,
      ...diff('root', trusted, b?.roots ?? [], a?.roots ?? []),
      ...diff('caller', trusted, b?.callers ?? [], a?.callers ?? []),
    ]
  })
}

function compareHosts(before: Outbound, after: Outbound): Change[] {
  const at = describeWorkloads(before.from)
  const hosts = [...new Set([...before.hosts.keys(), ...after.hosts.keys()])]
  return hosts.flatMap((host) => {
    const b: Roots = before.hosts.get(host) ?? new Map()
    const a: Roots = after.hosts.get(host) ?? new Map()
    return [...new Set([...b.keys(), ...a.keys()])].flatMap((trusted): Change[] => {
      const was = b.get(trusted)?.map((root) => root.fingerprint) ?? []
      const is = a.get(trusted)?.map((root) => root.fingerprint) ?? []
      const opened: Change[] =
        was.length === 0 && is.length > 0 ? [{ effect: 'widens', of: 'host', trusted, what: `${host} from ${at}` }] : []
      const closed: Change[] =
        was.length > 0 && is.length === 0 ? [{ effect: 'narrows', of: 'host', trusted, what: `${host} from ${at}` }] : []
      return [...opened, ...closed, ...diff('root', trusted, was, is)]
    })
  })
}

function diff(of: 'root' | 'caller', trusted: TrustDomain, before: readonly string[], after: readonly string[]): Change[] {
  const added = after.filter((what) => !before.includes(what)).map((what): Change => ({ effect: 'widens', of, trusted, what }))
  const removed = before.filter((what) => !after.includes(what)).map((what): Change => ({ effect: 'narrows', of, trusted, what }))
  return [...added, ...removed]
}

// ── what a step costs, and what it waits for ──

/** Every inbound change makes Envoy drain the listener: idle connections end, long ones are cut 45 s later. */
function drained(object: Manifest | undefined, objects: readonly Manifest[]): number {
  if (object === undefined || object.kind === 'ConfigMap') return 0
  const scopes = [...readState([object]).inbound.values()]
  return new Set(scopes.flatMap((scope) => podsIn(objects, scope.at)).filter((pod) => !isGateway(pod, objects))).size
}

function gatesOf(
  phase: Phase,
  changes: readonly Change[],
  going: Course,
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): readonly Gate[] {
  if (phase === 'close') return retirements(changes, going, intent, wanted, seen, now)
  const delivered = intent.member.home?.directory !== undefined
  return phase === 'clean' && delivered ? deliveredRemovals(going, intent, seen.get(intent.member.name)) : []
}

/** A root goes while its domain stays trusted: only when what that domain's CA signs with now is under one that stays. */
function retirements(
  changes: readonly Change[],
  going: Course,
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): readonly Gate[] {
  const leaving = changes.filter(
    (change) => change.of === 'root' && change.effect === 'narrows' && domainStays(going.after, change.trusted),
  )
  return leaving.map((change) => {
    const bundle =
      change.trusted === intent.member.trustDomain
        ? intent.own
        : intent.trusts.find((trust) => trust.trustDomain === change.trusted)?.bundle
    const member =
      change.trusted === intent.member.trustDomain
        ? intent.member.name
        : intent.trusts.find((trust) => trust.trustDomain === change.trusted)?.trusted
    const istio = member === undefined ? undefined : seen.get(member)?.istio
    const presented = istio?.ok === true ? istio.value.presented : undefined
    const issuer = presented?.ok === true ? anchorOf(presented.value, bundle?.anchors ?? [], now).anchor : undefined
    const unseen = wanted.some((w) => w.member.name === member)
      ? `the certificate chain that ${member} presents`
      : `evidence from ${member ?? change.trusted}`
    return {
      needs: 'unused',
      root: change.what as Gate['root'],
      open: issuer !== undefined,
      waitingFor: issuer === undefined ? [unseen] : [],
    }
  })
}

const domainStays = (after: MeshState, domain: TrustDomain): boolean =>
  [...after.inbound.values()].some((scope) => scope.roots.has(domain)) ||
  [...after.outbound.values()].some((scope) => [...scope.hosts.values()].some((roots) => roots.has(domain)))

/** Git delivers at its own pace: a policy goes only when the proxies are seen to have let go of the filter. */
function deliveredRemovals(going: Course, intent: Intent, seen: Observation | undefined): readonly Gate[] {
  const proxies = seen?.proxies.ok === true ? seen.proxies.value : undefined
  return [...going.before.shares.values()]
    .filter((share) => !going.after.shares.has(share.trusted))
    .flatMap(({ trustDomain, roots }) => {
      const holding = proxies
        ?.filter(({ config }) => config === undefined || config.inbound.some((chain) => chain.pins?.has(trustDomain)))
        .map(({ proxy }) => proxy)
      const waitingFor = holding ?? [`evidence from the proxies of ${intent.member.name}`]
      return roots.map((root): Gate => ({ needs: 'unused', root: root.fingerprint, open: waitingFor.length === 0, waitingFor }))
    })
}

function reasonOf(before: Manifest | undefined, after: Manifest | undefined, phase: Phase, changes: readonly Change[]): string {
  const object = (after ?? before) as Manifest
  const verb = before === undefined ? 'create' : after === undefined ? 'remove' : 'update'
  if (verb === 'update' && changes.length === 0 && (phase === 'open' || phase === 'guard'))
    return `${object.kind} is not as written: put it back`
  const why: Readonly<Record<string, string>> = {
    ConfigMap: 'the approved roots, for people and tools',
    PeerAuthentication: 'mutual TLS only, before anything is opened',
    AuthorizationPolicy:
      phase === 'open'
        ? 'callers that may come in from now on'
        : phase === 'clean'
          ? 'nobody of that domain is accepted any more'
          : 'who may not come in, before any root is accepted',
    EnvoyFilter: phase === 'close' ? 'roots that are accepted no longer' : 'roots, each bound to its trust domain',
  }
  return `${verb}: ${why[object.kind] ?? object.kind}`
}

/** What the observation becomes when the step is carried out: for tests and the demo. */
export function simulate(seen: Observation, step: Step): Observation {
  if (!seen.objects.ok) return seen
  const key = keyOf((step.after ?? step.before) as Manifest)
  const rest = seen.objects.value.filter((object) => keyOf(object) !== key)
  return { ...seen, objects: { ok: true, value: step.after === undefined ? rest : [...rest, step.after] } }
}
