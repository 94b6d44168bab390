/** `mount`: lists the workloads that lack the mount, and what one restart of each does. With `--rollout`, it restarts them. */

import { type MountInput, mount } from '../../../app/mount.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { mountView } from '../../../core/view/mount-view.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { mountText } from '../../print/mount-text.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface MountOptions extends FileOptions, MountInput {
  readonly output: Output
  readonly yes?: boolean
}

export async function run(options: MountOptions, io: Io): Promise<number> {
  const { workloads, findings } = await mount(portsOf(options, io), options)
  if (options.output === 'json') io.print(json(mountView(workloads, findings)))
  else {
    io.print(workloads.length === 0 ? 'No running workload is in a mounted scope.' : mountText(workloads, io.color))
    if (findings.length > 0) io.report(show`\n${findingsText(findings, io)}`)
  }
  if (hasErrors(findings)) return 1
  return workloads.some(({ lacking }) => lacking.length > 0) ? 2 : 0
}
