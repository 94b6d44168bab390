/** Completion in the shells that people use, each asked in its own way. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../testbed/run.ts'
import { ensurePackages } from '../testbed/tools.ts'

const MAIN = path.resolve(import.meta.dirname, '../../dist/cli/main.js')
const directory = mkdtempSync(path.join(tmpdir(), 'entente-shells-'))
const bin = path.join(directory, 'bin')
let searched: string

beforeAll(async () => {
  await ensurePackages({ zsh: 'zsh', fish: 'fish', kubectl: 'kubernetes-client' }, console.log)
  mkdirSync(bin)
  for (const name of ['entente', 'kubectl-entente', 'kubectl_complete-entente']) symlinkSync(MAIN, path.join(bin, name))
  writeFileSync(path.join(bin, 'node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 })
  writeFileSync(path.join(directory, 'federation.yaml'), 'spec: { members: [{ name: cluster-a }, { name: cluster-b }] }\n')
  searched = `${bin}:${process.env.PATH}`
})
afterAll(() => rmSync(directory, { recursive: true }))

/** The completions of each shell after these words; the last word is incomplete. */
const SHELLS = {
  bash: (words: readonly string[]) => [
    'bash',
    '--norc',
    '-c',
    `source <(entente completion bash); COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _entente; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  fish: (words: readonly string[]) => ['fish', '--no-config', '-c', `entente completion fish | source; complete -C'${words.join(' ')}'`],
  zsh: (words: readonly string[]) => ['zsh', '-f', '-c', ZSH, 'zsh', ...words],
  'kubectl entente': ([, ...words]: readonly string[]) => ['kubectl', '__complete', 'entente', ...words],
} as const

/** Completion in a zsh without a terminal: replacements of its functions print their arguments. */
const ZSH = `compdef() { }; _files() { print files }; _describe() { print -rl -- "\${(@P)2}" }
source <(entente completion zsh)
words=("$@") CURRENT=$#
_entente`

const offered = async (shell: keyof typeof SHELLS, words: readonly string[]): Promise<string> => {
  const [command = '', ...args] = SHELLS[shell](words)
  return (await run(command, args, { cwd: directory, env: { PATH: searched, TERM: 'xterm' }, timeoutMs: 30_000 })).toString()
}

describe.each(Object.keys(SHELLS) as (keyof typeof SHELLS)[])('%s offers', (shell) => {
  it.each([
    { what: 'commands', words: ['entente', 'app'], has: ['apply', 'approve'], not: 'sever' },
    { what: 'an option’s values', words: ['entente', 'bundle', 'convert', 'x.pem', '--to', ''], has: ['pem', 'spiffe'], not: 'der' },
    { what: 'members', words: ['entente', 'sever', 'cluster-b', ''], has: ['cluster-a', 'cluster-b'], not: 'federation.yaml' },
    { what: 'options', words: ['entente', 'approve', 'cluster-a', '--fin'], has: ['--fingerprint'], not: '--kubeconfig' },
  ])('$what', async ({ words, has, not }) => {
    const answer = await offered(shell, words)
    for (const word of has) expect(answer).toContain(word)
    expect(answer).not.toContain(not)
  })
})
