/**
 * `sever`: writes the sever to the federation file, closes the trust, and checks live proxies. Steps that only close wait
 * for nothing.
 */

import { type SeverInput, sever } from '../../../app/sever/sever.ts'
import { severView } from '../../../core/view/verify-view.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { severedText } from '../../print/sever-text.ts'

export interface SeverOptions extends FileOptions, SeverInput {
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: SeverOptions, io: Io): Promise<number> {
  mustHaveReason(options.reason)
  const closed = await sever(portsOf(options, io), options)
  const { trustDomain, at, verdicts, findings, older, blind, unknown, undelivered, failed } = closed
  if (options.output === 'json') io.print(json(severView(verdicts, findings, at, older.views, undelivered)))
  else io.print(severedText(closed, options.file, io))
  if (blind)
    io.report(
      show`\nEntente could not read ${options.truster}, and closed nothing there. Run the same command again as soon as it is reachable.`,
    )
  else if (unknown && undelivered.length === 0)
    io.report(
      show`\nNo evidence shows that live proxies of ${options.truster} reject ${trustDomain}. Run entente verify where the cluster is reachable.`,
    )
  return failed ? 1 : 0
}
