/** A file that is there while somebody works: one process at a time, also after one that died holding it. */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { clip } from '../../core/basics/clip.ts'
import { type Outcome, retry } from '../../core/basics/retry.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Holder, here, isGone, parse, print } from './lock-holder.ts'
import { fileError } from './write-files.ts'

const { O_NOFOLLOW, O_RDONLY } = constants
const EVERY_MS = 20

/**
 * Holds it for as long as `work` runs, which is for milliseconds.
 * @param waitMs how long to try again while another living process has it; 0 when absent
 * @throws FederationError record-busy when it still has it then; file-unwritable
 */
export async function withLock<T>(path: string, work: () => Promise<T>, waitMs = 0): Promise<T> {
  await retry(async () => (await take(path)) || (await takeFromTheDead(path)), {
    tries: 1 + Math.ceil(waitMs / EVERY_MS),
    waitMs: () => EVERY_MS,
    sleep,
    again: isBusy,
  })
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

/** The lock was somebody else's: another try may have it. */
export const isBusy = (outcome: Outcome<unknown>): boolean =>
  !outcome.ok && outcome.thrown instanceof FederationError && outcome.thrown.code === 'record-busy'

/** The file names its holder from its first moment: who is killed on the way leaves none without. */
async function take(path: string): Promise<boolean> {
  const mine = `${path}.${randomUUID()}`
  try {
    await writeFile(mine, print((await here()).self), { mode: 0o644 })
    await link(mine, path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw fileError('file-unwritable', path, cause)
  } finally {
    await rm(mine, { force: true })
  }
}

/** Two that find a dead holder at once must not both win, nor one remove what the other has just taken: one breaks it at a time. */
async function takeFromTheDead(path: string): Promise<true> {
  const breaking = `${path}.breaking`
  if (!(await take(breaking))) throw busy(breaking)
  try {
    // A link there is no lock of ours, and leads where it likes.
    const holder = parse(await readFile(path, { encoding: 'utf8', flag: O_RDONLY | O_NOFOLLOW }).catch(() => ''))
    // Gone by now, or nobody's that we know: whoever put it there may be at work.
    if (holder === undefined || !(await isGone(holder, await here()))) throw busy(path, holder)
    await rm(path, { force: true })
    if (!(await take(path))) throw busy(path)
    return true
  } finally {
    await rm(breaking, { force: true })
  }
}

const busy = (path: string, holder?: Holder): FederationError =>
  new FederationError('record-busy', path, holder === undefined ? 'somebody else is at work' : `${named(holder)} is at work`, {
    hint: `wait for it; if nobody is, remove ${path}`,
  })

const named = ({ pid, host }: Holder): string =>
  host === undefined || host === hostname() ? `process ${pid}` : `process ${pid} on ${clip(host, 80)}`
