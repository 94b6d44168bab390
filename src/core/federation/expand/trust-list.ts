/** The entries of `trust` while a document is expanded. */
import type { WrittenDocument } from '../schema.ts'
import type { MemberEntry } from './call-end.ts'
import type { AcceptEntry, ReachEntry, TrustEntry } from './long-form.ts'
import type { Origins, Place, Tell } from './places.ts'

/** A document of short forms must not fill the memory: a group of 100 members has 9,900 pairs. */
export const MAX_ENTRIES = 100_000

export type Defaults = NonNullable<WrittenDocument['spec']['defaults']>

interface Growing {
  readonly entry: TrustEntry
  readonly accept: AcceptEntry[]
  readonly reach: ReachEntry[]
}

/** The entries of `trust`, in the order of the file. Calls add to the entry of their pair, or begin one. */
export class TrustList {
  readonly #origins: Origins
  readonly #all: Growing[] = []
  readonly #byPair = new Map<string, Growing>()
  #size = 0

  constructor(origins: Origins) {
    this.#origins = origins
  }

  /** Whether so many more entries are too many. */
  isFullWith(more: number): boolean {
    return this.#size + more > MAX_ENTRIES
  }

  add(entry: TrustEntry, place: Place): void {
    const growing = { entry: this.#origins.copied(entry, place), accept: [], reach: [] }
    this.#all.push(growing)
    this.#size++
    const pair = `${entry.truster} ${entry.trusted}`
    // Distribution mesh has no scopes. A pair may have a second entry for them.
    if (entry.distribution !== 'mesh' && !this.#byPair.has(pair)) this.#byPair.set(pair, growing)
  }

  /** The entry of a pair that calls add to. */
  between(
    { name: truster }: MemberEntry,
    { name: trusted }: MemberEntry,
    { distribution, until }: Defaults,
    place: Place,
    tell: Tell,
  ): Pick<Growing, 'accept' | 'reach'> | undefined {
    this.#size++
    const pair = `${truster} ${trusted}`
    const known = this.#byPair.get(pair)
    if (known !== undefined) return known
    if (distribution === undefined) {
      tell(
        place,
        `nothing states how the roots of ${trusted} get to the proxies of ${truster}`,
        'add to spec: defaults: { distribution: pinned }',
      )
      return undefined
    }
    const entry: TrustEntry = { truster, trusted, distribution, ...(until === undefined ? {} : { until }) }
    const growing: Growing = { entry: this.#origins.made(entry, place), accept: [], reach: [] }
    this.#all.push(growing)
    this.#byPair.set(pair, growing)
    return growing
  }

  entries(): readonly TrustEntry[] {
    return this.#all.map(({ entry, accept, reach }) => {
      if (accept.length + reach.length === 0) return entry
      // A list that nobody wrote is where the entry is.
      const listOf = <T>(own: readonly T[] | undefined, more: readonly T[]): readonly T[] =>
        own === undefined ? this.#origins.moved(entry, more) : [...own, ...more]
      const grown = {
        ...entry,
        ...(accept.length === 0 ? {} : { accept: listOf(entry.accept, accept) }),
        ...(reach.length === 0 ? {} : { reach: listOf(entry.reach, reach) }),
      }
      return this.#origins.moved(entry, grown)
    })
  }
}
