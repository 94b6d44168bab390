/** Distribution `mesh` on real istiods that hand out more roots than their own. */
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SHARED_MESH_CONFIG } from '../../src/core/trust/mesh-wide/mesh-roots.ts'
import { Bed } from '../testbed/bed.ts'
import { type Handshake, handshake } from '../testbed/handshake.ts'
import { type Load, load } from '../testbed/load.ts'
import type { Identity } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'
import { Stream } from '../testbed/stream.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { failuresText, Restarts } from './remote.ts'
import { fingerprint } from './rotations.ts'
import { BOTH, CALLER, codes, expectCode, ours, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop
let local: Load
let restarts: Restarts
/** Restarts when no cross-mesh calls remain. */
let alone: Restarts

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'istio-system' },
  spec: { mtls: { mode: 'STRICT' } },
}
const WIDE = [
  { truster: 'cluster-b', trusted: 'cluster-a', distribution: 'mesh', accept: [{ mtls: 'require', callers: [CALLER] }] },
  {
    truster: 'cluster-a',
    trusted: 'cluster-b',
    distribution: 'mesh',
    accept: [{ mtls: 'permissive', callers: ['cluster-b.example/ns/sample/sa/nobody'] }],
  },
]

beforeAll(async () => {
  bed = await Bed.shared({ multiroot: true, istiodEnv: { SHARED_MESH_CONFIG }, progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  await bed.b.kube.apply(STRICT)
  shop = await Shop.open(bed, WIDE)
  restarts = new Restarts(bed, pods)
  alone = new Restarts(bed)
  local = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) =>
  until(`the call to give ${wanted}`, async () => {
    const answer = await call(pods.client, 'server.sample')
    if (answer.status !== wanted) throw new Error(`${answer.status} ${answer.text}`)
    return true
  })
/** A's CA signs a name of b's. */
const impostor = async () => {
  const leaf = await bed.a.mint('spiffe://cluster-b.example/ns/sample/sa/admin')
  return raw(pods.client, pods.server.address, 8080, leaf)
}

describe('two whole meshes', () => {
  it('reject each other at first', async () => {
    expect(await status()).toBe(503)
  })

  it('get a plan with the remaining risk, and without any restart', async () => {
    const { code, steps, findings } = await shop.plan()
    expect(code, JSON.stringify(findings)).toBe(2)
    expect(findings.filter((finding) => finding.code === 'roots-not-bound')).toHaveLength(2)
    expect(steps.filter((step) => step.object.name === SHARED_MESH_CONFIG).map((step) => [step.member, step.phase])).toEqual([
      ['cluster-a', 'open'],
      ['cluster-b', 'open'],
    ])
  })

  it('trust each other once the plan is applied, in the same processes', async () => {
    const before = await Promise.all([pods.client.pids(), pods.server.pids(), bed.a.istiod.pid, bed.b.istiod.pid])
    expectCode(await shop.apply(), 0)
    await becomes(200)
    expect(await Promise.all([pods.client.pids(), pods.server.pids(), bed.a.istiod.pid, bed.b.istiod.pid])).toEqual(before)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
  })

  it('accept the named caller, and nobody else of that domain', async () => {
    const named = await bed.a.mint(pods.client.spiffeId)
    expect(await raw(pods.client, pods.server.address, 8080, named)).toMatchObject({ accepted: true, status: 200 })
    const other = await bed.a.mint('spiffe://cluster-a.example/ns/sample/sa/other')
    expect(await raw(pods.client, pods.server.address, 8080, other)).toMatchObject({ status: 403 })
  })

  it('accept a name of b that A’s CA signed, as the plan warned', async () => {
    expect(await impostor()).toMatchObject({ accepted: true, status: 200 })
  })

  it('work after a restart of every istiod: nothing that Entente wrote keeps one from starting', async () => {
    await restarts.during(() => Promise.all([bed.a.istiod.restart(), bed.b.istiod.restart()]))
    await becomes(200)
    await shop.proven()
  })

  it('are not proven with a pod from before agents requested roots: verify names it, and it rejects certificates under them', async () => {
    const older = await bed.b.pod({ namespace: 'sample', name: 'older', env: { PROXY_CONFIG_XDS_AGENT: 'false' } })
    try {
      const named = await bed.a.mint(pods.client.spiffeId)
      expect(await raw(pods.client, older.address, 8080, named)).toMatchObject({ accepted: false })
      expect(await raw(pods.client, pods.server.address, 8080, named)).toMatchObject({ accepted: true, status: 200 })
      const told = (await shop.plan()).findings.filter(({ code }) => code === 'xds-agent-off')
      expect(told.map(({ subject, message }) => `${subject}: ${message}`)).toEqual([
        expect.stringMatching(/^cluster-b: Pod sample\/older run without PROXY_CONFIG_XDS_AGENT=true/),
      ])
      await until(
        'verify to name it, and no other',
        async () => {
          const { state, proxies, findings } = await shop.verdict('b')
          const told = `${state} ${proxies.lagging.join()} ${codes(findings).join()}`
          if (!/^lagging older\.sample .*\bxds-agent-off\b/.test(told)) throw new Error(told)
          return true
        },
        120_000,
      )
    } finally {
      await older.stop()
    }
    await shop.proven()
    expect(codes((await shop.verdict('b')).findings)).toContain('roots-unseen')
  })
})

describe('an additional filter', () => {
  it('rejects that impostor at its workload, and nobody else', async () => {
    shop.write([...WIDE, ...BOTH])
    expectCode(await shop.apply(), 0)
    await until('the impostor to be refused', async () => !(await impostor()).accepted)
    await becomes(200)
    await shop.proven()
  })

  it('can be removed again, and the mesh is as before', async () => {
    shop.write(WIDE)
    expectCode(await shop.apply(), 0)
    await until('the impostor to be let in', async () => (await impostor()).accepted)
    await becomes(200)
    await shop.proven()
  })
})

describe('content that istiod must not read', () => {
  const GARBAGE = '<html>502 Bad Gateway</html>'
  const BUNDLE = 'bundles/cluster-a.example.json'
  const state = async () => ({ record: shop.read('audit.jsonl'), bundle: shop.read(BUNDLE), objects: await written(bed) })

  it('stays in its file: Entente writes nothing because of an invalid bundle', async () => {
    const before = await state()
    try {
      writeFileSync(shop.file(BUNDLE), GARBAGE)
      const plan = await shop.plan()
      expect(plan.code).toBe(1)
      expect(codes(plan.findings)).toContain('bundle-malformed')
      expectCode(await shop.apply(), 1)
      expect(await written(bed)).toEqual(before.objects)
    } finally {
      writeFileSync(shop.file(BUNDLE), before.bundle)
    }
    expect(await shop.plan()).toMatchObject({ code: 0, steps: [] })
    await becomes(200)
  })

  it.each([
    { what: 'garbage', offer: async () => GARBAGE, code: 'bundle-malformed' },
    {
      what: 'a leaf',
      offer: async () => new X509Certificate((await bed.a.mint(pods.client.spiffeId)).certificate).toString(),
      code: 'not-ca',
    },
  ])('is never approved: $what', async ({ offer, code }) => {
    const before = await state()
    const pem = await offer()
    writeFileSync(shop.file('offer.pem'), pem)
    const print = pem === GARBAGE ? [] : ['--fingerprint', fingerprint(pem)]
    const { stderr } = expectCode(await shop.run('approve', 'cluster-a', '--bundle', 'offer.pem', '--yes', ...print), 1)
    expect(stderr).toContain(code)
    expect(await state()).toEqual(before)
  })

  it('is repaired by apply after somebody edits the mesh config by hand', async () => {
    const [map] = (await ours(bed.b)).filter((object) => object.metadata.name === SHARED_MESH_CONFIG)
    await bed.b.kube.patch(
      { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'istio-system', name: SHARED_MESH_CONFIG },
      {
        data: {
          mesh: `${(map as unknown as { data: { mesh: string } }).data.mesh.replace('-----BEGIN CERTIFICATE-----', '-----BEGIN CERTIFICATE-----AAAA')}`,
        },
      },
    )
    expect((await shop.plan()).code).toBe(2)
    // Whoever it was is no kubectl that we know: that is asked for.
    expect(expectCode(await shop.apply(), 1).stderr).toContain('--force-conflicts')
    expectCode(await shop.run('apply', '--reason', 'put right', '--yes', '--force-conflicts'), 0)
    // Only in b: a's proxies, which call across, get no new configuration.
    await alone.during(() => bed.b.istiod.restart())
    await becomes(200)
  })
})

describe('a trust of the whole mesh that is severed', () => {
  let stream: Stream

  it('is closed, proven, and leaves nothing behind; istiod starts without it', async () => {
    const leaf = await bed.a.mint(pods.client.spiffeId)
    stream = await Stream.open(pods.server.address, leaf)
    const { stdout } = expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'INC-9', '--yes'), 0)
    expect(stdout).toMatch(/severed/)
    expect(stdout).toMatch(/server\.sample +draining/)
    expect(await tries(leaf)).toEqual([])
    await becomes(503)
    expect(codes((await shop.verdict('b')).findings)).toEqual([])
    await shop.apply()
    expect((await ours(bed.b)).map((object) => object.metadata.name)).not.toContain(SHARED_MESH_CONFIG)
    await alone.during(() => bed.b.istiod.restart())
    expect(await status()).toBe(503)
  })

  it('never disturbed local calls', async () => {
    const { failures, total } = await local.stop()
    const both = restarts.causes(failures, pods.neighbour)
    const causes = alone.causes(both.ours)
    console.log(`${total} requests, ${failuresText(both)}; of the others, in the restart of one istiod: ${failuresText(causes)}`)
    expect(causes.ours).toEqual([])
    expect(total).toBeGreaterThan(20)
  })

  it('ends older connections with --drain, except outbound ones of the mesh’s workloads, which a restart ends', async () => {
    const severed = () => shop.patiently('sever', 'cluster-b', 'cluster-a', '--reason', 'INC-9', '--yes', '--drain')
    await until(
      'every proxy to tell, after the restart of istiod',
      async () => {
        const { code, stdout } = await severed()
        return code === 1 && /error connections-open: cluster-b: neighbour\.sample, server\.sample/.test(stdout)
      },
      180_000,
    )
    await until('the stream to end', async () => !stream.open, 10_000)
    stream.close()
  }, 240_000)
})

/** @returns those of many handshakes that got an answer */
async function tries(leaf: Identity): Promise<readonly Handshake[]> {
  const made: Handshake[] = []
  for (let i = 0; i < 20; i++) made.push(await handshake(pods.server.address, leaf))
  return made.filter(({ accepted }) => accepted)
}
