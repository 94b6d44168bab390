/** Breaks prose at the width of the terminal, between words. */

import stringWidth from 'string-width'
import { type Part, plain, Shown } from '../screen.ts'

/** A hint that is a command stays on one line, however long: two lines would be two commands when they are pasted. */
const COMMAND = /^\s*(?:next: |To (?:carry it out|write it): )?(?:entente|kubectl|istioctl|helm|flux|kustomize) /

const PROGRAMS: ReadonlySet<string> = new Set(['entente', 'kubectl', 'istioctl', 'helm', 'flux', 'kustomize'])
/** Three blanks or more separate the columns of a table. */
const ROW = /^.*[^ ] {3,}(?=[^ ])/
const FURTHER = 2
/** A last column that is narrower than this would have one word on each line. */
const COLUMN = 20
/** In a very narrow terminal, breaking lines helps nobody. */
const NARROW = 40

/**
 * The text as it is written to a terminal of this width. Documents (YAML, JSON, PEM) are written as they are.
 * @param columns undefined: no terminal, so no line is broken
 */
export function fitted(text: Part, columns: number | undefined): string {
  const lines = plain(text)
  if (columns === undefined || columns < NARROW || (text instanceof Shown && text.verbatim)) return lines
  return lines
    .split('\n')
    .map((line) => (stringWidth(line) <= columns || COMMAND.test(line) ? line : broken(line, columns)))
    .join('\n')
}

/**
 * Later lines begin at the last column of a table row, else two columns further in than the first. A word that does not
 * fit from there begins further left. Blanks between words that stay on a line are kept.
 */
function broken(line: string, columns: number): string {
  const indent = /^ */.exec(line)?.[0].length ?? 0
  const from = (column: number, word: string): string => ' '.repeat(Math.max(0, Math.min(column, columns - stringWidth(word)))) + word
  const [first = '', ...words] = piecesOf(line.slice(indent))
  const lines: string[] = []
  let current = from(indent, first)
  let further: number | undefined
  for (const word of words) {
    if (stringWidth(current) + stringWidth(word) > columns) {
      lines.push(current)
      further ??= lastColumn(current, columns) ?? indent + FURTHER
      current = from(further, word.trimStart())
    } else current += word
  }
  return [...lines, current].join('\n')
}

/** Words, each with the blanks before it. A command after a colon is one piece, up to the next comma or semicolon. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = []
  let inCommand = false
  let previous = ''
  for (const word of text.split(/(?<=[^ ])(?= )/)) {
    if (inCommand) pieces.push((pieces.pop() ?? '') + word)
    else {
      inCommand = previous.endsWith(':') && PROGRAMS.has(word.trim())
      pieces.push(word)
    }
    if (/[,;]$/.test(word)) inCommand = false
    previous = word
  }
  return pieces
}

function lastColumn(line: string, columns: number): number | undefined {
  const before = ROW.exec(line)?.[0]
  return before === undefined || stringWidth(before) > columns - COLUMN ? undefined : stringWidth(before)
}
