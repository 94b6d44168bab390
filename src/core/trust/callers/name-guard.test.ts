import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { camelCase } from '../../../../test/support/recorded.ts'
import { CALLERS, CLIENT_CERT, NAMES } from '../../model/filter-names.ts'
import type { NameGuard } from '../../model/observed.ts'
import type { Principal } from '../../spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../../spiffe/trust-domain.ts'
import { guardPatches, passthroughPatches, readGuardPatches, readGuards } from './name-guard.ts'

const own = [parseTrustDomain('cluster-b.example'), parseTrustDomain('legacy.example')]
const guard: NameGuard = { own, callers: ['cluster-a.example/ns/sample/sa/client', 'cluster-c.example/*'] as Principal[] }
const SIDECAR = { context: 'SIDECAR_INBOUND', listener: { filterChain: { transportProtocol: 'tls' } } }

type Json = Record<string, unknown>
const opening = (match: object): object => ({ applyTo: 'FILTER_CHAIN', match, patch: { operation: 'MERGE', value: {} } })
const patchesOf = (of: NameGuard, match = SIDECAR): readonly object[] => [
  opening(match),
  ...guardPatches(of, match),
  ...passthroughPatches('SIDECAR_INBOUND'),
]

const guards = fc
  .record({
    own: fc.uniqueArray(fc.constantFrom('b.example', 'legacy.example', 'x-y.z'), { minLength: 1 }),
    callers: fc.uniqueArray(fc.constantFrom('a.example/*', 'a.example/ns/s/*', 'a.example/ns/s/sa/c', 'c.d/ns/x.y/sa/z_1')),
  })
  .map((of) => ({ own: of.own.map((name) => parseTrustDomain(name)), callers: [...of.callers].sort() as Principal[] }))

/** The filters of a chain as istiod makes them from the patches: what comes later stands first. */
function chain(of: NameGuard, kind: 'http' | 'tcp'): readonly unknown[] {
  const values = (applyTo: string, name: string): unknown[] =>
    guardPatches(of, SIDECAR)
      .filter((p) => p.applyTo === applyTo && ((p.patch as Json).value as Json).name === name)
      .map((p) => camelCase((p.patch as Json).value))
  const tcp = [{ name: 'envoy.filters.network.tcp_proxy' }]
  const httpFilters = [...values('HTTP_FILTER', CALLERS), ...values('HTTP_FILTER', CLIENT_CERT), { name: 'envoy.filters.http.router' }]
  const http = [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: { httpFilters } }]
  return [...values('NETWORK_FILTER', NAMES), ...(kind === 'http' ? http : [...values('NETWORK_FILTER', CALLERS), ...tcp])]
}

describe('the name guard of a filter', () => {
  it('reads back as it was written, whoever is named', () => {
    fc.assert(
      fc.property(guards, (of) => {
        expect(readGuardPatches(patchesOf(of))).toEqual(of)
        for (const kind of ['http', 'tcp'] as const) expect(readGuards(chain(of, kind))).toEqual([of])
      }),
    )
  })

  it('is absent if any part of it is removed or changed', () => {
    const patches = patchesOf(guard)
    expect(readGuardPatches([opening(SIDECAR)])).toBeUndefined()
    for (const at of patches.keys()) {
      const without = patches.filter((_, i) => i !== at)
      if (at > 0) expect(readGuardPatches(without)).toBeUndefined()
    }
    const text = JSON.stringify(patches)
    const edits: readonly (readonly [string, string])[] = [
      ['"contains":"/ns/"', '"contains":"/nope/"'],
      ['"action":"DENY"', '"action":"ALLOW"'],
      ['spiffe://cluster-c.example/', 'spiffe://'],
      ['SubjectInput', 'UriSanInput'],
      ['INSERT_FIRST', 'ADD'],
      ['OVERWRITE_IF_EXISTS', 'APPEND_IF_EXISTS_OR_ADD'],
      ['[a-z0-9._-]+', '.*'],
    ]
    for (const [from, to] of edits) expect(readGuardPatches(JSON.parse(text.replaceAll(from, to))), from).toBeUndefined()
  })

  it.each(['http', 'tcp'] as const)('is absent in a live %s chain that lacks one of its filters', (kind) => {
    const filters = chain(guard, kind)
    expect(readGuards(filters.slice(1))).toEqual([])
    const bare = JSON.parse(JSON.stringify(filters).replaceAll('/sa/', '/none/')) as unknown[]
    expect(readGuards(bare)).toEqual([])
    if (kind === 'http') {
      const [names, manager] = structuredClone(filters) as [unknown, { typedConfig: { httpFilters: unknown[] } }]
      manager.typedConfig.httpFilters.splice(1, 1)
      expect(readGuards([names, manager])).toEqual([])
    }
  })

  it('names no identity if there is no caller', () => {
    const nobody: NameGuard = { own, callers: [] }
    expect(readGuardPatches(patchesOf(nobody))).toEqual(nobody)
    expect(JSON.stringify(guardPatches(nobody, SIDECAR))).not.toContain('"exact"')
  })

  it('has the same size for any policies, and grows only with its callers', () => {
    const many = { own, callers: Array.from({ length: 500 }, (_, i) => `a.example/ns/s/sa/c${i}` as Principal) }
    const bytes = (of: NameGuard): number => JSON.stringify(guardPatches(of, SIDECAR)).length
    expect((bytes(many) - bytes(guard)) / 500).toBeLessThan(500)
  })
})
