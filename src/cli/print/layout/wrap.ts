/** Breaks prose at the width of the terminal, between words. */

import stringWidth from 'string-width'
import { type Part, plain, Shown } from '../screen.ts'

/** A hint that is a command stays on one line, however long: two lines would be two commands when they are pasted. */
const COMMAND = /^\s*(?:next: |To (?:carry it out|write it): )?(?:entente|kubectl|istioctl|helm|flux|kustomize) /

const FURTHER = 2
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

/** Later lines are indented by two more columns than the first. Blanks between words that stay on a line are kept. */
function broken(line: string, columns: number): string {
  const indent = /^ */.exec(line)?.[0] ?? ''
  // Each word with the blanks before it.
  const words = line.slice(indent.length).split(/(?<=[^ ])(?= )/)
  const lines: string[] = []
  let current = indent
  for (const word of words) {
    if (current.trim() !== '' && stringWidth(current) + stringWidth(word) > columns) {
      lines.push(current)
      current = indent + ' '.repeat(FURTHER) + word.trimStart()
    } else current += word
  }
  return [...lines, current].join('\n')
}
