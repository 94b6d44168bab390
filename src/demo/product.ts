/** Entente at work in one directory, by its own commands: the demo's steps are command lines that anybody can repeat. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as applying from '../cli/commands/federation/apply.ts'
import { planNow } from '../cli/commands/federation/plan.ts'
import * as severing from '../cli/commands/federation/sever.ts'
import * as auditing from '../cli/commands/record/audit.ts'
import * as approving from '../cli/commands/roots/approve.ts'
import { openRecord, openWorkspace } from '../cli/input/workspace.ts'
import type { Io } from '../cli/io.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import type { Plan } from '../core/model/planned.ts'
import type { AuditEntry } from '../core/model/recorded.ts'

/** As `audit verify -o json` prints it. */
export interface Audited {
  readonly valid: boolean
  readonly entries: number
  readonly head: string | null
  readonly findings: readonly Finding[]
}

export interface Product {
  /** @returns exit codes, as the command lines would */
  approve(member: string, pem: string, fingerprint: string): Promise<number>
  apply(reason: string, overrideGate?: string): Promise<number>
  sever(truster: string, trusted: string, reason: string): Promise<number>
  plan(): Promise<Plan>
  record(): Promise<readonly AuditEntry[]>
  /** @param directory another one, with a record, a federation file and homes of its own */
  audit(directory?: string): Promise<Audited>
}

export function productIn(directory: string, now: () => Date): Product {
  const file = join(directory, 'federation.yaml')
  const shared = { file, yes: true, output: 'text' } as const
  return {
    approve: (member, bundle, fingerprint) =>
      approving.run({ ...shared, member, bundle, fingerprint: [fingerprint], reason: 'fingerprint read out by its owner' }, quiet(now)),
    apply: (reason, overrideGate) =>
      applying.run({ ...shared, reason, ...(overrideGate === undefined ? {} : { overrideGate }) }, quiet(now)),
    sever: (truster, trusted, reason) => severing.run({ ...shared, truster, trusted, reason }, quiet(now)),
    plan: async () => {
      const io = quiet(now)
      return (await planNow(await openWorkspace(shared, io), io)).plan
    },
    record: async () => openRecord(directory).entries(),
    audit: async (elsewhere = directory) => {
      const printed: string[] = []
      const io: Io = { ...quiet(now), print: (text) => void printed.push(String(text)) }
      await auditing.verify({ file: join(elsewhere, 'federation.yaml'), output: 'json' }, io)
      return JSON.parse(printed.join('\n')) as Audited
    },
  }
}

/** Nobody is asked, nothing is shown: the demo tells what there is to tell. */
const quiet = (now: () => Date): Io => ({
  print: () => undefined,
  tell: () => undefined,
  interactive: false,
  color: false,
  now,
  env: {},
  confirm: async () => false,
  readFile,
  stopped: () => false,
})
