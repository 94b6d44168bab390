/** The record in audit.jsonl as one command works on it: read and verified once, and extended by what is added to it. */
import { type Finding, warning } from '../../core/diagnostics/finding.ts'
import type { AuditEntry } from '../../core/model/recorded.ts'
import { NO_RECORD, project, type RecordView } from '../../core/record/projection.ts'
import { GENESIS, parseRecord, printEntry } from '../../core/record/record.ts'
import { changed, type Reading, type RecordText, recordFile } from './record-file.ts'

export interface RecordFileStore {
  /** What the file says now. It is compared byte for byte with what was read before, and only what is new is parsed. */
  view(): Promise<RecordView>
  /** For those who print them. */
  entries(): Promise<readonly AuditEntry[]>
  /**
   * @param entry follows the view asked for last
   * @throws FederationError record-busy: something else follows it by now, and nothing was written
   */
  append(entry: AuditEntry): Promise<void>
  /** What is odd about the file as it was read last, and stops nobody. */
  findings(): readonly Finding[]
}

interface Known {
  readonly entries: readonly AuditEntry[]
  readonly view: RecordView
}

/** Errors name the file as its owner does. */
const NAME = 'audit.jsonl'

const READING: Reading<Known> = {
  none: { entries: [], view: NO_RECORD },
  add: ({ entries, view }, lines) => {
    const more = parseRecord(lines, NAME, view.head)
    return { entries: [...entries, ...more], view: project(more, view) }
  },
}

/** Reads nothing before somebody asks. */
export function recordStore(path: string): RecordFileStore {
  const file = recordFile(path, READING)
  let text: RecordText<Known> | undefined
  // One after the other: a read that began earlier must not replace what a later append left.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => undefined)
    return next
  }
  const read = (): Promise<Known> =>
    inTurn(async () => {
      text = await file.read(text)
      return text.value
    })
  return {
    view: async () => (await read()).view,
    entries: async () => (await read()).entries,
    append: (entry) =>
      inTurn(async () => {
        text ??= await file.read()
        // Another part of the same command may have read what another process added: this entry was not made for that.
        if (entry.prev !== (text.value.view.head?.hash ?? GENESIS)) throw changed(path)
        text = await file.append([printEntry(entry)], text)
      }),
    findings: () => (text === undefined ? [] : oddities(text)),
  }
}

function oddities({ torn, unended }: RecordText<Known>): readonly Finding[] {
  const cutOff = 'ends in an entry that a crash cut off; it never took effect, and the next entry takes its place'
  const unbroken = 'has no line break at its end; the last entry counts, and the next one puts it back'
  return [
    ...(torn === undefined ? [] : [warning('record-torn', NAME, cutOff, '')]),
    ...(unended === true ? [warning('record-torn', NAME, unbroken, '')] : []),
  ]
}
