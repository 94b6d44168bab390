/** `approve`: records that the owner vouches for a member's roots. Only this command writes an offer to `bundles/`. */

import { bundlePath } from '../../../adapters/files/bundle-files.ts'
import { type ApproveInput, approve } from '../../../app/approve/approve.ts'
import { documented } from '../../../core/view/versioned.ts'
import { type BundleOptions, sentBundle } from '../../input/sent-bundle.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'

export interface ApproveOptions extends FileOptions, BundleOptions, Omit<ApproveInput, 'sent'> {
  readonly yes?: boolean
  readonly output?: Output
}

export async function run(options: ApproveOptions, io: Io): Promise<number> {
  const { member, roots, already } = await approve(portsOf(options, io), { ...options, ...sentBundle(options, io) })
  if (options.output === 'json') {
    io.print(json(documented('Approve', { member: member.name, trustDomain: member.trustDomain, roots, already })))
    return 0
  }
  const which = roots.length === 1 ? `the root of ${member.trustDomain} is` : `all ${roots.length} roots of ${member.trustDomain} are`
  io.report(
    already
      ? `${member.name}: ${which} approved already; nothing to do.`
      : `Approved: ${bundlePath('', member.trustDomain)} and the record now contain it. Next: entente plan`,
  )
  return 0
}
