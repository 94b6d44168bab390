/** The limits of one observation of an API server, and when a request is retried. */
import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, status } from '../../../test/support/fake-kube.ts'
import { Budget, LIMITS } from '../edge/budget.ts'
import { CONFIG_MAP, POD } from './resources.ts'
import { retryMs } from './transport/retry.ts'

const open: FakeKube[] = []
const kube = async (answers: Answers): Promise<FakeKube> => {
  const made = await fakeKube(answers, true)
  open.push(made)
  return made
}
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
const map = (name: string) => ({ metadata: { name, namespace: 'sample' } })
const later = (seconds: string, code = 429) => ({ ...status(code, 'TooManyRequests', 'later'), headers: { 'retry-after': seconds } })

describe('an API server that asks for a later retry', () => {
  it.each([429, 503])('with %i gets a second request, and the list is complete', async (code) => {
    let asked = 0
    const server = await kube(() => (++asked === 1 ? later('0', code) : { body: { items: [map('m')] } }))
    expect(await (await server.client()).list(CONFIG_MAP)).toHaveLength(1)
    expect(asked).toBe(2)
  })

  it('does not delay the client beyond the deadline of the observation', async () => {
    const server = await kube(() => later('3600'))
    await expect((await server.client({ lookMs: 2_000 })).list(CONFIG_MAP)).rejects.toMatchObject({
      code: 'cluster-refused',
      hint: expect.stringContaining('--look-timeout'),
    })
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    { name: 'seconds', answer: { status: 429, body: {}, retryAfter: '3' }, method: 'PATCH', wait: 3_000 },
    { name: 'zero seconds', answer: { status: 429, body: {}, retryAfter: '0' }, method: 'GET', wait: 100 },
    { name: 'a time', answer: { status: 429, body: {}, retryAfter: 'Mon, 01 Jun 2026 00:00:05 GMT' }, method: 'GET', wait: 5_000 },
    {
      name: 'a time in the past',
      answer: { status: 503, body: {}, retryAfter: 'Mon, 01 Jun 2020 00:00:05 GMT' },
      method: 'GET',
      wait: 100,
    },
    { name: 'no Retry-After', answer: { status: 429, body: {} }, method: 'GET', wait: undefined },
    { name: 'an invalid time', answer: { status: 429, body: {}, retryAfter: 'soon' }, method: 'GET', wait: undefined },
    {
      name: '503 to a write that may have succeeded',
      answer: { status: 503, body: {}, retryAfter: '1' },
      method: 'PATCH',
      wait: undefined,
    },
    { name: 'a rejection', answer: { status: 403, body: {}, retryAfter: '1' }, method: 'GET', wait: undefined },
  ] as const)('with $name', ({ answer, method, wait }) => {
    expect(retryMs(answer, method, new Date('2026-06-01T00:00:00Z'))).toBe(wait)
  })
})

describe('a paginated list', () => {
  it('whose token has expired is read again from the start, without duplicates', async () => {
    let expired = false
    const server = await kube(({ query }) => {
      if (query.continue === undefined) return { body: { metadata: { continue: 'next' }, items: [map('one')] } }
      if (expired) return { body: { items: [map('two')] } }
      expired = true
      return status(410, 'Expired', 'The provided continue parameter is too old')
    })
    expect((await (await server.client()).list(CONFIG_MAP)).map(({ metadata }) => metadata.name)).toEqual(['one', 'two'])
  })

  it('that exceeds its limit is not read further', async () => {
    let sent = 0
    const server = await kube((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const piece = Buffer.alloc(64 * 1024, 32)
      const more = (): void => {
        while (!response.destroyed) {
          sent += piece.length
          if (!response.write(piece)) return
        }
      }
      response.on('drain', more)
      more()
      return undefined
    })
    await expect((await server.client({ maxBytes: 1 << 20 })).list(POD)).rejects.toMatchObject({
      code: 'cluster-refused',
      hint: expect.stringContaining('--max-list-bytes'),
    })
    // What the kernel holds for both ends comes on top.
    expect(sent).toBeLessThan(24 << 20)
  })

  it('shares its limits with all lists of one observation', async () => {
    const server = await kube(({ query }) => ({ body: { metadata: query.continue === undefined ? { continue: 'x' } : {}, items: [] } }))
    const client = await server.client({ maxPages: 3 })
    const look = client.within(client.budget())
    await look.list(POD)
    await expect(look.list(CONFIG_MAP)).rejects.toMatchObject({
      code: 'cluster-refused',
      hint: expect.stringContaining('--max-list-pages'),
    })
    expect(await client.list(CONFIG_MAP)).toEqual([])
  })
})

describe('an observation', () => {
  it('ends at its deadline, whatever it waits for', async () => {
    const budget = new Budget('cluster-b', { ...LIMITS, lookMs: 20 })
    await expect(budget.race(new Promise(() => {}))).rejects.toMatchObject({ code: 'cluster-unreachable', subject: 'cluster-b' })
    expect(() => budget.page()).toThrow('did not finish within')
    expect(() => budget.further().call()).toThrow('did not finish within')
  })

  it('ends when the user interrupts it', async () => {
    const stop = new AbortController()
    const budget = new Budget('cluster-b', LIMITS, { stop: stop.signal })
    const waiting = budget.race(new Promise(() => {}))
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' })
    expect(() => budget.call()).toThrow('stopped')
  })

  it('turns any exception from reading the answers into a failure of the member', async () => {
    const budget = new Budget('cluster-b', LIMITS)
    await expect(budget.race(Promise.reject(new TypeError('x is not iterable')))).rejects.toMatchObject({
      name: 'FederationError',
      code: 'cluster-refused',
      subject: 'cluster-b',
    })
  })
})
