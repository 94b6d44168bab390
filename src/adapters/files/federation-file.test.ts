import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { stringify } from 'yaml'
import { document, member, spec } from '../../../test/support/federations.ts'
import { addSevered, type Editing, readFederationFile, removeSevered } from './federation-file.ts'
import { lockOf } from './record-file.ts'

/** A ring of members, each of which trusts the next one. */
const ring = (size: number) =>
  spec((s) => {
    const name = (i: number): string => `m-${i % size}`
    s.members = Array.from({ length: size }, (_, i) => ({
      name: name(i),
      trustDomain: `${name(i)}.example`,
      cluster: { directory: name(i) },
    }))
    s.trust = s.members.map((_, i) => ({
      truster: name(i),
      trusted: name(i + 1),
      distribution: 'pinned',
      accept: [{ namespace: 'sample', mtls: 'enforce', callers: [`${name(i + 1)}.example/ns/sample/sa/client`] }],
    }))
  })
const severOf = (i: number, size: number) => ({
  truster: member(`m-${i}`),
  trusted: member(`m-${(i + 1) % size}`),
  at: new Date('2026-06-01T00:00:00Z'),
  reason: `INC-${i}`,
})
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))

async function fileOf(text: string): Promise<{ file: string; directory: string; how: Editing }> {
  const directory = await mkdtemp(join(tmpdir(), 'federation-'))
  const file = join(directory, 'federation.yaml')
  await writeFile(file, text)
  return { file, directory, how: { record: join(directory, 'audit.jsonl'), sleep, emergency: false } }
}
const written = async (file: string): Promise<readonly string[]> => (await readFederationFile(file)).severed.map(({ reason }) => reason)
const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `INC-${i}`)

describe('several concurrent severs', () => {
  it('lose no entry, in whatever order they read and write', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(30), { minLength: 2, maxLength: 8 }), async (delays) => {
        const { file, directory, how } = await fileOf(stringify(document(ring(delays.length))))
        await Promise.all(
          delays.map(async (delay, i) => {
            await sleep(delay)
            expect(await addSevered(file, severOf(i, delays.length), how)).toBe(true)
          }),
        )
        expect([...(await written(file))].sort()).toEqual(numbered(delays.length))
        expect(await readdir(directory)).toEqual(['federation.yaml'])
      }),
      { numRuns: 15 },
    )
  })

  it('lose no entry as separate processes, with a large file', async () => {
    const size = 150
    const { file, how } = await fileOf(stringify(document(ring(size))))
    const module = pathToFileURL(join(import.meta.dirname, 'federation-file.ts')).href
    const code = `import { addSevered } from ${JSON.stringify(module)}
      const [truster, trusted, reason] = process.argv.slice(1)
      await addSevered(${JSON.stringify(file)}, { truster, trusted, at: new Date(0), reason }, {
        record: ${JSON.stringify(how.record)}, emergency: false, sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
      })`
    const codes = await Promise.all(
      Array.from({ length: 4 }, (_, i) => {
        const { truster, trusted, reason } = severOf(i, size)
        const args = ['--import', 'tsx', '--input-type=module', '-e', code, truster, trusted, reason]
        return new Promise((resolve) => void spawn(process.execPath, args, { stdio: 'inherit' }).on('close', resolve))
      }),
    )
    expect(codes).toEqual([0, 0, 0, 0])
    expect([...(await written(file))].sort()).toEqual(numbered(4))
  }, 120_000)

  it('of one pair write a single entry', async () => {
    const { file, how } = await fileOf(stringify(document()))
    const one = { ...severOf(0, 2), truster: member('cluster-b'), trusted: member('cluster-a') }
    const changed = await Promise.all(Array.from({ length: 4 }, () => addSevered(file, one, how)))
    expect(changed.filter((is) => is)).toHaveLength(1)
    expect(await written(file)).toEqual(['INC-0'])
  })

  it('through a link and through the real path lose no entry, and the link stays a link', async () => {
    const { file, directory, how } = await fileOf(stringify(document(ring(4))))
    await mkdir(join(directory, 'elsewhere'))
    const link = join(directory, 'elsewhere', 'federation.yaml')
    await symlink(file, link)
    const there = { ...how, record: join(directory, 'elsewhere', 'audit.jsonl') }
    await Promise.all(Array.from({ length: 4 }, (_, i) => addSevered(i % 2 === 0 ? file : link, severOf(i, 4), i % 2 === 0 ? how : there)))
    expect([...(await written(file))].sort()).toEqual(numbered(4))
    expect(await realpath(link)).toBe(await realpath(file))
  })
})

describe('an edit of the federation file', () => {
  const pair = { truster: member('cluster-b'), trusted: member('cluster-a') }
  const one = { ...severOf(0, 2), ...pair }
  const FLOW = '  severed: []'
  const said = (severed: string): string => `${stringify(document(spec())).replace(/ {2}severed: \[\]\n/, '')}${severed}\n# the end\n`

  it('keeps what an editor wrote meanwhile', async () => {
    const { file, how } = await fileOf(said(FLOW))
    // The lock is asked for when the text is made: just then somebody saves the file.
    await writeFile(lockOf(how.record), `${process.pid}\n`)
    const slept = vi.fn(async () => {
      await writeFile(file, (await readFile(file, 'utf8')).replace('# the end', '# saved just now'))
      await import('node:fs/promises').then(({ rm }) => rm(lockOf(how.record)))
    })
    await addSevered(file, one, { ...how, sleep: slept })
    expect(slept).toHaveBeenCalledTimes(1)
    expect(await readFile(file, 'utf8')).toContain('# saved just now')
    expect(await written(file)).toEqual(['INC-0'])
  })

  it.each([
    { what: 'none', severed: '' },
    { what: 'an empty list', severed: FLOW },
    { what: 'nothing', severed: '  severed:' },
    {
      what: 'a list in flow style',
      severed: '  severed: [{ truster: cluster-a, trusted: cluster-b, at: 2026-05-30T10:00:00Z, reason: other }]',
    },
    {
      what: 'a list with comments',
      severed: '  severed:\n    # ours\n    - { truster: cluster-a, trusted: cluster-b, at: 2026-05-30T10:00:00Z, reason: other } # why',
    },
  ])('adds to $what, removes the addition again, and keeps everything else', async ({ severed }) => {
    const { file, how } = await fileOf(said(severed))
    const before = await readFederationFile(file)
    expect(await addSevered(file, one, how)).toBe(true)
    expect(await addSevered(file, one, how)).toBe(false)
    expect((await readFederationFile(file)).severed).toEqual([...before.severed, one])
    expect(await removeSevered(file, pair, how)).toBe(true)
    expect(await removeSevered(file, pair, how)).toBe(false)
    expect(await readFederationFile(file)).toEqual(before)
    const text = await readFile(file, 'utf8')
    expect(text).toContain('# the end')
    expect(text.includes('# why')).toBe(severed.includes('# why'))
  })

  it('removes every entry of the pair, in any style, and no entry of another pair', async () => {
    const { file, how } = await fileOf(
      said(`  severed:
    - { truster: cluster-b, trusted: cluster-a, at: 2026-05-30T10:00:00Z, reason: one }
    - { truster: cluster-a, trusted: cluster-b, at: 2026-05-30T10:00:00Z, reason: other }
    - "truster": "cluster-b"
      trusted: cluster-a
      at: 2026-05-30T12:00:00+02:00
      reason: two`),
    )
    await removeSevered(file, pair, how)
    expect(await written(file)).toEqual(['other'])
  })

  it('refuses to remove an entry that another one refers to, and leaves the file unchanged', async () => {
    const entry = 'truster: cluster-b, trusted: cluster-a, at: 2026-05-30T10:00:00Z, reason: &why left'
    const { file, how } = await fileOf(
      said(`  severed: [{ ${entry} }, { truster: cluster-a, trusted: cluster-b, at: 2026-05-30T10:00:00Z, reason: *why }]`),
    )
    const before = await readFile(file, 'utf8')
    await expect(removeSevered(file, pair, how)).rejects.toThrow(expect.objectContaining({ code: 'federation-invalid' }))
    expect(await readFile(file, 'utf8')).toBe(before)
  })

  it('waits for the lock, and names its holder', async () => {
    const { file, how } = await fileOf(said(FLOW))
    await writeFile(lockOf(how.record), `${process.pid}\n`)
    const busy = addSevered(file, one, { ...how, sleep: async () => {} })
    await expect(busy).rejects.toMatchObject({ code: 'record-busy', message: expect.stringContaining(`process ${process.pid}`) })
    expect(await written(file)).toEqual([])
    expect(await addSevered(file, one, { ...how, sleep: async () => {}, emergency: true })).toBe(true)
    expect(await written(file)).toEqual(['INC-0'])
  })
})

describe('an edit changes no other byte of the federation file', () => {
  const one = { truster: member('cluster-b'), trusted: member('cluster-a'), at: new Date('2026-06-01T00:00:00Z') }
  const OTHER = 'truster: cluster-a, trusted: cluster-b, at: 2026-05-30T10:00:00Z, reason: other'
  const HEAD = stringify(document()).replace(/^spec:[\s\S]*/m, '')
  const MEMBERS = `  members:
  - { name: cluster-a, trustDomain: cluster-a.example, cluster: { context: cluster-a } }   # ours
  - { name: cluster-b,   trustDomain: cluster-b.example, cluster: { context: 'cluster-b' } }
`
  const TRUST = `  trust:
    - truster: "cluster-b"
      trusted: cluster-a
      distribution: pinned
      accept:
      - { namespace: sample, mtls: enforce, callers: [cluster-a.example/ns/sample/sa/client] }
`
  const spec = (severed: string): string => `${HEAD}\nspec:\n${MEMBERS}${severed}${TRUST}`
  const ACCEPT = { namespace: 'sample', mtls: 'enforce', callers: ['cluster-a.example/ns/sample/sa/client'] }
  const JSON_FILE = JSON.stringify(
    {
      ...document(),
      spec: {
        members: [
          { name: 'cluster-a', trustDomain: 'cluster-a.example' },
          { name: 'cluster-b', trustDomain: 'cluster-b.example', cluster: { context: 'b' } },
        ],
        trust: [{ truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', accept: [ACCEPT] }],
      },
    },
    null,
    2,
  )

  const STYLES: Readonly<Record<string, string>> = {
    'no list': spec(''),
    'no list, and comments at the end': `${spec('')}  # severs come here\n# the end\n`,
    'a key without a value': spec('  severed:   # none yet\n'),
    'an empty list': spec('  severed: []   # none yet\n'),
    'an empty list over lines': spec('  severed: [\n    # none yet\n  ]\n'),
    null: spec('  severed: null # none yet\n'),
    'an indented list': spec(`  severed:\n      - { ${OTHER} }   # why\n      # and more\n`),
    'an unindented list': spec(`  severed:\n  - ${OTHER.replaceAll(', ', '\n    ')}\n    # why\n`),
    'an unindented list at the end': `${spec('')}  severed:\n  - ${OTHER.replaceAll(', ', '\n    ')}\n`,
    'a list with a folded reason': spec(
      `  severed:\n    -   ${OTHER.replace('reason: other', 'reason: >-').replaceAll(', ', '\n        ')}\n          other\n\n          INC-6\n\n`,
    ),
    'a list in flow style': spec(`  severed: [{ ${OTHER} }]\n`),
    'a list in flow style over lines, with a comma at its end': spec(`  severed: [\n    { ${OTHER} },   # why\n  ]\n`),
    'a list that has a name': spec(`  severed: &severed\n    - { ${OTHER} }\n`),
    JSON: JSON_FILE,
    'JSON with an empty list': JSON_FILE.replace('"trust":', '"severed": [], "trust":'),
    'JSON with a list': JSON_FILE.replace(
      '"trust":',
      `"severed": [${JSON.stringify({ truster: 'cluster-a', trusted: 'cluster-b', at: '2026-05-30T10:00:00Z', reason: 'other' })}],\n"trust":`,
    ),
    'flow style': `${HEAD}\nspec: { members: [{ name: cluster-a, trustDomain: cluster-a.example }, { name: cluster-b, trustDomain: cluster-b.example, cluster: { context: b } }], trust: [{ truster: cluster-b, trusted: cluster-a, distribution: pinned, accept: [${JSON.stringify(ACCEPT)}] }] }\n`,
  }
  const ENDS: Readonly<Record<string, (text: string) => string>> = {
    'with line feeds': (text) => text,
    'with carriage returns and line feeds': (text) => text.replaceAll('\n', '\r\n'),
    'without a last line end': (text) => text.replace(/\n+$/, ''),
    'with a byte order mark': (text) => `\uFEFF${text}`,
  }
  const CASES = Object.entries(STYLES).flatMap(([style, text]) =>
    Object.entries(ENDS).map(([ends, end]) => ({ style, ends, text: end(text) })),
  )

  /** What stands between the longest common beginning and the rest; undefined if anything else differs. */
  function added(before: string, after: string): string | undefined {
    let at = 0
    while (at < before.length && before[at] === after[at]) at += 1
    const more = after.length - before.length
    return more > 0 && after.slice(at + more) === before.slice(at) ? after.slice(at, at + more) : undefined
  }

  it.each(CASES)('$style, $ends: inserts one piece of text, and removes it again', async ({ text, style }) => {
    const { file, how } = await fileOf(text)
    const before = await readFederationFile(file)
    await addSevered(file, { ...one, reason: 'INC-7: key of cluster-a lost' }, how)
    const severed = await readFile(file, 'utf8')
    const piece = added(text, style === 'null' ? severed.replace('[{', 'null[{').replace('}]', '}]') : severed)
    if (style !== 'null') expect(piece).toContain('INC-7: key of cluster-a lost')
    expect(severed.replaceAll('\r\n', '').includes('\r')).toBe(false)
    if (text.includes('\r\n')) expect(severed.replaceAll('\r\n', '').includes('\n')).toBe(false)
    expect(await readFederationFile(file)).toEqual({
      ...before,
      severed: [...before.severed, { ...one, reason: 'INC-7: key of cluster-a lost' }],
    })
    if (style.startsWith('JSON')) expect(JSON.parse(severed.replace('\uFEFF', ''))).toBeDefined()
    await removeSevered(file, one, how)
    expect(await readFederationFile(file)).toEqual(before)
    // The key of a list that this edit began stays.
    const began = !/"?severed"?: *(&\w+ *)?(\[|\r?\n +-)/.test(text)
    const blank = (some: string): string =>
      began ? some.replace(/, *"severed": \[\]|, *severed: \[\]| *severed:.*(\r?\n|$)/, '').trimEnd() : some
    expect(blank(await readFile(file, 'utf8'))).toBe(blank(text))
  })

  it('whatever the text of the reason is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...CASES),
        fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.trim() !== ''),
        async ({ text, style }, reason) => {
          const { file, how } = await fileOf(text)
          await addSevered(file, { ...one, reason }, how)
          const severed = await readFile(file, 'utf8')
          if (style !== 'null') expect(added(text, severed)).toBeDefined()
          expect((await readFederationFile(file)).severed.at(-1)?.reason).toBe(Buffer.from(reason, 'utf8').toString('utf8'))
        },
      ),
      { numRuns: 60 },
    )
  })
})
