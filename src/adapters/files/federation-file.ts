/** federation.yaml on disk: read with line numbers for messages, edited without losing the owner's comments. */

import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isAlias, isMap, isSeq } from 'yaml'
import type { Partner } from '../../app/ports-desired.ts'
import { type Outcome, outcomeOf, retry } from '../../core/basics/retry.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { printEndpoint } from '../../core/exchange/invitation.ts'
import type { LongDocument } from '../../core/federation/expand/long-form.ts'
import type { Path } from '../../core/federation/expand/places.ts'
import { type ParsedFederation, parseFederation } from '../../core/federation/parse.ts'
import type { WrittenCall } from '../../core/federation/schema.ts'
import { at, list } from '../../core/model/manifest.ts'
import { type Federation, memberOfDomain, type Severed } from '../../core/model/wanted.ts'
import { sameEndpoint } from '../../core/spiffe/endpoint.ts'
import { type Item, type ListPlace, withItem, withoutItem } from '../yaml/list-edit.ts'
import { faultOf, invalid, lineText, parseYaml, plainValue, type YamlFile } from './federation-yaml.ts'
import { type IncludedFiles, readIncluded } from './included-files.ts'
import { refuseUtf16 } from './input-text.ts'
import { isBusy, withLock } from './lock.ts'
import { lockOf } from './record-file.ts'
import { readIfThere, writeAtomically } from './write-files.ts'

const MAX_BYTES = 4 * 1024 * 1024

/** @throws FederationError file-unreadable; federation-invalid with every problem, its line and the correction */
export async function readFederationFile(path: string): Promise<Federation> {
  return (await readWhole(path, await readText(path))).federation
}

/** The federation without short forms. Throws as `readFederationFile`. */
export async function expandFederationFile(
  path: string,
): Promise<{ readonly document: LongDocument; readonly lineOf: (path: Path) => string }> {
  const { yaml, included, expanded, placeOf } = await readWhole(path, await readText(path))
  return { document: expanded, lineOf: (path) => lineText(placeOf(path), { main: yaml, included: included.files }) }
}

interface Read extends ParsedFederation {
  readonly yaml: YamlFile
  readonly value: unknown
  readonly included: IncludedFiles
}

async function readWhole(path: string, text: string): Promise<Read> {
  const yaml = parseYaml(path, text)
  const value = plainValue(yaml)
  return readValue(yaml, value, await readIncluded(path, value))
}

/** @param included the files that it includes, as they were read before */
function parsed(path: string, text: string, included: IncludedFiles): Read {
  const yaml = parseYaml(path, text)
  return readValue(yaml, plainValue(yaml), included)
}

function readValue(yaml: YamlFile, value: unknown, included: IncludedFiles): Read {
  const result = parseFederation(value, included.read)
  if ('federation' in result) return { ...result, yaml, value, included }
  throw invalid(
    yaml.path,
    result.problems.map((problem) => faultOf(problem, { main: yaml, included: included.files })),
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
  edit(path, how, (text, { yaml, federation }) => {
    if (isSevered(federation, severed)) return undefined
    const { truster, trusted, at, reason } = severed
    const item = { truster, trusted, at: at.toISOString(), reason }
    return { text: withItem(text, listIn(yaml, 'severed'), item), list: 'severed', holds: (after) => isSevered(after, severed) }
  })

/** Removes every entry of the pair from `spec.severed`. Returns and throws as `addSevered`. */
export const removeSevered = (path: string, pair: Pair, how: Editing): Promise<boolean> =>
  edit(path, how, (text, read) =>
    isSevered(read.federation, pair)
      ? { text: withoutPair(text, read, pair), list: 'severed', holds: (after) => !isSevered(after, pair) }
      : undefined,
  )

/** The federation has one `severed` for each entry, in the order of the file. */
function withoutPair(text: string, { yaml, federation, included }: Read, pair: Pair): string {
  const { list } = listIn(yaml, 'severed')
  const index = federation.severed.findIndex((one) => isPair(one, pair))
  if (list === undefined || index < 0) return text
  const less = withoutItem(text, list, index)
  return withoutPair(less, parsed(yaml.path, less, included), pair)
}

/**
 * Writes the call into `spec.calls`, unless it is there. Returns and throws as `addSevered`.
 * @throws FederationError federation-invalid, also if the file would be invalid with the call
 */
export const addCall = (path: string, call: WrittenCall, how: Editing): Promise<boolean> =>
  edit(path, how, (text, { yaml, value, included }) => {
    const calls = list(at(value, 'spec', 'calls'))
    if (calls.some((one) => isDeepStrictEqual(one, call))) return undefined
    const expected = parseFederation(withCalls(value, [...calls, call]), included.read)
    if ('problems' in expected)
      throw invalid(
        path,
        expected.problems.map((problem) => faultOf(problem, { main: yaml, included: included.files })),
        'the call',
      )
    return {
      text: withItem(text, listIn(yaml, 'calls'), call as Item),
      list: 'calls',
      holds: (after) => isDeepStrictEqual(after, expected.federation),
    }
  })

/**
 * Writes the partner as a member without a cluster, unless it is there. Returns and throws as `addSevered`.
 * @throws FederationError federation-invalid, also if a member of that trust domain has another bundle endpoint
 */
export const addPartner = (path: string, { name, trustDomain, endpoint }: Partner, how: Editing): Promise<boolean> =>
  edit(path, how, (text, { yaml, federation }) => {
    const holds = (after: Federation): boolean =>
      [...after.members.values()].some(
        (member) =>
          member.trustDomain === trustDomain && member.bundleEndpoint !== undefined && sameEndpoint(member.bundleEndpoint, endpoint),
      )
    if (holds(federation)) return undefined
    const bundleEndpoint = printEndpoint(endpoint)
    const known = memberOfDomain(federation, trustDomain)
    if (known !== undefined)
      throw invalid(path, [
        `${path}: member ${known.name} has no such bundle endpoint: write bundleEndpoint: ${JSON.stringify(bundleEndpoint)}`,
      ])
    return { text: withItem(text, listIn(yaml, 'members'), { name, trustDomain, bundleEndpoint }), list: 'members', holds }
  })

const withCalls = (value: unknown, calls: readonly unknown[]): unknown => ({
  ...(value as object),
  spec: { ...(at(value, 'spec') as object), calls },
})

const isPair = (one: Pair, { truster, trusted }: Pair): boolean => one.truster === truster && one.trusted === trusted
const isSevered = ({ severed }: Federation, pair: Pair): boolean => severed.some((one) => isPair(one, pair))

/** The list at `spec.KEY`, or the place for it. */
function listIn({ document, path }: YamlFile, key: Changed['list']): ListPlace {
  const map = document.get('spec')
  if (!isMap(map)) throw invalid(path, [`${path}: has no spec`])
  const value = map.get(key, true)
  const list = isAlias(value) ? value.resolve(document) : value
  return { map, key, ...(isSeq(list) ? { list } : {}) }
}

interface Changed {
  /** The edited text. */
  readonly text: string
  /** The only list of `spec` that is edited. */
  readonly list: 'severed' | 'calls' | 'members'
  /** Whether the federation says then what it must say. */
  readonly holds: (after: Federation) => boolean
}

/** Undefined if there is nothing to change. */
type Change = (text: string, read: Read) => Changed | undefined

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
  const text = await readText(path)
  const before = await readWhole(name, text)
  const changed = change(text, before)
  if (changed === undefined) return 'unchanged'
  mustSay(name, changed, before)
  const written = await underLock(name, path, how, async () => {
    if ((await readText(path)) !== text) return false
    await writeAtomically(path, changed.text)
    const after = await readText(path)
    return after === changed.text || changed.holds((await readWhole(name, after)).federation)
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
function mustSay(path: string, { text, list, holds }: Changed, { federation: before, included }: Read): void {
  const byHand = `${path}: change spec.${list} by hand, then run this again`
  const result = resultOf(path, text, included, byHand)
  if ('problems' in result) throw invalid(path, [...result.problems.map(({ message }) => `${path}: ${message}`), byHand])
  if (holds(result.federation) && isDeepStrictEqual(besides(list, result.federation, before), besides(list, before, before))) return
  throw invalid(path, [`${path}: cannot be edited without changing other parts`, byHand])
}

/** What an edit of this list must leave as it is. Calls expand to trusts. */
const besides = (list: Changed['list'], { severed, trusts, members, ...rest }: Federation, before: Federation): unknown => {
  const kept = [...members.values()].filter(({ name }) => list !== 'members' || before.members.has(name))
  return { ...rest, kept, ...(list === 'calls' ? {} : { trusts }), ...(list === 'severed' ? {} : { severed }) }
}

function resultOf(path: string, text: string, included: IncludedFiles, byHand: string): ReturnType<typeof parseFederation> {
  try {
    return parseFederation(plainValue(parseYaml(path, text)), included.read)
  } catch (cause) {
    throw invalid(path, [`${path}: cannot be edited: ${cause instanceof Error ? cause.message : String(cause)}`, byHand])
  }
}

async function readText(path: string): Promise<string> {
  const file = await readIfThere(path, MAX_BYTES)
  if (file !== undefined) return refuseUtf16(path, file).toString('utf8')
  throw new FederationError('file-unreadable', about.file(path), 'there is no such file', {
    hint: 'entente init --context A --context B writes one; -f names another',
  })
}
