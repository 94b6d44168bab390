/** The JSON of `version`. */
import { RECORDED } from '../mesh/envoy/filter-merge.table.ts'
import { OLDEST_MINOR } from '../mesh/version.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

export interface Build {
  readonly version: string
  /** Absent in a checkout. */
  readonly commit: string | undefined
  /** Node's version, without `v`. */
  readonly node: string
}

export const versionView = ({ version, commit, node }: Build): View<'Version'> =>
  documented('Version', { version, commit: commit ?? null, node, istio: { oldest: `1.${OLDEST_MINOR}`, tested: RECORDED } })
