import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { intent } from '../../../test/support/arbitraries.ts'
import {
  A,
  acceptEntry,
  authority,
  B,
  bundleOf,
  fakeRoot,
  federation,
  reachEntry,
  SERVER_HOST,
  type Spec,
  spec,
  wanted,
} from '../../../test/support/federations.ts'
import { runs } from '../../../test/support/runs.ts'
import { canonicalJson } from '../model/digest.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, keyOf, title } from '../model/manifest.ts'
import type { Intent } from '../model/wanted.ts'
import { authorOf, explain, readState, render, renderState, sizeOf } from './render.ts'
import type { MeshState, Outbound, RootsFile } from './state.ts'
import { wantedState } from './wanted-state.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot('z of a'), fakeRoot('a of a')), bundleOf(B, fakeRoot(B))]
const intentOf = (name: string, of: Spec = spec()): Intent =>
  wanted(federation(of), BUNDLE_A, BUNDLE_B).find((i) => i.member.name === name) as Intent
const kinds = (objects: readonly Manifest[]) => objects.map((o) => title(o))

/** A state without what objects do not tell: order, and empty parts. */
const essence = (state: MeshState): unknown => {
  const roots = (map: ReadonlyMap<string, readonly { fingerprint: string }[]>) =>
    Object.fromEntries(
      [...map].filter(([, list]) => list.length > 0).map(([domain, list]) => [domain, list.map((r) => r.fingerprint).sort()]),
    )
  const fileOf = ({ roots: held, ...file }: RootsFile) => ({ ...file, roots: roots(held) })
  const hostsOf = (s: Outbound) => ({
    hosts: Object.fromEntries([...s.hosts].filter(([, r]) => r.size > 0).map(([host, r]) => [host, roots(r)])),
    files: Object.fromEntries([...s.files].map(([host, file]) => [host, fileOf(file)])),
    served: Object.fromEntries(s.served),
  })
  return JSON.parse(
    canonicalJson({
      inbound: Object.fromEntries(
        [...state.inbound]
          .filter(([, s]) => s.roots.size + s.callers.size + s.file.roots.size > 0 || s.strict)
          .map(([key, s]) => [
            key,
            {
              at: s.at,
              roots: roots(s.roots),
              file: fileOf(s.file),
              callers: Object.fromEntries([...s.callers].map(([d, list]) => [d, [...list].sort()])),
              strict: s.strict,
              ports: s.strict && s.plaintext !== undefined && s.plaintext !== 'all' ? [...s.plaintext] : [],
            },
          ]),
      ),
      outbound: Object.fromEntries(
        [...state.outbound]
          .map(([key, s]) => [key, hostsOf(s)] as const)
          .filter(([, s]) => Object.keys(s.hosts).length + Object.keys(s.files).length > 0),
      ),
      shares: Object.fromEntries(
        [...state.shares].map(([name, s]) => [name, { domain: s.trustDomain, roots: s.roots.map((r) => r.fingerprint).sort() }]),
      ),
    }),
  )
}

describe('render and read', () => {
  it('read returns what render received', () => {
    fc.assert(
      fc.property(intent(), (of) => {
        const state = wantedState(of)
        expect(essence(readState(renderState(state, authorOf(of))))).toEqual(essence(state))
      }),
      runs(100),
    )
  })

  it('render writes the same bytes twice', () => {
    fc.assert(
      fc.property(intent(), (of) => {
        expect(JSON.stringify(render(structuredClone(of)))).toBe(JSON.stringify(render(of)))
      }),
      runs(50),
    )
  })

  it('the order of trusts, entries, roots and callers changes no object', () => {
    fc.assert(
      fc.property(intent(), (of) => {
        const backwards: Intent = {
          ...of,
          ...(of.own === undefined ? {} : { own: { ...of.own, anchors: [...of.own.anchors].reverse() } }),
          trusts: [...of.trusts].reverse().map((trust) => ({
            ...trust,
            ...(trust.bundle === undefined ? {} : { bundle: { ...trust.bundle, anchors: [...trust.bundle.anchors].reverse() } }),
            accept: [...trust.accept].reverse().map((a) => ({ ...a, callers: a.callers === 'all' ? a.callers : [...a.callers].reverse() })),
            reach: [...trust.reach].reverse(),
          })),
        }
        const texts = (objects: readonly Manifest[]) => new Map(objects.map((o) => [keyOf(o), canonicalJson(o)]))
        expect(texts(render(backwards))).toEqual(texts(render(of)))
      }),
      runs(100),
    )
  })
})

describe('the objects of a mesh', () => {
  it('are listed for a mesh that accepts callers', () => {
    const objects = render(intentOf('cluster-b'))
    expect(kinds(objects)).toEqual([
      'ConfigMap istio-system/cluster-a-root-cert',
      'PeerAuthentication sample/entente-accept-app-server',
      'AuthorizationPolicy sample/entente-accept-app-server',
      'EnvoyFilter sample/entente-accept-app-server',
    ])
    expect(objects[2]?.spec).toEqual({
      selector: { matchLabels: { app: 'server' } },
      action: 'DENY',
      rules: [{ from: [{ source: { principals: ['cluster-a.example/*'], notPrincipals: ['cluster-a.example/ns/sample/sa/client'] } }] }],
    })
    expect(objects[1]?.spec).toEqual({ selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'STRICT' } })
    for (const object of objects)
      expect(object.metadata.labels).toEqual({ 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'shop' })
  })

  it('are listed for a mesh that calls services', () => {
    const objects = render(intentOf('cluster-a'))
    expect(kinds(objects)).toEqual(['ConfigMap istio-system/cluster-b-root-cert', 'EnvoyFilter sample/entente-reach-app-client'])
    expect(at(objects[1], 'spec', 'configPatches', 0, 'match')).toEqual({ context: 'SIDECAR_OUTBOUND', cluster: { service: SERVER_HOST } })
  })

  it('are empty for a mesh that trusts nobody', () => {
    expect(render({ ...intentOf('cluster-b'), trusts: [] })).toEqual([])
  })

  it('include no PeerAuthentication if STRICT is only required, and no policy if everybody may call', () => {
    const open = spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ mtls: 'require', callers: 'all' })] }))
    expect(kinds(render(intentOf('cluster-b', open)))).toEqual([
      'ConfigMap istio-system/cluster-a-root-cert',
      'EnvoyFilter sample/entente-accept-app-server',
    ])
  })

  it('include one filter for each set of workloads, with the patches of each host: two if its servers are named', () => {
    const two = spec(
      (s) => void Object.assign(s.trust[1] ?? {}, { reach: [reachEntry(), reachEntry({ services: [{ host: 'a.b.svc.cluster.local' }] })] }),
    )
    const [, filter] = render(intentOf('cluster-a', two))
    expect(
      (filter?.spec as { configPatches: unknown[] } | undefined)?.configPatches.map((p) => at(p, 'match', 'cluster', 'service')),
    ).toEqual(['a.b.svc.cluster.local', SERVER_HOST, SERVER_HOST])
  })

  it('include our own roots in every filter, with a late priority', () => {
    for (const name of ['cluster-a', 'cluster-b']) {
      const [filter] = render(intentOf(name)).filter((o) => o.kind === 'EnvoyFilter')
      expect(at(filter, 'spec', 'priority')).toBe(1000)
      expect(JSON.stringify(filter)).toContain(`"name":"${name}.example"`)
    }
  })

  it('include no filter without our own roots: it would cut off local traffic', () => {
    const { own: _, ...without } = intentOf('cluster-b')
    expect(render(without).map((o) => o.kind)).toEqual(['ConfigMap', 'PeerAuthentication', 'AuthorizationPolicy'])
  })

  it('state in the ConfigMap whose roots it contains, who approved them, and until when', async () => {
    const { bundle } = await authority(A)
    const dated = federation(spec((s) => void Object.assign(s.trust[0] ?? {}, { until: '2027-06-30' })))
    const [share] = render(wanted(dated, bundle, BUNDLE_B).find((i) => i.member.name === 'cluster-b') as Intent)
    expect(share?.metadata.annotations).toMatchObject({
      'entente.dev/trust-domain': A,
      'entente.dev/fingerprints': bundle.anchors[0]?.fingerprint,
      'entente.dev/approved-by': 'alice',
      'entente.dev/until': '2027-07-01T00:00:00.000Z',
    })
    expect(at(share, 'data', 'cluster-a-root.pem')).toMatch(/^-----BEGIN CERTIFICATE-----\n/)
  })

  it('carry an explanation for readers', () => {
    const said = [...render(intentOf('cluster-b')), ...render(intentOf('cluster-a'))].map(explain)
    for (const text of said) expect(text).toMatch(/^[A-Za-z].*\.$/)
    expect(said[2]).toContain('of cluster-a.example only cluster-a.example/ns/sample/sa/client')
  })

  it('are measured in bytes', () => {
    const [share] = render(intentOf('cluster-b'))
    expect(share === undefined ? 0 : sizeOf(share)).toBe(Buffer.byteLength(JSON.stringify(share)))
  })
})

describe('reading', () => {
  it('skips foreign objects, and objects of kinds that Entente does not write', () => {
    const theirs = render(intentOf('cluster-b')).map((o) => ({ ...o, metadata: { ...o.metadata, labels: {} } }))
    expect(readState(theirs)).toEqual({ inbound: new Map(), outbound: new Map(), shares: new Map() })
    const label = { 'app.kubernetes.io/managed-by': 'entente' }
    const odd = [{}, { spec: null }, { spec: { configPatches: 'x', rules: [null], action: 'DENY' } }].flatMap((fields, i) =>
      ['EnvoyFilter', 'AuthorizationPolicy', 'PeerAuthentication', 'ConfigMap', 'Secret'].map(
        (kind): Manifest => ({ apiVersion: 'v1', kind, metadata: { name: `x-${i}`, labels: label }, ...fields }),
      ),
    )
    expect(() => readState(odd)).not.toThrow()
  })
})
