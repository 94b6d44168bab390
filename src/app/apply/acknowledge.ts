/** Waiting until the proxies of one mesh hold what its objects say. */

import type { Finding } from '../../core/diagnostics/finding.ts'
import { judgedAt } from '../../core/model/clock.ts'
import type { Evidence, Observation } from '../../core/model/observed.ts'
import type { Phase, Step } from '../../core/model/planned.ts'
import { interrupted } from '../../core/record/interrupted-apply.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { othersIn } from '../../core/trust/co-selected.ts'
import { filterRejected, proxyLagging } from '../../core/trust/live/proxy-findings.ts'
import type { Delivery } from '../../core/trust/mounted/delivery.ts'
import type { MeshState } from '../../core/trust/state.ts'
import type { Standing } from '../../core/verify/proxy-standing.ts'
import { standings } from '../../core/verify/standings.ts'
import type { Mesh } from '../ports.ts'
import type { World } from '../world.ts'

/** Long enough for a busy istiod; a proxy that takes longer holds its own mesh only. */
const WAIT_MS = 30_000
const RESTRICT_MS = 3_000
/** An acknowledgement takes some 200 ms; whoever asks to stop waits no second for it. */
const LAST_LOOK_MS = 300
/** An acknowledgement takes some 200 ms; who needs seconds is not asked that often. */
const POLL_MS = 40
const PATIENT_POLL_MS = 250
const SOON_MS = 2_000

export interface Refused {
  readonly finding: Finding
  readonly putBack: boolean
}

export interface Awaited {
  readonly mesh: Mesh
  readonly state: MeshState
  /** The mesh's own domains. */
  readonly own: ReadonlySet<TrustDomain>
  /** Whose objects are ours. */
  readonly owner: string
  readonly observation: Observation
  /** The evidence before the phase's writes. */
  readonly baseline: readonly Evidence[]
  readonly due: readonly Step[]
  readonly phase: Phase
  /** A proxy that nobody hears from holds up what widens; what only narrows never waits for the dead, nor on one that refused before. */
  readonly patient: boolean
  /** A file that a filter reads is gone: who was refused on that account waits for this apply, and not it for them. */
  readonly mends: boolean
  readonly delivery: Pick<Delivery, 'boundMs'>
  /** The workloads that go ahead of the others, if that is what is waited for. */
  readonly first?: readonly string[]
}

/** Waits until every proxy in reach holds what the phase is meant to leave; undefined once they do. */
export async function acknowledge(
  { mesh, state, own, owner, observation, baseline, due, phase, patient, mends, delivery, first }: Awaited,
  world: World,
): Promise<Refused | undefined> {
  const objects = observation.objects.ok ? observation.objects.value : []
  const others = othersIn(objects, owner).flatMap(({ state }) => [...state.inbound.values()])
  const earlier = new Map(baseline.map((evidence) => [evidence.proxy, evidence]))
  const closesNext = !patient && (phase === 'guard' || (phase === 'close' && due.length === 0))
  const begun = world.now().getTime()
  let told = 0
  let stopped: number | undefined
  for (;;) {
    const proxies = await mesh.proxies()
    const waited = world.now().getTime() - begun
    if (proxies.ok) {
      const now = judgedAt(observation, world.now())
      const all = standings(state, objects, proxies.value, own, undefined, { ...delivery, now }, others)
      const refused = all.find((standing) => standing.state === 'rejected' && isNew(proxies.value, earlier, standing.proxy))
      if (refused !== undefined && due.length > 0) {
        const words = proxies.value.find((evidence) => evidence.proxy === refused.proxy)?.rejected ?? ''
        return {
          putBack: true,
          finding: filterRejected(
            `${mesh.member}: ${refused.proxy}`,
            first === undefined
              ? `Envoy rejected what phase ${phase} wrote, so Entente put it back`
              : `Envoy rejected what ${first.join(', ')} got first, so Entente removed it again and touched nothing else`,
            words,
            'entente plan says what stands in the way; entente verify shows every proxy',
          ),
        }
      }
      const late = all.filter(({ state }) => state !== 'ready' && !(mends && state === 'rejected') && matters(state, phase, patient))
      if (late.length === 0) {
        if (due.length > 0)
          world.tell({
            kind: 'acknowledged',
            member: mesh.member,
            phase,
            proxies: all.length,
            milliseconds: waited,
            ...(first === undefined ? {} : { first }),
          })
        return undefined
      }
      // What only a kubelet is to bring has a bound of its own.
      if (waited > WAIT_MS && late.some(({ state }) => state !== 'pending'))
        return {
          putBack: false,
          finding: lagging(
            mesh,
            phase,
            late.map((standing) => standing.proxy),
          ),
        }
      const kubelets = late.every(({ state }) => state === 'pending')
      if (waited - told > (kubelets && told > 0 ? 15_000 : 2_000)) {
        told = waited
        world.tell({
          kind: 'waiting',
          member: mesh.member,
          phase,
          for: late.map(({ proxy, state }) => (state === 'unheard' || state === 'rejected' ? `${proxy} (${state})` : proxy)),
          milliseconds: waited,
          kubelets,
        })
      }
    } else if (waited > WAIT_MS) return { putBack: false, finding: { ...proxies.error, severity: 'error' } }
    else if (waited - told > 2000) {
      told = waited
      world.tell({ kind: 'waiting', member: mesh.member, phase, for: [`its istiod (${proxies.error.message})`], milliseconds: waited })
    }
    // What only closes need not wait until what only restricts is held, nor for an istiod that cannot be asked.
    if (closesNext && waited > RESTRICT_MS) return undefined
    if (world.stopped?.() === true) stopped ??= waited
    // What was just written may yet be refused, and somebody must be there to put it back: for as long as ^C may take.
    if (stopped !== undefined && (due.length === 0 || waited - stopped >= LAST_LOOK_MS))
      return {
        putBack: false,
        finding: interrupted(mesh.member, `stopped while waiting for phase ${phase}`),
      }
    await world.sleep(waited < SOON_MS ? POLL_MS : PATIENT_POLL_MS)
  }
}

/** Who has no mount is out of reach. What closes never waits for a kubelet: filters and policies do it at once. */
function matters(state: Standing['state'], phase: Phase, patient: boolean): boolean {
  if (state === 'unmounted') return false
  if (state === 'pending') return patient && (phase === 'guard' || phase === 'open')
  return patient || (state !== 'unheard' && state !== 'rejected')
}

/** A rejection counts against this phase only when the proxy did not say the same before: then nothing got worse. */
function isNew(proxies: readonly Evidence[], earlier: ReadonlyMap<string, Evidence>, proxy: string): boolean {
  const now = proxies.find((evidence) => evidence.proxy === proxy)
  return earlier.get(proxy)?.rejected !== now?.rejected
}

const lagging = (mesh: Mesh, phase: Phase, proxies: readonly string[]): Finding =>
  proxyLagging(mesh.member, { name: phase, seconds: WAIT_MS / 1000, proxies })
