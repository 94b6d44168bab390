/** The worked example of docs/library.md: the code between the marks is identical to the code there. */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { parse, stringify } from 'yaml'
import {
  A,
  ALICE,
  approval,
  authority,
  B,
  CLIENT,
  document,
  domain,
  member,
  NOW,
  reachEntry,
  SERVER_HOST,
  sealAll,
  spec,
} from '../test/support/federations.ts'
import { observation, pod, service } from '../test/support/observations.ts'
import { guarded, type Recorded, recorded } from '../test/support/recorded.ts'
import { title } from './core/model/manifest.ts'
import {
  type Actor,
  type Approved,
  checkWitness,
  type Digest,
  type Evidence,
  intents,
  type Manifest,
  type MemberName,
  type Observation,
  parseBundle,
  parseFederation,
  parseRecord,
  plan,
  planView,
  printBundle,
  printEntry,
  project,
  readProxyConfig,
  readState,
  render,
  type Seens,
  seal,
  simulate,
  verify,
  verifyView,
} from './index.ts'

interface Yours {
  readonly now: Date
  readonly actor: Actor
  readonly read: (path: string) => string
  readonly look: () => Seens
  readonly head: Digest | undefined
}

function example({ now, actor, read, look, head }: Yours) {
  // <example>
  // Read the federation file, the record and the approved bundles.
  const parsed = parseFederation(parse(read('federation.yaml')))
  if ('problems' in parsed) throw new Error(parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
  const { federation } = parsed
  const record = project(parseRecord(read('audit.jsonl').trimEnd().split('\n'), 'audit.jsonl'))
  const approved: Approved = new Map(
    [...federation.members.values()].map(({ trustDomain }) => {
      const file = new TextEncoder().encode(read(`bundles/${trustDomain}.json`))
      return [trustDomain, { ok: true, value: parseBundle(trustDomain, file, { now, tolerate: 'dates' }) }]
    }),
  )
  const wanted = intents(federation, approved, record, now)

  // Plan the changes, with their order and reason. Render the same objects as manifests, for a GitOps tool.
  let seen = look()
  const made = plan(wanted.intents, seen, now)
  for (const { member, phase, object, reason } of planView(made).steps) console.log(member, phase, object.kind, reason)
  const manifests = wanted.intents.flatMap(render)

  // Record the apply before the first write. If the file lacks `head`, which the mesh holds, this throws record-forked.
  checkWitness(record, head, 'cluster-b')
  const steps = made.steps.map(({ id, member, changes }) => ({ id, member, changes }))
  const begin = seal(record.head, { actor, at: now, reason: 'TICKET-123', action: 'begin', plan: made.digest, steps })
  console.log(printEntry(begin))

  // Simulate the steps, and read which callers the objects then accept.
  for (const step of made.steps) seen = new Map(seen).set(step.member, simulate(seen.get(step.member) as Observation, step))
  const objects = seen.get('cluster-b' as MemberName)?.objects
  const granted = readState(objects?.ok ? objects.value : [])
  for (const { at, callers } of granted.inbound.values()) console.log(at.namespace, at.labels, [...callers])

  // Verify that live proxies hold it, by the configuration of istiod's /debug/config_dump?proxyID=server.sample
  const proxy = (pod: string): Evidence => ({
    proxy: `${pod}.sample`,
    namespace: 'sample',
    pod,
    heard: true,
    acknowledged: true,
    sent: { listeners: 'nonce 7', clusters: 'nonce 8' },
    config: readProxyConfig(JSON.parse(read(`${pod}.sample.json`))),
  })
  const live = new Map(
    [...seen].map(([member, was]) => {
      const value = [proxy(member === 'cluster-a' ? 'client' : 'server')]
      return [member, { ...was, proxies: { ok: true, value } } as const]
    }),
  )
  const verdicts = verify(federation, wanted.intents, live, now)
  for (const { truster, trusted, state, findings } of verifyView(verdicts, wanted.findings, now).trusts)
    console.log(truster, trusted, state, ...findings.map(({ message }) => message))
  // </example>
  return { made, manifests, begin, granted, verdicts, before: verify(federation, wanted.intents, seen, now) }
}

const source = readFileSync(import.meta.filename, 'utf8')
const [, shown = ''] = /^ {2}\/\/ <example>\n(.*)^ {2}\/\/ <\/example>\n/ms.exec(source) ?? []

/** Answers of a real istiod, with the roots of test authorities in the place of those it had. */
async function answers(name: Recorded): Promise<string> {
  let dump = JSON.stringify(recorded(name))
  for (const domain of [A, B]) {
    const [, held] = new RegExp(`"name":"${domain}","trustBundle":{"inlineString":"([^"]*)"`).exec(dump) ?? []
    const { root } = await authority(domain)
    dump = dump.replaceAll(held ?? 'none', JSON.stringify(root.pem).slice(1, -1))
  }
  return dump
}

async function mesh(domain: string, app: string): Promise<Observation> {
  const ca = await authority(domain)
  const istiod = await (await ca.intermediate()).leaf(`spiffe://${domain}/ns/istio-system/sa/istiod`)
  const objects = [pod(`sample/${app}`, { app }), service('sample/server')]
  return observation({ own: ca.bundle, objects, istio: { presented: { ok: true, value: istiod.chainDer } } })
}

describe('the worked example', async () => {
  const bundles = (await Promise.all([A, B].map((domain) => authority(domain)))).map(({ bundle }) => bundle)
  const record = sealAll(bundles.map(approval))
  // As it was when istiod gave these answers: it knows servers of both meshes, and the file does not name any.
  const federation = spec((s) => void Object.assign(s.trust[1] ?? {}, { reach: [reachEntry({ services: [{ host: SERVER_HOST }] })] }))
  const files: Readonly<Record<string, string>> = {
    'federation.yaml': stringify(document(federation)),
    'audit.jsonl': record.map((entry) => `${printEntry(entry)}\n`).join(''),
    ...Object.fromEntries(bundles.map((bundle) => [`bundles/${bundle.trustDomain}.json`, printBundle(bundle)])),
    'server.sample.json': guarded(await answers('strict-pinned'), { own: [domain(B)], callers: [CLIENT] }),
    'client.sample.json': await answers('client-pinned'),
  }
  const meshes: Seens = new Map([
    [member('cluster-a'), await mesh(A, 'client')],
    [member('cluster-b'), await mesh(B, 'server')],
  ])
  const yours: Yours = { now: NOW, actor: ALICE, read: (path) => files[path] ?? '', look: () => meshes, head: record.at(-1)?.hash }
  const lines = vi.spyOn(console, 'log').mockImplementation(() => {})
  afterAll(() => lines.mockRestore())

  it('appears in docs/library.md', () => {
    expect(shown).not.toBe('')
    const text = shown.replaceAll(/^ {2}/gm, '').replaceAll(/\n$/g, '')
    expect(readFileSync(new URL('../docs/library.md', import.meta.url), 'utf8')).toContain(`\`\`\`ts\n${text}\n\`\`\``)
  })

  it('plans what opens, records it, and proves it', () => {
    const { made, manifests, begin, granted, before, verdicts } = example(yours)
    const [inA, inB] = ['cluster-a', 'cluster-b'].map((name) => made.steps.filter((step) => step.member === name))
    expect(inA?.map(({ phase, after }) => `${phase} ${after?.kind}`)).toEqual(['guard ConfigMap', 'open EnvoyFilter'])
    expect(inB?.map(({ phase, after }) => `${phase} ${after?.kind}`)).toEqual([
      'guard ConfigMap',
      'guard PeerAuthentication',
      'guard AuthorizationPolicy',
      'open EnvoyFilter',
    ])
    expect(manifests.map(title).toSorted()).toEqual(made.steps.map(({ after }) => title(after as Manifest)).toSorted())
    expect(begin).toMatchObject({ seq: 3, prev: yours.head, action: 'begin' })
    expect([...granted.inbound.values()].map(({ callers }) => [...callers])).toEqual([[[A, [CLIENT]]]])
    expect(before.map(({ state }) => state)).not.toContain('proven')
    expect(verdicts.map(({ state }) => state)).toEqual(['proven', 'proven'])
    expect(lines).toHaveBeenCalledWith('cluster-b', 'cluster-a', 'proven')
  })

  it('stops if the record does not match the head that the mesh stores', () => {
    expect(() => example({ ...yours, head: `sha256:${'1'.repeat(64)}` as Digest })).toThrow(
      expect.objectContaining({ code: 'record-forked' }),
    )
  })
})
