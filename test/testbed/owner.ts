/** Who owns the running bed, and the guard that outlives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { logFile, RUN_DIRECTORY, runFile } from './layout.ts'
import { type Identity, identify, isAlive } from './processes.ts'
import { until } from './run.ts'
import { clearTheWay, OWNER_FILE, REAPER_FILE } from './sweep.ts'

export class Ownership {
  readonly #reaper: ChildProcess
  readonly #identity: Identity

  private constructor(reaper: ChildProcess, identity: Identity) {
    this.#reaper = reaper
    this.#identity = identity
  }

  /** Takes the machine's one bed for this process; what an earlier one left is removed. */
  static async take(progress: (line: string) => void): Promise<Ownership> {
    const self = identify(process.pid)
    if (self === undefined) throw new Error('no /proc: the test bed needs Linux')
    await clearTheWay(self, progress)
    mkdirSync(runFile('log'), { recursive: true, mode: 0o755 })
    writeFileSync(OWNER_FILE, JSON.stringify(self))
    const log = openSync(logFile('reaper'), 'a')
    const script = path.join(import.meta.dirname, 'reaper.ts')
    const cwd = path.resolve(import.meta.dirname, '../..')
    const reaper = spawn(process.execPath, ['--import', 'tsx', script], { cwd, stdio: ['pipe', log, log], detached: true })
    closeSync(log)
    const identity = reaper.pid === undefined ? undefined : identify(reaper.pid)
    if (identity === undefined) throw new Error('the reaper could not be started')
    writeFileSync(REAPER_FILE, JSON.stringify(identity))
    reaper.unref()
    if (reaper.stdin && 'unref' in reaper.stdin && typeof reaper.stdin.unref === 'function') reaper.stdin.unref()
    return new Ownership(reaper, identity)
  }

  /** Nobody watches the bed from now on: it stays until someone takes it down. */
  async release(): Promise<void> {
    this.#reaper.kill('SIGKILL')
    await until('the reaper to end', async () => !isAlive(this.#identity), 5_000, 10)
    for (const file of [OWNER_FILE, REAPER_FILE]) rmSync(file, { force: true })
  }

  get directory(): string {
    return RUN_DIRECTORY
  }
}
