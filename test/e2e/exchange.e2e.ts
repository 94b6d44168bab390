/**
 * Two owners who share no administrator: each runs commands with a kubeconfig for its own cluster only, and no istiod has
 * a remote secret. They invite each other, call in both directions, rotate and part.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import type { AuditEntry } from '../../src/core/model/recorded.ts'
import { base64, startGo } from '../support/opinions.ts'
import { Bed } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { runFile } from '../testbed/layout.ts'
import { type Load, load } from '../testbed/load.ts'
import { endpointSlice, namespaceObject, service } from '../testbed/objects.ts'
import type { MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { parseEcho } from '../testbed/traffic.ts'
import { rootOf } from './rotations.ts'
import { codes, expectCode, Shop, written } from './shop.ts'

// The CA of A switches, and certificates of a minute live out their time.
vi.setConfig({ testTimeout: 10 * 60_000 })

const PORTS = [{ name: 'http', port: 80, targetPort: 8080 }]
type Doc = Record<string, unknown>
interface FederationFile {
  readonly spec: { members: Doc[]; trust: Doc[] }
}

/** One owner: its cluster, its folder, and nothing of the other one. */
class Owner {
  readonly cluster: Cluster
  readonly other: 'a' | 'b'
  readonly shop: Shop
  readonly name: string
  readonly domain: string
  readonly kubeconfig: string
  server!: Pod
  client!: Pod
  east!: Pod
  bundles!: Pod

  constructor(cluster: Cluster) {
    this.cluster = cluster
    this.other = cluster.name === 'a' ? 'b' : 'a'
    this.name = `cluster-${cluster.name}`
    this.domain = cluster.trustDomain
    const file = runFile(`owner-${cluster.name}.kubeconfig`)
    writeFileSync(file, kubeconfig({ [cluster.name]: cluster.api.access }), { mode: 0o600 })
    this.kubeconfig = file
    this.shop = new Shop(file)
  }

  get host(): string {
    return `bundle.${this.domain}`
  }

  async start(): Promise<void> {
    ;[this.server, this.client, this.east, this.bundles] = await Promise.all([
      this.cluster.pod({ namespace: 'sample', name: `server-${this.cluster.name}` }),
      this.cluster.pod({ namespace: 'sample', name: `client-${this.cluster.name}` }),
      this.cluster.gateway(),
      this.cluster.pod({ namespace: 'trust', name: 'bundles', proxy: 'router' }),
    ])
    const front = service('sample', this.server.name, PORTS)
    const slice = endpointSlice(this.cluster.name, front, PORTS, [{ pod: this.server.name, address: this.server.address }])
    await this.cluster.kube.apply(namespaceObject('trust'), front, slice)
  }

  /** As docs/services.md says for a member without a remote secret. */
  async reaches(partner: Owner): Promise<void> {
    const { host, sni, principal } = partner.served
    const metadata = { name: `of-${partner.name}`, namespace: 'sample' }
    const networking = (kind: string, spec: object) => ({ apiVersion: 'networking.istio.io/v1', kind, metadata, spec })
    await this.cluster.kube.apply(
      networking('ServiceEntry', {
        hosts: [host],
        addresses: ['240.240.1.1'],
        location: 'MESH_INTERNAL',
        resolution: 'STATIC',
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        endpoints: [{ address: partner.east.address, ports: { http: 15443 } }],
      }),
      networking('DestinationRule', {
        host,
        trafficPolicy: {
          portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'ISTIO_MUTUAL', sni, subjectAltNames: [`spiffe://${principal}`] } }],
        },
      }),
    )
  }

  get served() {
    const { name } = this.server
    return {
      host: `${name}.sample.${this.domain}`,
      sni: `outbound_.80_._.${name}.sample.svc.cluster.local`,
      principal: `${this.domain}/ns/sample/sa/${name}`,
    }
  }

  /** The status and the pod that answers. */
  async call(partner: Owner): Promise<string> {
    const { host } = partner.served
    const args = ['-sS', '-m', '5', '-w', '\n%{http_code}', '--resolve', `${host}:80:240.240.1.1`, `http://${host}/`]
    const { stdout } = await this.client.exec('curl', args)
    const cut = stdout.lastIndexOf('\n')
    return `${stdout.slice(cut + 1)} ${parseEcho(stdout.slice(0, cut))?.pod ?? ''}`.trim()
  }

  edit(change: (file: FederationFile) => void): void {
    const file = parse(this.shop.read('federation.yaml')) as FederationFile
    change(file)
    this.shop.writeText(stringify(file))
  }

  /** `publish` and a call in both directions. */
  trusts(partner: Owner): void {
    this.edit(({ spec }) => {
      spec.trust = [
        {
          truster: this.name,
          trusted: partner.name,
          distribution: 'pinned',
          accept: [
            {
              namespace: 'sample',
              selector: { app: this.server.name },
              mtls: 'enforce',
              callers: [`${partner.domain}/ns/sample/sa/${partner.client.name}`],
            },
          ],
          reach: [
            {
              namespace: 'sample',
              selector: { app: this.client.name },
              services: [{ host: partner.served.host, servedBy: [partner.served.principal] }],
            },
          ],
        },
      ]
    })
  }

  async state(): Promise<string> {
    const { trusts } = await this.shop.verify()
    return trusts.map(({ state }) => state).join()
  }

  lastEntry(): AuditEntry | undefined {
    return this.shop.record().at(-1)
  }
}

let bed: Bed
let a: Owner
let b: Owner
const owners = () => [a, b]

beforeAll(async () => {
  bed = await Bed.shared({ leafTtl: '1m', progress: (line) => console.log(line) })
  a = new Owner(bed.a)
  b = new Owner(bed.b)
  await Promise.all(owners().map((owner) => owner.start()))
  await a.reaches(b)
  await b.reaches(a)
  // The bed has no DNS.
  const names = JSON.stringify(Object.fromEntries(owners().map((owner) => [owner.host, owner.bundles.address])))
  const module = `import dns from 'node:dns'
const names = ${names}, real = dns.lookup
dns.lookup = (host, options, done) => {
  const back = typeof options === 'function' ? options : done
  if (names[host] === undefined) return real(host, options, done)
  process.nextTick(() => options?.all ? back(null, [{ address: names[host], family: 4 }]) : back(null, names[host], 4))
}`
  process.env.NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(module)}`
})

afterAll(async () => {
  delete process.env.NODE_OPTIONS
  for (const owner of owners()) owner?.shop.remove()
  await bed?.giveBack()
})

/** A kubeconfig with no more rights than those of deploy/rbac.yaml and deploy/publish.yaml. */
async function operatorOf({ cluster }: Owner): Promise<string> {
  const manifests = ['rbac.yaml', 'publish.yaml'].flatMap((name) => {
    const text = readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8').replaceAll('trust-endpoint', 'trust')
    return parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
  })
  await cluster.kube.apply(...manifests)
  const file = runFile(`operator-${cluster.name}.kubeconfig`)
  writeFileSync(file, kubeconfig({ [cluster.name]: cluster.api.operator }), { mode: 0o600 })
  return file
}

const invitation = async (from: Owner, to: Owner): Promise<{ readonly file: string; readonly number: string }> => {
  const { stdout, stderr } = expectCode(await from.shop.run('invite', '--for', to.domain), 0)
  const file = to.shop.file(`from-${from.name}.json`)
  writeFileSync(file, stdout)
  const [number = ''] = /(\d{5} ){5}\d{5}/.exec(stderr) ?? []
  return { file, number }
}

describe('from nothing to a proven call in both directions', () => {
  it('each owner publishes the roots of its mesh at a gateway', async () => {
    for (const owner of owners()) {
      expectCode(await owner.shop.run('init', '--context', owner.name, '--yes'), 0)
      owner.edit(({ spec }) => {
        const gateway = { namespace: 'trust', name: 'bundles', selector: { app: 'bundles' }, host: owner.host, port: 8443 }
        spec.members = spec.members.map((member) => ({ ...member, publish: { gateway, profile: 'https_spiffe' } }))
      })
      const { steps } = await owner.shop.plan()
      expect(steps.map(({ object: { kind, name } }) => `${kind} ${name}`)).toEqual([
        'VirtualService entente-bundle',
        'Gateway entente-bundle',
      ])
      const kubeconfig = owner === a ? await operatorOf(owner) : owner.kubeconfig
      const { stdout, stderr } = expectCode(await owner.shop.runAs(kubeconfig, 'publish', owner.name, '--reason', 'e2e', '--yes'), 0)
      expect(stderr).toContain(`https://${owner.host}:8443/bundle answers with sequence 1.`)
      expect(stdout).toContain(`endpointSPIFFEID: "spiffe://${owner.domain}/ns/trust/sa/bundles"`)
      expect((await owner.shop.plan()).steps).toEqual([])
      const { checks } = (await owner.shop.run('doctor', '-o', 'json')).json as { readonly checks: readonly Doc[] }
      expect(checks.find(({ name }) => name === 'bundle-endpoint')).toMatchObject({ verdict: 'ok' })
    }
  })

  it('go-spiffe, the client of SPIRE, follows the endpoint of A, and rejects an impostor of it', async () => {
    const go = await startGo({ [a.host]: a.bundles.address, [b.host]: b.bundles.address })
    try {
      const ask = (host: string, endpointID: string) =>
        go.ask({
          op: 'fetch',
          trustDomain: a.domain,
          url: `https://${host}:8443/bundle`,
          endpointID,
          file: base64(readFileSync(a.shop.file(`bundles/${a.domain}.json`))),
        })
      expect(await ask(a.host, a.bundles.spiffeId)).toMatchObject({ ok: true, roots: 1, sequence: 1 })
      expect(await ask(a.host, a.east.spiffeId)).toMatchObject({ ok: false })
      expect(await ask(b.host, a.bundles.spiffeId)).toMatchObject({ ok: false })
    } finally {
      await go.close()
    }
  })

  it('no call works before', async () => {
    expect([await a.call(b), await b.call(a)]).toEqual(['503', '503'])
  })

  it('an invitation is rejected for each wrong reason, and changes nothing', async () => {
    const { file, number } = await invitation(a, b)
    const before = [await written(bed), b.shop.read('federation.yaml'), b.shop.read('audit.jsonl')]
    const text = readFileSync(file, 'utf8')
    const refused = async (code: string, content: string, ...more: readonly string[]): Promise<void> => {
      writeFileSync(b.shop.file('wrong.json'), content)
      const { stderr } = expectCode(await b.shop.run('accept-invitation', 'wrong.json', ...more), 1)
      expect(stderr).toContain(code)
    }
    const compared = ['--comparison', number]
    await refused('invitation-invalid', text.replace('bundle.cluster-a', 'evil.cluster-a'), ...compared)
    await refused('not-confirmed', text)
    await refused(
      'comparison-differs',
      text,
      '--comparison',
      number.replace(/^./, (digit) => String((Number(digit) + 1) % 10)),
    )
    const { stdout: elsewhere } = expectCode(await a.shop.run('invite', '--for', 'cluster-c.example'), 0)
    await refused('invitation-misdirected', elsewhere, ...compared)
    const late = await b.shop.runAt(8 * 86_400_000, 'accept-invitation', file, ...compared)
    expect(expectCode(late, 1).stderr).toContain('invitation-expired')
    expect([await written(bed), b.shop.read('federation.yaml'), b.shop.read('audit.jsonl')]).toEqual(before)
  })

  it('an endpoint that serves other roots than the invitation names is rejected', async () => {
    const { file, number } = await invitation(a, b)
    // A man in the middle with a mesh of his own answers at the address of A: here, the gateway of B.
    const kept = process.env.NODE_OPTIONS
    process.env.NODE_OPTIONS = kept?.replace(encodeURIComponent(a.bundles.address), encodeURIComponent(b.bundles.address))
    try {
      const { stderr } = expectCode(await b.shop.run('accept-invitation', file, '--comparison', number), 1)
      expect(stderr).toMatch(/endpoint-|invitation-differs/)
    } finally {
      process.env.NODE_OPTIONS = kept
    }
    expect(b.shop.record().filter(({ action }) => action === 'approve')).toHaveLength(1)
  })

  it('an invitation and its answer make each the other’s member', async () => {
    const { file, number } = await invitation(a, b)
    const accepted = expectCode(await b.shop.run('accept-invitation', file, '--comparison', number), 0)
    expect(accepted.stderr).toContain(number)
    const answer = a.shop.file('answer.json')
    writeFileSync(answer, accepted.stdout)
    const roots = (accepted.json as { readonly roots: readonly string[] }).roots.flatMap((root) => ['--fingerprint', root])
    const back = expectCode(await a.shop.run('accept-invitation', answer, ...roots), 0)
    expect([back.stdout, b.lastEntry()?.action, a.lastEntry()?.action]).toEqual(['', 'approve', 'approve'])
    const again = expectCode(await b.shop.run('accept-invitation', file), 1)
    expect(again.stderr).toContain('not-confirmed')
    expect(expectCode(await b.shop.run('accept-invitation', file, '--comparison', number), 0).stderr).toContain('accepted before')
  })

  it('the calls work after each opens its own cluster, and both trusts are proven', async () => {
    a.trusts(b)
    b.trusts(a)
    for (const owner of owners()) expectCode(await owner.shop.apply(), 0)
    await until('A to reach B', async () => (await a.call(b)) === '200 b/sample/server-b')
    await until('B to reach A', async () => (await b.call(a)) === '200 a/sample/server-a')
    // What the CA of the other signs under is known from its endpoint, once it was fetched.
    expect([await a.state(), await b.state()]).toEqual(['unknown', 'unknown'])
    for (const owner of owners()) expectCode(await owner.shop.run('follow'), 0)
    expect([await a.state(), await b.state()]).toEqual(['proven', 'proven'])
  })
})

describe('following the endpoint of A', () => {
  /** Requests in both directions, 25 a second each. */
  let loads: readonly Load[]
  let old: MeshCa
  let next: MeshCa
  const follow = (...more: readonly string[]) => b.shop.run('follow', a.name, ...more)
  const policy = (follow: Doc | undefined): void =>
    b.edit(({ spec }) => {
      spec.members = spec.members.map(({ follow: _, ...member }) =>
        member.name === a.name && follow !== undefined ? { ...member, follow } : member,
      )
    })
  const rootsOfA = (): readonly string[] => {
    const approvals = b.shop.record().filter((entry) => entry.action === 'approve')
    return approvals.findLast(({ trustDomain }) => trustDomain === a.domain)?.roots ?? []
  }
  /** Serves as A would, with a certificate for the identity of A's endpoint under A's CA. */
  async function impostor(leaf: { readonly certificate: string; readonly key: string }, body: string) {
    const server = createServer({ cert: leaf.certificate, key: leaf.key }, (_, response) => response.end(body))
    await new Promise<void>((resolve) => server.listen(8443, '127.0.0.1', resolve))
    const kept = process.env.NODE_OPTIONS
    process.env.NODE_OPTIONS = kept?.replace(encodeURIComponent(a.bundles.address), '127.0.0.1')
    return async (): Promise<void> => {
      process.env.NODE_OPTIONS = kept
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
  const bundleWith = (sequence: number, ...pems: readonly string[]): string => {
    const key = (pem: string) => {
      const certificate = new X509Certificate(pem)
      return { ...certificate.publicKey.export({ format: 'jwk' }), use: 'x509-svid', x5c: [certificate.raw.toString('base64')] }
    }
    return JSON.stringify({ keys: pems.map(key), spiffe_sequence: sequence, spiffe_refresh_hint: 300 })
  }

  beforeAll(async () => {
    old = bed.a.istiod.ca
    loads = await Promise.all([
      load(a.client, b.served.host, { everyMs: 40, address: '240.240.1.1' }),
      load(b.client, a.served.host, { everyMs: 40, address: '240.240.1.1' }),
    ])
  })
  afterAll(async () => {
    for (const running of loads ?? []) await running.stop()
  })

  it('B has already approved what it serves', async () => {
    const { stdout } = expectCode(await follow(), 0)
    expect(stdout).toContain('serves the approved roots')
  })

  it('nobody with a stolen endpoint certificate adds or removes a root', async () => {
    policy({ policy: 'AddOnly', hold: '1h' })
    const leaf = await bed.a.mint(a.bundles.spiffeId)
    const evil = bed.b.istiod.ca.root.certificate
    const stranger = (await bed.a.istiod.nextCa()).root.certificate
    const before = rootsOfA()
    for (const [offer, code, exit] of [
      [bundleWith(50, old.root.certificate, stranger), 'offer-held', 0],
      [bundleWith(51, stranger), 'offer-waits', 2],
      [bundleWith(52), 'offer-emptied', 1],
      [bundleWith(53, old.root.certificate, evil), 'offer-refused', 1],
      ['<html>', 'offer-refused', 1],
    ] as const) {
      const end = await impostor(leaf, offer)
      try {
        expect(expectCode(await follow(), exit).stdout).toContain(code)
      } finally {
        await end()
      }
      expect(rootsOfA()).toEqual(before)
    }
    // Without the CA of A, not even that.
    const end = await impostor(await bed.b.mint(a.bundles.spiffeId), bundleWith(54, old.root.certificate, stranger))
    expect(expectCode(await follow(), 1).stdout).toContain('endpoint-unverified')
    await end()
    expectCode(await follow(), 0)
    expect(await b.call(a)).toContain('200')
  })

  it('Manual waits for a person, who may refuse', async () => {
    policy(undefined)
    next = await bed.a.addRoot()
    expectCode(await a.shop.patiently('rotate', a.name, '--reason', 'yearly', '--yes', '--wait', 'switch'), 0)
    expectCode(await a.shop.apply(), 0)
    await until('A to publish both roots', async () => (await follow()).code === 2)
    const { stdout } = expectCode(await follow(), 2)
    expect(stdout).toContain(`--fingerprint ${rootOf(next)}`)
    expect(codes((await b.shop.plan()).findings)).toContain('offer-waits')
    expectCode(await b.shop.run('refuse', a.name, '--reason', 'not announced', '--yes'), 0)
    policy({ policy: 'AddOnly', hold: '1h' })
    expect(expectCode(await follow('--test-without-hold'), 2).stdout).toContain('a person refused one of these roots')
    expect(rootsOfA()).toEqual([rootOf(old)])
    // Its owner phoned: an approval of the same roots withdraws the refusal.
    expectCode(
      await b.shop.run('approve', a.name, '--fingerprint', rootOf(old), '--fingerprint', rootOf(next), '--reason', 'rang up', '--yes'),
      0,
    )
    expect(rootsOfA()).toEqual([rootOf(old), rootOf(next)])
    expectCode(await b.shop.apply(), 0)
  })

  it('after the CA of A switches, B removes the old root by itself, behind the gate', async () => {
    await bed.a.newRoot(next, [old])
    await until('the endpoint of A to be under its new root', async () => (await follow()).code === 0, 150_000)
    await bed.a.newRoot(next)
    expectCode(await a.shop.patiently('rotate', a.name, '--reason', 'yearly', '--yes', '--wait', 'steady'), 0)
    expectCode(await a.shop.apply(), 0)
    await until('B to follow', async () => (await follow('--test-without-hold')).stdout.includes('approved by itself'), 90_000)
    expect(rootsOfA()).toEqual([rootOf(next)])
    expect(b.lastEntry()?.actor.via).toBe('endpoint')
    const { steps } = await b.shop.plan()
    expect(steps.flatMap(({ gates }) => gates.map(({ needs, open }) => [needs, open]))).toContainEqual(['unused', false])
  })

  it('after A adds one more root, B approves it by itself, unconfirmed until a person confirms it', async () => {
    const third = await bed.a.addRoot()
    expectCode(await a.shop.patiently('rotate', a.name, '--reason', 'yearly', '--yes', '--wait', 'switch'), 0)
    expectCode(await a.shop.apply(), 0)
    await until('B to follow', async () => (await follow('--test-without-hold')).stdout.includes('approved by itself'), 90_000)
    expect(rootsOfA()).toEqual([rootOf(next), rootOf(third)])
    expect(codes((await b.shop.plan()).findings)).toContain('addition-unconfirmed')
    expectCode(
      await b.shop.run('approve', a.name, '--fingerprint', rootOf(next), '--fingerprint', rootOf(third), '--reason', 'rang up', '--yes'),
      0,
    )
    expect(codes((await b.shop.plan()).findings)).not.toContain('addition-unconfirmed')
  })

  it('no request failed in either direction', async () => {
    for (const running of loads) {
      const { total, failures } = await running.stop()
      expect(failures).toEqual([])
      expect(total).toBeGreaterThan(1000)
    }
  })

  it('nothing changes at B when the endpoint is down', async () => {
    await a.bundles.stop()
    expect(expectCode(await follow(), 1).stdout).toMatch(/endpoint-unreachable/)
    expect(await b.call(a)).toContain('200')
  })

  it('after B severs A, B approves nothing from it, and no invitation restores it', async () => {
    expectCode(await b.shop.run('sever', b.name, a.name, '--reason', 'INC-7', '--yes'), 0)
    await until('A to be refused', async () => (await a.call(b)).startsWith('503'))
    const { file, number } = await invitation(a, b)
    expect(expectCode(await b.shop.run('accept-invitation', file, '--comparison', number), 1).stderr).toContain('invitation-severed')
  })
})
