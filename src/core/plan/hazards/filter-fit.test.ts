import { describe, expect, it } from 'vitest'
import { object, peerAuthentication, pod } from '../../../../test/support/observations.ts'
import { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import { parseTrustDomain } from '../../spiffe/trust-domain.ts'
import { inboundPatches } from '../../trust/pinned/pinned-filter.ts'
import { unfit } from './filter-fit.ts'

const server = { app: 'server' }
const patches = inboundPatches({ trust_domains: [] }, [parseTrustDomain('cluster-a.example')])
const filterOf = (configPatches: readonly unknown[]): Manifest =>
  object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'sample/entente-accept-app-server', {
    spec: { workloadSelector: { labels: server }, configPatches },
  })
const fits = filterOf(patches)
/** It merges a validator into every chain for TLS. */
const strictOnly = filterOf(patches.slice(1, 2))
const pods = [pod('sample/server-1', server), pod('sample/server-2', { ...server, tier: 'old' })]
const look = (wanted: readonly Manifest[], ...objects: readonly Manifest[]) =>
  unfit(wanted, new MeshView([...pods, ...objects]), 'istio-system', 'cluster-b').map((f) => `${f.subject}: ${f.message}`)

const STRICT = peerAuthentication('sample/default', 'STRICT')

describe('a filter that will be written', () => {
  it.each([
    { name: 'no policy at all', policies: [] },
    { name: 'STRICT', policies: [STRICT] },
    {
      name: 'a port that is PERMISSIVE',
      policies: [STRICT, peerAuthentication('sample/ports', 'STRICT', { labels: server, ports: { 9000: 'PERMISSIVE' } })],
    },
    {
      name: 'DISABLE, and a port that is STRICT',
      policies: [peerAuthentication('sample/ports', 'DISABLE', { labels: server, ports: { 9000: 'STRICT' } })],
    },
  ])('applies under $name', ({ policies }) => {
    expect(look([fits], ...policies)).toEqual([])
  })

  it('that requires STRICT is reported on a PERMISSIVE mesh, with pod, port and kind of listener', () => {
    const [first, ...rest] = look([strictOnly])
    expect(first).toMatch(/^cluster-b: sample \(app=server\): a new pod, every port, where it is PERMISSIVE unnamed: Envoy would refuse/)
    expect(rest).toHaveLength(2)
  })

  it('that requires STRICT is reported for the one pod and port that are not STRICT', () => {
    const ports = peerAuthentication('sample/old', 'STRICT', { labels: { tier: 'old' }, ports: { 9000: 'PERMISSIVE' } })
    expect(look([strictOnly], STRICT)).toEqual([])
    expect(look([strictOnly], STRICT, ports)).toEqual([expect.stringMatching(/server-2, port 9000, where it is PERMISSIVE/)])
  })

  it('is also checked against the future mode', () => {
    const loosening = peerAuthentication('sample/entente', 'PERMISSIVE', { labels: server })
    expect(look([strictOnly, loosening], STRICT)).not.toEqual([])
  })

  it('of another kind or direction is not checked', () => {
    expect(look([STRICT, filterOf([])])).toEqual([])
  })
})
