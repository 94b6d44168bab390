/** `follow --watch`: one timer for each partner, from the refresh hint of its bundle. */
import { nextFetchMs } from '../../core/exchange/following.ts'
import { digestOf } from '../../core/model/digest.ts'
import { readDesired } from '../desired.ts'
import type { Ports } from '../use-case.ts'
import { AT_ONCE, type Followable, type FollowedMember, type FollowInput, type FollowPorts, followableIn, Session } from './follow.ts'

const TICK_MS = 200
/** The files may change while it runs. */
const REREAD_MS = 30_000
const SAVE_MS = 5_000

/**
 * Follows until the user asks to stop. A failed fetch is repeated after a quarter of the interval, and delays no other partner.
 * @param report receives the result of each fetch
 * @throws FederationError as `readDesired` at the beginning; file-unwritable
 */
export async function watchEndpoints(
  ports: FollowPorts & Pick<Ports, 'sleep' | 'stopped'>,
  { members, withoutHold = false }: FollowInput,
  report: (followed: FollowedMember) => void,
): Promise<void> {
  const session = await Session.open(ports, withoutHold)
  const due = new Map<string, number>()
  const running = new Map<string, Promise<void>>()
  let desired = await readDesired(ports)
  let read = ports.now().getTime()
  let saved = read
  let broken: unknown
  const once = async (member: Followable): Promise<void> => {
    const followed = await session.follow(desired, member)
    const hint = followed.refreshHintSeconds
    const failed = followed.decision === undefined
    due.set(member.name, ports.now().getTime() + nextFetchMs(hint === undefined ? {} : { refreshHintSeconds: hint }, failed, share(member)))
    report(followed)
  }
  while (!ports.stopped() && broken === undefined) {
    const now = ports.now().getTime()
    if (now - read >= REREAD_MS) {
      // A file that cannot be read for a moment ends nothing: the last one stays.
      desired = await readDesired(ports).catch(() => desired)
      read = now
    }
    const waiting = followableIn(desired, members).filter(({ name }) => !running.has(name) && (due.get(name) ?? 0) <= now)
    for (const member of waiting.slice(0, AT_ONCE - running.size)) {
      const work = once(member).catch((thrown: unknown) => {
        broken ??= thrown
      })
      running.set(
        member.name,
        work.finally(() => running.delete(member.name)),
      )
    }
    if (now - saved >= SAVE_MS) {
      await session.save()
      saved = now
    }
    await ports.sleep(TICK_MS)
  }
  await Promise.all(running.values())
  await session.save()
  if (broken !== undefined) throw broken
}

/** From 0 to 1, the same for the same partner: partners with equal hints are fetched at different times. */
const share = ({ trustDomain }: Followable): number => Number.parseInt(digestOf(trustDomain).slice('sha256:'.length, 15), 16) / 2 ** 32
