/** Listeners that are not STRICT, ports with a mode of their own, TCP: each works, or is refused for a true reason, and local traffic never notices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { type KubeObject, referenceTo } from '../testbed/kube.ts'
import { hold, type Load, load } from '../testbed/load.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, plain, raw } from '../testbed/traffic.ts'
import { aReaches, bAccepts, codes, expectCode, ours, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop
/** Requests inside of b, through every change of this file. */
let local: Load

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed)
  local = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
/** Past the caller's proxy: as one without a sidecar calls. */
const inPlaintext = async (port = 8080) => plain(pods.neighbour, pods.server.address, port)
const under = (mtls: string, more: object = {}) => [bAccepts({ mtls, ...more }), aReaches()]
const peerAuthentications = async (): Promise<readonly unknown[]> =>
  (await ours(bed.b)).flatMap((object) => (object.kind === 'PeerAuthentication' ? [object.spec] : []))

describe('a PERMISSIVE set of workloads', () => {
  it('is rejected if the file does not allow plaintext', async () => {
    const before = await written(bed)
    shop.write(under('require'))
    const { code, findings } = await shop.plan()
    expect(code).toBe(1)
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'mtls-not-strict', message: expect.stringContaining('a new pod, server: PERMISSIVE by default') }),
    )
    expect(await written(bed)).toEqual(before)
  })

  it('accepts the named caller, and plaintext as before, and the plan says what that means', async () => {
    shop.write(under('permissive'))
    expect(codes((await shop.plan()).findings)).toContain('plaintext-accepted')
    expectCode(await shop.apply(), 0)
    await until('the call to work', async () => (await status()) === 200)
    await shop.proven()
    expect(await peerAuthentications()).toEqual([])
    expect(await inPlaintext()).toMatchObject({ status: 200, body: { clientIdentity: null } })
  })

  it('binds roots to their domains, and passes through foreign TLS as before', async () => {
    const impostor = await bed.a.mint('spiffe://cluster-b.example/ns/sample/sa/neighbour')
    const stranger = await bed.a.mint('spiffe://cluster-a.example/ns/sample/sa/stranger')
    expect(await raw(pods.neighbour, pods.server.address, 8080, impostor)).toMatchObject({ accepted: false, alert: 46 })
    expect(await raw(pods.neighbour, pods.server.address, 8080, stranger)).toMatchObject({ status: 403 })
    // The application echoes the bytes of the handshake, so no proxy terminated TLS.
    const passed = await raw(pods.neighbour, pods.server.address, 9000, stranger, { alpn: 'h2' })
    expect(passed).toMatchObject({ accepted: false })
    expect(passed).not.toHaveProperty('peer')
    expect(passed).not.toHaveProperty('alert')
  })

  it('has pods that become ready', async () => {
    const young = await bed.b.pod({ namespace: 'sample', name: 'young', labels: { app: 'server' }, serviceAccount: 'server' })
    expect(await raw(pods.neighbour, young.address, 8080, await bed.a.mint(pods.client.spiffeId))).toMatchObject({ status: 200 })
    await young.stop()
  })

  it('becomes STRICT and PERMISSIVE again at 25 mutual-TLS requests a second without a failure', async () => {
    const foreign = await load(pods.client, 'server.sample', { everyMs: 40 })
    const [filter] = (await written(bed)).filter((object) => object.includes('b EnvoyFilter'))
    await shop.make(under('enforce'))
    await until('plaintext to be refused', async () => (await inPlaintext()).status === 0)
    await shop.proven()
    await shop.make(under('permissive'))
    await until('plaintext to be taken', async () => (await inPlaintext()).status === 200)
    await shop.proven()
    const { total, failures } = await foreign.stop()
    expect(failures).toEqual([])
    expect(total).toBeGreaterThan(20)
    expect(await written(bed)).toContain(filter)
  })
})

describe('a port with its own mode', () => {
  it('accepts plaintext next to STRICT ports, and its TCP service accepts the named caller', async () => {
    await shop.make(under('enforce', { ports: { 9000: 'permissive' } }))
    await shop.proven()
    expect(await peerAuthentications()).toEqual([
      { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { 9000: { mode: 'PERMISSIVE' } } },
    ])
    await until('plaintext on 8080 to be refused', async () => (await inPlaintext()).status === 0)
    // The echo of a request is no HTTP answer, but it is one.
    expect((await inPlaintext(9000)).error).toContain('HTTP/0.9')
    expect(await status()).toBe(200)
    const held = await hold(pods.client, 'server.sample', 'echo')
    expect(held.closed).toBeUndefined()
    await held.close()
  })

  it('with DISABLE leaves the other ports to callers of the other mesh', async () => {
    await shop.make(under('enforce', { ports: { 9000: 'disable' } }))
    await shop.proven()
    expect(await status()).toBe(200)
    expect((await inPlaintext(9000)).error).toContain('HTTP/0.9')
    const leaf = await bed.a.mint(pods.client.spiffeId)
    const answer = () => raw(pods.neighbour, pods.server.address, 9000, leaf)
    await until('no TLS to be spoken there', async () => (await answer()).peer === undefined)
    expect((await answer()).accepted).toBe(false)
  })

  it('is rejected if the file does not name it', async () => {
    const theirs: KubeObject = {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'aaa-theirs', namespace: 'sample' },
      spec: { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { 9000: { mode: 'PERMISSIVE' } } },
    }
    await shop.make([])
    await bed.b.kube.apply(theirs)
    shop.write(under('require'))
    const { findings } = await shop.plan()
    expect(findings.find((finding) => finding.code === 'mtls-not-strict')?.message).toContain('port 9000 PERMISSIVE')
    await shop.make(under('require', { ports: { 9000: 'permissive' } }))
    await until('the call to work', async () => (await status()) === 200)
    await bed.b.kube.apply({ ...theirs, spec: { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'DISABLE' } } })
    shop.write(under('permissive'))
    expect((await shop.plan()).findings).toContainEqual(
      expect.objectContaining({ code: 'mtls-disabled', message: expect.stringContaining('no port there accepts mutual TLS') }),
    )
    await bed.b.kube.delete(referenceTo(theirs))
  })
})

describe('local traffic', () => {
  it('is not affected', async () => {
    const { total, failures } = await local.stop()
    expect(failures).toEqual([])
    expect(total).toBeGreaterThan(50)
  })
})
