/** A bench file as JavaScript: a process that measures its own memory must not carry a compiler. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = new URL('..', import.meta.url).pathname
const FLAGS = '--ignoreConfig --target es2023 --module nodenext --types node --skipLibCheck --rewriteRelativeImportExtensions --rootDir .'

/** @param file `bench/NAME.ts`; it and all it imports are compiled anew @returns the path to run */
export function compiled(file: string): string {
  // Inside node_modules, so that its own imports find theirs.
  const out = join(ROOT, 'node_modules/.cache/entente-bench')
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'package.json'), '{"type":"module"}')
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...FLAGS.split(' '), '--outDir', out, file], {
    cwd: ROOT,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`tsc ${file} exited with ${status}`)
  return join(out, file.replace(/\.ts$/, '.js'))
}
