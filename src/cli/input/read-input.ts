/** A file that a person gives, or stdin, read whole. */

import { createReadStream } from 'node:fs'
import { nameOf, refuseUtf16 } from '../../adapters/files/input-text.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'

/** A bundle or a chain; nothing that is read whole is larger. */
const MAX_BYTES = 64 * 1024 * 1024

/** @param path `-` is stdin @throws FederationError file-unreadable, also where it is UTF-16 */
export async function readInput(path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    const stream = path === '-' ? process.stdin : createReadStream(path)
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_BYTES)
        throw new FederationError('file-unreadable', about.file(nameOf(path)), `is larger than ${MAX_BYTES / 1024 / 1024} MiB`)
      chunks.push(chunk as Buffer)
    }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    const message =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (cause as Error).message.replace(/,.*/, '')
    throw new FederationError('file-unreadable', about.file(nameOf(path)), message, { cause })
  }
  return refuseUtf16(path, Buffer.concat(chunks))
}
