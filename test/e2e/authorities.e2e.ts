/** Other ways to run a CA: one that revokes certificates, and intermediates under one corporate root. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { inboundFilter, readRoots } from '../../src/core/trust/pinned/pinned-filter.ts'
import { noInbound } from '../../src/core/trust/state.ts'
import { Bed } from '../testbed/bed.ts'
import { handshake } from '../testbed/handshake.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { createCrl, createMeshCa, createRoot, type Identity, type MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { bAccepts, CALLER, codes, expectCode, MEMBERS, ours, Shop, written } from './shop.ts'

const [A, B] = ['cluster-a.example', 'cluster-b.example'].map(parseTrustDomain)
const FOREIGN = `spiffe://${CALLER}`
const LOCAL = `spiffe://${B}/ns/sample/sa/somebody`

let bed: Bed

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
})

afterAll(async () => {
  await bed?.giveBack()
})

const letsIn = async ({ address }: Pod, leaf: Identity): Promise<boolean> => (await handshake(address, leaf)).accepted
const filters = async () => (await ours(bed.b)).filter(({ kind }) => kind === 'EnvoyFilter')

describe('a mesh that revokes certificates', () => {
  /** As Istio's injection brings it into a sidecar. */
  const volume = {
    'sidecar.istio.io/userVolume': '{"crl":{"configMap":{"name":"istio-ca-crl","optional":true}}}',
    'sidecar.istio.io/userVolumeMount': '{"crl":{"mountPath":"/var/run/secrets/istio/crl"}}',
  }
  let shop: Shop
  let server: Pod
  let good: Identity
  let revoked: Identity

  beforeAll(async () => {
    const { ca } = bed.b.istiod
    ;[good, revoked] = await Promise.all([bed.b.mint(LOCAL), bed.b.mint(LOCAL)])
    // Envoy looks for the CRL of every CA on the way.
    await bed.b.istiod.useCa(ca, [], (await createCrl(ca.intermediate, [revoked])) + (await createCrl(ca.root)))
    await bed.b.istiod.restart()
    // Before the pod starts: an optional volume without its object is mounted empty, and the bed does not mount it again.
    await bed.b.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'sample' } })
    await until('the CRL in the namespace', async () => {
      const map = await bed.b.kube.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'sample', name: 'istio-ca-crl' })
      return JSON.stringify(map?.data ?? {}).includes('X509 CRL')
    })
    server = await bed.b.pod({ namespace: 'sample', name: 'server', annotations: volume })
    shop = await Shop.open(bed, [bAccepts()])
  })
  afterAll(() => shop?.remove())

  it('rejects exactly those', async () => {
    expect(await letsIn(server, good)).toBe(true)
    expect(await letsIn(server, revoked)).toBe(false)
  })

  it('opens nothing through a filter, which would accept them again, until its owner sets istio.crl', async () => {
    const { findings, code } = await shop.plan()
    expect(code).toBe(1)
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'crl-ignored',
        severity: 'error',
        subject: 'cluster-b',
        hint: expect.stringContaining('crl: ignore'),
      }),
    )
    const before = await written(bed)
    expectCode(await shop.apply(), 1)
    expect(await filters()).toEqual([])
    expect(await written(bed)).toEqual(before)
    expect(await letsIn(server, revoked)).toBe(false)
  })

  it('opens with that setting, and loses what the plan says; istiod’s CRL is enforced again once the filter is removed', async () => {
    shop.write(
      [bAccepts()],
      MEMBERS.map((member) => ({ ...member, istio: { crl: 'ignore' } })),
    )
    const { findings } = await shop.plan()
    expect(findings).toContainEqual(expect.objectContaining({ code: 'crl-ignored', severity: 'warning' }))
    expectCode(await shop.apply(), 0)
    expect(await letsIn(server, await bed.a.mint(FOREIGN))).toBe(true)
    expect(await letsIn(server, revoked)).toBe(true)
    await shop.make([])
    expect(await filters()).toEqual([])
    await until('what is revoked to be refused', async () => !(await letsIn(server, revoked)))
    expect(await letsIn(server, good)).toBe(true)
    await server.stop()
  })
})

describe('two meshes under one corporate root', () => {
  let server: Pod
  let shop: Shop
  let corporate: Identity
  let caA: MeshCa
  let caB: MeshCa

  beforeAll(async () => {
    corporate = await createRoot('CN=Corporate Root,O=corporate')
    ;[caA, caB] = await Promise.all([createMeshCa('a', 9, corporate), createMeshCa('b', 9, corporate)])
    await Promise.all([bed.a.newRoot(caA), bed.b.newRoot(caB)])
    server = await bed.b.pod({ namespace: 'sample', name: 'other', labels: { app: 'server' } })
    shop = new Shop(bed.kubeconfig)
  })
  afterAll(() => shop?.remove())

  const filterWith = (a: string, b: string): KubeObject => ({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'by-hand', namespace: 'sample' },
    spec: inboundFilter(
      {
        ...noInbound({ namespace: 'sample', labels: { app: 'server' } }),
        roots: new Map([
          [A, readRoots(a)],
          [B, readRoots(b)],
        ] as never),
      },
      new Set([B] as never),
    ) as Record<string, unknown>,
  })

  it('are not distinguished by Istio itself: the CA of one signs for the other', async () => {
    expect(await letsIn(server, await bed.b.mint(LOCAL))).toBe(true)
    expect(await letsIn(server, await bed.a.mint(LOCAL))).toBe(true)
  })

  it('are not approved together, with the reason', async () => {
    const { stderr } = expectCode(await shop.run('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes'), 1)
    expect(stderr).toMatch(/error root-of-another-domain: .*approved for cluster-a\.example/)
    expect(stderr).toContain('give each mesh a separate root')
  })

  it('open nothing with an approved intermediate instead: plan reports it, and local calls continue', async () => {
    shop.write([bAccepts({ mtls: 'permissive' })])
    writeFileSync(shop.file('a.pem'), caA.intermediate.certificate)
    expectCode(await shop.run('approve', 'cluster-b', '--yes', '--reason', 'e2e'), 0)
    const fingerprint = readRoots(caA.intermediate.certificate)[0]?.fingerprint ?? ''
    expectCode(await shop.run('approve', 'cluster-a', '--bundle', 'a.pem', '--fingerprint', fingerprint, '--yes', '--reason', 'e2e'), 0)
    const before = await written(bed)
    const { findings, code } = await shop.plan()
    expect(code).toBe(1)
    expect(codes(findings)).toContain('anchor-not-root')
    expectCode(await shop.apply(), 1)
    expect(await filters()).toEqual([])
    expect(await written(bed)).toEqual(expect.arrayContaining([...before]))
    expect(await letsIn(server, await bed.b.mint(LOCAL))).toBe(true)
  })

  it('have a real reason for that: with the intermediates in a filter, Envoy rejects everybody; with the root, it accepts either for the other', async () => {
    const who = async (): Promise<readonly boolean[]> =>
      Promise.all([bed.b.mint(LOCAL), bed.a.mint(FOREIGN), bed.a.mint(LOCAL)].map(async (leaf) => letsIn(server, await leaf)))
    const becomes = (what: string, wanted: readonly boolean[]): Promise<unknown> =>
      until(what, async () => (await who()).every((accepted, i) => accepted === wanted[i]))
    await bed.b.kube.apply(filterWith(caA.intermediate.certificate, caB.intermediate.certificate))
    await becomes('everybody to be refused', [false, false, false])
    await bed.b.kube.apply(filterWith(corporate.certificate, corporate.certificate))
    await becomes('everybody to be accepted, the impostor too', [true, true, true])
    await bed.b.kube.delete({ apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', namespace: 'sample', name: 'by-hand' })
  })
})
