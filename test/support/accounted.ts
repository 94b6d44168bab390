/** Counts for damaged files: the parser must read or report every root that the file shows. */
import type { Inspection } from '../../src/core/spiffe/inspect.ts'

const pem = (text: string): number => Math.max(text.split('-----BEGIN ').length, text.split('-----END ').length) - 1
const spiffe = (text: string): number => (JSON.parse(text.replace('\ufeff', '')) as { keys: unknown[] }).keys.length

/** How many roots the text of an accepted file shows; undefined where that cannot be seen from outside. */
export const shown = (text: string, format: Inspection['format']): number | undefined =>
  format === 'der' ? undefined : format === 'pem' ? pem(text) : spiffe(text)

/** The roots that the parser read, and those that a finding reports as omitted: one finding covers all copies of a root. */
export const accounted = ({ certificates, findings }: Inspection): number =>
  findings
    .filter(({ code }) => /^(duplicate|use-.*|kty-.*|x5c-missing|jwt-svid)$/.test(code))
    .reduce((sum, { message }) => sum + 1 + Number(/(\d+) more$/.exec(message)?.[1] ?? 0), certificates.length)
