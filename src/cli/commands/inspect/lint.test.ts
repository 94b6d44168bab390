import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeCa } from '../../../../test/support/ca.ts'
import { document } from '../../../../test/support/federations.ts'
import { walkthroughPolicy, walkthroughValues } from '../../../../test/support/lint.ts'
import { inDirectories, quietIo, workspace } from '../../../../test/support/workspace.ts'
import { run as plan } from '../federation/plan.ts'
import { type LintArgs, run } from './lint.ts'

let folder: string
let printed: string[]
let told: string[]
let stdin: string | Buffer = ''
const io = quietIo({
  print: (text) => void printed.push(String(text)),
  report: (text) => void told.push(String(text)),
  readFile: async (path) => (path === '-' ? Buffer.from(stdin) : readFile(path)),
})
const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
  return path
}
const lint = (files: readonly string[], more: Partial<LintArgs> = {}): Promise<number> => run({ files, output: 'text', ...more }, io)
const json = (): { findings: { file: string; line: number; code: string }[] } & Record<string, unknown> => JSON.parse(printed.join('\n'))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entente-lint-'))
  printed = []
  told = []
  stdin = ''
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('lint', () => {
  it('reads the files that a federation includes, with -f and among the manifests', async () => {
    const members = ['a', 'b'].map((name) => ({ name, trustDomain: `${name}.example`, cluster: { directory: name } }))
    const including = {
      members,
      defaults: { distribution: 'pinned', mtls: 'enforce' },
      include: [{ path: 'teams/x.yaml', namespaces: ['sample'] }],
    }
    const calls = (to: string) => ({ apiVersion: 'entente.dev/v1alpha1', kind: 'Calls', spec: { calls: [{ from: 'a/sample/x', to }] } })
    const federation = await file('d/federation.yaml', stringify(document(including)))
    const manifest = await file('other.yaml', 'a: 1\n')
    await file('d/teams/x.yaml', stringify(calls('b/sample/y')))
    expect([await lint([manifest], { file: federation }), await lint([join(folder, 'd')])]).toEqual([0, 0])
    await file('d/teams/x.yaml', stringify(calls('b/other/y')))
    for (const [files, more] of [
      [[manifest], { file: federation }],
      [[join(folder, 'd')], {}],
    ] as const) {
      printed = []
      expect(await lint(files, { ...more, output: 'json' })).toBe(1)
      expect(json().findings).toEqual([
        expect.objectContaining({
          code: 'federation-invalid',
          file: federation,
          message: expect.stringMatching(/^teams\/x\.yaml: spec\.calls\.0\.to: .*this end is in other/),
        }),
      ])
    }
  })

  it('exits 0 if nothing is worse than a warning, and 1 at an error', async () => {
    expect(await lint([await file('good.yaml', 'a: 1\n')])).toBe(0)
    expect(await lint([await file('odd.yaml', 'meshConfig: {trustDomain: a, trustDomainAliases: [b]}\n')])).toBe(0)
    expect(await lint([await file('bad.yaml', walkthroughPolicy('b'))])).toBe(1)
  })

  it('prints file, line, code and next step', async () => {
    const path = await file('bad.yaml', walkthroughPolicy('cluster-b'))
    await lint([path])
    expect(printed[0]).toMatch(`${path}:12:3: error inert-peer-aliases: PeerAuthentication default/allow-cluster-b: `)
    expect(printed[0]).toContain('\n  next: ')
    expect(printed[0]).toMatch(/1 object in 1 file: 1 error, 0 warnings, 0 info/)
  })

  it('reads directories, but skips hidden files, other files and JSON that is not a manifest', async () => {
    await file('d/x/bad.yml', walkthroughPolicy('b'))
    await file('d/.git/bad.yaml', walkthroughPolicy('b'))
    await file('d/notes.md', walkthroughPolicy('b'))
    await file('d/tsconfig.json', '{ // not JSON\n}')
    await file('d/node_modules/bad.yaml', walkthroughPolicy('b'))
    await lint([join(folder, 'd')], { output: 'json' })
    expect(json()).toMatchObject({ files: 1, findings: [{ file: join(folder, 'd/x/bad.yml') }] })
  })

  it('reads the output of helm template from stdin', async () => {
    stdin = `---\n# Source: istiod/templates/x.yaml\n${walkthroughPolicy('b')}`
    expect(await lint(['-'], { output: 'json' })).toBe(1)
    expect(json().findings).toMatchObject([{ file: '-', line: 14 }])
  })

  it('ends with an error if a file does not exist', async () => {
    await expect(lint([join(folder, 'none.yaml')])).rejects.toMatchObject({ code: 'file-unreadable' })
    await expect(lint([await file('a.yaml', '{}')], { file: join(folder, 'none.yaml') })).rejects.toThrow(/none\.yaml/)
    await expect(lint([await file('a.yaml', '{}')], { known: [await file('k.pem', 'nothing')] })).rejects.toMatchObject({
      code: 'bundle-malformed',
    })
  })

  it.each([
    ['empty', ''],
    ['blank', ' \n---\n\n---\n'],
    ['UTF-16', Buffer.from('\ufeffmeshConfig: {}\n', 'utf16le')],
    ['UTF-16 without its mark', Buffer.from('meshConfig: {}\n', 'utf16le')],
    ['UTF-16 of the other byte order', Buffer.from('meshConfig: {}\n', 'utf16le').swap16()],
  ])('rejects a file or stdin that is %s, but continues if the file is one of a directory', async (_, content) => {
    const path = await file('d/m.yaml', '')
    await writeFile(path, content)
    await expect(lint([path])).rejects.toMatchObject({ code: 'file-unreadable', subject: path, hint: expect.stringMatching(/./) })
    stdin = content
    await expect(lint(['-'])).rejects.toMatchObject({ code: 'file-unreadable', subject: 'stdin' })
    await file('d/pa.yaml', walkthroughPolicy('b'))
    await lint([join(folder, 'd')], { output: 'json' })
    const utf16 = Buffer.isBuffer(content) ? ['yaml-invalid'] : []
    expect(json().findings.map(({ code }) => code)).toEqual([...utf16, 'inert-peer-aliases'])
  })

  it('escapes control characters of a manifest', async () => {
    await lint([await file('bad.yaml', stringify(parse(walkthroughPolicy('b').replace('allow-b', '"a\\e[31mb"'))))])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
    expect(printed[0]).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  })

  it('prints SARIF with suppressed findings and their reasons', async () => {
    const path = await file(
      'a b/bad.yaml',
      `# entente-lint: ignore inert-peer-aliases -- until INC-7\n${walkthroughPolicy('b')}---\n${walkthroughPolicy('c')}`,
    )
    expect(await lint([path], { output: 'sarif' })).toBe(1)
    const sarif = JSON.parse(printed[0] ?? '')
    expect(sarif).toMatchObject({ version: '2.1.0', runs: [{ tool: { driver: { name: 'entente lint' } } }] })
    const [run] = sarif.runs
    expect(run.results).toMatchObject([
      { ruleId: 'inert-peer-aliases', level: 'error', locations: [{ physicalLocation: { region: { startLine: 27, startColumn: 3 } } }] },
      { ruleId: 'inert-peer-aliases', suppressions: [{ kind: 'inSource', justification: 'until INC-7' }] },
    ])
    expect(run.results[0].locations[0].physicalLocation.artifactLocation.uri).toBe(`file://${folder}/a%20b/bad.yaml`)
    for (const result of run.results) expect(run.tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId)
  })

  it('prints annotations for GitHub, each on one line', async () => {
    await lint([await file('bad.yaml', walkthroughValues('b'))], { output: 'github' })
    const lines = (printed[0] ?? '').split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^::error file=.*bad\.yaml,line=5,col=9,title=inert-extra-root-certs::bad\.yaml: .*%0Anext: /)
  })

  it('writes the replacement once, and never over a file', async () => {
    const bad = await file('bad.yaml', walkthroughPolicy('b'))
    const out = join(folder, 'federation.yaml')
    await lint([bad], { replacement: out })
    expect(parse(await readFile(out, 'utf8'))).toMatchObject({ kind: 'Federation' })
    await expect(lint([bad], { replacement: out })).rejects.toMatchObject({ code: 'file-unwritable' })
    await lint([await file('good.yaml', 'a: 1\n')], { replacement: join(folder, 'other.yaml') })
    expect(told.at(-1)).toContain('nothing to replace')
  })
})

describe('the federation file that lint prints', () => {
  it('yields steps in plan once the roots are approved', async () => {
    const [a, b] = await Promise.all(['a', 'b'].map((x) => makeCa({ trustDomain: `cluster-${x}.example` })))
    await using space = await workspace(inDirectories(), ...[a, b].flatMap((ca) => (ca === undefined ? [] : [ca.bundle])))
    await rm(space.file)
    for (const [here, other] of ['ab', 'ba'])
      await file(`${here}/all.yaml`, `${walkthroughValues(`cluster-${other}`)}---\n${walkthroughPolicy(`cluster-${other}`)}`)
    expect(await lint([join(folder, 'a'), join(folder, 'b')], { replacement: space.file })).toBe(1)
    expect(await plan({ file: space.file, output: 'json' }, space.io)).toBe(2)
    const { steps, findings } = JSON.parse(space.printed[0] ?? '')
    expect(new Set(steps.map((step: { object: { kind: string } }) => step.object.kind))).toEqual(
      new Set(['ConfigMap', 'PeerAuthentication', 'AuthorizationPolicy', 'EnvoyFilter']),
    )
    expect(findings.filter(({ severity }: { severity: string }) => severity === 'error')).toEqual([])
  })
})
