import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../../demo/demo-step.ts'
import type { Act } from '../../../demo/story.ts'
import { run } from './demo.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'demo-'))

async function play(
  directory: string,
  output: 'text' | 'json',
  story?: readonly Act[],
): Promise<{ readonly ok: boolean; readonly out: string }> {
  const printed: string[] = []
  const code = await run(
    { out: directory, output, ...(story === undefined ? {} : { story }) },
    { color: false, print: (text) => void printed.push(String(text)), report: () => undefined, now: () => new Date() },
  )
  const ok = code === 0
  return { ok, out: printed.join('\n') }
}

const SURPRISE: Act = async () => ({
  title: 'A surprise',
  commands: [],
  lines: [],
  checks: [check('a call', 'refused', 'accepted')],
  meaning: [],
})

describe('the demo', () => {
  it('prints the expected output, step by step, and again in the same directory', async () => {
    const directory = join(await folder(), 'new', 'entente-demo')
    for (const _ of ['once', 'again']) {
      const { ok, out } = await play(directory, 'json')
      const played = JSON.parse(out) as { ok: boolean; steps: { step: number; ok: boolean; checks: { ok: boolean }[] }[] }
      expect(played.steps.flatMap(({ checks }) => checks.filter((one) => !one.ok))).toEqual([])
      expect([ok, played.ok, played.steps.map(({ step }) => step)]).toEqual([true, true, [1, 2, 3, 4, 5, 6, 7, 8, 9]])
    }
    expect((await readdir(directory)).sort()).toEqual(
      ['.entente-demo', 'audit.jsonl', 'bundles', 'clusters', 'federation.yaml', 'from-owners', 'tampered'].sort(),
    )
  })

  it('stores no key', async () => {
    const directory = await folder()
    await play(directory, 'text')
    const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    const contents = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'utf8')))
    expect(contents.join('')).not.toMatch(/PRIVATE KEY/)
  })

  it('leaves a directory unchanged that no demo created', async () => {
    const directory = await folder()
    await writeFile(join(directory, 'federation.yaml'), 'precious')
    await expect(play(directory, 'text')).rejects.toMatchObject({ code: 'file-unwritable', hint: expect.stringContaining('--out') })
    expect(await readdir(directory)).toEqual(['federation.yaml'])
  })

  it('reports any deviation from the expected output', async () => {
    expect(await play(await folder(), 'text', [SURPRISE])).toMatchObject({
      ok: false,
      out: expect.stringContaining('✗ a call   accepted   expected: refused'),
    })
    expect(JSON.parse((await play(await folder(), 'json', [SURPRISE])).out)).toMatchObject({
      ok: false,
      steps: [{ step: 1, ok: false, checks: [{ what: 'a call', expected: 'refused', got: 'accepted', ok: false }] }],
    })
  })
})
