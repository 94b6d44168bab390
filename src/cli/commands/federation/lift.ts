/** `sever --lift`: takes a sever back, in the record and in the file. It opens nothing: a new approval and an apply do. */

import { lift } from '../../../app/sever/lift.ts'
import type { SeverInput } from '../../../app/sever/sever.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { approveCommand } from '../../../core/federation/intents.ts'
import { liftView } from '../../../core/view/record-view.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'

export interface LiftOptions extends FileOptions, SeverInput {
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: LiftOptions, io: Io): Promise<number> {
  mustHaveReason(options.reason)
  mustGoTogether(options)
  const lifted = await lift(portsOf(options, io), options)
  const next = [approveCommand(lifted.trusted), 'entente apply --reason "WHY"']
  const { truster, trusted } = lifted.pair
  if (options.output === 'json')
    io.print(
      json(
        liftView({ ...lifted.pair, trusterDomain: lifted.trusterDomain, trustedDomain: lifted.trusted.trustDomain }, lifted.entry, next),
      ),
    )
  else
    io.print(
      `${truster} trusting ${trusted}: the sever is lifted. Nothing is open yet: that requires a new approval of the roots of ${lifted.trusted.trustDomain}, and an apply.`,
    )
  io.report(`Next: ${next.join(', then ')}`)
  return 0
}

function mustGoTogether({ emergency, drain, overrideGate, evidence = [] }: LiftOptions): void {
  const others = { '--emergency': emergency === true, '--drain': drain === true, '--override-gate': overrideGate !== undefined }
  const [flag] = Object.entries({ ...others, '--evidence': evidence.length > 0 }).flatMap(([name, given]) => (given ? [name] : []))
  if (flag !== undefined) throw new FederationError('usage', flag, 'ends a trust, but --lift takes a sever back; nothing was changed')
}
