import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, status } from '../../../../test/support/fake-kube.ts'
import type { Digest } from '../../../core/model/digest.ts'
import { moveWitness, readWitness } from './witness.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const head = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest

interface Store {
  readonly answers: Answers
  data(): Readonly<Record<string, string>> | undefined
}

/** One ConfigMap with the API server's compare and set. */
function store(initial?: unknown, more: object = {}): Store {
  let version = 1
  let data: unknown = initial
  const answers: Answers = ({ method, body }) => {
    if (method === 'GET') {
      return data === undefined
        ? status(404, 'NotFound', 'not found')
        : { body: { metadata: { name: 'entente-record', namespace: 'istio-system', resourceVersion: String(version) }, data, ...more } }
    }
    const sent = body as { metadata: { resourceVersion?: string }; data: unknown }
    if (method === 'POST' ? data !== undefined : sent.metadata.resourceVersion !== String(version))
      return status(409, 'Conflict', 'modified')
    version += 1
    data = sent.data
    return { body: {} }
  }
  return { answers, data: () => data as ReturnType<Store['data']> }
}

async function clientOf({ answers }: Pick<Store, 'answers'>) {
  const server = await fakeKube(answers)
  open.push(server)
  return server.client()
}

describe('the record’s witness', () => {
  it('is absent at first, and then has the value of the last move', async () => {
    const client = await clientOf(store())
    expect(await readWitness(client, 'istio-system')).toBeUndefined()
    await moveWitness(client, 'istio-system', undefined, head('a'))
    await moveWitness(client, 'istio-system', head('a'), head('b'))
    expect(await readWitness(client, 'istio-system')).toBe(head('b'))
  })

  it.each([
    { name: 'the first move', was: undefined, initial: undefined },
    { name: 'a later move', was: head('0'), initial: { head: head('0') } },
  ])('accepts exactly one of many concurrent moves: $name', async ({ was, initial }) => {
    const client = await clientOf(store(initial))
    const results = await Promise.allSettled(['1', '2', '3', '4'].map((digit) => moveWitness(client, 'istio-system', was, head(digit))))
    const codes = results.map((r) => (r.status === 'fulfilled' ? 'moved' : (r.reason as { code: string }).code)).sort()
    expect(codes).toEqual(['moved', 'record-busy', 'record-busy', 'record-busy'])
  })

  it('reports busy if the head has changed', async () => {
    const client = await clientOf(store({ head: head('a') }))
    await expect(moveWitness(client, 'istio-system', head('b'), head('c'))).rejects.toMatchObject({ code: 'record-busy' })
    await expect(moveWitness(client, 'istio-system', undefined, head('c'))).rejects.toMatchObject({ code: 'record-busy' })
  })

  it('is broken, not absent, if somebody edited it', async () => {
    const client = await clientOf(store({ head: 'hello' }))
    await expect(readWitness(client, 'istio-system')).rejects.toMatchObject({ code: 'record-broken' })
  })
})

const NS = 'istio-system'

describe('the witness of two owners in one cluster', () => {
  it('stores one head per owner; neither owner reads the other’s', async () => {
    const cluster = store()
    const client = await clientOf(cluster)
    await moveWitness(client, NS, undefined, head('a'), 'shop')
    expect(await readWitness(client, NS, 'bank')).toBeUndefined()
    await moveWitness(client, NS, undefined, head('b'), 'bank')
    await moveWitness(client, NS, head('a'), head('c'), 'shop')
    expect([await readWitness(client, NS, 'shop'), await readWitness(client, NS, 'bank')]).toEqual([head('c'), head('b')])
    expect(cluster.data()).toEqual({ 'head.shop': head('c'), 'head.bank': head('b') })
  })

  it('accepts one move per owner, of many concurrent ones', async () => {
    const cluster = store({ 'head.shop': head('0'), 'head.bank': head('0') })
    const client = await clientOf(cluster)
    const movers = ['shop', 'bank'].flatMap((owner) => ['1', '2', '3'].map((digit) => ({ owner, digit })))
    const results = await Promise.allSettled(movers.map(({ owner, digit }) => moveWitness(client, NS, head('0'), head(digit), owner)))
    for (const owner of ['shop', 'bank']) {
      const codes = results.filter((_, i) => movers[i]?.owner === owner).map((r) => (r.status === 'fulfilled' ? 'moved' : r.reason.code))
      expect(codes.toSorted()).toEqual(['moved', 'record-busy', 'record-busy'])
    }
  })

  it('does not read the head of a federation that is called head as the old head', async () => {
    const client = await clientOf(store({ head: head('a') }))
    await moveWitness(client, NS, head('a'), head('b'), 'shop')
    expect(await readWitness(client, NS, 'head')).toBeUndefined()
  })
})

describe('a witness from before heads were stored per owner', () => {
  it('counts as the owner’s until a move stores it under the owner’s name', async () => {
    const cluster = store({ head: head('a') })
    const client = await clientOf(cluster)
    expect(await readWitness(client, NS, 'shop')).toBe(head('a'))
    await expect(moveWitness(client, NS, undefined, head('b'), 'shop')).rejects.toMatchObject({ code: 'record-busy' })
    await moveWitness(client, NS, head('a'), head('b'), 'shop')
    expect(cluster.data()).toEqual({ 'head.shop': head('b') })
    expect(await readWitness(client, NS, 'bank')).toBeUndefined()
  })

  it('is ignored by an owner that has a head already', async () => {
    const cluster = store({ head: head('a'), 'head.bank': head('b') })
    const client = await clientOf(cluster)
    expect(await readWitness(client, NS, 'bank')).toBe(head('b'))
    await moveWitness(client, NS, head('b'), head('c'), 'bank')
    expect(cluster.data()).toEqual({ head: head('a'), 'head.bank': head('c') })
    expect(await readWitness(client, NS, 'shop')).toBe(head('a'))
  })
})

describe('an invalid head', () => {
  it.each([
    { name: 'a word', data: { 'head.shop': 'hello' } },
    { name: 'nothing', data: { 'head.shop': '' } },
    { name: 'a MiB', data: { 'head.shop': 'x'.repeat(1 << 20) } },
    { name: 'a hash with a line break', data: { 'head.shop': `${head('a')}\n` } },
    { name: 'a hash in capitals', data: { 'head.shop': head('A') } },
    { name: 'a number', data: { 'head.shop': 7 } },
    { name: 'a list of heads', data: { 'head.shop': [head('a')] } },
    { name: 'an object', data: { 'head.shop': { toString: head('a') } } },
    { name: 'null', data: { 'head.shop': null } },
    { name: 'a text in place of the data', data: head('a') },
    { name: 'a list in place of the data', data: [head('a')] },
    { name: 'other data', data: { note: 'x' } },
    { name: 'binary data', data: {}, more: { binaryData: { 'head.shop': 'AAAA' } } },
    { name: 'a word, in the old form', data: { head: 'hello', 'head.bank': head('a') } },
  ])('is broken, for that member: $name', async ({ data, more = {} }) => {
    const client = await clientOf(store(data, more))
    const broken = expect.objectContaining({ code: 'record-broken', subject: 'cluster-b' })
    await expect(readWitness(client, NS, 'shop')).rejects.toThrow(broken)
    await expect(moveWitness(client, NS, undefined, head('b'), 'shop')).rejects.toThrow(broken)
  })

  it('is rejected as that member’s failure if it is nested 3,000 levels deep', async () => {
    const deep = JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`) as unknown
    const client = await clientOf(store({ 'head.shop': deep }, {}))
    const refused = expect.objectContaining({ code: 'cluster-refused', subject: 'cluster-b' })
    await expect(readWitness(client, NS, 'shop')).rejects.toThrow(refused)
  })

  it('of another owner does not affect this one', async () => {
    const cluster = store({ 'head.bank': 'hello' })
    const client = await clientOf(cluster)
    await moveWitness(client, NS, undefined, head('a'), 'shop')
    expect(cluster.data()).toEqual({ 'head.bank': 'hello', 'head.shop': head('a') })
  })

  it('includes a ConfigMap without data: somebody removed the last head', async () => {
    expect(await readWitness(await clientOf(store({})), NS, 'shop')).toBeUndefined()
    expect(await readWitness(await clientOf(store(null)), NS, 'shop')).toBeUndefined()
  })
})

describe('an API server that rejects every move', () => {
  it.each([409, 404])('with %i while the head is unchanged is reported as such, and not as another apply', async (code) => {
    const { answers } = store({ 'head.shop': head('a') })
    const client = await clientOf({
      answers: (heard, response) => (heard.method === 'GET' ? answers(heard, response) : status(code, 'Conflict', 'no')),
    })
    await expect(moveWitness(client, NS, head('a'), head('b'), 'shop')).rejects.toMatchObject({ code: 'changed-meanwhile' })
  })
})
