/** Tests of the testbed itself: the assumptions of the other e2e tests. */
import { spawn } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeConfig, PortForward } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { referenceTo } from '../testbed/kube.ts'
import { hold, load } from '../testbed/load.ts'
import { outcome, until } from '../testbed/run.ts'
import { isEmpty, leftovers } from '../testbed/sweep.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, plain as plaintext, raw } from '../testbed/traffic.ts'

let bed: Bed
let pods: Walkthrough

describe('a testbed', () => {
  beforeAll(async () => {
    bed = await Bed.up({ progress: (line) => console.log(line) })
    pods = await walkthrough(bed)
  })

  afterAll(async () => {
    await bed?.down()
    expect(await leftovers()).toEqual({ processes: [], netns: [], bridge: false })
  })

  describe('two clusters without federation', () => {
    it('have a root CA each', async () => {
      const [a, b] = await Promise.all([bed.a.publishedRoot(), bed.b.publishedRoot()])
      expect(a).toContain('BEGIN CERTIFICATE')
      expect(b).toContain('BEGIN CERTIFICATE')
      expect(a).not.toBe(b)
      expect(a.trim()).toBe(bed.a.istiod.ca.root.certificate.trim())
    })

    it('let a client call within its own cluster, by its SPIFFE ID', async () => {
      const { status, body } = await call(pods.neighbour, 'server.sample')
      expect(status).toBe(200)
      expect(body).toMatchObject({ pod: 'b/sample/server', clientIdentity: pods.neighbour.spiffeId })
    })

    it('fail a call across, because the client does not trust the other root', async () => {
      const { status, text } = await call(pods.client, 'server.sample')
      expect(status).toBe(503)
      expect(text).toContain('upstream connect error')
      await until('the client to tell why', async () => pods.client.proxyLog().includes('CERTIFICATE_VERIFY_FAILED'))
    })

    it('reject a leaf of the other CA on the wire, and accept one of their own', async () => {
      const port = 8080
      const stranger = await raw(pods.client, pods.server.address, port, await bed.a.mint(pods.client.spiffeId))
      expect(stranger).toMatchObject({ accepted: false, alert: 48 })
      const local = await raw(pods.client, pods.server.address, port, await bed.b.mint(pods.neighbour.spiffeId))
      expect(local).toMatchObject({ accepted: true, status: 200, body: { clientIdentity: pods.neighbour.spiffeId } })
    })
  })

  describe('the connections to istiod', () => {
    const debug = (token?: string) =>
      fetch(`http://${bed.a.istiod.address}:15014/debug/syncz`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(2_000),
      })

    it('answer directly with our token, and reject requests without one', async () => {
      const token = await bed.a.kube.token('istio-system', 'entente', 'istio-ca', 600)
      expect((await debug()).status).toBe(401)
      const answer = await debug(token)
      expect(answer.status).toBe(200)
      expect(await answer.json()).toEqual([expect.objectContaining({ proxy: 'client.sample', cluster_id: 'a' })])
    })

    it('answer through port-forward, from localhost and so without a token', async () => {
      const { answer, errors } = await throughPortForward('GET /debug/config_dump?proxyID=client.sample HTTP/1.0\r\n\r\n')
      const [head = '', body = ''] = answer.split('\r\n\r\n')
      expect(head).toMatch(/^HTTP\/1\.0 200/)
      expect(JSON.parse(body)).toEqual({ configs: expect.any(Array) })
      expect(errors).toBe('')
    })

    it('report through port-forward that nothing listens there', async () => {
      expect(await throughPortForward('', 15999)).toEqual({
        answer: '',
        errors: expect.stringMatching(/error forwarding port 15999.*REFUSED/),
      })
    })

    it('stay available through port-forward if the address is not reachable', async () => {
      await bed.setDirect(false)
      await expect(debug()).rejects.toThrow()
      expect((await throughPortForward('GET /version HTTP/1.0\r\n\r\n')).answer).toMatch(/^HTTP\/1\.0 200/)
      await bed.setDirect(true)
      expect((await debug()).status).toBe(401)
    })
  })

  describe('traffic', () => {
    it('runs at a steady rate, and is counted', async () => {
      const running = await load(pods.neighbour, 'server.sample', { everyMs: 20 })
      await until('some requests', async () => running.samples.length >= 50)
      const summary = await running.stop()
      expect(summary).toMatchObject({ ok: summary.total, failures: [], byStatus: { 200: summary.total } })
    })

    it('counts failures', async () => {
      const running = await load(pods.client, 'server.sample')
      await until('some requests', async () => running.samples.length >= 5)
      const summary = await running.stop()
      expect(summary).toMatchObject({ ok: 0, byStatus: { 503: summary.total } })
    })

    it.each(['stream', 'echo'] as const)('can be held open: %s', async (kind) => {
      const held = await hold(pods.neighbour, 'server.sample', kind)
      expect(held.closed).toBeUndefined()
      await held.close()
    })

    it('comes in plaintext from a pod without a proxy, as far as the server permits', async () => {
      const plain = await bed.b.pod({ namespace: 'sample', name: 'plain', proxy: 'none' })
      expect(await plaintext(plain, pods.server.address, 8080)).toMatchObject({ status: 200, body: { clientIdentity: null } })
      await bed.b.kube.apply(strict)
      await until('plaintext to be refused', async () => (await plaintext(plain, pods.server.address, 8080)).status === 0)
      await bed.b.kube.delete(referenceTo(strict))
      await plain.stop()
      expect(await bed.b.kube.get({ apiVersion: 'v1', kind: 'Pod', namespace: 'sample', name: 'plain' })).toBeUndefined()
    })
  })

  describe('what a test can do to a testbed:', () => {
    it('keep the same processes across a change of policy', async () => {
      const before = await pods.server.pids()
      expect(before).toEqual({ agent: expect.any(Number), envoy: expect.any(Number), app: expect.any(Number) })
      await bed.b.kube.apply(denyAll)
      await until('the policy to be enforced', async () => (await call(pods.neighbour, 'server.sample')).status === 403)
      await bed.b.kube.delete(referenceTo(denyAll))
      await until('the policy to be gone', async () => (await call(pods.neighbour, 'server.sample')).status === 200)
      expect(await pods.server.pids()).toEqual(before)
    })

    it('disconnect a pod from istiod, and reconnect it', async () => {
      await pods.server.cut()
      await bed.b.kube.apply(denyAll)
      await sleep(1_500) // istiod pushes within 0.2 s to those it reaches
      expect((await call(pods.neighbour, 'server.sample')).status).toBe(200)
      await pods.server.heal()
      await until('the policy to arrive', async () => (await call(pods.neighbour, 'server.sample')).status === 403)
      await bed.b.kube.delete(referenceTo(denyAll))
      await until('the policy to be gone', async () => (await call(pods.neighbour, 'server.sample')).status === 200)
    })

    it('give a service account exactly the granted rights', async () => {
      const file = await bed.a.account('reader', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }])
      const kubectl = (resource: string) => outcome('kubectl', ['--kubeconfig', file, '-n', 'istio-system', 'get', resource])
      expect((await kubectl('configmaps/istio-ca-root-cert')).code).toBe(0)
      expect((await kubectl('secrets')).stderr).toContain('cannot list resource "secrets"')
    })

    it('announce a root next to the present one, then switch to it', async () => {
      const next = await bed.a.addRoot()
      expect(await bed.a.publishedRoot()).toBe(bed.a.istiod.ca.root.certificate + next.root.certificate)
      await bed.a.newRoot(next)
      expect(await bed.a.publishedRoot()).toBe(next.root.certificate)
    })

    it('replace a cluster’s root without an announcement; new pods use it', async () => {
      const before = await bed.b.publishedRoot()
      await bed.b.newRoot()
      expect(await bed.b.publishedRoot()).not.toBe(before)
      await until('the proxies to be back', async () => (await syncz(bed.b)).includes('"proxy":"server.sample"'))
      const late = await bed.b.pod({ namespace: 'sample', name: 'late' })
      const { peer } = await raw(pods.client, late.address, 8080, await bed.b.mint(pods.neighbour.spiffeId))
      expect(peer).toBe('URI:spiffe://cluster-b.example/ns/sample/sa/late')
      await late.kill()
      expect(await bed.b.kube.get({ apiVersion: 'v1', kind: 'Pod', namespace: 'sample', name: 'late' })).toBeDefined()
    })

    it('stop an API server, so that nothing answers there', async () => {
      await bed.a.api.stop()
      await expect(bed.a.kube.request('GET', '/readyz')).rejects.toThrow(/ECONN|socket hang up/)
      await bed.a.api.start()
      expect(await bed.a.kube.request('GET', '/readyz')).toBe('ok')
    })
  })
})

describe('a testbed whose owner process ends', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('ends with it, by %s during start-up', async (signal) => {
    const owner = spawn(process.execPath, ['--import', 'tsx', 'test/testbed/main.ts', 'up'], { stdio: ['ignore', 'ignore', 'pipe'] })
    await new Promise<void>((resolve) => owner.stderr.on('data', (line: Buffer) => line.includes('API servers are up') && resolve()))
    expect((await leftovers()).bridge).toBe(true)
    owner.kill(signal)
    await until('the bed to go', async () => isEmpty(await leftovers()))
  })
})

const strict = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'strict', namespace: 'sample' },
  spec: { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'STRICT' } },
}

const denyAll = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'deny-all', namespace: 'sample' },
  spec: { selector: { matchLabels: { app: 'server' } }, action: 'DENY', rules: [{}] },
}

async function syncz(cluster: Cluster): Promise<string> {
  const authorization = `Bearer ${await cluster.kube.token('istio-system', 'entente', 'istio-ca', 600)}`
  const answer = await fetch(`http://${cluster.istiod.address}:15014/debug/syncz`, { headers: { authorization } })
  return answer.text()
}

/** @returns what istiod of a answers to these bytes, and what the kubelet has to say */
async function throughPortForward(request: string, port = 15014): Promise<{ answer: string; errors: string }> {
  const config = new KubeConfig()
  config.loadFromFile(bed.kubeconfig)
  config.setCurrentContext(bed.a.context)
  const input = new PassThrough()
  const [output, errors] = [new PassThrough(), new PassThrough()]
  const socket = await new PortForward(config).portForward('istio-system', bed.a.istiod.pod, [port], output, errors, input)
  input.write(request)
  await new Promise((resolve) => 'on' in socket && socket.on('close', resolve))
  output.end()
  errors.end()
  return { answer: await text(output), errors: await text(errors) }
}
