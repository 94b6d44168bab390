import { describe, expect, it } from 'vitest'
import { A, B, domain, principal, SERVER_HOST } from '../../../../test/support/federations.ts'
import { printServed, readServed, servedOf } from './served-by.ts'

const C = domain('cluster-c.example')
const SERVER = principal(`${B}/ns/sample/sa/server`)
const ELSEWHERE = 'server.sample.cluster-b.example'

describe('the allowed servers of a host', () => {
  it.each([
    { name: 'those that istiod names, without servedBy', host: SERVER_HOST, asked: [{ trustDomain: B }], list: undefined },
    {
      name: 'the named ones, and our own pods behind the same Service',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER] }],
      list: [`${A}/ns/sample/*`, SERVER],
    },
    {
      name: 'of our own only the named one, if one is named',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER, principal(`${A}/ns/sample/sa/server`)] }],
      list: [`${A}/ns/sample/sa/server`, SERVER],
    },
    {
      name: 'any in the namespace of the Service, for a domain without named servers',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER] }, { trustDomain: C }],
      list: [`${A}/ns/sample/*`, SERVER, `${C}/ns/sample/*`],
    },
    {
      name: 'none of our own, at a host that is not a Service',
      host: ELSEWHERE,
      asked: [{ trustDomain: B, servedBy: [SERVER] }],
      list: [SERVER],
    },
  ])('are $name', ({ host, asked, list }) => {
    expect(servedOf(host, asked, [A])).toEqual(list)
  })

  it('are written as matchers of a TLS context and read back', () => {
    const served = [`${A}/ns/sample/*`, SERVER, `${C}/*`].map(principal)
    expect(printServed(served)).toEqual([
      { prefix: `spiffe://${A}/ns/sample/` },
      { exact: `spiffe://${SERVER}` },
      { prefix: `spiffe://${C}/` },
    ])
    expect(readServed(printServed(served))).toEqual(served)
    expect(readServed([])).toBeUndefined()
    expect(readServed([{ safe_regex: {} }, 5, { exact: 'https://x' }])).toBeUndefined()
  })
})
