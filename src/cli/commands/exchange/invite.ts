/** `invite`: prints an invitation for a partner. It holds no secret. */

import { invite } from '../../../app/exchange/invite.ts'
import { DAY_MS } from '../../../core/basics/day.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { numbersText } from '../../print/exchange/invitation-text.ts'
import { json, show } from '../../print/screen.ts'

export interface InviteOptions extends FileOptions {
  readonly for: string
  readonly member?: string
  readonly validDays: number
}

export async function run({ for: domain, member, validDays, ...options }: InviteOptions, io: Io): Promise<number> {
  const { document, number } = await invite(portsOf(options, io), {
    for: domain,
    validMs: validDays * DAY_MS,
    ...(member === undefined ? {} : { member }),
  })
  io.print(json(document))
  io.report(show`\n${numbersText([number])}\n`)
  io.report(
    `Send the file to the owner of ${domain}. It holds no secret. Then read the number out over the telephone: whoever accepts the file sees it, too.`,
  )
  return 0
}
