import { describe, expect, it } from 'vitest'
import { A, B, domain, principal, SERVER_HOST } from '../../../../test/support/federations.ts'
import { printServed, readServed, servedOf } from './served-by.ts'

const C = domain('cluster-c.example')
const SERVER = principal(`${B}/ns/sample/sa/server`)
const ELSEWHERE = 'server.sample.cluster-b.example'

describe('the allowed servers of a host', () => {
  it.each([
    { name: 'whom istiod names, where nobody says servedBy', host: SERVER_HOST, asked: [{ trustDomain: B }], list: undefined },
    {
      name: 'who is named, and our own pods behind the same Service',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER] }],
      list: [`${A}/ns/sample/*`, SERVER],
    },
    {
      name: 'of our own only who is named, where somebody is',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER, principal(`${A}/ns/sample/sa/server`)] }],
      list: [`${A}/ns/sample/sa/server`, SERVER],
    },
    {
      name: 'anybody in the namespace of the Service, of a domain of which nobody is named',
      host: SERVER_HOST,
      asked: [{ trustDomain: B, servedBy: [SERVER] }, { trustDomain: C }],
      list: [`${A}/ns/sample/*`, SERVER, `${C}/ns/sample/*`],
    },
    {
      name: 'nobody of our own, at a host that is no Service',
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
