/**
 * Identifies the holder of a lock file, so that another process can check whether it still runs. A process ID alone is not
 * enough: IDs are reused, and in containers nearly every process has ID 1.
 */
import { readFile, readlink } from 'node:fs/promises'
import { hostname, uptime } from 'node:os'

export interface Holder {
  readonly pid: number
  /** Absent in a lock of an older version. In a container, the pod's name. */
  readonly host?: string
  /** The kernel's boot ID. This field and the following: on Linux only. */
  readonly boot?: string
  /** The PID namespace, within which `pid` counts. */
  readonly namespace?: string
  /** When the process started: clock ticks since boot. */
  readonly start?: string
  /** When it took the lock: seconds since boot. All processes of one kernel share that clock. */
  readonly taken?: number
}

/** The facts that this process can read. */
export interface Here {
  readonly self: Holder
  /** When the process with that ID started: `undefined` if there is none, '' if that is not known. */
  readonly startOf: (pid: number) => Promise<string | undefined>
}

/** A lock is held for milliseconds. If its holder cannot be checked, the lock counts as abandoned after this time. */
const LONGEST_S = 60

/** In doubt the holder counts as running: two concurrent writers are worse than an error that the user has to resolve. */
export async function isGone(holder: Holder, { self, startOf }: Here): Promise<boolean> {
  const sameBoot = holder.boot === self.boot
  if (sameBoot && holder.namespace !== self.namespace) {
    // Another container of this machine, or this one before its restart.
    return holder.boot !== undefined && (self.taken ?? 0) - (holder.taken ?? 0) > LONGEST_S
  }
  // If the host name moved to another kernel, or the kernel restarted, the process no longer exists.
  if (holder.boot !== undefined && !sameBoot) return self.boot !== undefined && holder.host === self.host
  if (holder.boot === undefined) {
    const elsewhere = holder.host !== undefined && holder.host !== self.host
    return !elsewhere && (await startOf(holder.pid)) === undefined
  }
  const start = await startOf(holder.pid)
  return start === undefined || (start !== '' && start !== holder.start)
}

const told = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )

/** The 22nd field of /proc/PID/stat. The second one, the program's name, may hold spaces and brackets. */
const startIn = (stat: string | undefined): string | undefined => stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]

async function startOf(pid: number): Promise<string | undefined> {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return undefined
  }
  return startIn(await told(`/proc/${pid}/stat`)) ?? ''
}

let known: Promise<Omit<Holder, 'taken'>> | undefined

async function find(): Promise<Omit<Holder, 'taken'>> {
  const [boot, namespace, stat] = await Promise.all([
    told('/proc/sys/kernel/random/boot_id'),
    readlink('/proc/self/ns/pid').catch(() => undefined),
    told('/proc/self/stat'),
  ])
  const start = startIn(stat)
  const whole = boot === undefined || namespace === undefined || start === undefined ? {} : { boot, namespace, start }
  return { pid: process.pid, host: hostname(), ...whole }
}

export async function here(): Promise<Here> {
  known ??= find()
  return { self: { ...(await known), taken: uptime() }, startOf }
}

export const print = (holder: Holder): string => `${JSON.stringify(holder)}\n`

/** `undefined`: not written by Entente. An older version wrote the process ID only. */
export function parse(text: string): Holder | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const fields: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : { pid: value }
  const { pid, taken } = fields
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  const texts = ['host', 'boot', 'namespace', 'start'].filter((key) => typeof fields[key] === 'string').map((key) => [key, fields[key]])
  return { pid, ...Object.fromEntries(texts), ...(typeof taken === 'number' ? { taken } : {}) }
}
