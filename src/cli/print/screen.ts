/**
 * The only place that makes text for a terminal, a pipe or a log. A `string` may hold text from outside: it is printed on
 * one line, with invisible characters escaped. Only `Shown` has line breaks and styles, and only this file makes it.
 */
import { styleText } from 'node:util'
import { withoutCredentials } from '../../core/diagnostics/credentials.ts'
import { visible, visibleLines } from '../../core/x509/syntax/printable.ts'

/** Text whose line breaks and styles come from Entente, and in which text from outside has no invisible characters. */
export class Shown {
  readonly #text: string
  /** It contains a document, whose lines must not be broken. */
  readonly verbatim: boolean

  private constructor(text: string, parts: readonly Part[] = [], verbatim = false) {
    this.#text = text
    this.verbatim = verbatim || parts.some((part) => part instanceof Shown && part.verbatim)
  }

  /** A template: the literal text comes from Entente. Each part is printed on one line unless it is `Shown` already. */
  static show(ours: TemplateStringsArray, ...parts: readonly Part[]): Shown {
    return new Shown(ours.map((text, i) => (i < parts.length ? `${text}${plain(parts[i] as Part)}` : text)).join(''), parts)
  }

  static stacked(parts: readonly Part[], between: '\n' | '\n\n' | ' ' | ', ' | '' = '\n'): Shown {
    return new Shown(parts.map(plain).join(between), parts)
  }

  static document(text: string): Shown {
    return new Shown(visibleLines(text), [], true)
  }

  static painted(style: Style, part: Part): Shown {
    return new Shown(styleText(style, plain(part), { validateStream: false }), [part])
  }

  static indented(part: Shown, by: string): Shown {
    return new Shown(by + part.#text.replaceAll('\n', `\n${by}`), [part])
  }

  toString(): string {
    return this.#text
  }
}

export type Part = Shown | string | number | bigint
export type Style = 'red' | 'yellow' | 'green' | 'bold' | 'dim'

/** Puts multi-line text from outside on one line: a line break and the blanks around it become one blank. */
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

/** A part as it is inserted into a line. */
export const plain = (part: Part): string => (typeof part === 'string' ? oneLine(part) : String(part))

/** Lines from Entente with values in them: show`${member}: ${reason}`. */
export const show = Shown.show
export const stacked = Shown.stacked
export const indented = Shown.indented
export const painted = Shown.painted
/** Text that Entente made in a format that quotes text from outside: PEM, YAML or JSON. Its line breaks are kept. */
export const document = Shown.document
/** The output of `JSON.stringify`, with invisible characters escaped: the value is the same. */
export const json = (value: unknown, indent: 0 | 2 = 2): Shown => document(JSON.stringify(value, null, indent))
