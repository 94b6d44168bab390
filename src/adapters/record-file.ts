/** audit.jsonl: one entry per line, only ever added to. What an entry is, and whether they hang together, is core's. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FederationError } from '../core/errors.ts'
import { fileError, readIfThere, syncFolder } from './files.ts'
import { withLock } from './lock.ts'

/** A hundred thousand entries; beyond that something else is wrong. */
const MAX_BYTES = 256 * 1024 * 1024

interface RecordText {
  /** Every line, parsed as JSON. */
  readonly lines: readonly unknown[]
  /** SHA-256 of what was read, hex: an append goes on from there or not at all. */
  readonly digest: string
  /**
   * The end of an append that a crash cut off. It is no entry (nothing was done on its account: an entry is on the disk
   * before anything is done), and the next append takes its place.
   */
  readonly torn?: string
}

export interface RecordFile {
  /** No file yet: no lines. @throws FederationError file-unreadable, record-broken (the line that is not JSON is named) */
  read(): Promise<RecordText>
  /**
   * Adds lines and returns when they are on the disk.
   * @param since what was read: if the file is not that any more, nothing is written
   * @throws FederationError record-busy, file-unwritable
   */
  append(lines: readonly string[], since: RecordText): Promise<RecordText>
}

export function recordFile(path: string): RecordFile {
  return {
    read: () => read(path),
    append: (lines, since) => withLock(lockOf(path), () => append(path, lines, since)),
  }
}

/** What a process holds while it writes to the record, or to the federation file beside it. */
export const lockOf = (path: string): string => join(dirname(path), `.${basename(path)}.lock`)

async function read(path: string): Promise<RecordText> {
  return parse(path, await load(path))
}

const load = async (path: string): Promise<string> => (await readIfThere(path, MAX_BYTES))?.toString('utf8') ?? ''

function parse(path: string, text: string): RecordText {
  const lines = text.split('\n')
  const last = lines.pop() ?? ''
  const digest = createHash('sha256').update(text).digest('hex')
  const parsed = lines.map((line, i) => parseLine(`${path}:${i + 1}`, line))
  // An editor may have taken the last line break; half an entry is never JSON.
  if (last === '') return { lines: parsed, digest }
  return isJson(last) ? { lines: [...parsed, JSON.parse(last)], digest } : { lines: parsed, digest, torn: last }
}

function parseLine(where: string, line: string): unknown {
  if (isJson(line)) return JSON.parse(line)
  throw new FederationError('record-broken', where, 'is not JSON', {
    hint: 'restore the file from Git; entente audit verify says what holds',
  })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

async function append(path: string, lines: readonly string[], since: RecordText): Promise<RecordText> {
  const text = await load(path)
  const { digest, torn = '' } = parse(path, text)
  if (digest !== since.digest) {
    throw new FederationError('record-busy', path, 'has changed since it was read', { hint: 'another entente is at work: run it again' })
  }
  const kept = torn === '' ? text : text.slice(0, -torn.length)
  const added = `${kept === '' || kept.endsWith('\n') ? '' : '\n'}${lines.map((line) => `${line}\n`).join('')}`
  try {
    if (torn !== '') await cut(path, Buffer.byteLength(kept))
    await addDurably(path, added)
  } catch (cause) {
    throw fileError('file-unwritable', path, cause)
  }
  return parse(path, kept + added)
}

async function addDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'a', 0o644)
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
