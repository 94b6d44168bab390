import { describe, expect, it } from 'vitest'
import { peerAuthentication as pa } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import { describeMode, effectiveMode, isStrict } from './mtls.ts'

const server = { namespace: 'sample', labels: { app: 'server', version: 'v1' } }
const labels = { app: 'server' }
const modeOf = (policies: readonly Manifest[]) => describeMode(effectiveMode(server, policies, 'istio-system'))

describe('the effective mode of a workload', () => {
  it.each([
    { name: 'no policy', policies: [], mode: 'PERMISSIVE by default' },
    {
      name: 'a policy of the mesh',
      policies: [pa('istio-system/default', 'STRICT')],
      mode: 'STRICT by PeerAuthentication istio-system/default',
    },
    {
      name: 'a policy of the namespace over the mesh’s',
      policies: [pa('istio-system/m', 'STRICT'), pa('sample/n', 'DISABLE')],
      mode: 'DISABLE by PeerAuthentication sample/n',
    },
    {
      name: 'a policy of the workload over the namespace’s',
      policies: [pa('sample/n', 'DISABLE'), pa('sample/w', 'STRICT', { labels })],
      mode: 'STRICT by PeerAuthentication sample/w',
    },
    {
      name: 'UNSET inherits from the namespace',
      policies: [pa('sample/n', 'STRICT'), pa('sample/w', 'UNSET', { labels })],
      mode: 'STRICT by PeerAuthentication sample/n',
    },
    {
      name: 'no mtls at all inherits from the mesh',
      policies: [pa('istio-system/m', 'STRICT'), pa('sample/n', undefined), pa('sample/w', undefined, { labels })],
      mode: 'STRICT by PeerAuthentication istio-system/m',
    },
    {
      name: 'the oldest of two wins',
      policies: [
        pa('sample/new', 'STRICT', { labels, born: '2026-02-01T00:00:00Z' }),
        pa('sample/old', 'PERMISSIVE', { labels, born: '2026-01-01T00:00:00Z' }),
      ],
      mode: 'PERMISSIVE by PeerAuthentication sample/old',
    },
    {
      name: 'of two of one age, the first by name',
      policies: [pa('sample/b', 'STRICT'), pa('sample/a', 'DISABLE')],
      mode: 'DISABLE by PeerAuthentication sample/a',
    },
    {
      name: 'an older one without a mode still hides a younger one',
      policies: [pa('sample/old', 'UNSET', { labels, born: '2025-01-01T00:00:00Z' }), pa('sample/new', 'STRICT', { labels })],
      mode: 'PERMISSIVE by default',
    },
    { name: 'other namespaces do not matter', policies: [pa('other/n', 'STRICT')], mode: 'PERMISSIVE by default' },
    {
      name: 'other workloads do not matter',
      policies: [pa('sample/w', 'STRICT', { labels: { app: 'client' } })],
      mode: 'PERMISSIVE by default',
    },
    {
      name: 'all labels of a selector must match',
      policies: [pa('sample/w', 'STRICT', { labels: { app: 'server', version: 'v2' } })],
      mode: 'PERMISSIVE by default',
    },
    {
      name: 'a selector in the root namespace selects nothing',
      policies: [pa('istio-system/w', 'STRICT', { labels })],
      mode: 'PERMISSIVE by default',
    },
    {
      name: 'an empty selector is none',
      policies: [pa('sample/n', 'STRICT', { labels: {} })],
      mode: 'STRICT by PeerAuthentication sample/n',
    },
    {
      name: 'a port has its own mode',
      policies: [pa('sample/w', 'STRICT', { labels, ports: { 8080: 'DISABLE' } })],
      mode: 'STRICT by PeerAuthentication sample/w, port 8080 DISABLE',
    },
    {
      name: 'a port with UNSET has the workload’s mode',
      policies: [pa('sample/w', 'STRICT', { labels, ports: { 8080: 'UNSET' } })],
      mode: 'STRICT by PeerAuthentication sample/w',
    },
    {
      name: 'ports without a selector do not count',
      policies: [pa('sample/n', 'STRICT', { ports: { 8080: 'DISABLE' } })],
      mode: 'STRICT by PeerAuthentication sample/n',
    },
  ])('$name', ({ policies, mode }) => {
    expect(modeOf(policies)).toBe(mode)
    expect(modeOf([...policies].reverse())).toBe(mode)
  })

  it('counts a policy that is not created yet as the youngest', () => {
    const ours: Manifest = { ...pa('sample/a', 'STRICT', { labels }), metadata: { name: 'a', namespace: 'sample' } }
    expect(modeOf([ours, pa('sample/z', 'PERMISSIVE', { labels })])).toBe('PERMISSIVE by PeerAuthentication sample/z')
  })

  it('is STRICT only if every port is', () => {
    const strict = (ports?: Record<string, string>) =>
      isStrict(effectiveMode(server, [pa('sample/w', 'STRICT', { labels, ...(ports && { ports }) })], 'istio-system'))
    expect([strict(), strict({ 80: 'STRICT' }), strict({ 80: 'PERMISSIVE' })]).toEqual([true, true, false])
  })

  it('in the root namespace follows the mesh policy only', () => {
    const mode = effectiveMode(
      { namespace: 'istio-system', labels },
      [pa('istio-system/default', 'STRICT'), pa('istio-system/w', 'DISABLE', { labels })],
      'istio-system',
    )
    expect(mode.mode).toBe('STRICT')
  })
})
