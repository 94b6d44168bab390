/** A lock file: one process at a time. If the holder died, the next process removes the lock. */

import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { clip } from '../../core/basics/clip.ts'
import { type Outcome, retry } from '../../core/basics/retry.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { type Holder, here, isGone, parse, print } from './lock-holder.ts'
import { fileError } from './write-files.ts'

const { O_NOFOLLOW, O_RDONLY } = constants
const EVERY_MS = 20

/**
 * Holds the lock while `work` runs, which takes milliseconds.
 * @param waitMs how long to retry while another living process holds it; 0 if absent
 * @throws FederationError record-busy if it is still held then; file-unwritable
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

/** Another process had the lock: a retry may get it. */
export const isBusy = (outcome: Outcome<unknown>): boolean =>
  !outcome.ok && outcome.thrown instanceof FederationError && outcome.thrown.code === 'record-busy'

/** The file names its holder from the moment it exists: a process that dies on the way leaves no lock without a holder. */
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

/**
 * Of two processes that detect an abandoned lock, only one may remove it, and neither may remove a lock that the other has
 * just taken. So removal has a lock, too.
 */
async function takeFromTheDead(path: string): Promise<true> {
  const breaking = `${path}.breaking`
  if (!(await take(breaking))) throw busy(breaking)
  try {
    // A symbolic link here is not Entente's lock, and could lead anywhere.
    const holder = parse(await readFile(path, { encoding: 'utf8', flag: O_RDONLY | O_NOFOLLOW }).catch(() => ''))
    // The lock is gone by now, or its holder is unknown: the process that wrote it may be running.
    if (holder === undefined || !(await isGone(holder, await here()))) throw busy(path, holder)
    await rm(path, { force: true })
    if (!(await take(path))) throw busy(path)
    return true
  } finally {
    await rm(breaking, { force: true })
  }
}

const busy = (path: string, holder?: Holder): FederationError =>
  new FederationError(
    'record-busy',
    about.file(path),
    holder === undefined ? 'another process holds the lock' : `${named(holder)} holds the lock`,
    {
      hint: `wait for it; if no such process runs: rm ${path}`,
    },
  )

const named = ({ pid, host }: Holder): string =>
  host === undefined || host === hostname() ? `process ${pid}` : `process ${pid} on ${clip(host, 80)}`
