/** `refuse`: records that an offered root must not be approved without a person. */
import { refuse } from '../../../app/exchange/refuse.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'

export interface RefuseOptions extends FileOptions {
  readonly member: string
  readonly fingerprint?: readonly string[]
  readonly reason: string
  readonly yes?: boolean
}

export async function run(options: RefuseOptions, io: Io): Promise<number> {
  if (options.reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: the record requires a reason')
  const { member, roots } = await refuse(portsOf(options, io), options)
  io.tell(
    `Refused ${roots.join(', ')} of ${member.trustDomain}, on the record. Entente approves ${roots.length === 1 ? 'it' : 'them'} only if a person does: entente approve ${member.name} --fingerprint …`,
  )
  return 0
}
