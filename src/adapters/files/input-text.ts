/** What is wrong with a file that a person gave, whatever it is to be read as. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'

/**
 * Whether every other byte is zero, as in UTF-16 (with or without its mark) and UTF-32. Neither UTF-8 text nor DER begins so:
 * DER's second byte is a length, and not zero where there is anything.
 */
export function isUtf16(bytes: Uint8Array): boolean {
  const [a, b, c, d] = bytes
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true
  if (bytes.length < 4) return false
  return (a !== 0 && b === 0 && d === 0) || (a === 0 && b !== 0 && c === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff)
}

export const WIDE = 'is UTF-16 text, as > of Windows PowerShell writes it, and only UTF-8 is read'
export const WIDE_HINT = 'write it anew: iconv -f UTF-16 -t UTF-8 FILE; or in PowerShell … | Out-File -Encoding utf8 FILE'

/** As errors name a file. */
export const nameOf = (path: string): string => (path === '-' ? 'stdin' : path)

/** @throws FederationError file-unreadable */
export function refuseUtf16<T extends Uint8Array>(path: string, bytes: T): T {
  if (isUtf16(bytes)) throw new FederationError('file-unreadable', about.file(nameOf(path)), WIDE, { hint: WIDE_HINT })
  return bytes
}

/** Longer than separators that stand alone. */
const MAX_BLANK = 1_000

/** Nothing but white space and the marks between YAML documents. */
export function isBlankText(content: string): boolean {
  const text = content.trim()
  return text.length < MAX_BLANK && text.split('\n').every((line) => /^(?:---|\.\.\.)?\s*$/.test(line))
}

/** Empty is no answer: a command that failed prints nothing. @throws FederationError file-unreadable */
export function refuseBlank(path: string, content: string): string {
  if (!isBlankText(content)) return content
  throw path === '-'
    ? new FederationError('file-unreadable', 'stdin', 'is empty: the command in front of the pipe printed nothing, so it may have failed', {
        hint: 'run that command alone and look at what it says; set -o pipefail ends a script there',
      })
    : new FederationError('file-unreadable', about.file(path), 'is empty: there is nothing in it to judge', {
        hint: 'write it anew and look whether the command that makes it fails',
      })
}
