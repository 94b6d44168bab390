/** The record in audit.jsonl, as one command works on it: read and verified once, and extended by its own entries. */
import { type Finding, warning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { AuditEntry } from '../../core/model/recorded.ts'
import { NO_RECORD, project, type RecordView } from '../../core/record/projection.ts'
import { GENESIS, parseRecord, printEntry } from '../../core/record/record.ts'
import { changed, type Reading, type RecordText, recordFile } from './record-file.ts'

export interface RecordFileStore {
  /** The current content. The file is compared byte for byte with what was read before, and only new lines are parsed. */
  view(): Promise<RecordView>
  /** The values of the lines, for printing. */
  entries(): Promise<readonly AuditEntry[]>
  /**
   * @param entry follows the last view
   * @throws FederationError record-busy: another entry follows that view by now, and nothing was written
   */
  append(entry: AuditEntry): Promise<void>
  /** Irregularities of the file at the last read that stop no command. */
  findings(): readonly Finding[]
}

interface Known {
  readonly entries: readonly AuditEntry[]
  readonly view: RecordView
}

/** The file's name in errors, as its owner uses it. */
const NAME = 'audit.jsonl'

const READING: Reading<Known> = {
  none: { entries: [], view: NO_RECORD },
  add: ({ entries, view }, lines) => {
    const more = parseRecord(lines, NAME, view.head)
    return { entries: [...entries, ...more], view: project(more, view) }
  },
}

/** Reads nothing before the first request. */
export function recordStore(path: string): RecordFileStore {
  const file = recordFile(path, READING)
  let text: RecordText<Known> | undefined
  // Reads and appends run one after the other: an earlier read must not replace the result of a later append.
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
        // Another part of the same command may have read what another process added: this entry was made for an older
        // view.
        if (entry.prev !== (text.value.view.head?.hash ?? GENESIS)) throw changed(path)
        text = await file.append([printEntry(entry)], text)
      }),
    findings: () => (text === undefined ? [] : oddities(text)),
  }
}

function oddities({ torn, unended }: RecordText<Known>): readonly Finding[] {
  const cutOff = 'ends in an incomplete entry, which a crash cut off; it never took effect, and the next entry replaces it'
  const unbroken = 'has no line break at its end; the last entry is valid, and the next write adds the line break'
  return [
    ...(torn === undefined ? [] : [warning('record-torn', about.file(NAME), cutOff, '')]),
    ...(unended === true ? [warning('record-torn', about.file(NAME), unbroken, '')] : []),
  ]
}
