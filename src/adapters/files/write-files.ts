/** Writes files atomically: after a crash, each has either its old or its new content. */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'

export function fileError(code: 'file-unreadable' | 'file-unwritable', path: string, cause: unknown): FederationError {
  // node ends its messages with the call and the path: `EACCES: permission denied, open '/…'`.
  const message = cause instanceof Error ? (cause.message.split(`, ${(cause as NodeJS.ErrnoException).syscall}`)[0] ?? '') : String(cause)
  return new FederationError(code, about.file(path), message, { cause })
}

export function isWithin(real: string, target: string): boolean {
  const way = relative(real, target)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`))
}

/**
 * The real path of a file that Entente names itself (`audit.jsonl`, `bundles/…`). It follows a link inside the folder, as
 * in a mounted ConfigMap, and a link to the folder itself. It rejects a link that leads out of the folder. Otherwise
 * anybody who can commit a link could choose which file of this machine is read as the record, or appended to.
 * @param path below `folder`; neither of them needs to exist
 * @throws FederationError file-unreadable: it leads out of the folder, has no target, or is no regular file
 */
export async function placeIn(folder: string, path: string): Promise<string> {
  const refuse = (message: string): never => {
    throw new FederationError('file-unreadable', about.file(path), message, { hint: 'replace the link by the file itself' })
  }
  try {
    const home = await realpath(folder)
    const real = await realOf(path, refuse)
    if (!isWithin(home, real)) refuse(`is a symbolic link that leads out of ${folder}`)
    const there = await stat(real).catch(ifThere)
    if (there !== undefined && !there.isFile()) refuse('is not a file')
    return real
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw fileError('file-unreadable', path, cause)
  }
}

/** @throws ENOENT if not even its folder exists */
async function realOf(path: string, refuse: (message: string) => never): Promise<string> {
  const real = await realpath(path).catch(ifThere)
  if (real !== undefined) return real
  if ((await lstat(path).catch(ifThere)) !== undefined) refuse('is a symbolic link without a target')
  return join(await realpath(dirname(path)), basename(path))
}

function ifThere(cause: unknown): undefined {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
}

/**
 * The whole file, or undefined if there is none.
 * @throws FederationError file-unreadable, also if it is larger than `maxBytes`
 */
export async function readIfThere(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    // To open a pipe waits until somebody writes to it.
    if (!(await stat(path)).isFile()) throw new FederationError('file-unreadable', about.file(path), 'is not a regular file')
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      if (size > maxBytes) throw new FederationError('file-unreadable', about.file(path), `is larger than ${maxBytes >> 20} MiB`)
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

/**
 * Creates the folder, and those above it. `mkdir` with `recursive` never returns where the kernel reports ENOENT although
 * the parent exists, as in /proc.
 * @throws FederationError file-unwritable
 */
export async function makeFolder(path: string): Promise<void> {
  const isFolder = async (): Promise<boolean | undefined> => {
    const there = await stat(path).catch(() => undefined)
    return there?.isDirectory()
  }
  if ((await isFolder()) === true) return
  const parent = dirname(path)
  if (parent !== path) await makeFolder(parent)
  try {
    await mkdir(path)
  } catch (cause) {
    // Another process may have made it meanwhile.
    const folder = await isFolder()
    if (folder === true) return
    if (folder === false) throw new FederationError('file-unwritable', about.file(path), 'is not a directory', { hint: ELSEWHERE, cause })
    const linked = await lstat(path).catch(() => undefined)
    if (linked !== undefined)
      throw new FederationError('file-unwritable', about.file(path), 'is a symbolic link without a target', { hint: ELSEWHERE, cause })
    throw fileError('file-unwritable', path, cause)
  }
}

/** The folder exists, or could be made: so that nobody is asked before a place that cannot be written. @throws FederationError file-unwritable */
export async function mustBeWritable(folder: string): Promise<void> {
  const there = await stat(folder).catch(() => undefined)
  if (there === undefined && dirname(folder) !== folder) return mustBeWritable(dirname(folder))
  if (there?.isDirectory() === false) throw new FederationError('file-unwritable', folder, 'is not a directory', { hint: ELSEWHERE })
  await access(folder, constants.W_OK).catch((cause) => {
    throw fileError('file-unwritable', folder, cause)
  })
}

const ELSEWHERE = 'name another place'

/** Creates missing folders. @throws FederationError file-unwritable */
export async function writeAtomically(path: string, content: string): Promise<void> {
  const folder = dirname(path)
  await makeFolder(folder)
  try {
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

/** A file's name is durable only after its folder was synced; some file systems do not support that. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
}
