/** audit.jsonl: one entry per line, only ever added to. What a line and an entry are, and whether they hang together, is core's. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type RecordLines, readLines } from '../../core/record/record-text.ts'
import { withLock } from './lock.ts'
import { fileError, placeIn, readIfThere, syncFolder } from './write-files.ts'

/** A hundred thousand entries; beyond that something else is wrong. */
const MAX_BYTES = 256 * 1024 * 1024

interface RecordText extends RecordLines {
  /** SHA-256 of what was read, hex: an append goes on from there or not at all. */
  readonly digest: string
}

export interface RecordFile {
  /**
   * No file yet: no lines.
   * @throws FederationError file-unreadable; record-broken, naming the line that is not the canonical print of an entry
   */
  read(): Promise<RecordText>
  /**
   * Adds lines and returns when they are on the disk. What a crash left of an earlier append is replaced.
   * @param since what was read: if the file is not that any more, nothing is written
   * @throws FederationError record-busy, file-unwritable
   */
  append(lines: readonly string[], since: RecordText): Promise<RecordText>
}

/** No link out of the file's folder is followed, neither to read nor to append. */
export function recordFile(path: string): RecordFile {
  const place = (): Promise<string> => placeIn(dirname(path), path)
  return {
    read: async () => parse(path, await load(await place())),
    append: async (lines, since) => {
      const real = await place()
      return withLock(lockOf(path), () => append(path, real, lines, since))
    },
  }
}

/** What a process holds while it writes to the record, or to the federation file beside it. */
export const lockOf = (path: string): string => join(dirname(path), `.${basename(path)}.lock`)

const load = async (path: string): Promise<Buffer> => (await readIfThere(path, MAX_BYTES)) ?? Buffer.alloc(0)

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

const parse = (path: string, bytes: Buffer): RecordText => ({ ...readLines(bytes, path), digest: digestOf(bytes) })

/** @param real where `path` leads to */
async function append(path: string, real: string, lines: readonly string[], since: RecordText): Promise<RecordText> {
  const bytes = await load(real)
  if (digestOf(bytes) !== since.digest) {
    throw new FederationError('record-busy', path, 'has changed since it was read', { hint: 'another entente is at work: run it again' })
  }
  const kept = bytes.subarray(0, since.whole)
  const added = `${since.unended === true ? '\n' : ''}${lines.map((line) => `${line}\n`).join('')}`
  try {
    if (kept.length < bytes.length) await cut(real, kept.length)
    await addDurably(real, added)
  } catch (cause) {
    throw fileError('file-unwritable', path, cause)
  }
  return parse(path, Buffer.concat([kept, Buffer.from(added)]))
}

async function addDurably(path: string, text: string): Promise<void> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants
  const file = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o644)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

async function cut(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.truncate(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}
