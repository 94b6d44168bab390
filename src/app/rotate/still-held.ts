/** Where a retired root may still be. */

import { MAY_HOLD_RETIRED_ROOT } from '../../core/diagnostics/codes.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import type { Rotation } from '../../core/rotation/phases.ts'

/** Before the end of a rotation no root is retired. */
export const stillHeld = ({ phase, findings }: Rotation): readonly Finding[] =>
  phase === 'steady' ? findings.filter(({ code }) => MAY_HOLD_RETIRED_ROOT.has(code)) : []
