/**
 * A machine has one bed. Only the process that holds `owner.json` may start it or tear it down. The reaper runs longer than the holder.
 * A released bed has no holder: it stays until another process claims it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, linkSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { logFile, RUN_DIRECTORY, runFile } from './layout.ts'
import { type Identity, identify, isAlive, readIdentity } from './processes.ts'
import { until } from './run.ts'
import { isEmpty, leftovers, sweep } from './sweep.ts'

const OWNER_FILE = runFile('owner.json')
const REAPER_FILE = runFile('reaper.json')

type Progress = (line: string) => void

export class Ownership {
  readonly #reaper: ChildProcess
  readonly #identity: Identity

  private constructor(reaper: ChildProcess, identity: Identity) {
    this.#reaper = reaper
    this.#identity = identity
  }

  /** Claims the bed for this process after the current holder releases it, and removes leftovers. */
  static async take(progress: Progress, patienceMs: number): Promise<Ownership> {
    await claim(progress, patienceMs)
    await clear(progress)
    rmSync(runFile('log'), { recursive: true, force: true })
    mkdirSync(runFile('log'), { recursive: true, mode: 0o755 })
    const reaper = startReaper()
    const identity = reaper.pid === undefined ? undefined : identify(reaper.pid)
    if (identity === undefined) throw new Error('the reaper could not be started')
    writeFileSync(REAPER_FILE, JSON.stringify(identity))
    return new Ownership(reaper, identity)
  }

  /** Nobody holds or watches the bed from now on. */
  async release(): Promise<void> {
    await this.#endReaper()
    disclaim()
  }

  async down(): Promise<void> {
    await this.#endReaper()
    await sweep()
    disclaim()
  }

  async #endReaper(): Promise<void> {
    this.#reaper.kill('SIGKILL')
    await until('the reaper to end', async () => !isAlive(this.#identity), 5_000, 10)
    rmSync(REAPER_FILE, { force: true })
  }
}

/** @throws Error when a living process holds the bed */
export async function takeDown(progress: Progress): Promise<void> {
  await claim(progress, 0)
  await clear(progress)
  disclaim()
}

export const disclaim = (): void => rmSync(OWNER_FILE, { force: true })

async function clear(progress: Progress): Promise<void> {
  const found = await leftovers()
  if (isEmpty(found)) return
  progress(`taking down the last bed: ${found.processes.length} processes, ${found.netns.length} network namespaces`)
  await sweep()
}

/** Of two who find the claim of a dead process at the same instant both may win; the reaper's end, which they wait for, makes that unlikely. */
async function claim(progress: Progress, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs
  let told = false
  while (!tryClaim()) {
    const owner = readIdentity(OWNER_FILE)
    if (owner !== undefined && isAlive(owner)) {
      if (Date.now() >= deadline) throw new Error(`process ${owner.pid} holds the test bed: wait for it, or end it, and its bed goes too`)
      if (!told) progress(`process ${owner.pid} holds the test bed: waiting`)
      told = true
      await sleep(500)
    } else {
      const reaper = readIdentity(REAPER_FILE)
      if (reaper !== undefined) await until('the last bed to be taken down', async () => !isAlive(reaper))
      disclaim()
    }
  }
}

/** The file appears with its content, or not at all. */
function tryClaim(): boolean {
  const self = identify(process.pid)
  if (self === undefined) throw new Error('no /proc: the test bed needs Linux')
  mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o755 })
  const draft = `${OWNER_FILE}.${process.pid}`
  writeFileSync(draft, JSON.stringify(self))
  try {
    linkSync(draft, OWNER_FILE)
    return true
  } catch {
    return false
  } finally {
    rmSync(draft, { force: true })
  }
}

function startReaper(): ChildProcess {
  const log = openSync(logFile('reaper'), 'a')
  const script = path.join(import.meta.dirname, 'reaper.ts')
  const cwd = path.resolve(import.meta.dirname, '../..')
  const reaper = spawn(process.execPath, ['--import', 'tsx', script], { cwd, stdio: ['pipe', log, log], detached: true })
  closeSync(log)
  reaper.unref()
  if (reaper.stdin && 'unref' in reaper.stdin && typeof reaper.stdin.unref === 'function') reaper.stdin.unref()
  return reaper
}
