import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { expandFederationFile, readFederationFile } from './federation-file.ts'

const FEDERATION = `apiVersion: entente.dev/v1alpha1
kind: Federation
metadata: { name: shop }
spec:
  defaults: { distribution: pinned, mtls: enforce }
  members:
    - { name: a, trustDomain: a.example, cluster: { directory: clusters/a } }
    - { name: b, trustDomain: b.example, cluster: { directory: clusters/b } }
`
const CALLS = `apiVersion: entente.dev/v1alpha1
kind: Calls
spec:
  calls:
    - { from: a/sample/client, to: b/sample/server }
`

/** A folder with these files; `-> x` is a link. @returns the path of its federation file */
async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'included-'))
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    if (content.startsWith('-> ')) await symlink(content.slice(3), path)
    else await writeFile(path, content)
  }
  return join(directory, 'federation.yaml')
}
const including = (...paths: readonly string[]): string =>
  `${FEDERATION}  include:\n${paths.map((path) => `    - { path: ${JSON.stringify(path)}, namespaces: [sample] }\n`).join('')}`

const faultsOf = (file: string): Promise<readonly string[]> =>
  readFederationFile(file).then(
    () => [],
    (thrown: unknown) => {
      if (!(thrown instanceof FederationError)) throw thrown
      expect(thrown.code).toBe('federation-invalid')
      return thrown.faults.map(({ message }) => message.replaceAll(`${dirname(file)}/`, ''))
    },
  )

describe('a federation of several files', () => {
  it('contains the calls of all of them', async () => {
    const file = await folder({
      'federation.yaml': including('teams/one.yaml', 'two.yaml'),
      'teams/one.yaml': CALLS,
      'two.yaml': CALLS.replace('client', 'batch'),
    })
    const { trusts } = await readFederationFile(file)
    expect(trusts.flatMap(({ accept }) => accept.flatMap(({ callers }): readonly string[] => (callers === 'all' ? [] : callers)))).toEqual([
      'a.example/ns/sample/sa/client',
      'a.example/ns/sample/sa/batch',
    ])
  })

  it('may be a mounted ConfigMap, with links inside the folder', async () => {
    const file = await folder({ '..data/one.yaml': CALLS, 'one.yaml': '-> ..data/one.yaml', 'federation.yaml': including('one.yaml') })
    expect((await readFederationFile(file)).trusts).toHaveLength(2)
  })

  it('reports problems with the line in each file', async () => {
    const file = await folder({
      'federation.yaml': `${including('one.yaml')}  calls:\n    - { from: a/sample/client, to: { member: b, namespace: sample, serviceAccount: server, selector: { tier: x } }, hosts: [x.example] }\n`,
      'one.yaml': `${CALLS}    - { from: a/sample/client, to: b/other/server }\n`,
    })
    expect(await faultsOf(file)).toEqual([
      'one.yaml:6: spec.calls[1].to: the federation file includes this file only for calls of sample; this end is in other',
      'one.yaml:5: spec.calls[0].to: scope-overlap: sample (app=server) and sample (tier=x) may select the same workload; the other entry is federation.yaml:12',
    ])
  })

  it('reports the line of every expanded entry', async () => {
    const file = await folder({ 'federation.yaml': including('one.yaml'), 'one.yaml': CALLS })
    const { document, lineOf } = await expandFederationFile(file)
    expect(document.spec.trust).toHaveLength(2)
    expect(lineOf(['spec', 'trust', 0])).toBe(join(dirname(file), 'one.yaml:5'))
    expect(lineOf(['spec', 'members', 1])).toBe(`${file}:8`)
  })

  it.each([
    { what: 'that does not exist', path: 'gone.yaml', says: 'gone.yaml does not exist' },
    { what: 'that is a folder', path: 'teams', says: 'teams is not a file' },
    { what: 'outside the folder', path: '../x.yaml', says: '../x.yaml leads out of the folder of the federation file' },
    { what: 'behind a link that leaves it', path: 'out.yaml', says: /^out\.yaml is a symbolic link that leads out of / },
    {
      what: 'in a folder behind a link that leaves it',
      path: 'away/x.yaml',
      says: /^away\/x\.yaml is a symbolic link that leads out of /,
    },
    { what: 'behind a link without a target', path: 'dangling.yaml', says: 'dangling.yaml is a symbolic link without a target' },
    { what: 'behind a circular link', path: 'circle.yaml', says: /^circle\.yaml ELOOP/ },
    { what: 'that is the federation file', path: 'federation.yaml', says: 'federation.yaml is the federation file itself' },
    { what: 'that is a link to the federation file', path: 'self.yaml', says: 'self.yaml is the federation file itself' },
    { what: 'that is included under another name', path: 'same.yaml', says: 'same.yaml is the same file as teams/one.yaml' },
    { what: 'that is too large', path: 'large.yaml', says: 'large.yaml is larger than 4 MiB' },
    { what: 'that is a device', path: 'null.yaml', says: /^null\.yaml is a symbolic link that leads out of / },
  ])('does not read a file $what', async ({ path, says }) => {
    const elsewhere = await folder({ 'x.yaml': CALLS })
    const file = await folder({
      'federation.yaml': including('teams/one.yaml', path),
      'teams/one.yaml': CALLS,
      'out.yaml': `-> ${join(dirname(elsewhere), 'x.yaml')}`,
      away: `-> ${dirname(elsewhere)}`,
      'dangling.yaml': '-> nowhere.yaml',
      'circle.yaml': '-> circle.yaml',
      'self.yaml': '-> federation.yaml',
      'same.yaml': '-> teams/one.yaml',
      'large.yaml': `${CALLS}# ${'x'.repeat(4 * 1024 * 1024)}`,
      'null.yaml': '-> /dev/null',
    })
    const problem =
      typeof says === 'string' ? says : expect.stringMatching(new RegExp(`spec\\.include\\[1\\]\\.path: ${says.source.slice(1)}`))
    expect(await faultsOf(file)).toEqual([typeof problem === 'string' ? `federation.yaml:11: spec.include[1].path: ${problem}` : problem])
    await rm(dirname(file), { recursive: true })
  })

  it.each([
    { what: 'not YAML', content: 'spec: [', says: /^one\.yaml:\d+: is not YAML/ },
    { what: 'two documents', content: `${CALLS}---\n${CALLS}`, says: /^one\.yaml:\d+: holds more than one document/ },
    { what: 'nested too deeply', content: '['.repeat(20_000), says: /^one\.yaml: is nested too deeply/ },
    {
      what: 'an alias bomb',
      content: `a: &a [1,1,1,1,1,1,1,1,1,1]\n${'bcdefgh'.replace(
        /./g,
        (x) =>
          `${x}: &${x} [${Array(10)
            .fill(`*${String.fromCharCode(x.charCodeAt(0) - 1)}`)
            .join(',')}]\n`,
      )}`,
      says: /^one\.yaml: is not YAML/,
    },
  ])('reports a file with $what by name', async ({ content, says }) => {
    const file = await folder({ 'federation.yaml': including('one.yaml'), 'one.yaml': content })
    expect(await faultsOf(file)).toEqual([expect.stringMatching(says)])
  })

  it('is limited to 16 MiB', async () => {
    const large = `${CALLS}# ${'x'.repeat(3.9 * 1024 * 1024)}`
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.yaml`)
    const file = await folder({ 'federation.yaml': including(...names), ...Object.fromEntries(names.map((name) => [name, large])) })
    expect(await faultsOf(file)).toEqual([expect.stringMatching(/^federation\.yaml:14: .*e\.yaml is too much: .* larger than 16 MiB/)])
  })
})
