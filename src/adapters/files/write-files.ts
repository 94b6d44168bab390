/** Files that are either what they were or what they shall be, also after a crash. */
import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'

export function fileError(code: 'file-unreadable' | 'file-unwritable', path: string, cause: unknown): FederationError {
  // node ends its messages with the call and the path: `EACCES: permission denied, open '/…'`.
  const message = cause instanceof Error ? (cause.message.split(`, ${(cause as NodeJS.ErrnoException).syscall}`)[0] ?? '') : String(cause)
  return new FederationError(code, path, message, { cause })
}

export function isWithin(real: string, target: string): boolean {
  const way = relative(real, target)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`))
}

/**
 * Where a file that Entente names itself (`audit.jsonl`, `bundles/…`) really is. A link inside the folder is followed, as a
 * mounted ConfigMap has them, and so is one to the folder itself. One that leads out of it is not: whoever can commit a
 * link would otherwise choose which file of this machine is read as the record, or appended to.
 * @param path below `folder`; neither of them needs to exist
 * @throws FederationError file-unreadable: it leads out of the folder, or nowhere, or to something that is no file
 */
export async function placeIn(folder: string, path: string): Promise<string> {
  const refuse = (message: string): never => {
    throw new FederationError('file-unreadable', path, message, { hint: 'put the file itself there, and no link' })
  }
  try {
    const home = await realpath(folder)
    const real = await realOf(path, refuse)
    if (!isWithin(home, real)) refuse(`is a link out of ${folder}`)
    const there = await stat(real).catch(ifThere)
    if (there !== undefined && !there.isFile()) refuse('is not a file')
    return real
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw fileError('file-unreadable', path, cause)
  }
}

/** @throws ENOENT where not even its folder is there */
async function realOf(path: string, refuse: (message: string) => never): Promise<string> {
  const real = await realpath(path).catch(ifThere)
  if (real !== undefined) return real
  if ((await lstat(path).catch(ifThere)) !== undefined) refuse('is a link to nothing')
  return join(await realpath(dirname(path)), basename(path))
}

function ifThere(cause: unknown): undefined {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
}

/**
 * The whole file, or undefined where there is none.
 * @throws FederationError file-unreadable, also when it is larger than `maxBytes`
 */
export async function readIfThere(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      if (size > maxBytes) throw new FederationError('file-unreadable', path, `is larger than ${maxBytes >> 20} MiB`)
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError('file-unreadable', path, cause)
  }
}

/** Makes folders on the way. @throws FederationError file-unwritable */
export async function writeAtomically(path: string, content: string): Promise<void> {
  const folder = dirname(path)
  try {
    await mkdir(folder, { recursive: true })
    await writeAndRename(path, join(folder, `.${randomBytes(6).toString('hex')}.tmp`), content)
    await syncFolder(folder)
  } catch (cause) {
    throw fileError('file-unwritable', path, cause)
  }
}

async function writeAndRename(path: string, temporary: string, content: string): Promise<void> {
  try {
    const file = await open(temporary, 'wx', 0o644)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cause
  }
}

/** @throws FederationError file-unwritable */
export async function removeDurably(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
    await syncFolder(dirname(path))
  } catch (cause) {
    throw fileError('file-unwritable', path, cause)
  }
}

/** A name is durable only once its folder is; not every file system lets one ask for that. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
}
