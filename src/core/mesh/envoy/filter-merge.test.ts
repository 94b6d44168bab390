import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { principal } from '../../../../test/support/federations.ts'
import { parseTrustDomain } from '../../spiffe/trust-domain.ts'
import { inboundPatches, outboundPatches } from '../../trust/pinned/pinned-filter.ts'
import { CHAINS, CLUSTERS } from './filter-merge.table.ts'
import {
  type Chain,
  type Cluster,
  chainPatches,
  isMutual,
  misfit,
  PANIC,
  patchChain,
  patchCluster,
  readPatches,
  refusal,
  type Socket,
} from './filter-merge.ts'

const A = parseTrustDomain('cluster-a.example')
const configPatches = inboundPatches({ trust_domains: [] }, [A])
const patches = readPatches(configPatches)
/** The form that came before: every chain for TLS, also one that passes it through. */
const strictOnly = patches.slice(1, 2)

const sidecar = Object.entries(CHAINS).filter(([name]) => !name.startsWith('gateway'))
const MUTUAL: Socket = {
  name: 'envoy.transport_sockets.tls',
  settings: { certificates: ['default'], roots: 'ROOTCA', validated: true, sans: ['prefix'], client: true },
}

describe('the inbound filter', () => {
  it('is tested against listeners of every mode and protocol', () => {
    expect(sidecar.map(([name]) => name).sort()).toEqual(
      ['DISABLE', 'PERMISSIVE', 'STRICT'].flatMap((mode) => ['auto', 'http', 'tcp', 'unnamed'].map((protocol) => `${mode} ${protocol}`)),
    )
  })

  it.each(sidecar)('applies to %s', (_, chains) => {
    expect(chains.flatMap((chain) => misfit(chain, patches) ?? [])).toEqual([])
  })

  it.each(sidecar)('applies to %s twice, as for a workload in two sets', (_, chains) => {
    expect(chains.flatMap((chain) => misfit(chain, [...patches, ...patches]) ?? [])).toEqual([])
  })

  it('verifies mutual TLS and leaves passed-through connections unchanged', () => {
    const [pinned, passed] = [MUTUAL, undefined].map((socket) =>
      patchChain({ transportProtocol: 'tls', ...(socket && { socket }) }, patches),
    )
    expect(pinned).toMatchObject({ transportProtocol: 'tls', socket: { settings: { validator: true, sans: ['prefix', 'prefix'] } } })
    expect(passed).toEqual({ transportProtocol: 'tls', socket: { name: 'envoy.transport_sockets.raw_buffer', settings: 'raw' } })
  })

  it('applies only to the inbound side', () => {
    const filter = { spec: { configPatches } }
    expect([chainPatches(filter, 'SIDECAR_INBOUND').length, chainPatches(filter, 'GATEWAY').length]).toEqual([3, 0])
  })

  const chain: fc.Arbitrary<Chain> = fc.record(
    {
      transportProtocol: fc.constantFrom('tls', 'raw_buffer'),
      alpn: fc.subarray(['istio', 'istio-http/1.1', 'istio-h2', 'http/1.1']),
      port: fc.constantFrom(8080, 9000),
      socket: fc.constant(MUTUAL),
    },
    { requiredKeys: [] },
  )

  it('applies to any number of filter chains with Istio’s mutual TLS or without, once or twice', () => {
    const real = chain.filter((c) => c.socket === undefined || c.transportProtocol === 'tls')
    fc.assert(
      fc.property(real, fc.integer({ min: 1, max: 3 }), (c, times) => {
        expect(misfit(c, Array.from({ length: times }, () => patches).flat())).toBeUndefined()
      }),
    )
  })

  it('in its older form applies only to listeners without a chain that passes TLS through', () => {
    fc.assert(
      fc.property(chain, (c) => {
        const passes = c.transportProtocol === 'tls' && c.socket === undefined
        const unjudged = c.socket !== undefined && c.transportProtocol !== 'tls'
        expect(misfit(c, strictOnly) !== undefined).toBe(passes || unjudged)
      }),
    )
  })
})

describe('Envoy', () => {
  it.each(['PERMISSIVE auto', 'PERMISSIVE tcp', 'PERMISSIVE unnamed'])(
    'rejects the older form on %s, with the error message observed on it',
    (name) => {
      const said = CHAINS[name]?.flatMap((chain) => misfit(chain, strictOnly) ?? [])
      expect(said).toEqual([expect.stringContaining('ValidationContextSdsSecretConfig: value is required')])
    },
  )

  it('rejects a transport socket without settings, and TLS without a certificate', () => {
    const first = patches.slice(0, 1)
    expect(misfit({ transportProtocol: 'tls' }, first)).toContain('without settings')
    const bare = { name: 'tls', settings: { certificates: [], validated: false, sans: [], client: false } } as const
    expect([refusal(bare, 'server'), refusal(bare, 'client')]).toEqual(['no TLS certificates found for server context', undefined])
  })
})

describe('istiod', () => {
  it('panics if two transport sockets of one name have different types', () => {
    const raw: Chain = { transportProtocol: 'tls', socket: { name: 'envoy.transport_sockets.tls', settings: 'raw' } }
    expect(misfit(raw, strictOnly)).toBe(PANIC)
  })
})

describe('the outbound patch', () => {
  const patchedBy = (kind: string, patches: readonly unknown[]) =>
    patches.reduce<Cluster | typeof PANIC>(
      (cluster, patch) => (cluster === PANIC ? PANIC : patchCluster(cluster, patch)),
      CLUSTERS[`host ${kind}`] ?? {},
    )
  const patched = (kind: string) => patchedBy(kind, outboundPatches('server', { trust_domains: [] }))

  it.each(['auto', 'ISTIO_MUTUAL', 'headless', 'MESH_INTERNAL'])('verifies the servers of a host that is %s', (kind) => {
    const cluster = patched(kind)
    const socket = cluster === PANIC ? undefined : (cluster.choices?.['tlsMode-istio'] ?? cluster.socket)
    expect(socket?.settings).toMatchObject({ validator: true })
    expect(refusal(socket, 'client')).toBeUndefined()
    expect(isMutual({ socket: socket as Socket }, 'client')).toBe(true)
  })

  it.each(['auto', 'ISTIO_MUTUAL', 'headless', 'MESH_INTERNAL'])('names its servers in place of istiod on a host that is %s', (kind) => {
    const named = outboundPatches('server', { trust_domains: [] }, [principal(`${A}/ns/x/*`), principal(`${A}/ns/x/sa/y`)])
    const unnamed = outboundPatches('server', { trust_domains: [] })
    // In any order and number, as where a pinned and a mounted filter, or a canary, stand for one workload.
    for (const patches of [named, [...named, ...named], [...named, ...unnamed], [...unnamed, ...named]]) {
      const cluster = patchedBy(kind, patches)
      const socket = cluster === PANIC ? undefined : (cluster.choices?.['tlsMode-istio'] ?? cluster.socket)
      expect(socket?.settings).toMatchObject({ validator: true, roots: 'ROOTCA', sans: ['prefix', 'exact'] })
      expect(refusal(socket, 'client')).toBeUndefined()
    }
  })

  it.each(['DISABLE', 'MESH_EXTERNAL'])('would be rejected on a host that is %s', (kind) => {
    const cluster = patched(kind)
    expect(cluster === PANIC ? '' : refusal(cluster.socket, 'client')).toContain('value is required')
  })

  it('would apply inside TLS that the application originates on a host that is SIMPLE', () => {
    const cluster = patched('SIMPLE')
    const socket = cluster === PANIC ? undefined : cluster.socket
    expect([refusal(socket, 'client'), isMutual({ socket: socket as Socket }, 'client')]).toEqual([undefined, false])
  })
})
