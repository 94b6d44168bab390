/** Teardown: ends and removes all that a bed made on this machine, in this process's bed or one that crashed. Logs stay, for the curious. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { RUN_DIRECTORY, runFile } from './layout.ts'
import { bridgeExists, deleteBridge, deleteNetns, netnsList } from './network.ts'
import { type Identity, isAlive, readIdentity, recorded } from './processes.ts'
import { until } from './run.ts'

/** Who holds the bed: a test run's process. Absent for a bed brought up by hand. */
export const OWNER_FILE = runFile('owner.json')
/** The process that tears down when the owner is gone. */
export const REAPER_FILE = runFile('reaper.json')

export interface Leftovers {
  readonly processes: readonly string[]
  readonly netns: readonly string[]
  readonly bridge: boolean
}

export async function leftovers(): Promise<Leftovers> {
  return { processes: recorded().map((process) => process.name), netns: await netnsList(), bridge: await bridgeExists() }
}

export const isEmpty = (found: Leftovers): boolean => found.processes.length === 0 && found.netns.length === 0 && !found.bridge

/** Nothing here is worth an orderly end, so everything is killed. Safe to repeat. */
export async function sweep(): Promise<void> {
  await Promise.all(recorded().map((process) => process.stop('SIGKILL')))
  await Promise.all((await netnsList()).map(deleteNetns))
  await deleteBridge()
  if (!existsSync(RUN_DIRECTORY)) return
  for (const entry of readdirSync(RUN_DIRECTORY)) if (entry !== 'log') rmSync(runFile(entry), { recursive: true, force: true })
}

/**
 * Makes way for a new bed.
 * @throws Error when a living process holds the present one
 */
export async function clearTheWay(self: Identity, progress: (line: string) => void): Promise<void> {
  const owner = readIdentity(OWNER_FILE)
  if (owner !== undefined && owner.pid !== self.pid && isAlive(owner)) {
    throw new Error(`process ${owner.pid} holds a test bed: wait for it, or end it, and its bed goes too`)
  }
  const reaper = readIdentity(REAPER_FILE)
  if (reaper !== undefined) await until('the last bed to be taken down', async () => !isAlive(reaper))
  const found = await leftovers()
  if (!isEmpty(found)) {
    progress(`taking down the last bed (${found.processes.length} processes, ${found.netns.length} network namespaces)`)
  }
  await sweep()
  rmSync(RUN_DIRECTORY, { recursive: true, force: true })
}
