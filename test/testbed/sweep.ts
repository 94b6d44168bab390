/** Teardown: ends and removes all that a bed made on this machine, in this process's bed or one that crashed. Logs stay, for the curious. */
import { readdirSync, rmSync } from 'node:fs'
import { RUN_DIRECTORY, runFile } from './layout.ts'
import { bridgeExists, deleteBridge, deleteNetns, netnsList } from './network.ts'
import { recorded } from './processes.ts'

/** A sweep keeps the logs, and the claim of the process that sweeps (owner.ts). */
const KEPT = ['log', 'owner.json']

export interface Leftovers {
  readonly processes: readonly string[]
  readonly netns: readonly string[]
  readonly bridge: boolean
}

export async function leftovers(): Promise<Leftovers> {
  return { processes: recorded().map((process) => process.name), netns: await netnsList(), bridge: await bridgeExists() }
}

export const isEmpty = (found: Leftovers): boolean => found.processes.length === 0 && found.netns.length === 0 && !found.bridge

/** Kills everything, because no process here needs a graceful end. Only the holder of the bed may call it. Safe to repeat. */
export async function sweep(): Promise<void> {
  await Promise.all(recorded().map((process) => process.stop('SIGKILL')))
  await Promise.all((await netnsList()).map(deleteNetns))
  await deleteBridge()
  for (const entry of readdirSync(RUN_DIRECTORY)) if (!KEPT.includes(entry)) rmSync(runFile(entry), { recursive: true, force: true })
}
