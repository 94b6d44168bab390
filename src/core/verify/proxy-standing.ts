/** Where one proxy stands. */
import type { Finding } from '../diagnostics/finding.ts'

/** One fact about a proxy, and what is reported of it. */
export interface Fact {
  /**
   * `differs`: it does not hold what is wanted. `unserved`: it does, and a host that it calls has no endpoint. `pending`: its
   * kubelet may not have written its file. `unmounted`: it has no mount, and nothing of the scope reaches it. `told`: none of these.
   */
  readonly is: 'differs' | 'unserved' | 'pending' | 'unmounted' | 'told'
  readonly finding: Finding
}

export const differs = (finding: Finding): Fact => ({ is: 'differs', finding })

/** One proxy in reach of a scope, and how it stands to what is wanted of it. */
export interface Standing {
  readonly proxy: string
  /** `pending`, `unmounted`: as of a fact. */
  readonly state: 'ready' | 'lagging' | 'rejected' | 'unheard' | 'pending' | 'unmounted'
  /** Something is wrong that time alone does not mend: a trust with such a proxy is broken. */
  readonly wrong: boolean
  /** What differs; empty when it holds exactly what it should. */
  readonly findings: readonly Finding[]
}
