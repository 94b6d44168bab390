/** The command line against an API server that means harm, or is broken, as one member, and a healthy one beside it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { type FakeCluster, fakeCluster, type Hostile, kubeconfigOf, page } from '../../test/support/fake-cluster.ts'
import { type ReceivedRequest, status } from '../../test/support/fake-kube.ts'
import { A, authority, B, spec } from '../../test/support/federations.ts'
import { workspace } from '../../test/support/workspace.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import { openRecord } from './input/workspace.ts'
import type { Part } from './print/screen.ts'
import { program } from './program.ts'

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
      print: (text: Part) => void printed.push(String(text)),
      report: (text: Part) => void told.push(String(text)),
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
    run: (...words) => run(...words, ...(['init', 'doctor', 'export'].includes(words[0] ?? '') ? [] : ['-f', w.file])),
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
  it('get a plan and an apply', () => {
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
const isList = ({ query }: ReceivedRequest): boolean => query.limit !== undefined
const ofFilters = (heard: ReceivedRequest): boolean => isList(heard) && heard.path.endsWith('/envoyfilters')
type Http = NonNullable<Hostile['http']>
type Tcp = NonNullable<Hostile['tcp']>
const lists =
  (said: ReturnType<Http> | ((heard: ReceivedRequest) => ReturnType<Http>)): Http =>
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
  { name: 'a list that repeats', does: { http: lists({ body: { metadata: { continue: 'again' }, items: [] } }) }, words: 'never end' },
  {
    name: 'a continue token of a megabyte',
    does: { http: lists({ body: { metadata: { continue: 'x'.repeat(1 << 20) }, items: [] } }) },
    words: 'never end',
  },
  {
    name: 'a list that expires on each continuation',
    does: {
      http: lists(({ query }) =>
        query.continue === undefined ? { body: { metadata: { continue: 'c' }, items: [] } } : status(410, 'Expired', 'too old'),
      ),
    },
    words: 'expired',
  },
  {
    name: 'pages beyond the total limit',
    does: {
      http: lists(({ query }) => listOf(item(`,"x":"${'x'.repeat(200_000)}"`), `{"continue":"${Number(query.continue ?? 0) + 1}"}`)),
    },
    flags: ['--max-list-bytes', '3MiB'],
    words: '3 MiB',
  },
  { name: 'an answer that never ends', does: { tcp: flooding(`${OK}\r\n`) }, flags: ['--max-list-bytes', '9MiB'] },
  {
    name: 'millions of tiny values',
    does: { http: filters({ raw: `{"items":[${'{},'.repeat(600_000)}{}]}` }) },
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
    name: 'a rejection whose message has a lone surrogate',
    does: { http: lists({ status: 403, raw: '{"kind":"Status","message":"no \\ud800"}' }) },
    code: 'forbidden',
  },
  { name: 'a rejection of a megabyte', does: { http: lists(status(500, 'InternalError', 'x'.repeat(1 << 20))) } },
  {
    name: 'bytes that are not UTF-8',
    does: { tcp: raw(Buffer.concat([Buffer.from(`${OK}content-length: 4\r\n\r\n`), Buffer.from([0x22, 0xc3, 0x28, 0x22])])) },
    words: 'UTF-8',
  },
  { name: 'items that are not objects', does: { http: filters(listOf('null, 1, "x", []')) } },
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
  { name: '101 without a protocol', does: { tcp: raw('HTTP/1.1 101 Switching Protocols\r\n\r\n') } },
  { name: '100 Continue without an end', does: { tcp: trickling('', 'HTTP/1.1 100 Continue\r\n\r\n') } },
  { name: '103 Early Hints without an end', does: { tcp: raw('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(1000)) } },
  { name: 'an answer that trickles', does: { tcp: trickling(`${OK}\r\n`, ' ') }, words: 'no answer within 2 s' },
  { name: 'headers that never end', does: { tcp: trickling('HTTP/1.1 200 OK\r\n', 'x-a: b\r\n') } },
  { name: 'a connection without an answer', does: { tcp: () => {} }, words: 'no answer within' },
  { name: 'a connection that hangs up', does: { tcp: (socket) => socket.destroy() } },
  { name: 'TLS that never completes', does: { tls: () => {} }, words: 'no answer within' },
  { name: 'no TLS', does: { tls: (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') } },
  { name: 'a body shorter than its Content-Length', does: { tcp: raw(`${OK}content-length: 100\r\n\r\n{"items":[`) } },
  { name: 'a body longer than its Content-Length', does: { tcp: raw(`${OK}content-length: 2\r\n\r\n{"items":[]}`) } },
  { name: 'invalid chunks', does: { tcp: raw(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n`) } },
  { name: 'a chunk that never comes', does: { tcp: raw(`${OK}transfer-encoding: chunked\r\n\r\nfffffff\r\n{`, false) } },
  { name: 'two Content-Length headers', does: { tcp: raw(`${OK}content-length: 2\r\ncontent-length: 20\r\n\r\n{}`) } },
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
    words: 'longer than the remaining time',
  },
]

describe.concurrent('a member whose API server answers with', () => {
  it.each(BLIND)('$name affects only that member', { timeout: 60_000 }, async ({ does, code, words = '', flags = [] }) => {
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

const patches =
  (said: ReturnType<Http>): Http =>
  ({ method }) =>
    method === 'PATCH' ? said : undefined
const recordAsked =
  (method: string, said: ReturnType<Http>): Http =>
  (heard) =>
    heard.path.includes('/configmaps') && (heard.path.endsWith('entente-record') || heard.method === 'POST') && heard.method === method
      ? said
      : undefined

describe.concurrent('a member that can be observed but answers writes with', () => {
  it.each<{ name: string; does: Hostile; done: number }>([
    {
      name: 'rejects with a lone surrogate',
      does: { http: patches({ status: 422, raw: '{"kind":"Status","reason":"Invalid","message":"no \\ud800 no"}' }) },
      done: 4,
    },
    {
      name: 'rejects with a pair of surrogates at the cut',
      does: { http: patches(status(422, 'Invalid', `${'x'.repeat(1_999)}😀`)) },
      done: 4,
    },
    { name: 'rejects with a megabyte of blanks', does: { http: patches(status(422, 'Invalid', ' '.repeat(1 << 20))) }, done: 4 },
    {
      name: 'rejects with 1e999',
      does: { http: patches({ status: 409, raw: '{"kind":"Status","code":1e999,"details":{"causes":[]}}' }) },
      done: 4,
    },
    {
      name: 'rejects with invalid causes',
      does: {
        http: patches({
          status: 409,
          body: {
            details: { causes: [null, 1, { reason: 'FieldManagerConflict' }, { reason: 'FieldManagerConflict', message: 5, field: {} }] },
          },
        }),
      },
      done: 4,
    },
    { name: 'confirms the write, but stores nothing', does: { http: patches({ status: 200, raw: '' }) }, done: 4 },
    { name: 'confirms the write, and returns 20,000 levels', does: { http: patches({ status: 201, raw: deep }) }, done: 4 },
    { name: 'never answers', does: { http: patches('never') }, done: 4 },
    {
      name: 'asks for a later retry every time',
      does: { http: patches({ ...status(429, 'TooManyRequests', 'later'), headers: { 'retry-after': '1' } }) },
      done: 4,
    },
    { name: 'never returns the head of the record', does: { http: recordAsked('GET', 'never') }, done: 4 },
    { name: 'returns a head that is not an object', does: { http: recordAsked('GET', { raw: '[]' }) }, done: 4 },
    {
      name: 'rejects the head of the record once',
      does: { http: recordAsked('POST', { status: 422, raw: '{"message":"\\udc00"}' }) },
      done: 4,
    },
    { name: 'always rejects the head of the record', does: { http: recordAsked('POST', 'never') }, done: 4 },
  ])('$name: the other member is completed, and the record has the end of the apply', { timeout: 60_000 }, async ({ does, done }) => {
    await using all = await bench(does)
    const ran = await all.run('apply', '--yes', '--reason', 'r', '-o', 'json', ...SHORT)
    expect(ran.told).not.toContain('internal')
    expect(ran.code, ran.told).toBe(1)
    expect(ran.json.done).toHaveLength(done)
    expect(written(all.clusters['cluster-b'])).toEqual(healthy.written)
    const errors = ran.json.findings?.filter(({ severity }) => severity === 'error') ?? []
    expect(errors.map(({ subject }) => subject.slice(0, 9))).toEqual(['cluster-a'])
    const entries = await (await openRecord(all.directory)).entries()
    expect(entries.slice(-2).map(({ action }) => action)).toEqual(['begin', 'end'])
  })
})

const frames =
  (...all: readonly (Buffer | string)[]) =>
  (socket: { send(data: Buffer | string): void }): void => {
    for (const one of all) socket.send(one)
  }
const PORT = [Buffer.from([0, 0xa6, 0x3a]), Buffer.from([1, 0xa6, 0x3a])]
const debugs =
  (of: string, said: string | Buffer | 'never') =>
  (path: string): string | Buffer | 'never' | undefined =>
    path.startsWith(of) ? said : undefined
const PROXIES = JSON.stringify(
  Array.from({ length: 80 }, (_, i) => ({
    proxy: `p-${i}.sample`,
    proxy_type: 'sidecar',
    cluster_id: 'Kubernetes',
    listener_sent: 'x',
    listener_acked: 'x',
    cluster_sent: 'x',
    cluster_acked: 'x',
  })),
)

describe.concurrent('a member whose istiod, or the connection to it,', () => {
  it.each<{ name: string; does: Hostile }>([
    { name: 'never opens', does: { upgrade: () => {} } },
    { name: 'hangs up', does: { upgrade: (socket) => socket.destroy() } },
    { name: 'answers 200 to an upgrade', does: { upgrade: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}') } },
    {
      name: 'redirects',
      does: { upgrade: (socket) => socket.end('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n') },
    },
    {
      name: 'upgrades under a wrong key',
      does: {
        upgrade: (socket) =>
          socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\n'),
      },
    },
    { name: 'sends an empty message', does: { forward: frames(Buffer.alloc(0)) } },
    { name: 'sends text', does: { forward: frames('hello', ...PORT, '\u00ff\u0001') } },
    {
      name: 'reports that our own stdin, stdout and stderr are closed',
      does: { forward: frames(...PORT, Buffer.from([255, 0]), Buffer.from([255, 1]), Buffer.from([255, 2]), Buffer.from([255])) },
    },
    { name: 'sends on unknown channels', does: { forward: frames(...PORT, Buffer.from([7, 1, 2, 3])) } },
    { name: 'sends a message of 8 MiB', does: { forward: frames(...PORT, Buffer.alloc(8 << 20)) } },
    { name: 'sends unrequested data', does: { forward: frames(...PORT, ...Array.from({ length: 20 }, () => Buffer.alloc(2 << 20))) } },
    {
      name: 'reports an error in bytes that are not text',
      does: { forward: frames(...PORT, Buffer.concat([Buffer.from([1]), Buffer.alloc(1 << 20, 0xff)])) },
    },
    { name: 'closes without a reason', does: { forward: (socket) => socket.close() } },
    { name: 'breaks off', does: { forward: (socket) => socket.terminate() } },
    { name: 'opens and sends nothing', does: { forward: () => {} } },
    { name: 'answers no HTTP', does: { istiod: debugs('/', 'SSH-2.0-x\r\n') } },
    {
      name: 'switches protocols',
      does: { istiod: debugs('/debug', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n') },
    },
    { name: 'never answers', does: { istiod: debugs('/', 'never') } },
    { name: 'answers with a lone surrogate', does: { istiod: debugs('/debug/syncz', page('[{"proxy":"\\ud800"}]')) } },
    { name: 'answers with 20,000 levels', does: { istiod: debugs('/debug/syncz', page(deep)) } },
    { name: 'answers with something other than a list', does: { istiod: debugs('/debug/syncz', page('{"a":1}')) } },
    {
      name: 'lists 80 proxies and returns none',
      does: {
        istiod: (path) => (path.startsWith('/debug/syncz') ? page(PROXIES) : path.startsWith('/debug/config_dump') ? 'never' : undefined),
      },
    },
  ])('$name affects only that member', { timeout: 60_000 }, async ({ does }) => {
    await using all = await bench(does)
    const ran = await all.run('verify', '-o', 'json', '--call-timeout', '1s', '--look-timeout', '4s')
    expect(ran.told).not.toContain('internal')
    expect(ran.code, ran.told).toBe(3)
    const states = (ran.json as { trusts?: readonly { truster: string; state: string; findings: readonly Finding[] }[] }).trusts
    const of = (truster: string) => states?.find((trust) => trust.truster === truster)
    expect(of('cluster-a')?.state).not.toBe('proven')
    expect(of('cluster-b')?.findings.filter(({ code }) => /istiod|cluster-(refused|unreachable)/.test(code))).toEqual([])
  })
})

describe.concurrent('each command, with one member that', () => {
  /** `wrong`: what it answers is a mistake of its mesh, not merely nothing. */
  const MODES: readonly { readonly name: string; readonly does: Hostile; readonly wrong?: true }[] = [
    { name: 'never answers', does: { tcp: () => {} } },
    {
      name: 'switches protocols',
      does: { tcp: raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n', false) },
    },
    {
      name: 'answers in an unknown form',
      wrong: true,
      does: { http: () => ({ raw: '{"metadata":{"name":"x","continue":{}},"items":[1],"data":[],"spec":7,"status":"x"}' }) },
    },
    { name: 'answers with a lone surrogate', does: { http: () => ({ raw: '{"metadata":{"name":"\\ud800"},"items":[]}' }) } },
  ]
  const COMMANDS: readonly { readonly words: readonly string[]; readonly code?: number; readonly says?: string }[] = [
    { words: ['plan'], code: 3, says: 'cluster-b' },
    { words: ['verify'], code: 3, says: 'cluster-b trusting cluster-a' },
    { words: ['verify', '--look'], code: 3, says: 'cluster-b trusting cluster-a' },
    { words: ['verify', '-o', 'evidence'] },
    { words: ['status'], code: 3, says: 'cluster-b' },
    { words: ['mount'], code: 0 },
    { words: ['impact'], code: 1 },
    { words: ['audit', 'verify'], code: 1 },
    { words: ['doctor', '--context', 'cluster-a', '--context', 'cluster-b'], says: 'cluster-b' },
    { words: ['rotate', 'cluster-b', '--status'], code: -1 },
    { words: ['rotate', 'cluster-a', '--yes', '--reason', 'r'] },
    { words: ['approve', 'cluster-a', '--yes'] },
    { words: ['export', '--context', 'cluster-a'] },
    { words: ['init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes', '--out', '/nonexistent/never'] },
    { words: ['sever', 'cluster-a', 'cluster-b', '--yes', '--reason', 'r'] },
    { words: ['sever', 'cluster-b', 'cluster-a', '--yes', '--reason', 'r'], code: 0 },
    { words: ['sever', 'cluster-a', 'cluster-b', '--emergency', '--reason', 'r'] },
  ]
  it.each(MODES.flatMap((mode) => COMMANDS.map((command) => ({ ...mode, ...command, title: command.words.slice(0, 3).join(' ') }))))(
    '$name: $title',
    { timeout: 60_000 },
    async ({ does, words, code: usual = 1, says = '', wrong = false }) => {
      const code = wrong && usual === 3 ? 1 : usual
      await using all = await bench(does)
      const [first, ...rest] = words
      const ran = await all.run(first as string, ...rest, '--call-timeout', '1s', '--look-timeout', '3s')
      expect(ran.told).not.toMatch(/internal|TypeError/)
      if (code >= 0) expect(ran.code, ran.told).toBe(code)
      expect([0, 1, 2, 3]).toContain(ran.code)
      expect(`${ran.printed}\n${ran.told}`).toContain(says)
    },
  )
})
