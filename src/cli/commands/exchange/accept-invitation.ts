/** `accept-invitation`: approves the roots of a partner by its invitation, and prints the answer for the way back. */
import { acceptInvitation } from '../../../app/exchange/accept-invitation.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { documented } from '../../../core/view/versioned.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { numbersText } from '../../print/exchange/invitation-text.ts'
import { json, show } from '../../print/screen.ts'

export interface AcceptInvitationOptions extends FileOptions {
  readonly path: string
  readonly as?: string
  readonly comparison?: string
  readonly fingerprint?: readonly string[]
  readonly reason: string
  readonly output: Output
}

export async function run(
  { path, as, comparison, fingerprint, reason, output, ...options }: AcceptInvitationOptions,
  io: Io,
): Promise<number> {
  const text = new TextDecoder().decode(await io.readFile(path))
  const agreeing = comparison ?? fingerprint
  if (agreeing === undefined && !io.interactive)
    throw new FederationError('not-confirmed', 'no terminal', 'nobody compared the numbers; nothing was changed', {
      hint: 'pass --comparison "…" with the number that the owner read out, or every --fingerprint',
    })
  const { invitation, already, numbers, answer } = await acceptInvitation(portsOf(options, io), {
    file: path,
    text,
    reason,
    ...(as === undefined ? {} : { as }),
    ...(comparison === undefined ? {} : { comparison }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  })
  if (output === 'json') {
    io.print(json(documented('AcceptInvitation', { trustDomain: invitation.trustDomain, already, numbers, answer: answer ?? null })))
    return 0
  }
  if (already) {
    io.report(`The invitation from ${invitation.trustDomain} was accepted before; nothing to do.`)
    return 0
  }
  io.report(show`${numbersText(numbers)}\n`)
  io.report(`Accepted: ${invitation.trustDomain} is a member, its roots are approved and recorded. That opened nothing.`)
  if (answer !== undefined) {
    io.print(json(answer))
    io.report(`Send this answer to the owner of ${invitation.trustDomain}: they accept it with entente accept-invitation.`)
  }
  io.report('Next: write who may call whom into trust of the federation file, then: entente plan')
  return 0
}
