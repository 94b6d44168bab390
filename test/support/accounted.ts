/** That no root of a damaged file is lost in silence: as many as it shows are read, or told. */
import type { Inspection } from '../../src/core/spiffe/inspect.ts'

const pem = (text: string): number => Math.max(text.split('-----BEGIN ').length, text.split('-----END ').length) - 1
const spiffe = (text: string): number => (JSON.parse(text.replace('\ufeff', '')) as { keys: unknown[] }).keys.length

/** How many roots the text of an accepted file shows; undefined where that cannot be seen from outside. */
export const shown = (text: string, format: Inspection['format']): number | undefined =>
  format === 'der' ? undefined : format === 'pem' ? pem(text) : spiffe(text)

/** Those that were read, and those of which a finding says that they were left out: all copies of one in one finding. */
export const accounted = ({ certificates, findings }: Inspection): number =>
  findings
    .filter(({ code }) => /^(duplicate|use-.*|kty-.*|x5c-missing|jwt-svid)$/.test(code))
    .reduce((sum, { message }) => sum + 1 + Number(/(\d+) more$/.exec(message)?.[1] ?? 0), certificates.length)
