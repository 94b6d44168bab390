import { describe, expect, it } from 'vitest'
import { A, B, CLIENT, SERVER_HOST } from '../../../test/support/federations.ts'
import { recorded } from '../../../test/support/recorded.ts'
import { readProxyConfig } from './live.ts'

const chainsOf = (name: Parameters<typeof recorded>[0]) => readProxyConfig(recorded(name)).inbound
const upstreamsOf = (name: Parameters<typeof recorded>[0]) => readProxyConfig(recorded(name)).outbound.filter((u) => u.host === SERVER_HOST)

describe('what a real proxy holds', () => {
  it('a STRICT listener takes mutual TLS only, of its own domain', () => {
    const chains = chainsOf('strict')
    expect(chains.map((chain) => chain.tls)).toEqual(['mutual', 'mutual', 'mutual'])
    expect(new Set(chains.flatMap((chain) => chain.sanPrefixes))).toEqual(new Set([`spiffe://${B}/`]))
    expect(chains.every((chain) => chain.pins === undefined)).toBe(true)
  })

  it('a PERMISSIVE listener takes plaintext, and TLS unread, beside mutual TLS', () => {
    expect(chainsOf('permissive').map((chain) => chain.tls)).toEqual(['mutual', 'none', 'mutual', 'none', 'none'])
  })

  it('a pinned listener binds roots to both domains, and names both', () => {
    const [chain, ...others] = chainsOf('strict-pinned')
    expect([...(chain?.pins?.keys() ?? [])].sort()).toEqual([A, B])
    expect([...(chain?.pins?.values() ?? [])].map((roots) => roots.length)).toEqual([1, 1])
    expect([...(chain?.sanPrefixes ?? [])].sort()).toEqual([`spiffe://${A}/`, `spiffe://${B}/`])
    for (const other of others) expect(other.pins).toEqual(chain?.pins)
  })

  it('our callers policy is read once, whatever filters carry it', () => {
    expect(readProxyConfig(recorded('strict-pinned')).denies).toEqual([
      { policy: 'sample/entente-accept-app-server', trustDomain: A, except: [CLIENT] },
    ])
    expect(readProxyConfig(recorded('strict')).denies).toEqual([])
  })

  it('an outbound cluster does mutual TLS to the names that the endpoints have', () => {
    expect(upstreamsOf('client')).toEqual([
      { host: SERVER_HOST, port: 80, subset: '', mutual: true, sans: [`spiffe://${B}/ns/sample/sa/server`], endpoints: 1 },
    ])
  })

  it('a pinned cluster binds roots to both domains; endpoints that were not asked for are not none', () => {
    const [upstream] = upstreamsOf('client-pinned')
    expect([...(upstream?.pins?.keys() ?? [])].sort()).toEqual([A, B])
    expect(upstream?.endpoints).toBeUndefined()
    expect(upstream?.mutual).toBe(true)
  })

  it('a headless host has no endpoints to count', () => {
    const text = JSON.stringify(recorded('client')).replaceAll('"type":"EDS"', '"type":"ORIGINAL_DST"')
    const upstream = readProxyConfig(JSON.parse(text)).outbound.find(({ host }) => host === SERVER_HOST)
    expect(upstream).not.toHaveProperty('endpoints')
  })

  it('a gateway has no inbound listener of a sidecar', () => {
    expect(chainsOf('gateway')).toEqual([])
  })

  it('the two sides of one pin name the same roots', () => {
    const inbound = chainsOf('strict-pinned')[0]?.pins
    const outbound = upstreamsOf('client-pinned')[0]?.pins
    expect([...(outbound ?? [])].sort()).toEqual([...(inbound ?? [])].sort())
  })
})

describe('what is no configuration', () => {
  it.each([
    { dump: null },
    { dump: {} },
    { dump: [] },
    { dump: { configs: 'x' } },
    { dump: { configs: [null, { '@type': 5 }, { '@type': 'x.ListenersConfigDump' }] } },
  ])('reads as empty: $dump', ({ dump }) => {
    expect(readProxyConfig(dump)).toEqual({ inbound: [], outbound: [], denies: [] })
  })

  it('policies of others are passed over', () => {
    const text = JSON.stringify(recorded('strict-pinned')).replaceAll('policy[entente-accept-app-server]', 'policy[deny-a]')
    expect(readProxyConfig(JSON.parse(text)).denies).toEqual([])
  })
})
