/** `sever`: writes it into the federation file, closes, proves. What only narrows waits for nobody. */

import { type SeverInput, sever } from '../../../app/severing/sever.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { severView } from '../../../core/view/verify-view.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { severedText } from '../../print/sever-text.ts'

export interface SeverOptions extends FileOptions, SeverInput {
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: SeverOptions, io: Io): Promise<number> {
  if (options.reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: say why, for those who ask later')
  const closed = await sever(portsOf(options, io), options)
  const { trustDomain, at, verdicts, findings, older, blind, unknown, failed } = closed
  if (options.output === 'json') io.print(json(severView(verdicts, findings, at, older.views)))
  else io.print(severedText(closed, io))
  if (blind)
    io.tell(
      show`\n${options.truster} could not be looked at, and nothing was closed there: run the same again as soon as it can be reached.`,
    )
  else if (unknown)
    io.tell(
      show`\nNo evidence says that live proxies of ${options.truster} refuse ${trustDomain}: run entente verify where they can be asked.`,
    )
  return failed ? 1 : 0
}
