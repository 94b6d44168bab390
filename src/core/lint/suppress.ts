/**
 * Findings that somebody looked at and accepts, with a reason: a comment
 * `# entente-lint: ignore RULE, RULE -- REASON`, or an annotation `lint.entente.dev/RULE: REASON` of the object.
 */
import { printable } from '../x509/printable.ts'
import { field, type Resource, spotIn } from './resource.ts'
import { isRule, type LintFinding, told } from './rules.ts'
import { isMap, type LintFile } from './source.ts'

interface Suppression {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly subject: string
  readonly code: string
  readonly reason: string
  /** By annotation: the object that has it, of which all is covered. */
  readonly object?: string
  /** By comment: the lines that it covers. */
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
const COMMENT = /^(.*?)#[ \t]*entente-lint:[ \t]*ignore[ \t]+([a-z0-9-]+(?:[ \t]*,[ \t]*[a-z0-9-]+)*)[ \t]*(?:--(.*))?$/
const ANNOTATION = 'lint.entente.dev/'

/** What stands about suppressions stays: it cannot be suppressed itself. */
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
  const where = { file: one.file, line: one.line, column: one.column, subject: one.subject }
  const name = printable(code, 60)
  if (!isRule(code)) return [told('suppression-unknown', where, `there is no rule ${name}`, { hint: 'docs/lint.md names the rules' })]
  if (reason === '')
    return [
      told('suppression-without-reason', where, `${name} is not suppressed: nobody says why`, {
        hint: 'add -- and the reason to the comment, or make the reason the value of the annotation',
      }),
    ]
  return used ? [] : [told('suppression-unused', where, `nothing of ${name} is found here any more`, { hint: 'remove the suppression' })]
}

function commentsIn({ file, text }: LintFile): readonly Suppression[] {
  if (!text.includes(MARK)) return []
  const lines = text.split('\n')
  return lines.flatMap((line, i): readonly Suppression[] => {
    const [, before, codes = '', reason = ''] = (line.includes(MARK) ? COMMENT.exec(line) : undefined) ?? []
    if (before === undefined || !/(^|\s)$/.test(before)) return []
    const { from, to } = rangeFor(lines, i, before.trim() !== '')
    return codes.split(',').map((code) => ({
      file,
      line: i + 1,
      column: before.length + 1,
      subject: 'comment',
      code: code.trim(),
      reason: reason.trim(),
      from,
      to,
    }))
  })
}

const indentOf = (line: string): number => line.length - line.trimStart().length
const isContent = (line: string): boolean => !/^\s*(#|$)/.test(line)
const isMarker = (line: string): boolean => /^---(\s|$)/.test(line)

/** The line it stands on or above, with all that is nested in it; from the head of a document, all of the document. */
function rangeFor(lines: readonly string[], i: number, onContent: boolean): { readonly from: number; readonly to: number } {
  let target = i
  if (!onContent)
    while (target < lines.length && !(isContent(lines[target] ?? '') && !(isMarker(lines[target] ?? '') && target > i))) target++
  let head = i - 1
  while (head >= 0 && !isContent(lines[head] ?? '')) head--
  const wholeDocument = !onContent && (head < 0 || isMarker(lines[head] ?? ''))
  const first = lines[target] ?? ''
  const indent = indentOf(first)
  const isItem = first.trimStart().startsWith('- ')
  let end = target + 1
  for (; end < lines.length; end++) {
    const line = lines[end] ?? ''
    if (isMarker(line)) break
    if (!isContent(line) || wholeDocument || indentOf(line) > indent) continue
    if (indentOf(line) === indent && !isItem && line.trimStart().startsWith('- ')) continue
    break
  }
  return { from: target + 1, to: end }
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
        subject: resource.title,
        code: key.slice(ANNOTATION.length),
        reason: typeof value === 'string' ? value.trim() : '',
        object: resource.title,
      },
    ]
  })
}
