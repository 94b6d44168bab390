/**
 * What repeats, longer or in more places, a law that another test holds: `npm run e2e -- --all` runs it. Else it counts as skipped, and a file
 * of nothing else starts no bed.
 */
import { describe, it } from 'vitest'

/** Set by scripts/e2e.ts. */
export const ALL = process.env.ENTENTE_E2E_ALL === '1'

/** In place of `it` and `describe`. */
export const extra = { it: it.skipIf(!ALL), describe: describe.skipIf(!ALL) }
