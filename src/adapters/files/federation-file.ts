/** federation.yaml on disk: read with line numbers for messages, edited without losing the owner's comments. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Document, isAlias, isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import { type Outcome, outcomeOf, retry } from '../../core/basics/retry.ts'
import { type Fault, FederationError } from '../../core/diagnostics/errors.ts'
import { type Problem, parseFederation } from '../../core/federation/parse.ts'
import type { Federation, Severed } from '../../core/model/wanted.ts'
import { tooDeepAt } from '../yaml/depth.ts'
import { type ListPlace, withItem, withoutItem } from '../yaml/list-edit.ts'
import { refuseWide } from './input-text.ts'
import { isBusy, withLock } from './lock.ts'
import { lockOf } from './record-file.ts'
import { readIfThere, writeAtomically } from './write-files.ts'

const MAX_BYTES = 4 * 1024 * 1024

/** @throws FederationError file-unreadable; federation-invalid with every problem, its line and the correction */
export async function readFederationFile(path: string): Promise<Federation> {
  return parsed(path, await readText(path)).federation
}

interface Read {
  readonly document: Document.Parsed
  readonly federation: Federation
}

function parsed(path: string, text: string): Read {
  const { document, lines } = parseYaml(path, text)
  const result = parseFederation(plainValue(document, path))
  if ('federation' in result) return { document, federation: result.federation }
  throw invalid(
    path,
    result.problems.map((problem) => describe(problem, document, lines, path)),
  )
}

export interface Editing {
  /** The record beside the file: an edit is written under its lock. */
  readonly record: string
  readonly sleep: (milliseconds: number) => Promise<void>
  /**
   * Waits a second for the lock, and then writes without it: in an emergency, a lock that another process holds must not
   * delay the sever.
   */
  readonly emergency: boolean
}

type Pair = Pick<Severed, 'truster' | 'trusted'>

/**
 * Writes the pair into `spec.severed`, which no later apply opens again, unless it is there.
 * @returns whether the file was changed
 * @throws FederationError file-unreadable, file-unwritable, federation-invalid, record-busy, changed-meanwhile
 */
export const addSevered = (path: string, severed: Severed, how: Editing): Promise<boolean> =>
  edit(path, how, (text, { document, federation }) => {
    if (isSevered(federation, severed)) return undefined
    const { truster, trusted, at, reason } = severed
    const item = { truster, trusted, at: at.toISOString(), reason }
    return { text: withItem(text, severedIn(document, path), item), holds: (after) => isSevered(after, severed) }
  })

/** Removes every entry of the pair from `spec.severed`. Returns and throws as `addSevered`. */
export const removeSevered = (path: string, pair: Pair, how: Editing): Promise<boolean> =>
  edit(path, how, (text, { federation }) =>
    isSevered(federation, pair) ? { text: withoutPair(path, text, pair), holds: (after) => !isSevered(after, pair) } : undefined,
  )

/** The federation has one `severed` for each entry, in the order of the file. */
function withoutPair(path: string, text: string, pair: Pair): string {
  const { document, federation } = parsed(path, text)
  const { list } = severedIn(document, path)
  const index = federation.severed.findIndex((one) => isPair(one, pair))
  return list === undefined || index < 0 ? text : withoutPair(path, withoutItem(text, list, index), pair)
}

const isPair = (one: Pair, { truster, trusted }: Pair): boolean => one.truster === truster && one.trusted === trusted
const isSevered = ({ severed }: Federation, pair: Pair): boolean => severed.some((one) => isPair(one, pair))

function severedIn(document: Document.Parsed, path: string): ListPlace {
  const map = document.get('spec')
  if (!isMap(map)) throw invalid(path, [`${path}: has no spec`])
  const severed = map.get('severed', true)
  const list = isAlias(severed) ? severed.resolve(document) : severed
  return { map, key: 'severed', ...(isSeq(list) ? { list } : {}) }
}

/** The edited text, and what the federation must say then. Undefined if there is nothing to change. */
type Change = (text: string, read: Read) => { readonly text: string; readonly holds: (after: Federation) => boolean } | undefined

/** Each failed try means that another process wrote the file: of two concurrent edits, both succeed. */
const TRIES = 100

/**
 * Reads, changes and writes the file. The text is made without a lock. Then, under the record's lock, the file is replaced
 * if it is still what was read, and read again.
 */
async function edit(name: string, how: Editing, change: Change): Promise<boolean> {
  const result = await retry(() => editOnce(name, how, change), {
    tries: TRIES,
    waitMs: () => 0,
    sleep: async () => {},
    again: (outcome) => outcome.ok && outcome.value === 'overtaken',
  })
  if (result !== 'overtaken') return result === 'written'
  throw new FederationError('changed-meanwhile', name, 'changed during every try to edit it; nothing was changed', {
    hint: 'stop the other process that writes it, then run this again',
  })
}

async function editOnce(name: string, how: Editing, change: Change): Promise<'unchanged' | 'written' | 'overtaken'> {
  // The target of a symbolic link is replaced, not the link.
  const path = await realpath(name).catch(() => name)
  const read = await readText(path)
  const parsedNow = parsed(name, read)
  const changed = change(read, parsedNow)
  if (changed === undefined) return 'unchanged'
  const { text, holds } = changed
  mustSay(name, text, parsedNow.federation, holds)
  const written = await underLock(name, path, how, async () => {
    if ((await readText(path)) !== read) return false
    await writeAtomically(path, text)
    const after = await readText(path)
    return after === text || holds(parsed(name, after).federation)
  })
  return written ? 'written' : 'overtaken'
}

/** Ten seconds; a holder needs milliseconds. */
const LOCK_TRIES = 200
const EMERGENCY_TRIES = 20

/**
 * The record's lock is in the folder of the given name. If the name is a link into another folder, the lock there counts,
 * too.
 */
async function underLock(
  name: string,
  path: string,
  { record, sleep, emergency }: Editing,
  work: () => Promise<boolean>,
): Promise<boolean> {
  const [first = '', second] = [...new Set([lockOf(record), join(dirname(path), basename(lockOf(record)))])].sort()
  // Errors of `work` itself are not errors of the lock.
  const begin = (): Promise<Outcome<boolean>> => outcomeOf(work)
  const once = () => withLock(first, () => (second === undefined ? begin() : withLock(second, begin)))
  const locked = await outcomeOf(() =>
    retry(once, { tries: emergency ? EMERGENCY_TRIES : LOCK_TRIES, waitMs: () => 50, sleep, again: isBusy }),
  )
  const outcome = locked.ok ? locked.value : locked
  if (outcome.ok) return outcome.value
  const { thrown } = outcome
  if (locked.ok || !isBusy(locked)) throw thrown
  if (emergency) return work()
  const { message, hint } = thrown as FederationError
  throw new FederationError('record-busy', name, `cannot be edited: ${message}`, { hint })
}

/**
 * The file belongs to the owner: the new text must parse, keep everything else unchanged, and say exactly what was to be
 * added or removed.
 */
function mustSay(path: string, text: string, before: Federation, holds: (after: Federation) => boolean): void {
  const byHand = `${path}: change spec.severed by hand, then run this again`
  const result = resultOf(path, text, byHand)
  if ('problems' in result) throw invalid(path, [...result.problems.map(({ message }) => `${path}: ${message}`), byHand])
  const rest = ({ severed: _, ...federation }: Federation): unknown => federation
  if (holds(result.federation) && isDeepStrictEqual(rest(result.federation), rest(before))) return
  throw invalid(path, [`${path}: cannot be edited without changing other parts`, byHand])
}

function resultOf(path: string, text: string, byHand: string): ReturnType<typeof parseFederation> {
  try {
    return parseFederation(plainValue(parseYaml(path, text).document, path))
  } catch (cause) {
    throw invalid(path, [`${path}: cannot be edited: ${cause instanceof Error ? cause.message : String(cause)}`, byHand])
  }
}

async function readText(path: string): Promise<string> {
  const file = await readIfThere(path, MAX_BYTES)
  if (file !== undefined) return refuseWide(path, file).toString('utf8')
  throw new FederationError('file-unreadable', path, 'there is no such file', {
    hint: 'entente init --context A --context B writes one; -f names another',
  })
}

function parseYaml(path: string, text: string): { readonly document: Document.Parsed; readonly lines: LineCounter } {
  if (tooDeepAt(text) !== undefined) throw invalid(path, [`${path}: is nested too deeply`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, keepSourceTokens: true })
  const [first] = document.errors
  if (first !== undefined) {
    const line = first.linePos?.[0].line
    const said = (first.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
    const why = first.code === 'MULTIPLE_DOCS' ? 'holds more than one document' : `is not YAML: ${said}`
    throw invalid(path, [`${path}${line === undefined ? '' : `:${line}`}: ${why}`])
  }
  return { document, lines }
}

/** Aliases that expand without limit or name nothing are detected only here. */
function plainValue(document: Document.Parsed, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw invalid(path, [`${path}: is not YAML: ${cause instanceof Error ? cause.message : String(cause)}`])
  }
}

function describe({ path, message, hint }: Problem, document: Document.Parsed, lines: LineCounter, file: string): Fault {
  const line = lineOf(path, document, lines)
  const where = path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  )
  return { message: `${file}${line === undefined ? '' : `:${line}`}: ${where === '' ? '' : `${where}: `}${message}`, hint }
}

/** The line of the node, or of the closest node around it that exists. */
function lineOf(path: readonly (string | number)[], document: Document.Parsed, lines: LineCounter): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const here = path.slice(0, length)
    const node = here.length === 0 ? document.contents : document.getIn(here, true)
    const parent = document.getIn(here.slice(0, -1), true)
    const key = isMap(parent) ? parent.items.find((item) => String(item.key) === String(here.at(-1)))?.key : undefined
    const range = rangeOf(key) ?? rangeOf(node)
    if (range !== undefined) return lines.linePos(range).line
  }
  return undefined
}

function rangeOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined
}

function invalid(path: string, causes: readonly (string | Fault)[]): FederationError {
  const faults = causes.map((cause) => (typeof cause === 'string' ? { message: cause, hint: '' } : cause))
  const count = faults.length === 1 ? 'one problem' : `${faults.length} problems`
  const each = faults.map(({ message, hint }) => `  ${message}${hint === '' ? '' : `\n    next: ${hint}`}`)
  return new FederationError('federation-invalid', path, `${count}\n${each.join('\n')}`, {
    hint: 'correct the file (nothing was changed)',
    faults,
  })
}
