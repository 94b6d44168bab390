/** `version`: which build this is, and what it was tested with. */
import { versionView } from '../../../core/view/version-view.ts'
import { COMMIT } from '../../build-info.ts'
import type { Io, Output } from '../../io.ts'
import { json, type Shown, stacked } from '../../print/screen.ts'

export interface VersionOptions {
  readonly version: string
  readonly output: Output
}

export async function run({ version, output }: VersionOptions, io: Pick<Io, 'print'>): Promise<number> {
  const view = versionView({ version, commit: COMMIT, node: process.versions.node })
  io.print(output === 'json' ? json(view) : text(view))
  return 0
}

const text = ({ version, commit, node, istio }: ReturnType<typeof versionView>): Shown =>
  stacked([
    `entente ${version}`,
    `commit: ${commit ?? 'none: this is a checkout, not a release'}`,
    `Node:   ${node}`,
    `Istio:  ${istio.oldest} or newer; tested with ${istio.tested.join(', ')}`,
  ])
