/** `refuse`: records that an offered root must not be approved without a person. */

import { refuse } from '../../../app/exchange/refuse.ts'
import { documented } from '../../../core/view/versioned.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'

export interface RefuseOptions extends FileOptions {
  readonly member: string
  readonly fingerprint?: readonly string[]
  readonly reason: string
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: RefuseOptions, io: Io): Promise<number> {
  mustHaveReason(options.reason)
  const { member, roots } = await refuse(portsOf(options, io), options)
  if (options.output === 'json') {
    io.print(json(documented('Refuse', { member: member.name, trustDomain: member.trustDomain, roots })))
    return 0
  }
  io.report(
    `Refused ${roots.join(', ')} of ${member.trustDomain}, on the record. Entente approves ${roots.length === 1 ? 'it' : 'them'} only if a person does: entente approve ${member.name} --fingerprint …`,
  )
  return 0
}
