/**
 * What one member may take of us: so much time for a whole look and for each call, so many bytes and pages of lists. A
 * member is not trusted: what it does beyond that is a failure of this member, and of nobody else.
 */
import { asFailureOf, FederationError } from '../../core/diagnostics/errors.ts'

export interface Limits {
  /** For one call, from the moment it is sent to the last byte of its answer. */
  readonly timeoutMs: number
  /** For one look at a member, all of its calls together; likewise for one write. */
  readonly lookMs: number
  /** Of all lists of one look. */
  readonly maxBytes: number
  readonly maxPages: number
  /** Of one answer of istiod's debug port. */
  readonly maxDumpBytes: number
  /** Calls under way at one API server. */
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

/** Of any answer that is no list and no dump: etcd takes objects of 1.5 MiB, and managedFields come on top. */
export const MAX_ANSWER = 8 * MIB

/** How often somebody who waits hears how far a look has come. */
const TELL_MS = 5_000

export interface Overseer {
  /** How far a look has come, where it takes long. */
  readonly tell?: (text: string) => void
  /** Once it aborts, nothing that a member is to say is waited for any more. */
  readonly stop?: AbortSignal
}

/** What one call may take. */
export interface Allowance {
  /** As errors name the member. */
  readonly subject: string
  readonly timeoutMs: number
  readonly stop?: AbortSignal
  /** Is told of every piece of the answer as it comes. @throws when that is too much */
  readonly take: (bytes: number) => void
}

export class Budget {
  readonly subject: string
  readonly limits: Limits
  private readonly overseer: Overseer
  private readonly until: number
  private bytes = 0
  private pages = 0
  private dumps = 0
  private asked = 0

  constructor(subject: string, limits: Limits, overseer: Overseer = {}, until = performance.now() + limits.lookMs) {
    this.subject = subject
    this.limits = limits
    this.overseer = overseer
    this.until = until
  }

  /** The same look goes on: its deadline stays. What the first part read may be read again. */
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
      if (taken > most) throw new FederationError('cluster-refused', this.subject, `an answer of more than ${mebibytes(most)}`)
    })
  }

  /** For one page of a list. @throws FederationError cluster-refused, cluster-unreachable, interrupted */
  page(): Allowance {
    this.pages += 1
    if (this.pages > this.limits.maxPages)
      throw new FederationError('cluster-refused', this.subject, `its lists have more than ${this.limits.maxPages} pages, or never end`, {
        hint: 'if it is that large: --max-list-pages',
      })
    return this.allowance((bytes) => {
      this.bytes += bytes
      if (this.bytes > this.limits.maxBytes)
        throw new FederationError('cluster-refused', this.subject, `its lists have more than ${mebibytes(this.limits.maxBytes)} in all`, {
          hint: 'if it is that large: --max-list-bytes',
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
        throw new FederationError('istiod-refused', this.subject, `an answer of more than ${mebibytes(maxDumpBytes)}`, {
          hint: 'if its proxies have that much: --max-dump-bytes',
        })
    })
  }

  /** Waits, as the member asked to. @throws FederationError when that is longer than there is time */
  async wait(milliseconds: number, why: string): Promise<void> {
    if (milliseconds >= this.left())
      throw new FederationError('cluster-refused', this.subject, `${why}, longer than there is time`, { hint: LONGER })
    await this.race(new Promise((resolve) => setTimeout(resolve, milliseconds)))
  }

  /**
   * `work`, or the end of the look: whatever `work` waits for, this settles. What is not a FederationError came of an
   * answer that nobody foresaw, and is this member's failure, too.
   * @throws FederationError
   */
  async race<T>(work: Promise<T>): Promise<T> {
    let over: (() => void) | undefined
    const end = new Promise<never>((_, reject) => {
      const stopped = (): void => reject(interrupted(this.subject))
      const timer = setTimeout(() => reject(this.late()), Math.max(0, this.left()))
      const { stop } = this.overseer
      if (stop?.aborted === true) stopped()
      stop?.addEventListener('abort', stopped, { once: true })
      over = () => {
        clearTimeout(timer)
        stop?.removeEventListener('abort', stopped)
      }
    })
    // Where `work` wins, nobody waits for the other any more; and the other way round.
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

  /** `work`, with word of how far it has come. */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    const { tell } = this.overseer
    if (tell === undefined) return work()
    const begun = performance.now()
    const timer = setInterval(() => tell(`${this.subject}: ${this.progress(performance.now() - begun)}`), TELL_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
    }
  }

  private progress(milliseconds: number): string {
    const dumps = this.asked === 0 ? '' : `, ${this.dumps} of ${this.asked} answers of istiod`
    return `looking for ${Math.round(milliseconds / 1000)} s: ${this.pages} pages of lists (${mebibytes(this.bytes)})${dumps}`
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

const LONGER = 'is it up, and near? if it is only large: --look-timeout'

export const interrupted = (subject: string): FederationError =>
  new FederationError('interrupted', subject, 'stopped before it had answered')

export const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toFixed(1))} s`
const mebibytes = (bytes: number): string => `${Number((bytes / MIB).toFixed(1))} MiB`
