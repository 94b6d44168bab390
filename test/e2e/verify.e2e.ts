/** A table of causes, each seeded on a federation that was proven: the code, the side, and what verify says to do next. */
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/core/diagnostics/finding.ts'
import { Bed } from '../testbed/bed.ts'
import { type KubeObject, type Reference, referenceTo } from '../testbed/kube.ts'
import { createRoot } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { overriding, towards, unfit } from './filters.ts'
import { knowsServers } from './remote.ts'
import { fingerprint } from './rotations.ts'
import { aReaches, BOTH, bAccepts, expectCode, HOST, MEMBERS, ours, Shop } from './shop.ts'

let bed: Bed
let shop: Shop
let pods: Walkthrough

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed, BOTH)
  expectCode(await shop.apply(), 0)
  await shop.proven()
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

interface Cause {
  readonly what: string
  readonly seed: () => Promise<unknown>
  readonly undo: () => Promise<unknown>
  /** The member whose trust is affected; undefined: the finding is about the federation. */
  readonly truster?: 'cluster-a' | 'cluster-b'
  readonly state?: 'broken' | 'lagging' | 'unknown'
  readonly code: string
  readonly subject: string
  readonly next: RegExp
}

const filterOf = async (cluster: 'a' | 'b'): Promise<KubeObject> => {
  const found = (await ours(bed[cluster])).find((object) => object.kind === 'EnvoyFilter')
  if (found === undefined) throw new Error('no filter of ours')
  return found
}

const edit = async (cluster: 'a' | 'b', kind: string, change: (text: string) => string): Promise<void> => {
  const found = (await ours(bed[cluster])).find((object) => object.kind === kind)
  if (found === undefined) throw new Error(`no ${kind} of ours`)
  const spec = JSON.parse(change(JSON.stringify(found.spec))) as object
  await bed[cluster].kubectl(['-n', 'sample', 'patch', kind, found.metadata.name, '--type=merge', '-p', JSON.stringify({ spec })])
}

const apply = async (): Promise<void> => void expectCode(await shop.apply(), 0)
const rewrite = (trust: Parameters<Shop['write']>[0]) => async (): Promise<void> => shop.write(trust)

const objectIn = (apiVersion: string, kind: string, name: string, spec: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'sample' },
  spec,
})

const CALLER = 'cluster-a.example/ns/sample/sa/client'
/** A DENY of another team. */
const theirDeny = objectIn('security.istio.io/v1', 'AuthorizationPolicy', 'team-b', {
  selector: { matchLabels: { app: 'server' } },
  action: 'DENY',
  rules: [{ from: [{ source: { principals: [CALLER] } }] }],
})
const asking = objectIn('security.istio.io/v1', 'AuthorizationPolicy', 'team-c', {
  action: 'DENY',
  rules: [{ from: [{ source: { ipBlocks: ['192.0.2.0/24'] } }] }],
})
/** As another federation writes its callers rule, for all workloads of the namespace. */
const theirCallers: KubeObject = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: {
    name: 'entente-accept-all',
    namespace: 'sample',
    labels: { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'other' },
  },
  spec: {
    action: 'DENY',
    rules: [{ from: [{ source: { principals: ['cluster-a.example/*'], notPrincipals: ['cluster-a.example/ns/sample/sa/other'] } }] }],
  },
}

const SLICE: Reference = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace: 'sample', name: 'server-1' }

const REMOTE: Reference = { apiVersion: 'v1', kind: 'Secret', namespace: 'istio-system', name: 'istio-remote-secret-b' }

/**
 * The remote secret as it was. istiod may learn of b's pods before it has read b's mesh config: it then names them by its own
 * trust domain (seen in 4 of 16 joins), until it hears of them again.
 */
async function rejoin(): Promise<void> {
  await bed.join(['a'])
  await knowsServers(bed, pods)
}

/** As istio-reader, but for ConfigMaps: older installations of it may not read them. */
async function readsNoMeshConfig(): Promise<void> {
  const look = (apiGroups: string[], ...resources: string[]) => ({ apiGroups, resources, verbs: ['get', 'list', 'watch'] })
  const file = await bed.b.account('reader', [
    look([''], 'namespaces', 'services', 'pods', 'nodes', 'endpoints'),
    look(['discovery.k8s.io'], 'endpointslices'),
    look(['apiextensions.k8s.io'], 'customresourcedefinitions'),
    look(['networking.istio.io', 'security.istio.io', 'extensions.istio.io', 'telemetry.istio.io'], '*'),
  ])
  const secret = await bed.a.kube.get(REMOTE)
  if (secret === undefined) throw new Error('no remote secret')
  const data = { b: Buffer.from(readFileSync(file, 'utf8')).toString('base64') }
  await bed.a.kube.patch(REMOTE, { data })
}

/** Somebody else's filter on the client, later than ours. */
const another = async () =>
  overriding('cluster-b.example', (await createRoot('CN=Other')).certificate, { app: 'client', target: towards(HOST) })

const ANOTHER: Reference = { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', namespace: 'sample', name: 'someone-elses' }

const disabling = objectIn('networking.istio.io/v1', 'DestinationRule', 'someone-elses', {
  host: HOST,
  trafficPolicy: { tls: { mode: 'DISABLE' } },
})

/** Envoy refuses the server's listener with it, whole. */
const unfitting = unfit({ app: 'server' })

let second: Pod
let slice: KubeObject | undefined

const CAUSES: readonly Cause[] = [
  {
    what: 'our filter was deleted by hand in the server’s mesh: its proxies lack the caller’s root',
    seed: async () => bed.b.kube.delete(referenceTo(await filterOf('b'))),
    undo: apply,
    truster: 'cluster-b',
    code: 'root-missing',
    subject: 'server.sample',
    next: /^entente apply/,
  },
  {
    what: 'our filter was deleted by hand in the caller’s mesh: its proxies lack the server’s root',
    seed: async () => bed.a.kube.delete(referenceTo(await filterOf('a'))),
    undo: apply,
    truster: 'cluster-a',
    code: 'root-missing',
    subject: 'client.sample',
    next: /^entente apply/,
  },
  {
    what: 'the root was bound to another domain by hand',
    seed: () => edit('b', 'EnvoyFilter', (text) => text.replace('"name":"cluster-a.example"', '"name":"cluster-c.example"')),
    undo: apply,
    truster: 'cluster-b',
    code: 'root-of-another-domain',
    subject: 'server.sample',
    next: /entente apply/,
  },
  {
    what: 'the callers were changed by hand',
    seed: () =>
      edit('b', 'AuthorizationPolicy', (text) => text.replace('/sa/client"', '/sa/client","cluster-a.example/ns/sample/sa/admin"')),
    undo: apply,
    truster: 'cluster-b',
    code: 'callers-differ',
    subject: 'server.sample',
    next: /^entente apply/,
  },
  {
    what: 'the callers’ policy was deleted by hand',
    seed: async () => {
      const found = (await ours(bed.b)).find((object) => object.kind === 'AuthorizationPolicy')
      if (found) await bed.b.kube.delete(referenceTo(found))
    },
    undo: apply,
    truster: 'cluster-b',
    code: 'callers-differ',
    subject: 'server.sample',
    next: /^entente apply/,
  },
  {
    what: 'the workload became PERMISSIVE: it accepts plaintext too',
    seed: () => edit('b', 'PeerAuthentication', (text) => text.replace('STRICT', 'PERMISSIVE')),
    undo: apply,
    truster: 'cluster-b',
    code: 'mtls-not-strict',
    subject: 'server.sample',
    next: /^set PeerAuthentication to STRICT/,
  },
  {
    what: 'a policy of another team denies the only named caller',
    seed: () => bed.b.kube.apply(theirDeny),
    undo: () => bed.b.kube.delete(referenceTo(theirDeny)),
    truster: 'cluster-b',
    code: 'caller-still-denied',
    subject: 'cluster-b: sample (app=server)',
    next: /^change the existing policies to allow it/,
  },
  {
    what: 'a policy of another team matches addresses, so that the verdict on the caller is unknown',
    seed: () => bed.b.kube.apply(asking),
    undo: () => bed.b.kube.delete(referenceTo(asking)),
    truster: 'cluster-b',
    state: 'unknown',
    code: 'caller-not-certain',
    subject: 'cluster-b: sample (app=server)',
    next: /^test it with a call/,
  },
  {
    what: 'another federation selects the same pods, and denies the callers of this one',
    seed: () => bed.b.kube.apply(theirCallers),
    undo: () => bed.b.kube.delete(referenceTo(theirCallers)),
    truster: 'cluster-b',
    code: 'federations-overlap',
    subject: 'cluster-b: sample (app=server)',
    next: /^let one of the two speak for these pods/,
  },
  {
    what: 'a foreign filter overrides the validator with another root',
    seed: async () => bed.a.kube.apply(await another()),
    undo: () => bed.a.kube.delete(ANOTHER),
    truster: 'cluster-a',
    code: 'foreign-filter',
    subject: 'client.sample',
    next: /take that part out of it/,
  },
  {
    what: 'Envoy rejects a foreign filter, and with it the whole inbound listener',
    seed: () => bed.b.kube.apply(unfitting),
    undo: () => bed.b.kube.delete(referenceTo(unfitting)),
    truster: 'cluster-b',
    code: 'filter-rejected',
    subject: 'server.sample',
    next: /^entente plan/,
  },
  {
    what: 'a DestinationRule switches mutual TLS off',
    seed: () => bed.a.kube.apply(disabling),
    undo: () => bed.a.kube.delete(referenceTo(disabling)),
    truster: 'cluster-a',
    code: 'reach-not-mutual',
    subject: 'client.sample',
    next: /DestinationRule/,
  },
  {
    what: 'the service has no endpoint on the other side',
    seed: async () => {
      slice = await bed.b.kube.get(SLICE)
      await bed.b.kube.delete(SLICE)
    },
    undo: async () => slice && bed.b.kube.apply({ ...slice, metadata: { ...pick(slice) } }),
    truster: 'cluster-a',
    code: 'no-endpoint',
    subject: 'client.sample',
    next: /remote secret.*east-west gateway/,
  },
  {
    what: 'the remote secret is gone',
    seed: () => bed.a.kube.delete(REMOTE),
    undo: rejoin,
    truster: 'cluster-a',
    code: 'no-endpoint',
    subject: 'client.sample',
    next: /istioctl remote-clusters/,
  },
  {
    what: 'the truster’s istiod may not read the trusted mesh’s config, and expects servers of its own trust domain there',
    seed: async () => {
      // If the file names the servers, istiod's identities for them do not count.
      await shop.make([bAccepts(), aReaches({ services: [{ host: HOST }] })])
      await readsNoMeshConfig()
    },
    undo: async () => {
      await rejoin()
      await shop.make(BOTH)
    },
    truster: 'cluster-a',
    code: 'servers-refused',
    subject: 'client.sample',
    next: /servedBy: \[cluster-b\.example\/.*then entente apply.*make sure that it may/,
  },
  {
    what: 'a proxy is disconnected, its pod still runs',
    seed: async () => {
      second = await bed.b.pod({ namespace: 'sample', name: 'second', labels: { app: 'server' } })
      await second.kill()
    },
    undo: () => second.stop(),
    truster: 'cluster-b',
    state: 'lagging',
    code: 'proxy-unheard',
    subject: 'second.sample',
    next: /kubectl -n sample get pod second/,
  },
  {
    what: 'the file names other servers of the host than the proxies accept',
    seed: rewrite([bAccepts(), aReaches({ services: [{ host: HOST, servedBy: ['cluster-b.example/ns/sample/sa/other'] }] })]),
    undo: rewrite(BOTH),
    truster: 'cluster-a',
    code: 'servers-differ',
    subject: 'client.sample',
    next: /^entente apply/,
  },
  {
    what: 'only the caller’s mesh trusts',
    seed: rewrite([aReaches()]),
    undo: rewrite(BOTH),
    truster: 'cluster-a',
    code: 'one-way',
    subject: 'cluster-b',
    next: /add a trust with truster: cluster-b, trusted: cluster-a and accept/,
  },
  {
    what: 'the mesh uses another trust domain than the file says',
    seed: async () =>
      shop.write(
        [bAccepts({ callers: ['cluster-x.example/ns/sample/sa/client'] }), aReaches()],
        MEMBERS.map((member) => (member.name === 'cluster-a' ? { ...member, trustDomain: 'cluster-x.example' } : member)),
      ),
    undo: rewrite(BOTH),
    truster: 'cluster-b',
    code: 'trust-domain-differs',
    subject: 'cluster-a',
    next: /correct trustDomain of member cluster-a/,
  },
  {
    what: 'a root has expired',
    seed: async () => {
      // One minute of it is over when it is made (pki.ts), and it is approved before it ends.
      const { certificate } = await createRoot('CN=Root CA c', 80 / 86_400)
      const trust = { ...bAccepts({ selector: { app: 'later' }, callers: ['cluster-c.example/ns/x/sa/x'] }), trusted: 'cluster-c' }
      shop.write([...BOTH, trust], [...MEMBERS, { name: 'cluster-c', trustDomain: 'cluster-c.example' }])
      writeFileSync(shop.file('c.pem'), certificate)
      expectCode(await shop.run('approve', 'cluster-c', '--bundle', 'c.pem', '--fingerprint', fingerprint(certificate), '--yes'), 0)
      await sleep(Math.max(0, Date.parse(new X509Certificate(certificate).validTo) - Date.now()))
    },
    undo: rewrite(BOTH),
    code: 'root-expired',
    subject: 'cluster-c',
    next: /^entente approve cluster-c/,
  },
  {
    what: 'istiod does not answer',
    seed: () => bed.b.istiod.stop(),
    undo: () => bed.b.istiod.start(),
    truster: 'cluster-b',
    state: 'unknown',
    code: 'istiod-unreachable',
    subject: 'cluster-b',
    next: /./,
  },
  {
    what: 'the API server does not answer',
    seed: () => bed.b.api.stop(),
    undo: () => bed.b.api.start(),
    truster: 'cluster-b',
    state: 'unknown',
    code: 'cluster-unreachable',
    subject: 'cluster-b',
    next: /./,
  },
]

const pick = ({ metadata: { name, namespace, labels } }: KubeObject) => ({
  name,
  ...(namespace && { namespace }),
  ...(labels && { labels }),
})

describe('verify reports the cause, the side and the next command if', () => {
  it.each(CAUSES)('$what ($code)', async ({ seed, undo, truster, state, code, subject, next }) => {
    let last: unknown
    try {
      await seed()
      const finding = await until(`verify to tell ${code}`, async (): Promise<Finding | undefined> => {
        const { code: exit, trusts, findings } = await shop.verify()
        last = { trusts, findings }
        const trust = trusts.find((t) => t.truster === truster)
        expect(exit).toBe(state === 'unknown' ? 3 : 1)
        if (truster !== undefined) expect(trust?.state).toBe(state ?? 'broken')
        return (trust?.findings ?? findings).find((found) => found.code === code && found.subject.includes(subject))
      }).catch((cause: Error) => {
        throw new Error(`${cause.message}: ${JSON.stringify(last, undefined, 1)}`)
      })
      expect(finding.hint).toMatch(next)
    } finally {
      await undo()
      await shop.proven()
    }
  })
})

describe('a caller that a foreign policy rejects', () => {
  const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
  it.each([
    { whose: 'another team', policy: theirDeny },
    { whose: 'another federation', policy: theirCallers },
  ])('gets 403 by the policy of $whose, and the trust is not proven meanwhile', async ({ policy }) => {
    await until('the call to pass', async () => (await status()) === 200)
    await bed.b.kube.apply(policy)
    try {
      await until('the call to be refused', async () => (await status()) === 403)
      const verdict = await shop.verdict('b')
      expect(verdict.state).toBe('broken')
      expect(verdict.findings).toContainEqual(expect.objectContaining({ code: 'caller-still-denied', severity: 'error' }))
      const told = (await shop.plan()).findings.filter(({ code }) => code === 'caller-still-denied')
      expect(told).toMatchObject([{ severity: 'warning' }])
    } finally {
      await bed.b.kube.delete(referenceTo(policy))
    }
    await until('the call to pass again', async () => (await status()) === 200)
    await shop.proven()
  })
})
