/** `version`: which build this is, and what it was tested with. */
import { RECORDED } from '../../../core/mesh/envoy/filter-merge.table.ts'
import { OLDEST_MINOR } from '../../../core/mesh/version.ts'
import type { View } from '../../../core/view/schemas.ts'
import { documented } from '../../../core/view/versioned.ts'
import { COMMIT } from '../../build-info.ts'
import type { Io, Output } from '../../io.ts'
import { json, type Shown, stacked } from '../../print/screen.ts'

export interface VersionOptions {
  readonly version: string
  readonly output: Output
}

export async function run({ version, output }: VersionOptions, io: Pick<Io, 'print'>): Promise<number> {
  const view = documented('Version', {
    version,
    commit: COMMIT ?? null,
    node: process.versions.node,
    istio: { oldest: `1.${OLDEST_MINOR}`, tested: RECORDED },
  })
  io.print(output === 'json' ? json(view) : text(view))
  return 0
}

const text = ({ version, commit, node, istio }: View<'Version'>): Shown =>
  stacked([
    `entente ${version}`,
    `commit: ${commit ?? 'none: this is a checkout, not a release'}`,
    `Node:   ${node}`,
    `Istio:  ${istio.oldest} or newer; tested with ${istio.tested.join(', ')}`,
  ])
