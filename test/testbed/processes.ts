/**
 * Long-lived processes of the bed. Each runs in a session of its own (so that ^C in the terminal does not reach it) and is recorded in the
 * run directory with the time it started: a pid is only ever signalled while it still is that process.
 */
import { spawn } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { logFile, runFile } from './layout.ts'
import { lastLines, until } from './run.ts'

/** Distinguishes a process from a later one with its pid: its start in clock ticks since boot, and the boot id. */
export interface Identity {
  readonly pid: number
  readonly started: string
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

const RECORDS = runFile('processes')
const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** @returns undefined when there is no such process, or only a zombie waiting for its parent */
export function identify(pid: number): Identity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // proc(5): the name may hold spaces; state is field 3
    return fields[0] === 'Z' ? undefined : { pid, started: `${bootId()}/${fields[19]}` }
  } catch {
    return undefined
  }
}

export const isAlive = (identity: Identity): boolean => identify(identity.pid)?.started === identity.started

export class Process {
  readonly name: string
  readonly identity: Identity

  constructor(name: string, identity: Identity) {
    this.name = name
    this.identity = identity
  }

  get pid(): number {
    return this.identity.pid
  }

  alive(): boolean {
    return isAlive(this.identity)
  }

  /** Ends it and its children: asks first, and does not ask twice. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM', patienceMs = 4_000): Promise<void> {
    signalGroup(this.identity, signal)
    await until(`${this.name} to end`, async () => !this.alive(), patienceMs).catch(() => signalGroup(this.identity, 'SIGKILL'))
    await until(`${this.name} to end`, async () => !this.alive(), patienceMs)
    rmSync(path.join(RECORDS, `${this.name}.json`), { force: true })
  }

  /** The end of its log, for errors. */
  lastWords(lines = 8): string {
    return existsSync(logFile(this.name)) ? lastLines(readFileSync(logFile(this.name), 'utf8'), lines) : '(no log)'
  }
}

/** @throws Error when the command cannot be started */
export function start(name: string, command: string, args: readonly string[], options: StartOptions = {}): Process {
  mkdirSync(RECORDS, { recursive: true, mode: 0o755 })
  mkdirSync(path.dirname(logFile(name)), { recursive: true, mode: 0o755 })
  const log = openSync(logFile(name), 'a')
  chmodSync(logFile(name), 0o666) // a proxy opens /dev/stdout again, as another user
  const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  child.on('error', () => {}) // the missing pid reports it below
  child.unref()
  const identity = child.pid === undefined ? undefined : identify(child.pid)
  if (identity === undefined) throw new Error(`${command} could not be started; see ${logFile(name)}`)
  writeFileSync(path.join(RECORDS, `${name}.json`), JSON.stringify(identity))
  return new Process(name, identity)
}

/** Those on record that still run. */
export function recorded(): Process[] {
  if (!existsSync(RECORDS)) return []
  return readdirSync(RECORDS)
    .filter((file) => file.endsWith('.json'))
    .map((file) => new Process(path.basename(file, '.json'), readIdentity(path.join(RECORDS, file)) ?? { pid: 0, started: '' }))
    .filter((process) => process.alive())
}

export function readIdentity(file: string): Identity | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('started' in value)) return undefined
    return typeof value.pid === 'number' && typeof value.started === 'string' ? { pid: value.pid, started: value.started } : undefined
  } catch {
    return undefined
  }
}

/** The process leads its group, so this reaches what it started, too. */
export function signalGroup(identity: Identity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(-identity.pid, signal)
  } catch {
    // gone meanwhile
  }
}
