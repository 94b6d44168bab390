/**
 * The homes that applies wrote to, and what each still holds by the record: the objects that no later step and no
 * `remove` took away.
 */
import { groupBy } from '../basics/group-by.ts'
import { pathSegments } from '../basics/path-segments.ts'
import type { AuditEntry, RecordedHome } from '../model/recorded.ts'
import type { Actor } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Begin } from './interrupted-apply.ts'

type End = AuditEntry & { readonly action: 'end' }
type Remove = AuditEntry & { readonly action: 'remove' }
export type Place = Pick<RecordedHome, 'context' | 'directory'>

export interface HeldHome {
  /** The name of its member, at the last apply there. */
  readonly member: string
  /** Absent if only an older version of Entente wrote there, which did not record homes. */
  readonly home?: RecordedHome
  /** `KIND NAMESPACE/NAME`. An object whose removal was not confirmed counts. */
  readonly objects: ReadonlySet<string>
  /** The trust domains that it was made to accept, ever. */
  readonly domains: ReadonlySet<TrustDomain>
  /** The last apply there. */
  readonly last: { readonly seq: number; readonly at: Date; readonly by: Actor }
}

/** By `placeKey`; of a home that is not recorded, by `member:NAME`. */
export type HeldHomes = ReadonlyMap<string, HeldHome>

/** What is written to decides: with a directory, Git delivers, whatever cluster is observed. */
export const placeKey = ({ context, directory }: Place): string =>
  directory === undefined ? `context:${context ?? ''}` : `directory:${pathSegments(directory).join('/')}`

/** Without the fields that are not given. */
export const placeOf = ({
  context,
  directory,
}: {
  readonly context?: string | undefined
  readonly directory?: string | undefined
}): Place => ({
  ...(context === undefined ? {} : { context }),
  ...(directory === undefined ? {} : { directory }),
})

/** Extends a map of homes, which no caller has yet. */
export class HomesFold {
  readonly homes: Map<string, HeldHome>

  constructor(homes: HeldHomes) {
    this.homes = new Map(homes)
  }

  /** Until an `end` says otherwise, every write of the apply may have happened, and no removal. */
  begin(begin: Begin): void {
    for (const name of new Set(begin.steps.flatMap(({ member }) => member ?? []))) {
      const home = begin.homes?.find(({ member }) => member === name)
      const key = keyIn(begin, name)
      const before = [this.homes.get(key), ...this.absorbed(key, name, home)].filter((one) => one !== undefined)
      const steps = begin.steps.filter(({ member }) => member === name)
      const widened = steps.flatMap(({ changes }) => changes.flatMap(({ effect, trusted }) => (effect === 'widens' ? [trusted] : [])))
      const written = steps.flatMap(({ object, after }) => (object === undefined || after === null ? [] : [object]))
      this.homes.set(key, {
        member: name,
        ...(home === undefined ? {} : { home }),
        objects: new Set([...before.flatMap(({ objects }) => [...objects]), ...written]),
        domains: new Set([...before.flatMap(({ domains }) => [...domains]), ...widened]),
        last: { seq: begin.seq, at: begin.at, by: begin.actor },
      })
    }
  }

  /** The same home under another name: a cluster that Git delivers from now on, or one that the record's head identifies. */
  private absorbed(key: string, name: string, home: RecordedHome | undefined): readonly HeldHome[] {
    const keys: string[] = home === undefined ? [] : [`member:${name}`]
    if (home?.directory !== undefined && home.context !== undefined) keys.push(placeKey({ context: home.context }))
    if (home?.continues === true) keys.push(lastOf(this.homes, name)?.[0] ?? '')
    return keys.flatMap((other) => {
      const held = other === key ? undefined : this.homes.get(other)
      if (held !== undefined) this.homes.delete(other)
      return held ?? []
    })
  }

  /** One apply may remove an object and create it again: its steps on the object count in their order. */
  end({ done }: End, begin: Begin): void {
    const carriedOut = new Set(done)
    const there = new Map<string, boolean>()
    const keyed = begin.steps.flatMap(({ object, member = '', ...step }) =>
      object === undefined ? [] : [{ ...step, object, key: keyIn(begin, member) }],
    )
    for (const { id, key, object, before, after } of keyed) {
      const one = `${key} ${object}`
      const was = there.get(one) ?? before !== null
      there.set(one, carriedOut.has(id) ? after !== null : was)
    }
    for (const [key, steps] of groupBy(keyed, (step) => step.key)) {
      const held = this.homes.get(key)
      const removed = new Set(steps.flatMap(({ object }) => (there.get(`${key} ${object}`) === false ? [object] : [])))
      if (held !== undefined && removed.size > 0)
        this.homes.set(key, { ...held, objects: new Set([...held.objects].filter((object) => !removed.has(object))) })
    }
  }

  remove({ member, context, directory }: Remove): void {
    const named = context === undefined && directory === undefined ? undefined : placeKey(placeOf({ context, directory }))
    for (const [key, held] of this.homes) {
      if (key === named || (held.home === undefined && held.member === member)) this.homes.set(key, { ...held, objects: new Set() })
    }
  }
}

const keyIn = ({ homes }: Begin, member: string): string => {
  const home = homes?.find((one) => one.member === member)
  return home === undefined ? `member:${member}` : placeKey(home)
}

/** The home to which the last apply to a member of this name wrote, with its key. */
export const lastOf = (homes: HeldHomes, member: string): readonly [string, HeldHome] | undefined =>
  [...homes].filter(([, held]) => held.member === member).sort(([, one], [, other]) => other.last.seq - one.last.seq)[0]
