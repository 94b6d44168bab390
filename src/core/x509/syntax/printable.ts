/**
 * Makes external text safe to print: names in certificates, messages of Envoy and API servers, recorded reasons, files
 * in Git. Hostile text could move the cursor, start a new line, reverse the text direction, or contain invisible
 * characters.
 */

/**
 * Characters without a visible glyph, selected by Unicode properties, so that the list is complete:
 * - controls (Cc)
 * - format characters (Cf): bidirectional marks, tags, zero-width characters
 * - lone surrogates (Cs)
 * - line and paragraph separators (Zl, Zp)
 * - characters that a renderer may omit (Default_Ignorable_Code_Point): variation selectors, fillers, and code points
 *   reserved for such use
 * Renderers draw unassigned and private characters as a box.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Each UTF-16 unit as `\uXXXX`, which has the same meaning in JSON. */
const escaped = (char: string): string =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** Escapes every invisible character, line breaks included. */
export const visible = (text: string): string => text.replace(INVISIBLE, escaped)

/** Keeps line breaks and tabs, because Entente wrote them; escapes every other invisible character. */
export const visibleLines = (text: string): string =>
  text.replace(INVISIBLE, (char) => (char === '\n' || char === '\t' ? char : escaped(char)))

/** One line, invisible characters escaped, cut at `maxLength`. */
export function printable(text: string, maxLength = 200): string {
  const shown = visible(text.length > maxLength ? text.slice(0, maxLength + 1) : text)
  return shown.length > maxLength ? `${shown.slice(0, maxLength)}…` : shown
}
