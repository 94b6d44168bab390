import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { A, authority, B } from '../../../test/support/federations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../test/support/workspace.ts'
import { run as apply } from './federation/apply.ts'
import { run as lift } from './federation/lift.ts'
import { run as rotate } from './federation/rotate.ts'
import { run as sever } from './federation/sever.ts'

const bundles = (await Promise.all([A, B].map((domain) => authority(domain)))).map(({ bundle }) => bundle)
const options = { yes: true, output: 'text', reason: 'INC-7' } as const
const pair = { truster: 'cluster-b', trusted: 'cluster-a' }

const linesOf = async ({ directory }: TestWorkspace): Promise<readonly string[]> =>
  (await readFile(join(directory, 'audit.jsonl'), 'utf8')).trimEnd().split('\n')

/** How often each of the lines was given to the JSON parser while `work` ran. */
async function parses(lines: readonly string[], work: () => Promise<unknown>): Promise<readonly number[]> {
  const parse = vi.spyOn(JSON, 'parse')
  try {
    await work()
    const texts = parse.mock.calls.map(([text]) => text)
    return lines.map((line) => texts.filter((text) => text === line).length)
  } finally {
    parse.mockRestore()
  }
}

describe('a command parses the record once', () => {
  const rows: readonly { name: string; command: (w: TestWorkspace) => Promise<number>; adds: string }[] = [
    { name: 'apply', command: (w) => apply({ ...options, file: w.file }, w.io), adds: '"action":"end"' },
    { name: 'sever', command: (w) => sever({ ...options, ...pair, file: w.file }, w.io), adds: '"action":"sever"' },
    {
      name: 'sever --emergency',
      command: (w) => sever({ ...options, ...pair, emergency: true, file: w.file }, w.io),
      adds: '"action":"sever"',
    },
    {
      name: 'sever --lift',
      command: (w) => lift({ ...options, ...pair, file: w.file }, w.io),
      adds: '"action":"lift"',
    },
    { name: 'rotate', command: (w) => rotate({ ...options, member: 'cluster-a', file: w.file }, w.io), adds: '' },
  ]
  it.each(rows)('$name', async ({ name, command, adds }) => {
    await using w = await workspace(inDirectories(), ...bundles)
    if (name !== 'apply') await apply({ ...options, file: w.file }, w.io)
    if (name === 'sever --lift') await sever({ ...options, ...pair, file: w.file }, w.io)
    const before = await linesOf(w)
    expect(await parses(before, () => command(w))).toEqual(before.map(() => 1))
    const after = await linesOf(w)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.slice(before.length).some((line) => line.includes(adds))).toBe(adds !== '')
  })
})
