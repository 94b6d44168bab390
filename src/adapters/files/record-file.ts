/** audit.jsonl: one entry per line, append-only. The core defines lines and entries, and verifies their chain. */

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { type RecordLines, readLines } from '../../core/record/record-text.ts'
import { withLock } from './lock.ts'
import { fileError, placeIn, readIfThere, syncFolder } from './write-files.ts'

/** Room for a hundred thousand entries; a larger file is an error. */
const MAX_BYTES = 256 * 1024 * 1024

/** The result of the file's lines. */
export interface Reading<T> {
  readonly none: T
  /** @param lines the values of lines that follow those of `known` */
  readonly add: (known: T, lines: readonly unknown[]) => T
}

export interface RecordText<T> extends Omit<RecordLines, 'lines'> {
  readonly value: T
  /** Number of lines. */
  readonly lines: number
  /** What was read. An append and the next read compare the file with it. */
  readonly bytes: Buffer
}

export interface RecordFile<T> {
  /**
   * Reads the file, and parses the lines that follow those of `known`. If the file does not begin with the bytes of these,
   * it parses the whole file. A missing file has no lines.
   * @throws FederationError file-unreadable; record-broken, naming the line that is not the canonical print of an entry
   */
  read(known?: RecordText<T>): Promise<RecordText<T>>
  /**
   * Adds lines and returns when they are on disk. It replaces a partial line that a crash left.
   * @param since what was read: if the file differs from it, nothing is written
   * @throws FederationError record-busy, file-unwritable
   */
  append(lines: readonly string[], since: RecordText<T>): Promise<RecordText<T>>
}

/** Links out of the file's folder are not followed, neither to read nor to append. */
export function recordFile<T>(path: string, reading: Reading<T>): RecordFile<T> {
  const place = (): Promise<string> => placeIn(dirname(path), path)
  return {
    read: async (known) => {
      const real = await place()
      return known !== undefined && (await isStill(real, known.bytes)) ? known : parse(path, reading, await load(real), known)
    },
    append: async (lines, since) => {
      const real = await place()
      const bytes = await withLock(lockOf(path), () => append(path, real, lines, since))
      return parse(path, reading, bytes, since)
    },
  }
}

/** The lock that a process holds while it writes to the record, or to the federation file beside it. */
export const lockOf = (path: string): string => join(dirname(path), `.${basename(path)}.lock`)

const load = async (path: string): Promise<Buffer> => (await readIfThere(path, MAX_BYTES)) ?? Buffer.alloc(0)

const CHUNK = 1 << 20

/**
 * True if the file has exactly these bytes; an absent file has none. Size and times do not prove that: an edit may keep
 * the size, and times may be set, or be coarser than two writes. It reads one chunk at a time, so it needs no second copy
 * of the file in memory.
 * @throws FederationError file-unreadable
 */
async function isStill(path: string, bytes: Buffer): Promise<boolean> {
  try {
    const file = await open(path, 'r')
    try {
      return await holds(file, bytes)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return bytes.length === 0
    throw fileError('file-unreadable', path, cause)
  }
}

async function holds(file: FileHandle, bytes: Buffer): Promise<boolean> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK, bytes.length + 1))
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return at === bytes.length
    if (!chunk.subarray(0, bytesRead).equals(bytes.subarray(at, at + bytesRead))) return false
    at += bytesRead
  }
}

function parse<T>(path: string, reading: Reading<T>, bytes: Buffer, known: RecordText<T> | undefined): RecordText<T> {
  const from = known !== undefined && continues(bytes, known) ? known : { value: reading.none, lines: 0, whole: 0 }
  const { lines, whole, ...end } = readLines(bytes.subarray(from.whole), path, from.lines)
  return { value: reading.add(from.value, lines), lines: from.lines + lines.length, whole: from.whole + whole, bytes, ...end }
}

/** True if the file has all lines that were read, byte for byte, and what follows them begins a new line. */
const continues = (bytes: Buffer, { bytes: known, whole, unended }: Omit<RecordText<unknown>, 'value'>): boolean =>
  unended !== true && bytes.length >= whole && bytes.subarray(0, whole).equals(known.subarray(0, whole))

/**
 * @param real the target of `path`
 * @returns the bytes of the file now
 */
async function append(path: string, real: string, lines: readonly string[], since: RecordText<unknown>): Promise<Buffer> {
  const { bytes } = since
  if (!(await isStill(real, bytes))) throw changed(path)
  const kept = bytes.subarray(0, since.whole)
  const added = `${since.unended === true ? '\n' : ''}${lines.map((line) => `${line}\n`).join('')}`
  try {
    if (kept.length < bytes.length) await cut(real, kept.length)
    await addDurably(real, added)
  } catch (cause) {
    throw fileError('file-unwritable', path, cause)
  }
  return Buffer.concat([kept, Buffer.from(added)])
}

export const changed = (path: string): FederationError =>
  new FederationError('record-busy', about.file(path), 'has changed since it was read', {
    hint: 'another entente process writes to it: run the command again',
  })

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
