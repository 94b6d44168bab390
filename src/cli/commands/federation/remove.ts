/** `remove` and `uninstall`: end all trust in a member's home, or in all homes. */

import { isRemoved, type Removed, type RemoveInput, remove } from '../../../app/remove/remove.ts'
import { removeView } from '../../../core/view/remove-view.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { undeliveredText } from '../../print/outcome/delivery-text.ts'
import { removedText } from '../../print/outcome/remove-text.ts'
import { json, show } from '../../print/screen.ts'

export interface RemoveOptions extends Omit<FileOptions, 'context'>, RemoveInput {
  readonly yes?: boolean
  readonly output: Output
}

export async function run(options: RemoveOptions, io: Io): Promise<number> {
  mustHaveReason(options.reason)
  const { context, ...files } = options
  const removed = await remove(portsOf(files, io), options)
  if (options.output === 'json') io.print(json(removeView(removed)))
  else printResult(removed, options, io)
  return isRemoved(removed) ? 0 : 1
}

function printResult(removed: Removed, { member, file, reason }: RemoveOptions, io: Io): void {
  const { homes, listed } = removed
  const again = `entente ${member === undefined ? 'uninstall' : `remove ${member}`} --reason ${JSON.stringify(reason)}`
  const undelivered = homes.flatMap(({ target: { member }, state }) =>
    state !== 'undelivered' || member.home?.directory === undefined
      ? []
      : [{ member: member.name, directory: member.home.directory, observed: member.home.context !== undefined }],
  )
  for (const text of undeliveredText(undelivered, file, [again])) io.print(show`${text}\n`)
  if (homes.length === 0) {
    io.print(
      member === undefined
        ? 'By the files and the record, Entente holds no trust anywhere.'
        : `By the record, Entente holds nothing in ${member}.`,
    )
    return
  }
  io.print(removedText(removed, io))
  if (homes.some(({ state }) => state === 'left' || state === 'unknown'))
    io.report(show`\nRun the same command again. If a home does not exist any more: entente remove MEMBER --gone --reason "WHY".`)
  if (listed > 0)
    io.report(
      show`\n${file} still lists ${listed} of these trusts, and the next entente apply opens them again: take them out of it, and stop every apply --watch and CronJob.`,
    )
}
