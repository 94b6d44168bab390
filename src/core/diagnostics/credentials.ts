/**
 * No message shows the user name and password of a URL, or its query, where tokens stand. A URL is read as loosely as
 * the WHATWG standard does, whose parser takes `https:/u:p@h`, `https:u:p@h` and `https:\\u:p@h` for `https://u:p@h`,
 * and passes over tabs and line breaks in it.
 */

/** The end of a scheme that needs no slashes (URL Standard, special schemes), of any other with two, or no scheme but two slashes. */
const BEGIN = /(?:https?|wss?|ftp)(?::|%3a)|:(?=[\\/]{2})|%3a(?=%2f%2f)|(?:^|[\s"'(=,])(?=\/\/)/gi
const SLASH = /(?:[\\/\t\r\n]|%2f|%5c)*/iy
/** What ends the part with user, host and port. */
const AUTHORITY = /[^\\/?# "'<>]*/y
/** What ends a URL in a sentence. */
const WORD = /[^ "'<>]*/y

/** The text without what stands before the `@` of a URL in it, and without what stands behind its `?`. */
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

/** @returns how much of a URL's rest stands before its host, the `@` included */
function credentials(authority: string, word: string): number {
  const within = lastAt(authority)
  // With a port that is no number it is no URL: then a `/` may be a part of the password.
  return within > 0 || !/:[^0-9]/.test(authority) || authority.startsWith('[') ? within : lastAt(word)
}

/** Behind the last `@`, also where it is escaped; 0 where there is none. */
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

/** A text that is meant for a URL: also where it is none, what stands before an `@` may be a password. */
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
