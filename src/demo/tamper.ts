/** Three ways to falsify a record, each on a copy of the demo's directory. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuditEntry } from '../core/model/recorded.ts'
import { parseRecord, printEntry, seal } from '../core/record/record.ts'
import { readLines } from '../core/record/record-text.ts'

export type Tampering = 'edited' | 'cut' | 'forked'
type Forgery = (entries: readonly AuditEntry[]) => readonly string[]

const FORGERIES: Readonly<Record<Tampering, Forgery>> = {
  /** Changes one word of one line. */
  edited: (entries) => entries.map((entry, i) => printEntry(i === 0 ? { ...entry, reason: 'agreed by everybody' } : entry)),
  /** Removes the sever. The rest is a valid chain: only a stored head can reveal the change. */
  cut: (entries) => untilSevered(entries).map(printEntry),
  /** A valid chain, too, in which the other side severed. */
  forked: (entries) => {
    const kept = untilSevered(entries)
    const [severed] = entries.slice(kept.length)
    if (severed?.action !== 'sever') return kept.map(printEntry)
    const { seq: _, prev: __, hash: ___, trusterDomain, trustedDomain, ...draft } = severed
    const other = {
      truster: severed.trusted,
      trusted: severed.truster,
      ...(trusterDomain === undefined || trustedDomain === undefined ? {} : { trusterDomain: trustedDomain, trustedDomain: trusterDomain }),
    }
    return [...kept, seal(kept.at(-1), { ...draft, ...other })].map(printEntry)
  },
}

function untilSevered(entries: readonly AuditEntry[]): readonly AuditEntry[] {
  const end = entries.findIndex(({ action }) => action === 'sever')
  return end === -1 ? entries : entries.slice(0, end)
}

/** @returns the copy's directory: complete, so that every command works in it */
export async function tamper(directory: string, how: Tampering): Promise<string> {
  const copy = join(directory, 'tampered', how)
  await mkdir(copy, { recursive: true })
  for (const name of ['federation.yaml', 'audit.jsonl', 'bundles', 'clusters'])
    await cp(join(directory, name), join(copy, name), { recursive: true })
  const path = join(copy, 'audit.jsonl')
  const entries = parseRecord(readLines(await readFile(path), path).lines, path)
  await writeFile(path, `${FORGERIES[how](entries).join('\n')}\n`)
  return copy
}
