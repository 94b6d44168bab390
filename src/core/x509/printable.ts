/** Controls, and the characters that turn text around: what a hostile name would use to fool a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Text from outside, fit to be shown: on one line, nothing hidden, not endless. */
export function printable(text: string, maxLength = 200): string {
  const shown = text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return shown.length > maxLength ? `${shown.slice(0, maxLength)}…` : shown
}
