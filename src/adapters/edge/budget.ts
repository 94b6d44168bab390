/**
 * Limits on what one member may consume: time for a whole observation and for each call, and bytes and pages of lists.
 * Entente does not trust a member. If it exceeds a limit, that is this member's failure, and affects no other member.
 */

import { asFailureOf, FederationError } from '../../core/diagnostics/errors.ts'
import { type Subject, textOf } from '../../core/diagnostics/subject.ts'

export interface Limits {
  /** For one call, from sending to the last byte of the answer. */
  readonly timeoutMs: number
  /** For one observation of a member with all its calls, or for one write. */
  readonly lookMs: number
  /** For all lists of one observation. */
  readonly maxBytes: number
  readonly maxPages: number
  /** For one answer of istiod's debug port. */
  readonly maxDumpBytes: number
  /** Concurrent calls to one API server. */
  readonly atOnce: number
}

const MIB = 1024 * 1024

export const LIMITS: Limits = {
  timeoutMs: 10_000,
  lookMs: 30_000,
  maxBytes: 64 * MIB,
  maxPages: 500,
  maxDumpBytes: 64 * MIB,
  atOnce: 16,
}

/** For any answer that is neither a list nor a dump. etcd accepts objects of 1.5 MiB, and managedFields are added to that. */
export const MAX_ANSWER = 8 * MIB

/** The interval of progress messages for a waiting user. */
const TELL_MS = 5_000

export interface Overseer {
  /** The progress of a long observation. */
  readonly report?: (text: string) => void
  /** After it aborts, no answer of a member is waited for. */
  readonly stop?: AbortSignal
}

/** The limits of one call. */
export interface Allowance {
  /** The name of the member in errors. */
  readonly subject: Subject | string
  readonly timeoutMs: number
  readonly stop?: AbortSignal
  /** Called with every piece of the answer as it arrives. @throws if that exceeds the limit */
  readonly take: (bytes: number) => void
}

export class Budget {
  readonly subject: Subject | string
  readonly limits: Limits
  private readonly overseer: Overseer
  private readonly until: number
  private bytes = 0
  private pages = 0
  private dumps = 0
  private asked = 0

  constructor(subject: Subject | string, limits: Limits, overseer: Overseer = {}, until = performance.now() + limits.lookMs) {
    this.subject = subject
    this.limits = limits
    this.overseer = overseer
    this.until = until
  }

  /** Continues the same observation: its deadline stays. What the earlier part read may be read again. */
  further(): Budget {
    return new Budget(this.subject, this.limits, this.overseer, this.until)
  }

  /** Milliseconds. */
  left(): number {
    return this.until - performance.now()
  }

  /** For a call whose answer is no list. @throws FederationError cluster-unreachable, interrupted */
  call(maxBytes = MAX_ANSWER): Allowance {
    let taken = 0
    const most = Math.min(maxBytes, Math.max(this.limits.maxBytes, this.limits.maxDumpBytes))
    return this.allowance((bytes) => {
      taken += bytes
      if (taken > most) throw new FederationError('cluster-refused', this.subject, `sent an answer larger than ${mebibytes(most)}`)
    })
  }

  /** For one page of a list. @throws FederationError cluster-refused, cluster-unreachable, interrupted */
  page(): Allowance {
    this.pages += 1
    if (this.pages > this.limits.maxPages)
      throw new FederationError('cluster-refused', this.subject, `its lists have more than ${this.limits.maxPages} pages, or never end`, {
        hint: 'if the cluster is that large, raise --max-list-pages',
      })
    return this.allowance((bytes) => {
      this.bytes += bytes
      if (this.bytes > this.limits.maxBytes)
        throw new FederationError('cluster-refused', this.subject, `its lists have more than ${mebibytes(this.limits.maxBytes)} in total`, {
          hint: 'if the cluster is that large, raise --max-list-bytes',
        })
    })
  }

  /** For one answer of istiod. @throws FederationError istiod-refused, cluster-unreachable, interrupted */
  dump(): Allowance {
    this.asked += 1
    const { maxDumpBytes } = this.limits
    let taken = 0
    return this.allowance((bytes) => {
      if (taken === 0) this.dumps += 1
      taken += bytes
      if (taken > maxDumpBytes)
        throw new FederationError('istiod-refused', this.subject, `sent an answer larger than ${mebibytes(maxDumpBytes)}`, {
          hint: 'if its proxies have that much configuration, raise --max-dump-bytes',
        })
    })
  }

  /** Waits as long as the member requests. @throws FederationError if that exceeds the remaining time */
  async wait(milliseconds: number, why: string): Promise<void> {
    if (milliseconds >= this.left())
      throw new FederationError('cluster-refused', this.subject, `${why}, longer than the remaining time`, { hint: LONGER })
    await this.race(new Promise((resolve) => setTimeout(resolve, milliseconds)))
  }

  /**
   * Settles with `work` or at the deadline of the observation, whichever is earlier. An error that is not a
   * FederationError comes from an unforeseen answer, and is this member's failure, too.
   * @throws FederationError
   */
  async race<T>(work: Promise<T>): Promise<T> {
    let over: (() => void) | undefined
    const end = new Promise<never>((_, reject) => {
      const stopped = (): void => reject(interrupted(this.subject))
      // A timer may fire a millisecond early; after it, no other call may find time left.
      const timer = setTimeout(() => reject(this.late()), Math.max(0, Math.ceil(this.left()) + 1))
      const { stop } = this.overseer
      if (stop?.aborted === true) stopped()
      stop?.addEventListener('abort', stopped, { once: true })
      over = () => {
        clearTimeout(timer)
        stop?.removeEventListener('abort', stopped)
      }
    })
    // Whichever of the two settles, the other is cancelled.
    end.catch(() => {})
    work.catch(() => {})
    try {
      return await Promise.race([work, end])
    } catch (cause) {
      throw asFailureOf(this.subject, cause)
    } finally {
      over?.()
    }
  }

  /** `work`, with progress messages. */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    const { report } = this.overseer
    if (report === undefined) return work()
    const begun = performance.now()
    const timer = setInterval(() => report(`${textOf(this.subject)}: ${this.progress(performance.now() - begun)}`), TELL_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
    }
  }

  private progress(milliseconds: number): string {
    const dumps = this.asked === 0 ? '' : `, ${this.dumps} of ${this.asked} answers of istiod`
    return `reading for ${Math.round(milliseconds / 1000)} s: ${this.pages} pages of lists (${mebibytes(this.bytes)})${dumps}`
  }

  private allowance(take: (bytes: number) => void): Allowance {
    const left = this.left()
    const { stop } = this.overseer
    if (stop?.aborted === true) throw interrupted(this.subject)
    if (left <= 0) throw this.late()
    return { subject: this.subject, timeoutMs: Math.min(this.limits.timeoutMs, left), take, ...(stop === undefined ? {} : { stop }) }
  }

  private late(): FederationError {
    return new FederationError('cluster-unreachable', this.subject, `did not finish within ${seconds(this.limits.lookMs)}`, {
      hint: LONGER,
    })
  }
}

const LONGER = 'check that it runs and that the network is fast enough; if it is large, raise --look-timeout'

export const interrupted = (subject: Subject | string): FederationError =>
  new FederationError('interrupted', subject, 'stopped before it answered')

export const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toFixed(1))} s`
const mebibytes = (bytes: number): string => `${Number((bytes / MIB).toFixed(1))} MiB`
