/** What a person sees in a terminal of 80 and of 100 columns, through a real pseudo-terminal. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../test/support/federations.ts'
import { inDirectories, workspace } from '../../test/support/workspace.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** util-linux: runs a command in a pseudo-terminal. */
const SCRIPT = '/usr/bin/script'

async function seenAt(columns: number, words: string): Promise<readonly string[]> {
  const command = `stty cols ${columns}; ${process.execPath} --import tsx src/cli/main.ts ${words}`
  const { stdout } = await promisify(execFile)(SCRIPT, ['-qc', command, '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, TERM: 'xterm' },
  })
  return stripVTControlCharacters(stdout).replaceAll('\r', '').split('\n')
}

describe.skipIf(!existsSync(SCRIPT))('a terminal', { timeout: 60_000 }, () => {
  it.each([80, 100])('of %d columns gets no longer line, except commands to paste', async (columns) => {
    const [a, b] = [await authority(A), await authority(B)]
    await using space = await workspace(
      inDirectories((s) => {
        for (const member of s.members) member.cluster = { directory: `clusters/${'a-folder-with-a-long-name-'.repeat(4)}${member.name}` }
      }),
      a.bundle,
      b.bundle,
    )
    const lines = await seenAt(columns, `plan -f ${space.file}`)
    expect(lines[0]).toBe('cluster-a/sample/client may call cluster-b/sample/server.')
    const prose = lines.filter((line) => !/^ *(next|To write it): entente /.test(line))
    expect(Math.max(...prose.map((line) => stringWidth(line)))).toBeLessThanOrEqual(columns)
    expect(prose.some((line) => stringWidth(line) > columns - 20)).toBe(true)
  })
})
