/** The command line as a process of its own: signals, and what would end it without a word. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fakeCluster, type Hostile, kubeconfigOf } from '../../test/support/fake-cluster.ts'
import { A, authority, B, spec } from '../../test/support/federations.ts'
import { workspace } from '../../test/support/workspace.ts'
import { openRecord } from './input/workspace.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const [a, b] = await Promise.all([authority(A), authority(B)])

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], { cwd: ROOT, env: { ...process.env, ...env, NO_COLOR: '1' } })
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  child.stdin?.end()
  return { child, ended: new Promise((done) => child.on('close', (code, signal) => done({ code, signal, stdout, stderr }))) }
}

/** @param hostile what cluster-a does; `asked` resolves when it was asked, `words` what is run */
async function running(hostile: (asked: () => void) => Hostile, words: readonly string[]) {
  const w = await workspace(spec(), a.bundle, b.bundle)
  let heard = (): void => {}
  const asked = new Promise<void>((done) => {
    heard = done
  })
  const clusters = { 'cluster-a': await fakeCluster(a, hostile(heard), new Date()), 'cluster-b': await fakeCluster(b, {}, new Date()) }
  const kubeconfig = join(w.directory, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(clusters)))
  const run = node(['src/cli/main.ts', ...words, '-f', w.file], { KUBECONFIG: kubeconfig })
  return {
    ...run,
    asked,
    directory: w.directory,
    async [Symbol.asyncDispose]() {
      run.child.kill('SIGKILL')
      await Promise.all(Object.values(clusters).map((cluster) => cluster.close()))
      await w[Symbol.asyncDispose]()
    },
  }
}

/** Longer than any test: what ends has not waited for it. */
const FOR_EVER = ['--call-timeout', '20m', '--look-timeout', '20m']
const silent = (asked: () => void): Hostile => ({ tcp: (socket) => void socket.on('data', asked) })

describe('a process', { timeout: 120_000 }, () => {
  it('reports a member that switches protocols, and does not exit with code 13', async () => {
    const switching: Hostile = {
      tcp: (socket) =>
        void socket.on('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
    }
    await using run = await running(() => switching, ['plan', '-o', 'json'])
    const { code, stdout } = await run.ended
    expect(code).toBe(3)
    const { findings, steps } = JSON.parse(stdout)
    expect(findings).toContainEqual(expect.objectContaining({ code: 'cluster-refused', subject: 'cluster-a', severity: 'error' }))
    expect(steps.map(({ member }: { member: string }) => member)).toEqual(Array(4).fill('cluster-b'))
  })

  it.each([
    { signal: 'SIGINT', code: 130 },
    { signal: 'SIGTERM', code: 143 },
  ] as const)('that waits for a member without an answer ends on $signal', async ({ signal, code }) => {
    await using run = await running(silent, ['plan', ...FOR_EVER])
    await run.asked
    run.child.kill(signal)
    const ended = await run.ended
    expect([ended.code, ended.signal]).toEqual([code, null])
    expect(ended.stderr).toContain('interrupted')
    expect(ended.stderr).not.toContain('internal')
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('that waits for a write ends on %s, with an end on the record', async (signal) => {
    const deaf = (asked: () => void): Hostile => ({
      http: ({ method }) => {
        if (method !== 'PATCH') return undefined
        asked()
        return 'never'
      },
    })
    await using run = await running(deaf, ['apply', '--yes', '--reason', 'r', ...FOR_EVER])
    await run.asked
    run.child.kill(signal)
    const { code, stderr } = await run.ended
    expect([code, stderr]).toEqual([1, expect.stringContaining('interrupted')])
    const entries = await (await openRecord(run.directory)).entries()
    expect(entries.at(-1)).toMatchObject({ action: 'end' })
  })

  it('knows its version without a package.json next to it, as in a bundled build', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    const elsewhere = await mkdtemp(join(tmpdir(), 'entente-moved-'))
    try {
      await cp(join(ROOT, 'src'), join(elsewhere, 'src'), { recursive: true })
      await writeFile(join(elsewhere, 'src/package.json'), '{"type":"module"}')
      await symlink(join(ROOT, 'node_modules'), join(elsewhere, 'node_modules'))
      const { code, stdout, stderr } = await node([join(elsewhere, 'src/cli/main.ts'), '--version']).ended
      expect([code, stdout.trim()], stderr).toEqual([0, version])
    } finally {
      await rm(elsewhere, { recursive: true })
    }
  })

  it('that waits for an event that can no longer happen reports that', async () => {
    const script = `import { settled } from './src/cli/settle.ts'; await settled(new Promise(() => {})).catch((e) => { console.error(e.message); process.exitCode = 1 })`
    const { code, stderr } = await node(['--input-type=module', '-e', script]).ended
    expect([code, stderr]).toEqual([1, expect.stringContaining('can no longer happen')])
  })
})
