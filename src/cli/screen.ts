/** The last word on what reaches a terminal: names in certificates, Envoy's and API servers' words, and files in Git are others'. */

/** The styles that text.ts paints with: bold, dim, red, green, yellow, and their ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const STYLE = /\u001b\[(?:1|2|22|31|32|33|39)m/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g
const TRICKY = /[\u0080-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

export interface Screen {
  /** We paint; else no escape sequence is ours. */
  readonly color: boolean
  /** People look at it: what is invisible or turns text around is shown as well. Files and pipes get it as it is. */
  readonly terminal: boolean
}

/** Controls as `\uXXXX`, which in JSON means the same; line breaks, tabs and our own styles stay. */
export function shown(text: string, { color, terminal }: Screen): string {
  if (!color) return escaped(text, terminal)
  const styles = text.match(STYLE) ?? []
  return text
    .split(STYLE)
    .map((part, i) => `${escaped(part, terminal)}${styles[i] ?? ''}`)
    .join('')
}

const escaped = (text: string, terminal: boolean): string => {
  const plain = text.replace(CONTROL, named)
  return terminal ? plain.replace(TRICKY, named) : plain
}

const named = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
