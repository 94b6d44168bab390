/** Where one proxy stands. */
import type { Finding } from '../diagnostics/finding.ts'

/** One proxy in reach of a scope, and how it stands to what is wanted of it. */
export interface Standing {
  readonly proxy: string
  /** `pending`: its kubelet may not have brought what its file holds. `unmounted`: it has no mount, and nothing of the scope reaches it. */
  readonly state: 'ready' | 'lagging' | 'rejected' | 'unheard' | 'pending' | 'unmounted'
  /** What differs; empty when it holds exactly what it should. */
  readonly findings: readonly Finding[]
}
