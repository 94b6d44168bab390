import { describe, expect, it } from 'vitest'
import { A, B, CLIENT, SERVER_HOST } from '../../../../test/support/federations.ts'
import { recorded } from '../../../../test/support/recorded.ts'
import { isWhole, readProxyConfig } from './live-config.ts'

const chainsOf = (name: Parameters<typeof recorded>[0]) => readProxyConfig(recorded(name)).inbound
const upstreamsOf = (name: Parameters<typeof recorded>[0]) => readProxyConfig(recorded(name)).outbound.filter((u) => u.host === SERVER_HOST)

describe('the configuration of a real proxy', () => {
  it('with a STRICT listener accepts only mutual TLS of its own domain', () => {
    const chains = chainsOf('strict')
    expect(chains.map((chain) => chain.tls)).toEqual(['mutual', 'mutual', 'mutual'])
    expect(new Set(chains.flatMap((chain) => chain.sanPrefixes))).toEqual(new Set([`spiffe://${B}/`]))
    expect(chains.every((chain) => chain.pins === undefined)).toBe(true)
  })

  it('with a PERMISSIVE listener accepts plaintext and passed-through TLS in addition to mutual TLS', () => {
    expect(chainsOf('permissive').map((chain) => chain.tls)).toEqual(['mutual', 'none', 'mutual', 'none', 'none'])
  })

  it('with a pinned listener binds roots to both domains, and lists both', () => {
    const [chain, ...others] = chainsOf('strict-pinned')
    expect([...(chain?.pins?.keys() ?? [])].sort()).toEqual([A, B])
    expect([...(chain?.pins?.values() ?? [])].map((roots) => roots.length)).toEqual([1, 1])
    expect([...(chain?.sanPrefixes ?? [])].sort()).toEqual([`spiffe://${A}/`, `spiffe://${B}/`])
    for (const other of others) expect(other.pins).toEqual(chain?.pins)
  })

  it('contains our callers policy once, whatever filters carry it', () => {
    expect(readProxyConfig(recorded('strict-pinned')).denies).toEqual([
      { policy: 'sample/entente-accept-app-server', trustDomain: A, except: [CLIENT] },
    ])
    expect(readProxyConfig(recorded('strict')).denies).toEqual([])
  })

  it('with an outbound cluster uses mutual TLS to the names of the endpoints', () => {
    expect(upstreamsOf('client')).toEqual([
      { host: SERVER_HOST, port: 80, subset: '', mutual: true, sans: [`spiffe://${B}/ns/sample/sa/server`], endpoints: 1 },
    ])
  })

  it('with a pinned cluster binds roots to both domains; endpoints that were not requested are unknown', () => {
    const [upstream] = upstreamsOf('client-pinned')
    expect([...(upstream?.pins?.keys() ?? [])].sort()).toEqual([A, B])
    expect(upstream?.endpoints).toBeUndefined()
    expect(upstream?.mutual).toBe(true)
  })

  it('for a headless host has no endpoints to count', () => {
    const text = JSON.stringify(recorded('client')).replaceAll('"type":"EDS"', '"type":"ORIGINAL_DST"')
    const upstream = readProxyConfig(JSON.parse(text)).outbound.find(({ host }) => host === SERVER_HOST)
    expect(upstream).not.toHaveProperty('endpoints')
  })

  it('of a gateway has no inbound listener of a sidecar', () => {
    expect(chainsOf('gateway')).toEqual([])
  })

  it('names the same roots on both sides of one pin', () => {
    const inbound = chainsOf('strict-pinned')[0]?.pins
    const outbound = upstreamsOf('client-pinned')[0]?.pins
    expect([...(outbound ?? [])].sort()).toEqual([...(inbound ?? [])].sort())
  })
})

describe('an invalid configuration', () => {
  it.each([
    { dump: null },
    { dump: {} },
    { dump: [] },
    { dump: { configs: 'x' } },
    { dump: { configs: [null, { '@type': 5 }, { '@type': 'x.ListenersConfigDump' }] } },
  ])('is read as empty: $dump', ({ dump }) => {
    expect(readProxyConfig(dump)).toEqual({ inbound: [], outbound: [], denies: [] })
  })

  it.each(['Listeners', 'Clusters'])('is unknown without its %sConfigDump', (kind) => {
    const { configs } = recorded('strict-pinned') as { configs: readonly { '@type': string }[] }
    expect(isWhole({ configs })).toBe(true)
    expect(isWhole({ configs: configs.filter((config) => !config['@type'].endsWith(`${kind}ConfigDump`)) })).toBe(false)
  })

  it('skips foreign policies', () => {
    const text = JSON.stringify(recorded('strict-pinned')).replaceAll('policy[entente-accept-app-server]', 'policy[deny-a]')
    expect(readProxyConfig(JSON.parse(text)).denies).toEqual([])
  })

  const changed = (change: (text: string) => string) =>
    readProxyConfig(JSON.parse(change(JSON.stringify(recorded('strict-pinned'))))).denies
  const once = (from: string, to: string) => (text: string) => text.replace(from, to)
  const RULE = '"permissions":[{"andRules":{"rules":[{"any":true}]}}]'
  const SOURCE = '{"authenticated":{"principalName":{"prefix":"spiffe://cluster-a.example/"}}}'
  it.each([
    {
      what: 'covers one port only',
      change: (t: string) => t.replaceAll(RULE, '"permissions":[{"andRules":{"rules":[{"destinationPort":8080}]}}]'),
    },
    { what: 'covers one port in one chain', change: once(RULE, '"permissions":[{"andRules":{"rules":[{"destinationPort":8080}]}}]') },
    {
      what: 'also requires an address',
      change: (t: string) => t.replaceAll(SOURCE, `${SOURCE},{"directRemoteIp":{"addressPrefix":"10.0.0.0","prefixLen":8}}`),
    },
    { what: 'is missing in one chain', change: once('policy[entente-accept-app-server]', 'policy[other]') },
    { what: 'denies nothing in one chain', change: once('"action":"DENY"', '"action":"LOG"') },
    { what: 'is a dry run in one chain', change: once('"rules":{"action":"DENY"', '"shadowRules":{"action":"DENY"') },
  ])('has no callers rule if it $what', ({ change }) => {
    expect(changed((text) => text)).toHaveLength(1)
    expect(changed(change)).toEqual([])
  })

  it('reports a callers rule that accepts more in one chain in addition to the others', () => {
    const more = changed(
      once('{"exact":"spiffe://cluster-a.example/ns/sample/sa/client"}', '{"exact":"spiffe://cluster-a.example/ns/sample/sa/other"}'),
    )
    expect(more.map(({ except }) => except)).toEqual([['cluster-a.example/ns/sample/sa/other'], [CLIENT]])
  })
})
