/** A place that cannot be written is a clear error, at once: every command that writes a file or a folder. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { type FakeCluster, fakeCluster, kubeconfigOf } from '../../test/support/fake-cluster.ts'
import { A, authority, B } from '../../test/support/federations.ts'
import { inDirectories, quietIo, type TestWorkspace, workspace } from '../../test/support/workspace.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { readInput } from './input/read-input.ts'
import { program } from './program.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])
const run = promisify(execFile)
const open: FakeCluster[] = []
afterAll(() => Promise.all(open.map((cluster) => cluster.close())))

/** @returns the error that ended the command; undefined: it ended without one */
async function refusalOf(words: readonly string[]): Promise<FederationError | undefined> {
  const say = (): void => {}
  try {
    await program(quietIo({ print: say, report: say, readFile: readInput }), '1.2.3', async (code) => void (await code)).parseAsync(words, {
      from: 'user',
    })
    return undefined
  } catch (thrown) {
    // Anything else is printed as `error internal`.
    if (thrown instanceof FederationError) return thrown
    throw thrown
  }
}

/** Each in a workspace of its own. */
const PLACES: Readonly<Record<string, (of: TestWorkspace) => Promise<string>>> = {
  'a file': async ({ file }) => file,
  'below a file': async ({ file }) => join(file, 'deep', 'er'),
  '/proc': async () => '/proc/entente',
  'deep below /proc': async () => '/proc/entente/a/b',
  '/sys': async () => '/sys/entente/a',
  'a link to nowhere': async ({ directory }) => {
    await symlink('nowhere', join(directory, 'link'))
    return join(directory, 'link')
  },
  'below a link to nowhere': async ({ directory }) => {
    await symlink('nowhere', join(directory, 'link'))
    return join(directory, 'link', 'deep')
  },
  'a pipe': async ({ directory }) => {
    await run('mkfifo', [join(directory, 'pipe')])
    return join(directory, 'pipe')
  },
}

const inert = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'x', namespace: 'istio-system' },
  spec: { trustDomainAliases: [A] },
}

const COMMANDS: Readonly<Record<string, (place: string, of: TestWorkspace) => Promise<readonly string[]>>> = {
  render: async (place, { file }) => ['render', '-f', file, '--out', place],
  demo: async (place) => ['demo', '--out', place],
  init: async (place, { directory }) => {
    const kubeconfig = join(directory, 'kubeconfig')
    const clusters = await Promise.all([fakeCluster(a), fakeCluster(b)])
    open.push(...clusters)
    await writeFile(kubeconfig, JSON.stringify(kubeconfigOf({ 'cluster-a': clusters[0], 'cluster-b': clusters[1] })))
    const contexts = ['--context', 'cluster-a', '--context', 'cluster-b']
    return ['init', ...contexts, '--kubeconfig', kubeconfig, '--out', place, '--yes']
  },
}

describe.each(Object.entries(COMMANDS))('%s into', (_, wordsFor) => {
  it.each(Object.entries(PLACES))('%s', async (_, placeIn) => {
    await using made = await workspace(inDirectories(), a.bundle, b.bundle)
    const place = await placeIn(made)
    const refused = await refusalOf(await wordsFor(place, made))
    expect(refused?.code).toBe('file-unwritable')
    // It names the first folder of the path that cannot be made.
    expect(`${place}/`).toContain(`${refused?.subject}/`)
  })
})

describe('lint --replacement into', () => {
  it.each(Object.entries(PLACES))('%s', async (place, placeIn) => {
    await using made = await workspace(inDirectories(), a.bundle, b.bundle)
    const manifest = join(made.directory, 'inert.yaml')
    await writeFile(manifest, JSON.stringify(inert))
    const refused = await refusalOf(['lint', manifest, '--replacement', await placeIn(made)])
    // A link to nowhere may be written to: it is replaced.
    if (place !== 'a link to nowhere') expect(refused?.code).toMatch(/^(file-unwritable|file-unreadable|usage)$/)
  })
})

describe('a command stops at once', () => {
  it.each([
    'federation.yaml',
    'audit.jsonl',
    `bundles/${A}.json`,
    'clusters/cluster-b/10-guard/x.yaml',
    'clusters/cluster-b/.entente-record',
  ])('if %s is a pipe', async (name) => {
    await using made = await workspace(inDirectories(), a.bundle, b.bundle)
    await mkdir(join(made.directory, 'clusters/cluster-b/10-guard'), { recursive: true })
    const path = join(made.directory, name)
    await run('rm', ['-f', path])
    await run('mkfifo', [path])
    const refused = await refusalOf(['apply', '-f', made.file, '--yes', '--reason', 'x'])
    if (refused !== undefined) expect(refused.code).toMatch(/^file-unreadable$/)
  })

  it.each(['10-guard', '20-open'])('if %s of a rendered tree is a file', async (folder) => {
    await using made = await workspace(inDirectories(), a.bundle, b.bundle)
    const out = join(made.directory, 'rendered')
    await mkdir(join(out, 'cluster-b'), { recursive: true })
    await writeFile(join(out, 'cluster-b', folder), '')
    expect(await refusalOf(['render', '-f', made.file, '--out', out])).toMatchObject({ code: 'file-unwritable' })
    expect(await readdir(join(out, 'cluster-b'))).toContain(folder)
  })
})
