/** A federation on the disk, with directories for homes, and the commands run on it as main.ts runs them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { writeBundle } from '../../src/adapters/files/bundle-files.ts'
import { openRecord } from '../../src/cli/input/workspace.ts'
import type { Io } from '../../src/cli/io.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import { mustBeDocument } from './documents.ts'
import { approval, document, NOW, type Spec, sealAll, spec } from './federations.ts'

export interface TestWorkspace extends AsyncDisposable {
  readonly directory: string
  readonly file: string
  /** A console without a user. */
  readonly io: Io
  readonly printed: string[]
  readonly reported: string[]
  /** Replaces the federation file. */
  write(of: Spec): Promise<void>
}

/** Homes are `clusters/NAME`. */
export const inDirectories = (change: (spec: Spec) => void = () => {}): Spec =>
  spec((s) => {
    for (const member of s.members) member.cluster = { directory: `clusters/${member.name}` }
    change(s)
  })

/** A console without a user. */
export const quietIo = (more: Pick<Io, 'print' | 'report'> & Partial<Io>): Io => ({
  interactive: false,
  color: false,
  now: () => NOW,
  env: {},
  confirm: async () => false,
  readFile,
  stopped: () => false,
  ...more,
  print: (text) => {
    mustBeDocument(String(text))
    more.print(text)
  },
})

/** @param bundles approved, in `bundles/` and on the record */
export async function workspace(of: Spec, ...bundles: readonly Bundle[]): Promise<TestWorkspace> {
  const directory = await mkdtemp(join(tmpdir(), 'entente-'))
  const file = join(directory, 'federation.yaml')
  const write = (of: Spec): Promise<void> => writeFile(file, stringify(document(of)))
  await write(of)
  await mkdir(join(directory, 'clusters'))
  for (const bundle of bundles) await writeBundle(directory, bundle)
  const record = openRecord(directory)
  for (const entry of sealAll(bundles.map(approval))) await record.append(entry)
  const printed: string[] = []
  const reported: string[] = []
  const io = quietIo({ print: (text) => void printed.push(String(text)), report: (text) => void reported.push(String(text)) })
  return { directory, file, io, printed, reported, write, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}
