/** `rotate`: moves a mesh from its old root to a new one with overlap, as far as possible now. */

import { type RotateInput, rotate } from '../../../app/rotate/rotate.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { rotationView } from '../../../core/view/rotation-view.ts'
import { type BundleOptions, sentBundle } from '../../input/sent-bundle.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { nextStep, rotationText } from '../../print/rotation-text.ts'
import { json } from '../../print/screen.ts'

export interface RotateOptions extends FileOptions, BundleOptions, Omit<RotateInput, 'sent'> {
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: RotateOptions, io: Io): Promise<number> {
  const { status: reads = false, abort = false, output } = options
  if (reads && abort) throw new FederationError('usage', '--abort', 'writes, but --status only reads: use one of them')
  if (!reads && options.reason.trim() === '')
    throw new FederationError('usage', '--reason', 'is missing: the record requires a reason. To only read the state: --status')
  const { now, findings, reached } = await rotate(portsOf(options, io), { ...options, ...sentBundle(options, io) })
  const all = [...findings, ...now.findings]
  io.print(output === 'json' ? json(rotationView(now, all, nextStep(now))) : rotationText(now, all, io))
  return !reached || hasErrors(all) || now.phase === 'unknown' ? 1 : 0
}
