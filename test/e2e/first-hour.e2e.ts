/**
 * A new user's first hour, on two real clusters: the commands that docs/quick-start.md prints, in their order, in a shell, as an
 * installed `entente`. From meshes that cannot call each other to a proven call, with at most 12 lines of YAML by hand.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { type Outcome, outcome, until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { ours } from './shop.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const QUICK_START = readFileSync(path.join(ROOT, 'docs/quick-start.md'), 'utf8')
const MOST_LINES = 12

let bed: Bed
let pods: Walkthrough
/** The environment of a new user with only the clone and its build: two programs on the PATH, a kubeconfig, an empty folder. */
const home = mkdtempSync(path.join(tmpdir(), 'entente-first-hour-'))
const bin = path.join(home, 'bin')

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  mkdirSync(bin)
  // As `npm link` does.
  symlinkSync(path.join(ROOT, 'dist/cli/main.js'), path.join(bin, 'entente'))
  writeFileSync(path.join(bin, 'node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`)
  chmodSync(path.join(bin, 'node'), 0o755)
})

afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bed?.giveBack()
})

/** The commands of one section, as it prints them. */
function commandsOf(section: string): readonly string[] {
  const [, rest = ''] = QUICK_START.split(`## ${section}\n`)
  const text = rest.split('\n## ')[0] ?? ''
  return [...text.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .filter((line) => line.startsWith('$ '))
      .map((line) => line.slice(2)),
  )
}

/** The YAML that a section asks the user to write. */
function yamlOf(section: string): string {
  const [, rest = ''] = QUICK_START.split(`## ${section}\n`)
  return /```yaml\n([\s\S]*?)```/.exec(rest.split('\n## ')[0] ?? '')?.[1] ?? ''
}

let folder = home

/** Runs it as printed. There is no terminal, so commands that ask for consent get `--yes`. */
async function type(printed: string): Promise<Outcome> {
  const [, into] = /^cd (\S+)$/.exec(printed) ?? []
  if (into !== undefined) {
    folder = path.join(folder, into)
    return { code: 0, stdout: '', stderr: '' }
  }
  const asks = /^entente (init|apply|approve|sever) /.test(printed) ? ' --yes' : ''
  const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: home, KUBECONFIG: bed.kubeconfig, NO_COLOR: '1' }
  return outcome('sh', ['-c', `${printed.replace(/ +#.*$/, '')}${asks}`], { cwd: folder, env, timeoutMs: 100_000 })
}

async function follow(section: string, wanted: Readonly<Record<string, number>> = {}): Promise<readonly Outcome[]> {
  const ran: Outcome[] = []
  const printed = commandsOf(section).filter((line) => !line.includes('--watch'))
  expect(printed.length, section).toBeGreaterThan(0)
  for (const line of printed) {
    const result = await type(line)
    const [name = ''] = Object.keys(wanted).filter((words) => line.startsWith(words))
    expect(result.code, `${line}\n${result.stderr}\n${result.stdout}`).toBe(wanted[name] ?? 0)
    ran.push(result)
  }
  return ran
}

const file = (): string => path.join(folder, 'federation.yaml')
const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
/** The lines that are only in the second text. */
const writtenBetween = (before: string, after: string): readonly string[] => {
  const left = before.split('\n')
  return after.split('\n').filter((line) => {
    const at = left.indexOf(line)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}

describe('the quick start', () => {
  let begun: string

  it('begins with two meshes that cannot call each other', async () => {
    expect(await status()).toBe(503)
  })

  it('1: reads the clusters, and opens nothing', async () => {
    await follow('1. Read the clusters')
    expect((await Promise.all(bed.clusters.map(ours))).flat()).toEqual([])
  })

  it('2: states who may call whom: the command writes what the page says to write by hand', async () => {
    begun = readFileSync(path.join(folder, 'shop/federation.yaml'), 'utf8')
    await follow('2. List the calls to allow')
    const added = writtenBetween(begun, readFileSync(file(), 'utf8'))
    expect(added.length).toBeLessThanOrEqual(MOST_LINES)
    const byHand = yamlOf('2. List the calls to allow')
    expect(byHand.split('\n').slice(1, -1)).toEqual(added)
    expect(byHand.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES)
    expect(await status()).toBe(503)
  })

  it('3: shows the plan', async () => {
    const [plan] = await follow('3. Plan', { 'entente plan': 2 })
    expect(plan?.stdout).toContain('caller cluster-a.example/ns/sample/sa/client')
    expect(plan?.stdout).toContain('server cluster-b.example/ns/sample/sa/server of server.sample.svc.cluster.local')
  })

  it('4: applies it, and the call succeeds with the identity that the file names', async () => {
    await follow('4. Apply')
    const { status, body } = await call(pods.client, 'server.sample')
    expect(status).toBe(200)
    expect(body).toMatchObject({ pod: 'b/sample/server', clientIdentity: 'spiffe://cluster-a.example/ns/sample/sa/client' })
  })

  it('5: proves it from live proxies', async () => {
    const [verify] = await follow('5. Verify')
    expect(verify?.stdout.match(/proven/g)?.length).toBeGreaterThanOrEqual(2)
  })

  it('by hand, the same lines mean the same: nothing is left to do', async () => {
    const byHand = begun.replace(/^ {2}calls:.*\n/m, yamlOf('2. List the calls to allow'))
    const lines = writtenBetween(begun, byHand).filter((line) => !line.trim().startsWith('#'))
    expect(lines.length).toBeLessThanOrEqual(MOST_LINES)
    writeFileSync(file(), byHand)
    expect((await type('entente plan')).code).toBe(0)
    expect((await type('entente verify')).code).toBe(0)
  })

  it('a call whose labels select pods of another account opens nothing, and the plan names them', async () => {
    const kept = readFileSync(file(), 'utf8')
    const to = 'to: { member: cluster-b, namespace: sample, serviceAccount: billing, selector: { app: server } }'
    writeFileSync(file(), kept.replace('to: cluster-b/sample/server', `${to}\n      hosts: [server.sample.svc.cluster.local]`))
    const { code, stdout, stderr } = await type('entente plan')
    expect(code).toBe(1)
    expect(`${stdout}${stderr}`).toMatch(
      /error call-selects-other: cluster-b: sample \(app=server\): .*service account billing.*\(server\)/,
    )
    writeFileSync(file(), kept)
  })

  it('6: severs, and the call ends', async () => {
    await follow('6. Sever', { 'entente sever --lift': 0 })
    // The section also shows how to trust again: lifted, approved, applied.
    await until('the call to be accepted again', async () => (await status()) === 200)
    expect((await type('entente sever cluster-b cluster-a --reason "INC-8"')).code).toBe(0)
    await until('the call to be refused', async () => (await status()) !== 200)
  })
})
