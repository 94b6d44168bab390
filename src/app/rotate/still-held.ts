/** Where a retired root may still be. */

import type { Finding } from '../../core/diagnostics/finding.ts'
import { type Rotation, STILL_HELD } from '../../core/rotation/phases.ts'

/** Before the end of a rotation no root is retired. */
export const stillHeld = ({ phase, findings }: Rotation): readonly Finding[] =>
  phase === 'steady' ? findings.filter(({ code }) => STILL_HELD.has(code)) : []
