import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, status } from '../../../test/support/fake-kube.ts'
import type { Digest } from '../../core/model.ts'
import { moveWitness, readWitness } from './witness.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const head = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest

/** One ConfigMap with the API server's compare and set. */
function store(initial?: unknown): Answers {
  let version = 1
  let data: unknown = initial
  return ({ method, body }) => {
    if (method === 'GET') {
      return data === undefined
        ? status(404, 'NotFound', 'not found')
        : { body: { metadata: { name: 'entente-record', namespace: 'istio-system', resourceVersion: String(version) }, data } }
    }
    const sent = body as { metadata: { resourceVersion?: string }; data: unknown }
    if (method === 'POST' ? data !== undefined : sent.metadata.resourceVersion !== String(version))
      return status(409, 'Conflict', 'modified')
    version += 1
    data = sent.data
    return { body: {} }
  }
}

async function clientOf(answers: Answers) {
  const server = await fakeKube(answers)
  open.push(server)
  return server.client()
}

describe('the record’s witness', () => {
  it('is nothing at first, and then what it was moved to', async () => {
    const client = await clientOf(store())
    expect(await readWitness(client, 'istio-system')).toBeUndefined()
    await moveWitness(client, 'istio-system', undefined, head('a'))
    await moveWitness(client, 'istio-system', head('a'), head('b'))
    expect(await readWitness(client, 'istio-system')).toBe(head('b'))
  })

  it.each([
    { name: 'the first move', was: undefined, initial: undefined },
    { name: 'a later move', was: head('0'), initial: { head: head('0') } },
  ])('lets exactly one of many through: $name', async ({ was, initial }) => {
    const client = await clientOf(store(initial))
    const results = await Promise.allSettled(['1', '2', '3', '4'].map((digit) => moveWitness(client, 'istio-system', was, head(digit))))
    const codes = results.map((r) => (r.status === 'fulfilled' ? 'moved' : (r.reason as { code: string }).code)).sort()
    expect(codes).toEqual(['moved', 'record-busy', 'record-busy', 'record-busy'])
  })

  it('is busy when it is not where we thought', async () => {
    const client = await clientOf(store({ head: head('a') }))
    await expect(moveWitness(client, 'istio-system', head('b'), head('c'))).rejects.toMatchObject({ code: 'record-busy' })
    await expect(moveWitness(client, 'istio-system', undefined, head('c'))).rejects.toMatchObject({ code: 'record-busy' })
  })

  it('is broken, not absent, when somebody edited it', async () => {
    const client = await clientOf(store({ head: 'hello' }))
    await expect(readWitness(client, 'istio-system')).rejects.toMatchObject({ code: 'record-broken' })
  })
})
