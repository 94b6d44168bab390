/** The rule by which an apply waits for proxies after a write: go on, wait, or stop. */

import type { Finding } from '../../../core/diagnostics/finding.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import type { Seen } from '../../../core/model/observed.ts'
import type { Phase } from '../../../core/model/planned.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import { interrupted } from '../../../core/record/interrupted-apply.ts'
import { filterRejected, leftAfter, proxyLagging } from '../../../core/trust/live/proxy-findings.ts'
import type { Standing } from '../../../core/verify/proxy-standing.ts'
import type { Progress } from '../../world.ts'

/** Long enough for a busy istiod. A proxy that needs longer stops only its own mesh's apply. */
export const WAIT_MS = 30_000
export const RESTRICT_MS = 3_000
/** Envoy acknowledges within some 200 ms. After a user asks to stop, the apply waits at most this long for it. */
export const LAST_LOOK_MS = 300
/** After the usual 200 ms have passed, proxies are polled less often. */
const POLL_MS = 40
const PATIENT_POLL_MS = 250
const SOON_MS = 2_000
const REPORT_MS = 2_000
const REPORT_KUBELETS_MS = 15_000

/** A wait that is under way. All times are milliseconds. */
export interface Wait {
  /** Since the epoch. */
  readonly since: number
  /** After `since`: the last progress message to the user; 0: none yet. */
  readonly reportedMs: number
  /** After `since`: when the user asked to stop. */
  readonly stopped: number | undefined
}

export const waitFrom = (now: Date): Wait => ({ since: now.getTime(), reportedMs: 0, stopped: undefined })

/** What the apply waits for. */
export interface Awaited {
  readonly member: MemberName
  readonly phase: Phase
  /** This apply has just written something: a new rejection is caused by that write, and the write is undone. */
  readonly wrote: boolean
  /**
   * These steps open something, so a proxy that no istiod reports or that Envoy rejects delays them. Steps that only close
   * never wait for such proxies.
   */
  readonly patient: boolean
  /**
   * A proxy that Envoy rejects because its roots file is missing waits for this apply; this apply does not wait for the
   * proxy.
   */
  readonly mends: boolean
  /** The canary workloads, if the apply waits only for these. */
  readonly first: readonly string[] | undefined
  /** The time by which every kubelet has delivered the files, if some are on their way. */
  readonly filesBy: Date | undefined
}

/** One proxy in reach, and Envoy's reason if it rejected the configuration before the writes. */
export interface Stand {
  readonly proxy: string
  readonly state: Standing['state']
  readonly rejection: string | undefined
}

export interface Polled {
  /** Not ok: Entente could read from no istiod. */
  readonly proxies: Seen<readonly Stand[]>
  readonly now: Date
  readonly stop: boolean
}

export type Judgement =
  | { readonly kind: 'go-on'; readonly progress: readonly Progress[] }
  | {
      readonly kind: 'wait'
      readonly wait: Wait
      readonly for: readonly string[]
      /** Only files that kubelets deliver are missing. */
      readonly kubelets: boolean
      readonly until: Date | undefined
      readonly afterMs: number
      readonly progress: readonly Progress[]
    }
  | { readonly kind: 'stop'; readonly finding: Finding; readonly putBack: boolean }

export function acknowledgement(awaited: Awaited, wait: Wait, { proxies, now, stop }: Polled): Judgement {
  const waited = now.getTime() - wait.since
  if (!proxies.ok) {
    if (waited > WAIT_MS) return { kind: 'stop', putBack: false, finding: unanswered(awaited, proxies.error) }
    return goOn(awaited, wait, { waited, stop, for: [`its istiod (${proxies.error.message})`], kubelets: undefined })
  }
  const rejected = awaited.wrote ? proxies.value.find(({ rejection }) => rejection !== undefined) : undefined
  if (rejected !== undefined) return { kind: 'stop', putBack: true, finding: rejectedBy(awaited, rejected) }
  const late = proxies.value.filter((stand) => holdsUp(awaited, stand))
  if (late.length === 0) return { kind: 'go-on', progress: awaited.wrote ? [acknowledged(awaited, proxies.value.length, waited)] : [] }
  const kubelets = late.every(({ state }) => state === 'pending')
  // Waiting for kubelets has its own time limit.
  if (waited > WAIT_MS && !kubelets) return { kind: 'stop', putBack: false, finding: lagging(awaited, late) }
  return goOn(awaited, wait, { waited, stop, for: late.map(named), kubelets })
}

const leaves = ({ phase, wrote, first }: Awaited): string => leftAfter(phase, wrote && first !== undefined ? 'canary' : wrote)

const unanswered = (awaited: Awaited, why: Finding): Finding => ({
  ...why,
  severity: 'error',
  message: `${why.message}; no istiod could report for ${WAIT_MS / 1000} s whether proxies have phase ${awaited.phase}; ${leaves(awaited)}`,
  hint: why.hint === '' ? 'entente apply goes on from here' : `${why.hint}; then entente apply goes on from here`,
})

interface Pending {
  readonly waited: number
  readonly stop: boolean
  readonly for: readonly string[]
  /** Undefined: Entente could read from no istiod. */
  readonly kubelets: boolean | undefined
}

/** Some proxies have not acknowledged yet. */
function goOn(awaited: Awaited, wait: Wait, pending: Pending): Judgement {
  const { member, phase, wrote } = awaited
  const { waited, kubelets } = pending
  // Steps that only close do not wait until proxies hold the restrictions, nor for an istiod that cannot be read.
  if (closesNext(awaited) && waited > RESTRICT_MS) return { kind: 'go-on', progress: [] }
  const stopped = wait.stopped ?? (pending.stop ? waited : undefined)
  // Envoy may still reject the last write, and then this apply has to undo it.
  if (stopped !== undefined && (!wrote || waited - stopped >= LAST_LOOK_MS)) {
    const finding = interrupted(about.member(member), `stopped while waiting for phase ${phase}`)
    return { kind: 'stop', putBack: false, finding }
  }
  const due = waited - wait.reportedMs > (kubelets === true && wait.reportedMs > 0 ? REPORT_KUBELETS_MS : REPORT_MS)
  return {
    kind: 'wait',
    wait: { since: wait.since, reportedMs: due ? waited : wait.reportedMs, stopped },
    for: pending.for,
    kubelets: kubelets === true,
    until: kubelets === true ? awaited.filesBy : new Date(wait.since + (closesNext(awaited) ? RESTRICT_MS : WAIT_MS)),
    afterMs: waited < SOON_MS ? POLL_MS : PATIENT_POLL_MS,
    progress: due ? [{ kind: 'waiting', member, phase, for: pending.for, milliseconds: waited, kubelets }] : [],
  }
}

const closesNext = ({ phase, patient, wrote }: Awaited): boolean => !patient && (phase === 'guard' || (phase === 'close' && !wrote))

/**
 * A pod without the mount cannot receive the file. Steps that close never wait for a kubelet: filters and policies close
 * at once.
 */
function holdsUp({ phase, patient, mends }: Awaited, { state }: Stand): boolean {
  if (state === 'ready' || state === 'unmounted') return false
  if (state === 'rejected' && mends) return false
  if (state === 'pending') return patient && (phase === 'guard' || phase === 'open')
  return patient || (state !== 'unheard' && state !== 'rejected')
}

const named = ({ proxy, state }: Stand): string => (state === 'unheard' || state === 'rejected' ? `${proxy} (${state})` : proxy)

const acknowledged = ({ member, phase, first }: Awaited, proxies: number, milliseconds: number): Progress => ({
  kind: 'acknowledged',
  member,
  phase,
  proxies,
  milliseconds,
  first,
})

const rejectedBy = ({ member, phase, first }: Awaited, { proxy, rejection }: Stand): Finding =>
  filterRejected(
    about.proxy(proxy, member),
    first === undefined
      ? `Envoy rejected what phase ${phase} wrote, so Entente restored the previous objects`
      : `Envoy rejected the canary filter of ${first.join(', ')}, so Entente removed it and changed nothing else`,
    rejection ?? '',
    'entente plan lists the obstacles; entente verify shows every proxy',
  )

const lagging = (awaited: Awaited, late: readonly Stand[]): Finding =>
  proxyLagging(about.member(awaited.member), {
    name: awaited.phase,
    seconds: WAIT_MS / 1000,
    proxies: late.map(({ proxy }) => proxy),
    left: leaves(awaited),
  })
