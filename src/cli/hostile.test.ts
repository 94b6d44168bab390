/** The command line against an API server that means harm, or is broken, as one member, and a healthy one beside it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { type FakeCluster, fakeCluster, type Hostile, kubeconfigOf } from '../../test/support/fake-cluster.ts'
import { type Heard, status } from '../../test/support/fake-kube.ts'
import { A, authority, B, spec } from '../../test/support/federations.ts'
import { workspace } from '../../test/support/workspace.ts'
import { FederationError } from '../core/errors.ts'
import type { Finding } from '../core/finding.ts'
import { program } from './program.ts'
import { openRecord } from './workspace.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])

interface Ran {
  /** What the process would end with; `thrown` when something came up that nobody told. */
  readonly code: number | 'thrown'
  readonly json: {
    readonly findings?: readonly Finding[]
    readonly steps?: readonly { readonly member: string }[]
    readonly done?: readonly string[]
  }
  readonly printed: string
  readonly told: string
}

interface Bench extends AsyncDisposable {
  readonly directory: string
  readonly clusters: Readonly<Record<'cluster-a' | 'cluster-b', FakeCluster>>
  run(...words: readonly string[]): Promise<Ran>
}

/** Cluster-b is well. @param hostile what cluster-a does */
async function bench(hostile: Hostile = {}): Promise<Bench> {
  const w = await workspace(spec(), a.bundle, b.bundle)
  const clusters = { 'cluster-a': await fakeCluster(a, hostile), 'cluster-b': await fakeCluster(b) }
  const kubeconfig = join(w.directory, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(clusters)))
  const run = async (...words: readonly string[]): Promise<Ran> => {
    const [printed, told]: [string[], string[]] = [[], []]
    const io = {
      ...w.io,
      env: { KUBECONFIG: kubeconfig },
      print: (text: string) => void printed.push(text),
      tell: (text: string) => void told.push(text),
    }
    let code: Ran['code'] = 0
    try {
      await program(io, '0', async (ran) => {
        code = await ran
      }).parseAsync([...words], { from: 'user' })
    } catch (thrown) {
      if (thrown instanceof FederationError) {
        code = 1
        told.push(`error ${thrown.code}: ${thrown.message}`)
      } else if (thrown instanceof CommanderError) code = 64
      else {
        code = 'thrown'
        told.push(String((thrown as Error)?.stack ?? thrown))
      }
    }
    return { code, json: parsed(printed.join('\n')), printed: printed.join('\n'), told: told.join('\n') }
  }
  return {
    directory: w.directory,
    clusters,
    run: (command, ...words) => run(command as string, ...(command === 'init' || command === 'doctor' ? [] : ['-f', w.file]), ...words),
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(clusters).map((cluster) => cluster.close()))
      await w[Symbol.asyncDispose]()
    },
  }
}

function parsed(text: string): Ran['json'] {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** What the healthy one keeps, written by us. */
const written = ({ objects }: FakeCluster): readonly string[] =>
  [...objects].flatMap(([path, object]) => (JSON.stringify(object).includes('entente.dev/owner') ? [path] : [])).sort()

const healthy = await (async () => {
  await using all = await bench()
  const plan = await all.run('plan', '-o', 'json')
  const ran = await all.run('apply', '--yes', '--reason', 'r', '-o', 'json')
  return { plan, ran, written: written(all.clusters['cluster-b']) }
})()

describe('two healthy members', () => {
  it('are planned and applied', () => {
    expect([healthy.plan.code, healthy.plan.json.steps?.map(({ member }) => member)]).toEqual([
      2,
      [...Array(2).fill('cluster-a'), ...Array(4).fill('cluster-b')],
    ])
    expect([healthy.ran.code, healthy.ran.json.done?.length, healthy.written.length]).toEqual([0, 6, 4])
  })
})

const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const item = (more: string): string =>
  `{"metadata":{"name":"x","namespace":"sample","labels":{"app.kubernetes.io/managed-by":"entente"}}${more}}`
const listOf = (items: string, meta = '{}') => ({ raw: `{"metadata":${meta},"items":[${items}]}` })
const isList = ({ query }: Heard): boolean => query.limit !== undefined
const ofFilters = (heard: Heard): boolean => isList(heard) && heard.path.endsWith('/envoyfilters')
type Http = NonNullable<Hostile['http']>
type Tcp = NonNullable<Hostile['tcp']>
const lists =
  (said: ReturnType<Http> | ((heard: Heard) => ReturnType<Http>)): Http =>
  (heard) =>
    isList(heard) ? (typeof said === 'function' ? said(heard) : said) : undefined
const filters =
  (said: ReturnType<Http>): Http =>
  (heard) =>
    ofFilters(heard) ? said : undefined
const raw =
  (bytes: string | Buffer, end = true): Tcp =>
  (socket) =>
    socket.on('data', () => void (end ? socket.end(bytes) : socket.write(bytes)))
/** Bytes one by one, for ever. */
const trickling =
  (head: string, drop: string): Tcp =>
  (socket) =>
    socket.once('data', () => {
      socket.write(head)
      const timer = setInterval(() => socket.write(drop), 30)
      socket.on('close', () => clearInterval(timer))
    })
const flooding =
  (head: string): Tcp =>
  (socket) =>
    socket.once('data', () => {
      socket.write(head)
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 32)));
      }
      socket.on('drain', more)
      more()
    })
const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

interface Mode {
  readonly name: string
  readonly does: Hostile
  /** Of a finding about cluster-a. */
  readonly code?: string
  /** In that finding. */
  readonly words?: string
  readonly flags?: readonly string[]
}

const SHORT = ['--call-timeout', '2s', '--look-timeout', '10s']

/** Its lists, or all that it says, are of no use: it is not planned, and the other one is. */
const BLIND: readonly Mode[] = [
  {
    name: 'a list that never ends, with empty pages',
    does: { http: lists(({ query }) => ({ body: { metadata: { continue: `${Number(query.continue ?? 0) + 1}` }, items: [] } })) },
    words: 'more than 500 pages',
  },
  { name: 'a list that goes round', does: { http: lists({ body: { metadata: { continue: 'again' }, items: [] } }) }, words: 'never end' },
  {
    name: 'a token to go on of a megabyte',
    does: { http: lists({ body: { metadata: { continue: 'x'.repeat(1 << 20) }, items: [] } }) },
    words: 'never end',
  },
  {
    name: 'a list that expires each time it is gone on with',
    does: {
      http: lists(({ query }) =>
        query.continue === undefined ? { body: { metadata: { continue: 'c' }, items: [] } } : status(410, 'Expired', 'too old'),
      ),
    },
    words: 'expired',
  },
  {
    name: 'pages beyond the sum',
    does: {
      http: lists(({ query }) => listOf(item(`,"x":"${'x'.repeat(200_000)}"`), `{"continue":"${Number(query.continue ?? 0) + 1}"}`)),
    },
    flags: ['--max-list-bytes', '3MiB'],
    words: '3 MiB',
  },
  { name: 'an answer that never ends', does: { tcp: flooding(`${OK}\r\n`) }, flags: ['--max-list-bytes', '9MiB'] },
  {
    name: 'millions of tiny values',
    does: { http: lists({ raw: `{"items":[${'{},'.repeat(600_000)}{}]}` }) },
    flags: ['--max-list-bytes', '4MiB'],
    words: 'values',
  },
  { name: 'an object with a lone surrogate', does: { http: filters(listOf(item(',"spec":{"a":"\\ud800"}'))) }, words: 'surrogate' },
  { name: 'a name of a field with a lone surrogate', does: { http: filters(listOf(item(',"spec":{"\\udfff":1}'))) }, words: 'surrogate' },
  { name: 'an object with 1e999', does: { http: filters(listOf(item(',"spec":{"priority":1e999}'))) }, words: 'number' },
  {
    name: 'an object with a number of 400 digits',
    does: { http: filters(listOf(item(`,"spec":{"priority":${'9'.repeat(400)}}`))) },
    words: 'number',
  },
  { name: 'an object with 20,000 levels', does: { http: filters(listOf(item(`,"spec":${deep}`))) }, words: 'deeper' },
  { name: 'an error of 20,000 levels', does: { http: lists({ status: 500, raw: deep }) } },
  {
    name: 'a refusal whose message has a lone surrogate',
    does: { http: lists({ status: 403, raw: '{"kind":"Status","message":"no \\ud800"}' }) },
    code: 'forbidden',
  },
  { name: 'a refusal of a megabyte', does: { http: lists(status(500, 'InternalError', 'x'.repeat(1 << 20))) } },
  {
    name: 'bytes that are not UTF-8',
    does: { tcp: raw(Buffer.concat([Buffer.from(`${OK}content-length: 4\r\n\r\n`), Buffer.from([0x22, 0xc3, 0x28, 0x22])])) },
    words: 'UTF-8',
  },
  { name: 'items that are no objects', does: { http: filters(listOf('null, 1, "x", []')) } },
  { name: 'a list that is null', does: { http: lists({ raw: 'null' }) } },
  { name: 'an empty body', does: { http: lists({ raw: '' }) } },
  { name: '204', does: { tcp: raw('HTTP/1.1 204 No Content\r\n\r\n') } },
  { name: '304', does: { tcp: raw('HTTP/1.1 304 Not Modified\r\n\r\n') } },
  { name: '205', does: { tcp: raw('HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n') } },
  {
    name: 'a redirect to another server',
    does: { tcp: raw('HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n') },
    words: '302',
  },
  {
    name: '101 Switching Protocols',
    does: { tcp: raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n', false) },
    words: 'switched protocols',
  },
  { name: '101 without what to', does: { tcp: raw('HTTP/1.1 101 Switching Protocols\r\n\r\n') } },
  { name: '100 Continue for ever', does: { tcp: trickling('', 'HTTP/1.1 100 Continue\r\n\r\n') } },
  { name: '103 Early Hints without an end', does: { tcp: raw('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(1000)) } },
  { name: 'an answer that trickles', does: { tcp: trickling(`${OK}\r\n`, ' ') }, words: 'no answer within 2 s' },
  { name: 'headers that never end', does: { tcp: trickling('HTTP/1.1 200 OK\r\n', 'x-a: b\r\n') } },
  { name: 'a connection that says nothing', does: { tcp: () => {} }, words: 'no answer within' },
  { name: 'a connection that hangs up', does: { tcp: (socket) => socket.destroy() } },
  { name: 'TLS that never completes', does: { tls: () => {} }, words: 'no answer within' },
  { name: 'TLS that is none', does: { tls: (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') } },
  { name: 'a body shorter than it says', does: { tcp: raw(`${OK}content-length: 100\r\n\r\n{"items":[`) } },
  { name: 'a body longer than it says', does: { tcp: raw(`${OK}content-length: 2\r\n\r\n{"items":[]}`) } },
  { name: 'chunks that are none', does: { tcp: raw(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n`) } },
  { name: 'a chunk that never comes', does: { tcp: raw(`${OK}transfer-encoding: chunked\r\n\r\nfffffff\r\n{`, false) } },
  { name: 'two lengths', does: { tcp: raw(`${OK}content-length: 2\r\ncontent-length: 20\r\n\r\n{}`) } },
  {
    name: 'a reset in the middle of the body',
    does: { tcp: (socket) => void socket.once('data', () => socket.write(`${OK}content-length: 100\r\n\r\n{"it`, () => socket.destroy())) },
  },
  { name: 'HTTP/1.0', does: { tcp: raw('HTTP/1.0 200 OK\r\n\r\n{"items":[') } },
  { name: 'no HTTP', does: { tcp: raw('SSH-2.0-OpenSSH_9.9\r\n') } },
  {
    name: 'a body that was compressed',
    does: { tcp: raw(Buffer.concat([Buffer.from(`${OK}content-encoding: gzip\r\n\r\n`), gzipSync(Buffer.alloc(50 << 20))])) },
    words: 'compressed',
  },
  {
    name: '429 without an end',
    does: {
      http: lists((heard) => (isList(heard) ? { ...status(429, 'TooManyRequests', 'later'), headers: { 'retry-after': '0' } } : undefined)),
    },
  },
  {
    name: '429 until tomorrow',
    does: { http: lists({ ...status(429, 'TooManyRequests', 'later'), headers: { 'retry-after': '86400' } }) },
    words: 'longer than there is time',
  },
]

describe('a member whose API server answers with', () => {
  it.each(BLIND)('$name concerns itself only', { timeout: 60_000 }, async ({ does, code, words = '', flags = [] }) => {
    await using all = await bench(does)
    const ran = await all.run('apply', '--yes', '--reason', 'r', '-o', 'json', ...SHORT, ...flags)
    expect(ran.told).not.toContain('internal')
    expect(ran.code, ran.told).toBe(1)
    const errors = ran.json.findings?.filter(({ severity }) => severity === 'error') ?? []
    expect(errors.map(({ subject }) => subject.slice(0, 9))).toEqual(errors.map(() => 'cluster-a'))
    expect(errors.map((finding) => finding.code)).toContainEqual(code ?? expect.stringMatching(/^cluster-(refused|unreachable)$/))
    expect(errors.map(({ message }) => message).join('\n')).toContain(words)
    for (const { message } of errors) expect(message.length).toBeLessThan(3_000)
    expect(ran.json.done).toHaveLength(4)
    expect(written(all.clusters['cluster-b'])).toEqual(healthy.written)
    const entries = await (await openRecord(all.directory)).entries()
    expect(entries.at(-1)).toMatchObject({ action: 'end' })
  })
})
