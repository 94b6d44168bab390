/** `call add`: writes a call into the federation file. It contacts no cluster, and opens nothing. */

import { endOfCall, hostOf } from '../../../core/federation/expand/call-end.ts'
import { documented } from '../../../core/view/versioned.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { fileFlag } from '../../print/layout/file-flag.ts'
import { json, show } from '../../print/screen.ts'

export interface CallAddOptions extends FileOptions {
  readonly from: string
  readonly to: string
  readonly hosts?: readonly string[]
  readonly mtls?: 'enforce' | 'require' | 'permissive'
  readonly output: Output
}

export async function run({ from, to, hosts, mtls, output, ...options }: CallAddOptions, io: Io): Promise<number> {
  const { desired } = portsOf(options, io)
  const added = await desired.addCall({
    from,
    to,
    ...(hosts === undefined ? {} : { hosts: [...hosts] }),
    ...(mtls === undefined ? {} : { mtls }),
  })
  const used = hosts ?? [hostOf(endOfCall(to))]
  if (output === 'json') {
    io.print(json(documented('CallAdd', { file: options.file, from, to, hosts: used, added })))
    return 0
  }
  const next = `entente plan${fileFlag(options.file)}`
  io.report(
    added
      ? show`wrote ${options.file}: ${from} may call ${to} at ${used.join(', ')}. Nothing is open yet. Next: ${next}`
      : show`${options.file} has this call already; nothing was changed. Next: ${next}`,
  )
  return 0
}
