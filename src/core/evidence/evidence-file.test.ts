import { describe, expect, it } from 'vitest'
import { A, authority, federation, member, NOW } from '../../../test/support/federations.ts'
import { facts, failed, object, ok, pod } from '../../../test/support/observations.ts'
import { evidenceView } from '../evidence/print-evidence.ts'
import { parseEvidence } from '../evidence/read-evidence.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence, Observation } from '../model/observed.ts'
import type { Member } from '../model/wanted.ts'

const { bundle } = await authority(A)
const of = federation()
const home = of.members.get(member('cluster-a')) as Member
const [root] = bundle.anchors
const proxy = (name: string, more: Partial<Evidence> = {}): Evidence => ({
  proxy: `${name}.sample`,
  namespace: 'sample',
  pod: name,
  heard: true,
  acknowledged: true,
  sent: { listeners: '1', clusters: '2' },
  config: {
    inbound: [
      {
        name: 'virtualInbound',
        tls: 'mutual',
        sanPrefixes: [`spiffe://${A}/`],
        pins: new Map([[A, root === undefined ? [] : [root.fingerprint]]]),
      },
    ],
    outbound: [{ host: 'server.sample.svc.cluster.local', port: 80, subset: '', mutual: true, sans: [], pins: new Map() }],
    denies: [{ policy: 'sample/x', trustDomain: A, except: [] }],
  },
  ...more,
})
const seen = (more: Partial<Observation> = {}): Observation => ({
  objects: ok([pod('sample/client', { app: 'client' }), object('v1', 'ConfigMap', 'sample/x', { data: { a: 'b' } })]),
  own: ok(bundle),
  ownSince: new Date('2026-05-01T00:00:00Z'),
  istio: ok(facts(bundle, { presented: ok([new Uint8Array([1, 2, 3])]), meshId: 'm', xdsAgent: true })),
  proxies: ok([proxy('client', { version: '1.31.0' }), proxy('other'), proxy('quiet', { heard: false })]),
  ...more,
})
const printed = (observation: Observation): string =>
  JSON.stringify(
    evidenceView({
      federation: of.name,
      record: undefined,
      at: NOW,
      observed: [{ member: home, namespaces: ['sample'], observation }],
      verdicts: [],
      findings: [],
    }),
  )
const again = (observation: Observation): Observation | undefined =>
  parseEvidence(Buffer.from(printed(observation)), 'seen.json', of, NOW).observed.get(home.name)?.observation

describe('the evidence file of a mesh', () => {
  it.each([
    ['whole', seen()],
    ['where nothing could be observed', seen({ objects: failed(), own: failed(), istio: failed(), proxies: failed(), pods: failed() })],
    ['where its CA serves nothing', seen({ istio: ok(facts(bundle)) })],
  ])('survives a round trip: %s', (_, observation) => {
    expect(again(observation)).toEqual(observation)
  })

  it.each([
    ['which an older version wrote', undefined],
    ['of a newer version’s kind', { kind: 'region', region: 'eu' }],
    ['that is not what the text says', { kind: 'member', member: 'cluster-b' }],
  ])('keeps the text of a subject, and not its data %s', (_, about) => {
    const file = JSON.parse(printed(seen({ own: failed('forbidden', 'cluster-a') }))) as { evidence: { own: { error: object } }[] }
    const [one] = file.evidence
    if (one !== undefined) one.own.error = { ...one.own.error, about }
    const own = parseEvidence(Buffer.from(JSON.stringify(file)), 'seen.json', of, NOW).observed.get(home.name)?.observation.own
    expect(own).toMatchObject({ ok: false, error: { subject: 'cluster-a', about: { kind: 'other', text: 'cluster-a' } } })
  })

  it('states once what many proxies have in common', () => {
    const of = (n: number): number => printed(seen({ proxies: ok(Array.from({ length: n }, (_, i) => proxy(`client-${i}`))) })).length
    expect(of(100) - of(1)).toBeLessThan(100 * 200)
  })

  it('contains no private key, and of pods in other namespaces only their certificates’ lifetimes', () => {
    const key = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----'
    const stray = object('v1', 'ConfigMap', 'istio-system/x-root-cert', { data: { 'a.pem': key } })
    const text = printed(seen({ objects: ok([stray]), pods: ok([pod('pay/secretive', { team: 'red' })]) }))
    expect([text.includes('MHcCAQEEI'), text.includes('team'), text.includes('secretive')]).toEqual([false, false, true])
  })

  it('omits foreign annotations on objects, but keeps the ones that identify a GitOps tool', () => {
    const notes = {
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'argocd.argoproj.io/tracking-id': 'shop' },
      managedFields: [{ manager: 'x' }],
    }
    const all = again(seen({ objects: ok([object('v1', 'ConfigMap', 'sample/x', {}, notes)]) }))?.objects
    expect(all?.ok === true ? (all.value[0] as Manifest).metadata : undefined).toEqual({
      name: 'x',
      namespace: 'sample',
      annotations: { 'argocd.argoproj.io/tracking-id': 'shop' },
    })
  })
})
