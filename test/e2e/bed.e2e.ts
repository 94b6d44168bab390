/** The test bed tests itself: what the other e2e tests take for granted. */
import { PassThrough } from 'node:stream'
import { KubeConfig, PortForward } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { until } from '../testbed/run.ts'
import { isEmpty, leftovers } from '../testbed/sweep.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'

let bed: Bed
let pods: Walkthrough

beforeAll(async () => {
  bed = await Bed.up({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
})

afterAll(async () => {
  await bed?.down()
  expect(isEmpty(await leftovers())).toBe(true)
})

describe('two clusters without federation', () => {
  it('keep a root CA each', async () => {
    const [a, b] = await Promise.all([bed.a.publishedRoot(), bed.b.publishedRoot()])
    expect(a).toContain('BEGIN CERTIFICATE')
    expect(b).toContain('BEGIN CERTIFICATE')
    expect(a).not.toBe(b)
    expect(a.trim()).toBe(bed.a.istiod.ca.root.certificate.trim())
  })

  it('let a neighbour call within its own cluster, by its SPIFFE ID', async () => {
    const { status, body } = await call(pods.neighbour, 'server.sample')
    expect(status).toBe(200)
    expect(body).toEqual({ pod: 'b/sample/server', clientIdentity: pods.neighbour.spiffeId })
  })

  it('fail a call across, since the client does not trust the other root', async () => {
    const { status, text } = await call(pods.client, 'server.sample')
    expect(status).toBe(503)
    expect(text).toContain('upstream connect error')
    await until('the client to tell why', async () => pods.client.proxyLog().includes('CERTIFICATE_VERIFY_FAILED'))
  })

  it('refuse a leaf of the other CA on the wire, and take one of their own', async () => {
    const port = 8080
    const stranger = await raw(pods.client, pods.server.address, port, await bed.a.mint(pods.client.spiffeId))
    expect(stranger).toMatchObject({ accepted: false, alert: 48 })
    const local = await raw(pods.client, pods.server.address, port, await bed.b.mint(pods.neighbour.spiffeId))
    expect(local).toMatchObject({ accepted: true, status: 200, body: { clientIdentity: pods.neighbour.spiffeId } })
  })
})

describe('the roads to istiod', () => {
  const debug = (token?: string) =>
    fetch(`http://${bed.a.istiod.address}:15014/debug/syncz`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(2_000),
    })

  it('answer directly to a token of ours, and to nobody without one', async () => {
    const token = await bed.a.kube.token('istio-system', 'entente', 'istio-ca', 600)
    expect((await debug()).status).toBe(401)
    const answer = await debug(token)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual([expect.objectContaining({ proxy: 'client.sample', cluster_id: 'a' })])
  })

  it('answer through port-forward, from localhost and so without a token', async () => {
    expect(await throughPortForward('GET /debug/syncz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.0 200[^]*"client\.sample"/)
  })

  it('stay open through port-forward when the address is not reachable', async () => {
    await bed.setDirect(false)
    await expect(debug()).rejects.toThrow()
    expect(await throughPortForward('GET /version HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.0 200/)
    await bed.setDirect(true)
    expect((await debug()).status).toBe(401)
  })
})

/** @returns what istiod of a answers to these bytes on 15014 */
async function throughPortForward(request: string): Promise<string> {
  const config = new KubeConfig()
  config.loadFromFile(bed.kubeconfig)
  config.setCurrentContext(bed.a.context)
  const output = new PassThrough()
  const errors = new PassThrough()
  const input = new PassThrough()
  const chunks: Buffer[] = []
  output.on('data', (chunk: Buffer) => chunks.push(chunk))
  const socket = await new PortForward(config).portForward('istio-system', bed.a.istiod.pod, [15014], output, errors, input)
  const closed = new Promise((resolve) => 'on' in socket && socket.on('close', resolve))
  input.write(request)
  await closed
  return Buffer.concat(chunks).toString('utf8')
}
