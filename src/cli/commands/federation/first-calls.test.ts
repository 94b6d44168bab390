/** From nothing to a federation with a call: init --member, call add, plan --expanded. */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { authority } from '../../../../test/support/federations.ts'
import { quietIo } from '../../../../test/support/workspace.ts'
import { expandFederationFile, readFederationFile } from '../../../adapters/files/federation-file.ts'
import { program } from '../../program.ts'

const MEMBERS = ['--member', 'cluster-a=cluster-a.example', '--member', 'cluster-b=cluster-b.example']
const [FROM, TO] = ['cluster-a/sample/client', 'cluster-b/sample/server']

async function begin() {
  const out = await mkdtemp(join(tmpdir(), 'first-'))
  const file = join(out, 'federation.yaml')
  const printed: string[] = []
  const told: string[] = []
  const io = quietIo({ print: (text) => void printed.push(String(text)), report: (text) => void told.push(String(text)) })
  let code = -1
  const run = async (...words: readonly string[]): Promise<number> => {
    printed.length = 0
    told.length = 0
    await program(io, '1.2.3', async (ending) => {
      code = await ending
    }).parseAsync(words, { from: 'user' })
    return code
  }
  return { out, file, printed, told, run }
}

describe('init --member', () => {
  it('writes a valid federation file, opens nothing, and prints the next steps', async () => {
    const { out, file, told, run } = await begin()
    expect(await run('init', ...MEMBERS, '--out', out)).toBe(0)
    const federation = await readFederationFile(file)
    expect([...federation.members.values()].map(({ name, home }) => [name, home])).toEqual([
      ['cluster-a', { directory: 'clusters/cluster-a' }],
      ['cluster-b', { directory: 'clusters/cluster-b' }],
    ])
    expect(federation.trusts).toEqual([])
    expect(told.at(-1)).toContain(`entente approve cluster-b -f ${file} --bundle FILE --fingerprint sha256:…`)
    expect(told.at(-1)).toContain(`entente call add ${FROM} ${TO} -f ${file}`)
  })

  it('refers editors to a schema that exists and matches the package’s', async () => {
    const { out, file, run } = await begin()
    await run('init', ...MEMBERS, '--out', out)
    const [, path = ''] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(await readFile(file, 'utf8')) ?? []
    for (const name of ['federation.json', 'calls.json'])
      expect(await readFile(resolve(dirname(file), dirname(path), name), 'utf8')).toBe(await readFile(join('schemas', name), 'utf8'))
    expect(path).toBe('schemas/federation.json')
  })

  it('writes an example that is a valid call once uncommented', async () => {
    const { out, file, run } = await begin()
    await run('init', ...MEMBERS, '--out', out)
    const text = (await readFile(file, 'utf8')).replace(/^( +)# (- from:.*)\n +# {3}(to:.*)$/m, '$1$2\n$1  $3')
    await writeFile(file, text)
    const { trusts } = await readFederationFile(file)
    expect(trusts.flatMap(({ reach }) => reach.flatMap(({ services }) => services))).toEqual([
      { host: 'server.sample.svc.cluster.local', servedBy: ['cluster-b.example/ns/sample/sa/server'] },
    ])
  })

  it.each([
    [['--member', 'cluster-a'], /give NAME=TRUST-DOMAIN/],
    [[], /--context: is missing/],
    [['--member', 'a=a.example', '--member', 'a=b.example'], /two members are named a/],
  ])('rejects %j', async (words, says) => {
    const { out, told, run } = await begin()
    const thrown = await run('init', ...words, '--out', out).then(
      () => '',
      (error: Error) => error.message,
    )
    expect(`${thrown}\n${told.join('\n')}`.replace('context: is', '--context: is').replace('----', '--')).toMatch(says)
  })
})

describe('call add', () => {
  it('writes the call, says that nothing is open, and names the next command', async () => {
    const { out, file, told, run } = await begin()
    await run('init', ...MEMBERS, '--out', out)
    const before = await readFile(file, 'utf8')
    expect(await run('call', 'add', FROM, TO, '-f', file)).toBe(0)
    expect(told).toEqual([
      `wrote ${file}: ${FROM} may call ${TO} at server.sample.svc.cluster.local. Nothing is open yet. Next: entente plan -f ${file}`,
    ])
    expect((await readFile(file, 'utf8')).replace(`    - from: ${FROM}\n      to: ${TO}\n`, '')).toBe(before)
    expect(await run('call', 'add', FROM, TO, '-f', file)).toBe(0)
    expect(told.at(-1)).toContain('has this call already; nothing was changed')
  })
})

describe('members without a cluster that can be reached from here', () => {
  it('get the objects of a call as files, after their owners sent the roots', async () => {
    const { out, file, told, run } = await begin()
    await run('init', ...MEMBERS, '--out', out)
    for (const name of ['cluster-a', 'cluster-b']) {
      const { root } = await authority(`${name}.example`)
      const pem = join(out, `${name}.pem`)
      await writeFile(pem, root.pem)
      const [anchor] = (await authority(`${name}.example`)).bundle.anchors
      expect(
        await run('approve', name, '-f', file, '--bundle', pem, '--fingerprint', anchor?.fingerprint ?? '', '--yes'),
        told.join('\n'),
      ).toBe(0)
    }
    await run('call', 'add', FROM, TO, '-f', file)
    await run('apply', '-f', file, '--reason', 'first call', '--yes')
    const written = await readdir(join(out, 'clusters'), { recursive: true })
    expect(written.filter((name) => name.includes('envoyfilter') || name.includes('EnvoyFilter'))).toHaveLength(2)
    expect(await run('plan', '-f', file)).toBe(0)
  })
})

describe('plan --expanded', () => {
  it('prints a federation file with the same meaning, with the line of each entry', async () => {
    const { out, file, printed, run } = await begin()
    await run('init', ...MEMBERS, '--out', out)
    await run('call', 'add', FROM, TO, '-f', file)
    expect(await run('plan', '--expanded', '-f', file)).toBe(0)
    const [text = ''] = printed
    const line = (await readFile(file, 'utf8')).split('\n').findIndex((one) => one.startsWith(`    - from: ${FROM}`)) + 1
    expect(text.split('\n').filter((one) => one.includes(`# ${file}:${line}`)).length).toBeGreaterThan(2)
    const long = join(out, 'long.yaml')
    await writeFile(long, text)
    expect(await readFederationFile(long)).toEqual(await readFederationFile(file))
    expect(Object.keys((parse(text) as { spec: object }).spec)).toEqual(['members', 'trust', 'severed'])
    await run('plan', '--expanded', '-f', file, '-o', 'json')
    expect(JSON.parse(printed[0] ?? '')).toEqual(JSON.parse(JSON.stringify((await expandFederationFile(file)).document)))
  })
})
