/**
 * The last word on what reaches a terminal, a pipe or a log. A `string` is one line and may hold text from outside:
 * it is shown on one line, with nothing invisible in it. Only `Shown` has lines and styles, and only this file makes it.
 */
import { styleText } from 'node:util'
import { withoutCredentials } from '../../core/diagnostics/credentials.ts'
import { visible, visibleLines } from '../../core/x509/syntax/printable.ts'

/** Text whose line breaks and styles are ours, and in which all that came from outside is visible. */
export class Shown {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  /** A template: its own text is ours, each part is shown on one line unless it is `Shown` already. */
  static show(ours: TemplateStringsArray, ...parts: readonly Part[]): Shown {
    return new Shown(ours.map((text, i) => (i < parts.length ? `${text}${plain(parts[i] as Part)}` : text)).join(''))
  }

  static stacked(parts: readonly Part[], between: '\n' | '\n\n' | ' ' | ', ' | '' = '\n'): Shown {
    return new Shown(parts.map(plain).join(between))
  }

  static document(text: string): Shown {
    return new Shown(visibleLines(text))
  }

  static painted(style: Style, part: Part): Shown {
    return new Shown(styleText(style, plain(part), { validateStream: false }))
  }

  static indented(part: Shown, by: string): Shown {
    return new Shown(by + part.#text.replaceAll('\n', `\n${by}`))
  }

  toString(): string {
    return this.#text
  }
}

export type Part = Shown | string | number | bigint
export type Style = 'red' | 'yellow' | 'green' | 'bold' | 'dim'

/** Multi-line text of others on one line: a break with the blanks around it is one blank. */
function oneLine(words: string): string {
  const text = withoutCredentials(words)
  if (!/[\n\t]/.test(text)) return visible(text)
  const lines = text.replaceAll('\r\n', '\n').split('\n')
  return visible(
    lines
      .map((line) => line.replaceAll('\t', ' ').trim())
      .filter((line) => line !== '')
      .join(' '),
  )
}

/** A part as it goes into a line of ours. */
export const plain = (part: Part): string => (typeof part === 'string' ? oneLine(part) : String(part))

/** Lines of ours with values in them: show`${member}: ${reason}`. */
export const show = Shown.show
export const stacked = Shown.stacked
export const indented = Shown.indented
export const painted = Shown.painted
/** Of a format that itself quotes what is from outside: PEM, YAML and JSON that we made. Its line breaks are ours. */
export const document = Shown.document
/** As `JSON.stringify` has it, what is invisible escaped: the value is the same. */
export const json = (value: unknown, indent: 0 | 2 = 2): Shown => document(JSON.stringify(value, null, indent))
