/** Reasons that stop scopes from accepting more. */
import type { Finding } from '../diagnostics/finding.ts'

export interface Obstacles {
  readonly findings: readonly Finding[]
  /** Scopes that must not widen because of these findings. */
  readonly inbound: ReadonlySet<string>
  readonly outbound: ReadonlySet<string>
  readonly meshWide?: boolean
}

export const NO_OBSTACLES: Obstacles = { findings: [], inbound: new Set(), outbound: new Set() }
