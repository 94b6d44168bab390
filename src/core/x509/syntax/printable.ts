/**
 * Text from outside, fit to be shown: names in certificates, Envoy's and API servers' words, reasons on the record,
 * files in Git. A hostile one would move the cursor, begin a line of its own, turn text around, or hide in plain sight.
 */

/**
 * What has no shape of its own, by Unicode's own properties, so that no list of ours can be incomplete: controls (Cc),
 * format characters (Cf: bidirectional marks, tags, zero-width ones), surrogates without a partner (Cs), line and
 * paragraph separators (Zl, Zp), and all that a renderer may leave out (Default_Ignorable_Code_Point: variation
 * selectors, fillers, and the code points that are reserved for such). Unassigned and private ones are drawn, as a box.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Each UTF-16 unit as `\uXXXX`, which in JSON means the same. */
const escaped = (char: string): string =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** Nothing invisible is left; line breaks are escaped as well. */
export const visible = (text: string): string => text.replace(INVISIBLE, escaped)

/** Line breaks and tabs stay: what they separate is ours. */
export const visibleLines = (text: string): string =>
  text.replace(INVISIBLE, (char) => (char === '\n' || char === '\t' ? char : escaped(char)))

/** On one line, nothing hidden, not endless. */
export function printable(text: string, maxLength = 200): string {
  const shown = visible(text.length > maxLength ? text.slice(0, maxLength + 1) : text)
  return shown.length > maxLength ? `${shown.slice(0, maxLength)}…` : shown
}
