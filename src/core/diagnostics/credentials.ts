/**
 * Removes the user name, password and query of every URL in a message: the query may contain tokens. A URL is recognized
 * as loosely as the WHATWG standard parses it: it reads `https:/u:p@h`, `https:u:p@h` and `https:\\u:p@h` as
 * `https://u:p@h`, and ignores tabs and line breaks.
 */

/** The start of an authority: a special scheme (URL Standard) with or without slashes, another scheme with `//`, or `//` alone. */
const BEGIN = /(?:https?|wss?|ftp)(?::|%3a)|:(?=[\\/]{2})|%3a(?=%2f%2f)|(?:^|[\s"'(=,])(?=\/\/)/gi
const SLASH = /(?:[\\/\t\r\n]|%2f|%5c)*/iy
/** Characters that end the part with user, host and port. */
const AUTHORITY = /[^\\/?# "'<>]*/y
/** Characters that end a URL in a sentence. */
const WORD = /[^ "'<>]*/y

/** The text, with every URL in it stripped of the part before `@` and the part after `?`. */
export function withoutCredentials(text: string): string {
  let shown = ''
  let from = 0
  BEGIN.lastIndex = 0
  for (let begin = BEGIN.exec(text); begin !== null; begin = BEGIN.exec(text)) {
    const start = end(SLASH, text, BEGIN.lastIndex)
    const word = end(WORD, text, start)
    const authority = text.slice(start, end(AUTHORITY, text, start))
    const hidden = credentials(authority, text.slice(start, word))
    const query = text.slice(start, word).search(/[?]/)
    const last = query === -1 || start + query < start + hidden ? word : start + query
    shown += `${text.slice(from, start)}${hidden === 0 ? '' : '…@'}${text.slice(start + hidden, last)}${last < word - 1 ? '?…' : text.slice(last, word)}`
    from = word
    BEGIN.lastIndex = Math.max(word, BEGIN.lastIndex)
  }
  return from === 0 && shown === '' ? text : shown + text.slice(from)
}

/** @returns the length of the part before the host, including the `@` */
function credentials(authority: string, word: string): number {
  const within = lastAt(authority)
  // A text with a port that is not a number is not a URL, so a `/` may be part of the password.
  return within > 0 || !/:[^0-9]/.test(authority) || authority.startsWith('[') ? within : lastAt(word)
}

/** The offset after the last `@`, escaped ones included; 0 if there is none. */
function lastAt(text: string): number {
  const lower = text.toLowerCase()
  const [plain, escaped] = [lower.lastIndexOf('@'), lower.lastIndexOf('%40')]
  return Math.max(plain + 1, escaped === -1 ? 0 : escaped + 3)
}

function end(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  pattern.test(text)
  return Math.max(at, pattern.lastIndex)
}

/** For a text that is meant as a URL. Even if it is not a valid one, the part before `@` may be a password. */
export function shownUrl(text: string): string {
  const shown = withoutCredentials(text)
  if (shown !== text || URL.canParse(text)) {
    const url = shown === text ? new URL(text) : undefined
    if (url === undefined || SPECIAL.has(url.protocol)) return shown
  }
  const query = shown.search(/[?#]/)
  const before = query === -1 ? shown : shown.slice(0, query)
  const at = lastAt(before)
  return `${at === 0 ? before : `…@${before.slice(at)}`}${query === -1 ? '' : '?…'}`
}
const SPECIAL = new Set(['http:', 'https:', 'ws:', 'wss:', 'ftp:'])
