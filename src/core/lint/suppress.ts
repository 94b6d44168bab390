/**
 * Suppresses findings that the owner accepts, with a reason: a comment
 * `# entente-lint: ignore RULE, RULE -- REASON`, or an annotation `lint.entente.dev/RULE: REASON` of the object.
 */
import { about, type Subject } from '../diagnostics/subject.ts'
import { printable } from '../x509/syntax/printable.ts'
import { isRule, type LintFinding, lintFinding } from './lint-rules.ts'
import { field, type Resource, spotIn } from './resource.ts'
import { isMap, type LintFile } from './source.ts'

interface Suppression {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly about: Subject
  readonly code: string
  readonly reason: string
  /** For an annotation: the object that has it. It covers the whole object. */
  readonly object?: string
  /** For a comment: the lines that it covers. */
  readonly from?: number
  readonly to?: number
}

const keyOf = ({ file, code }: { readonly file: string; readonly code: string }, object: string | undefined): string =>
  JSON.stringify([file, code, object ?? null])

const covers = ({ from = 0, to = Number.POSITIVE_INFINITY }: Suppression, { line }: LintFinding): boolean => line >= from && line <= to

export interface Suppressed extends LintFinding {
  readonly reason: string
}

const MARK = 'entente-lint:'
const COMMENT = /#[ \t]*entente-lint:[ \t]*ignore[ \t]+([a-z0-9-]+(?:[ \t]*,[ \t]*[a-z0-9-]+)*)[ \t]*(?:$|--([\s\S]*))/
const ANNOTATION = 'lint.entente.dev/'

/** A suppression never covers findings about suppressions. */
export function suppress(
  findings: readonly LintFinding[],
  files: readonly LintFile[],
  resources: readonly Resource[],
): { readonly findings: readonly LintFinding[]; readonly suppressed: readonly Suppressed[] } {
  const all = [...files.flatMap(commentsIn), ...resources.flatMap(annotationsOf)]
  if (all.length === 0) return { findings, suppressed: [] }
  const valid = all.filter(({ code, reason }) => isRule(code) && reason !== '')
  const index = new Map<string, Suppression[]>()
  for (const one of valid) {
    const key = keyOf(one, one.object)
    const those = index.get(key)
    if (those === undefined) index.set(key, [one])
    else those.push(one)
  }
  const used = new Set<Suppression>()
  const suppressed: Suppressed[] = []
  const rest = findings.filter((finding) => {
    const by = [undefined, finding.subject].flatMap((object) => index.get(keyOf(finding, object)) ?? []).find((one) => covers(one, finding))
    if (by === undefined) return true
    used.add(by)
    suppressed.push({ ...finding, reason: by.reason })
    return false
  })
  return { findings: [...rest, ...all.flatMap((one) => complaint(one, used.has(one)))], suppressed }
}

function complaint(one: Suppression, used: boolean): readonly LintFinding[] {
  const { code, reason } = one
  const where = { file: one.file, line: one.line, column: one.column, about: one.about }
  const name = printable(code, 60)
  if (!isRule(code))
    return [lintFinding('suppression-unknown', where, `there is no rule ${name}`, { hint: 'docs/lint.md names the rules' })]
  if (reason === '')
    return [
      lintFinding('suppression-without-reason', where, `${name} is not suppressed: nobody says why`, {
        hint: 'add -- and the reason to the comment, or make the reason the value of the annotation',
      }),
    ]
  return used
    ? []
    : [lintFinding('suppression-unused', where, `nothing of ${name} is found here any more`, { hint: 'remove the suppression' })]
}

function commentsIn({ file, text }: LintFile): readonly Suppression[] {
  if (!text.includes(MARK)) return []
  const lines = text.split('\n')
  const blocks = new Blocks(lines)
  return lines.flatMap((line, i): readonly Suppression[] => {
    const comment = line.includes(MARK) ? COMMENT.exec(line) : null
    if (comment === null) return []
    const [, codes = '', reason = ''] = comment
    const before = line.slice(0, comment.index)
    if (!/(^|\s)$/.test(before)) return []
    const { from, to } = before.trim() === '' ? blocks.below(i) : blocks.at(i)
    return codes.split(',').map((code) => ({
      file,
      line: i + 1,
      column: before.length + 1,
      about: about.input('comment'),
      code: code.trim(),
      reason: reason.trim(),
      from,
      to,
    }))
  })
}

/** Pseudo-indentations: MARKER for the line between two documents, NO_CONTENT for a blank line or a comment. */
const MARKER = -1
const NO_CONTENT = -2

/** Computes by indentation which lines are nested in each line, for all lines at once, in linear time. */
class Blocks {
  private readonly indents: readonly number[]
  private readonly isItem: readonly boolean[]
  /** The first line behind each line's block. */
  private readonly ends: number[]
  /** The closest line with content, from each line on, and before each line (-1: none). */
  private readonly contents: number[]
  private readonly before: number[] = []
  /** Where documents end, by a line that they are asked for at. */
  private readonly documents = new Map<number, number>()

  constructor(lines: readonly string[]) {
    const count = lines.length
    this.indents = lines.map((line) =>
      /^\s*(#|$)/.test(line) ? NO_CONTENT : /^---(\s|$)/.test(line) ? MARKER : line.length - line.trimStart().length,
    )
    this.isItem = lines.map((line) => line.trimStart().startsWith('- '))
    this.ends = Array(count).fill(count)
    this.contents = Array(count + 1).fill(count)
    for (let i = 0, last = -1; i < count; i++) {
      this.before.push(last)
      if (this.indents[i] !== NO_CONTENT) last = i
    }
    for (let i = count - 1; i >= 0; i--) {
      let j = this.contents[i + 1] ?? count
      while (j < count && this.isInside(j, i)) j = this.ends[j] ?? count
      this.ends[i] = j
      this.contents[i] = this.indents[i] === NO_CONTENT ? (this.contents[i + 1] ?? count) : i
    }
  }

  /** Deeper than it; or an item of the list that is its value, which need not be indented. */
  private isInside(j: number, i: number): boolean {
    const [inner = MARKER, outer = MARKER] = [this.indents[j], this.indents[i]]
    return inner > outer || (inner === outer && inner >= 0 && this.isItem[j] === true && this.isItem[i] !== true)
  }

  /** The line and all that is nested in it, from 1. */
  at(i: number): { readonly from: number; readonly to: number } {
    return { from: i + 1, to: this.ends[i] ?? i + 1 }
  }

  /** The same of the line below a comment; below a comment at the head of a document it is all of the document. */
  below(i: number): { readonly from: number; readonly to: number } {
    const target = this.contents[i] ?? i
    const head = this.before[i] ?? -1
    if (head >= 0 && this.indents[head] !== MARKER) return this.at(target)
    let end = this.documents.get(target) ?? target
    while (end < this.indents.length && this.indents[end] !== MARKER) end = Math.max(this.ends[end] ?? end, end + 1)
    this.documents.set(target, end)
    return { from: target + 1, to: end }
  }
}

function annotationsOf(resource: Resource): readonly Suppression[] {
  const annotations = field(resource, 'metadata', 'annotations')
  if (!isMap(annotations)) return []
  return Object.entries(annotations).flatMap(([key, value]): readonly Suppression[] => {
    if (!key.startsWith(ANNOTATION)) return []
    const { file } = resource.source
    return [
      {
        file,
        ...spotIn(resource, 'metadata', 'annotations', key),
        about: resource.about,
        code: key.slice(ANNOTATION.length),
        reason: typeof value === 'string' ? value.trim() : '',
        object: resource.title,
      },
    ]
  })
}
