/** Empty is no answer, and neither is what is not text in UTF-8: every command that reads a file which a person gives. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../test/support/federations.ts'
import { inDirectories, quietIo, type TestWorkspace, workspace } from '../../test/support/workspace.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { readInput } from './input/read-input.ts'
import { program } from './program.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])

interface Ended {
  /** Undefined: it threw. */
  readonly code: number | undefined
  readonly said: string
}

async function run(words: readonly string[]): Promise<Ended> {
  const said: string[] = []
  const say = (text: unknown): void => void said.push(String(text))
  let code: number | undefined
  try {
    await program(quietIo({ print: say, report: say, readFile: (path) => readInput(path) }), '1.2.3', async (done) => {
      code = await done
    }).parseAsync([...words], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    say(thrown.message)
    say(thrown.hint)
    return { code: undefined, said: said.join('\n') }
  }
  return { code, said: said.join('\n') }
}

/** By what reads it. */
const COMMANDS: readonly { readonly reads: string; readonly words: (file: string, of: TestWorkspace) => readonly string[] }[] = [
  { reads: 'lint', words: (file) => ['lint', file] },
  { reads: 'lint -f', words: (file, w) => ['lint', w.file, '-f', file] },
  { reads: 'lint --known', words: (file, w) => ['lint', w.file, '--known', file] },
  { reads: 'impact --policies', words: (file) => ['impact', '--policies', file, '--mesh', file, '--trusted', A, '--as', 'mesh'] },
  { reads: 'impact --identities', words: (file, w) => ['impact', '--identities', file, '-f', w.file] },
  { reads: 'plan -f', words: (file) => ['plan', '-f', file] },
  { reads: 'verify --evidence', words: (file, w) => ['verify', '--evidence', file, '-f', w.file] },
  {
    reads: 'approve --bundle',
    words: (file, w) => [
      'approve',
      'cluster-b',
      '--bundle',
      file,
      '--fingerprint',
      b.bundle.anchors[0]?.fingerprint ?? '',
      '--yes',
      '-f',
      w.file,
    ],
  },
  { reads: 'export --pem', words: (file) => ['export', '--pem', file, '--trust-domain', A] },
  { reads: 'bundle inspect', words: (file) => ['bundle', 'inspect', file] },
  { reads: 'bundle convert', words: (file) => ['bundle', 'convert', file, '--to', 'spiffe'] },
  {
    reads: 'bundle fetch --ca',
    words: (file) => ['bundle', 'fetch', '--profile', 'https_web', '--url', 'https://127.0.0.1:1/', '--trust-domain', A, '--ca', file],
  },
  { reads: 'chain verify --trusted', words: (file, w) => ['chain', 'verify', '--trusted', file, '--chain', join(w.directory, 'root.pem')] },
  { reads: 'chain verify --chain', words: (file, w) => ['chain', 'verify', '--trusted', join(w.directory, 'root.pem'), '--chain', file] },
]

const CONTENTS: readonly { readonly name: string; readonly content: (of: string) => string | Buffer; readonly says: RegExp }[] = [
  { name: 'an empty file', content: () => '', says: /empty|nothing in it|holds no|malformed|not JSON|endpoint-invalid/ },
  {
    name: 'a file of white space',
    content: () => ' \n\n',
    says: /empty|nothing in it|no -----BEGIN|holds no|malformed|not JSON|endpoint-invalid/,
  },
  { name: 'a file in UTF-16', content: (text) => Buffer.from(`\ufeff${text}`, 'utf16le'), says: /UTF-16/ },
]

describe.each(COMMANDS)('$reads', ({ words }) => {
  it.each(CONTENTS)('rejects $name, says why, and exits 1', async ({ content, says }) => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(join(w.directory, 'root.pem'), a.root.pem)
    const file = join(w.directory, 'given')
    await writeFile(file, content(a.root.pem))
    const { code, said } = await run(words(file, w))
    expect([code ?? 1, said]).toEqual([1, expect.stringMatching(says)])
  })
})

it.each(['log', 'verify', 'export'])('audit %s rejects an empty record: it has lost its entries', async (command) => {
  await using w = await workspace(inDirectories())
  await writeFile(join(w.directory, 'audit.jsonl'), '')
  const { code, said } = await run(['audit', command, ...(command === 'verify' ? ['--offline'] : []), '-f', w.file])
  expect([code ?? 1, said]).toEqual([1, expect.stringContaining('is empty')])
})
