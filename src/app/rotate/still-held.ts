/** Finds proxies that may still hold a retired root. */

import { MAY_HOLD_RETIRED_ROOT } from '../../core/diagnostics/codes.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import type { Rotation } from '../../core/rotation/phases.ts'

/** No root is retired before the end of a rotation. */
export const stillHeld = ({ phase, findings }: Rotation): readonly Finding[] =>
  phase === 'steady' ? findings.filter(({ code }) => MAY_HOLD_RETIRED_ROOT.has(code)) : []
