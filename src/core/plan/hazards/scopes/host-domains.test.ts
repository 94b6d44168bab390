import { describe, expect, it } from 'vitest'
import {
  A,
  authority,
  B,
  bundleOf,
  C,
  federation,
  principal,
  reachEntry,
  SERVER_HOST,
  spec,
  wanted,
} from '../../../../../test/support/federations.ts'
import { observation, pod, service } from '../../../../../test/support/observations.ts'
import type { Intent } from '../../../model/wanted.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import type { Principal } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/trust-domain.ts'
import { outboundFilter } from '../../../trust/pinned/pinned-filter.ts'
import { noOutbound, type Outbound } from '../../../trust/state.ts'
import { wantedState } from '../../../trust/wanted-state.ts'
import { check } from '../checks.ts'
import { hostsOfSeveralDomains } from './host-domains.ts'

const SERVER = principal(`${B}/ns/sample/sa/server`)
const LOCAL = principal(`${A}/ns/sample/*`)
const anchors = new Map(await Promise.all([A, B, C].map(async (one) => [one, [(await authority(one)).root.anchor]] as const)))

/** What cluster-a reaches at one host. */
const scope = (domains: readonly TrustDomain[], served?: readonly Principal[]): Outbound => ({
  ...noOutbound({ namespace: 'sample' }),
  hosts: new Map([[SERVER_HOST, new Map(domains.map((one) => [one, anchors.get(one) ?? []]))]]),
  served: new Map(served === undefined ? [] : [[SERVER_HOST, served]]),
})

interface Shown {
  /** Whose CA signed it. */
  readonly by: TrustDomain
  readonly uris: readonly string[]
  readonly dns?: readonly string[]
}

/** As Envoy 1.36 and 1.40 do it with this very filter (run): the first URI SAN chooses the bundle, any URI SAN is a name. */
function accepts(spec: unknown, { by, uris }: Shown): boolean {
  const { configPatches } = JSON.parse(JSON.stringify(spec))
  const { default_validation_context: context } =
    configPatches.at(-1).patch.value.transport_socket.typed_config.common_tls_context.combined_validation_context
  const bundles: { name: string }[] = context.custom_validator_config.typed_config.trust_domains
  const first = uris[0]?.split('/')[2]
  const names: { exact?: string; prefix?: string }[] = context.match_subject_alt_names
  return (
    first === by &&
    bundles.some(({ name }) => name === first) &&
    names.some(({ exact, prefix }) => uris.some((uri) => uri === exact || (prefix !== undefined && uri.startsWith(prefix))))
  )
}

const id = (path: string): string => `spiffe://${path}`

describe('a server’s certificate with two names', () => {
  const rows: readonly (Shown & { readonly name: string; readonly both: boolean; readonly one: boolean })[] = [
    { name: 'the named server', by: B, uris: [id(SERVER)], both: true, one: true },
    { name: 'another account of its domain', by: B, uris: [id(`${B}/ns/x/sa/x`)], both: false, one: false },
    { name: 'of its own CA, which may also sign the named one', by: B, uris: [id(`${B}/ns/x/sa/x`), id(SERVER)], both: true, one: true },
    { name: 'of a domain without named servers', by: C, uris: [id(`${C}/ns/x/sa/x`)], both: false, one: false },
    { name: 'of such a domain, the named server second', by: C, uris: [id(`${C}/ns/x/sa/x`), id(SERVER)], both: true, one: false },
    { name: 'of such a domain, the named server first', by: C, uris: [id(SERVER), id(`${C}/ns/x/sa/x`)], both: false, one: false },
    { name: 'of such a domain, with a DNS name', by: C, uris: [id(`${C}/ns/x/sa/x`)], dns: [id(SERVER)], both: false, one: false },
    { name: 'of such a domain, in one URI', by: C, uris: [`${id(`${C}/ns/x/sa/x`)},${id(SERVER)}`], both: false, one: false },
    { name: 'of the own CA, the named server second', by: A, uris: [id(`${A}/ns/x/sa/x`), id(SERVER)], both: true, one: true },
  ]

  it.each(rows)('is accepted or not: $name', ({ both, one, ...shown }) => {
    expect(accepts(outboundFilter(scope([A, B, C], [LOCAL, SERVER])), shown)).toBe(both)
    expect(accepts(outboundFilter(scope([A, B], [LOCAL, SERVER])), shown)).toBe(one)
  })
})

describe('the check of the target state', () => {
  it.each([
    { name: 'istiod names the servers of two domains', servedBy: undefined, codes: ['host-of-several-domains'] },
    { name: 'servedBy names those of one domain, and the others are in the namespace', servedBy: [SERVER], codes: [] },
  ])('covers hosts as well: $name', async ({ servedBy, codes }) => {
    const services = [{ host: SERVER_HOST, ...(servedBy && { servedBy }) }]
    const of = spec((made) => {
      made.members.push({ name: 'cluster-c', trustDomain: C, cluster: { context: 'cluster-c' } })
      made.trust = ['b', 'c'].map((x) => ({
        truster: 'cluster-a',
        trusted: `cluster-${x}`,
        distribution: 'pinned',
        reach: [reachEntry({ services: x === 'b' ? services : [{ host: SERVER_HOST }] })],
      }))
    })
    const bundles = [A, B, C].map((one) => bundleOf(one, ...(anchors.get(one) ?? [])))
    const intent = wanted(federation(of), ...bundles).find(({ member }) => member.name === 'cluster-a') as Intent
    const seen = observation({ own: bundles[0] as Bundle, objects: [pod('sample/client', { app: 'client' }), service('sample/server')] })
    const { findings } = check(intent, wantedState(intent), seen)
    expect(findings.map(({ code }) => code)).toEqual(codes)
  })
})

describe('a host that servers of several trust domains may serve', () => {
  const told = (domains: readonly TrustDomain[], served?: readonly Principal[]) =>
    hostsOfSeveralDomains('cluster-a', scope(domains, served), [A]).map(
      ({ code, severity, subject, message }) => `${severity} ${code}: ${subject}: ${message}`,
    )

  it('is reported if a domain has roots and no name', () => {
    expect(told([A, B, C], [LOCAL, SERVER])).toEqual([
      `warning host-of-several-domains: cluster-a: sample (all workloads): trusts the roots of ${B}, ${C} for ${SERVER_HOST}, and servedBy names no server of ${C}: that CA can sign a second URI SAN that servedBy names of another domain`,
    ])
  })

  it('is reported if the one foreign domain has roots, and only our own servers have a name', () => {
    expect(told([A, B], [LOCAL])).toEqual([expect.stringContaining(`servedBy names no server of ${B}`)])
  })

  it('is reported if istiod names the servers', () => {
    expect(told([A, B, C])).toEqual([expect.stringContaining(`may be served ${SERVER_HOST} by ${B}, ${C}, and istiod names the servers`)])
  })

  it.each([
    { name: 'each of them has a name', domains: [A, B, C], served: [SERVER, principal(`${C}/ns/sample/*`)] },
    { name: 'one foreign domain serves it', domains: [A, B], served: [SERVER] },
    { name: 'one foreign domain serves it, named by istiod', domains: [A, B], served: undefined },
    { name: 'no server exists', domains: [], served: undefined },
  ])('is not reported if $name', ({ domains, served }) => {
    expect(told(domains, served)).toEqual([])
  })

  it('is reported with roots in a file as well', () => {
    const roots = new Map([A, B, C].map((one) => [one, anchors.get(one) ?? []]))
    const inFile: Outbound = {
      ...noOutbound({ namespace: 'sample' }),
      hosts: new Map([[SERVER_HOST, new Map()]]),
      files: new Map([[SERVER_HOST, { name: 'f', roots, read: true, volumes: [] }]]),
      served: new Map([[SERVER_HOST, [SERVER]]]),
    }
    expect(hostsOfSeveralDomains('cluster-a', inFile, [A])).toHaveLength(1)
    expect(hostsOfSeveralDomains('cluster-a', inFile, [A, C])).toEqual([])
  })
})
