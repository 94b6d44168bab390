import { describe, expect, it } from 'vitest'
import { A, ALICE, authority, B, document, NOW, type Spec, spec } from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { type MemoryPorts, memoryPorts } from '../../../test/support/ports.ts'
import { comparisonNumber } from '../../core/exchange/comparison-number.ts'
import { parseFederation } from '../../core/federation/parse.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import type { MemberName } from '../../core/model/wanted.ts'
import { printEntry } from '../../core/record/record.ts'
import { type Bundle, printBundle } from '../../core/spiffe/bundle.ts'
import { approve } from '../approve/approve.ts'
import { readDesired } from '../desired.ts'
import { planFederation } from '../plan.ts'
import { lift } from '../sever/lift.ts'
import { sever } from '../sever/sever.ts'
import { verifyTrusts } from '../verify/verify.ts'
import { acceptInvitation } from './accept-invitation.ts'
import { follow, followableIn, Session } from './follow.ts'
import { invite } from './invite.ts'
import { publication } from './publish.ts'
import { refuse } from './refuse.ts'

const HOUR = 3_600_000
const URL_A = 'https://bundle.cluster-a.example/bundle'
const ID_A = 'spiffe://cluster-a.example/ns/trust/sa/bundles'
const [a, b, newA, foreign] = await Promise.all([authority(A), authority(B), authority(A, 'new'), authority(A, 'foreign')])
const leaves = await Promise.all([a.leaf(ID_A), a.leaf(ID_A)])
const newLeaf = await newA.leaf(ID_A)
const issuedHoursAgo = (authority: typeof a, hours: number) => authority.leaf(ID_A, { notBefore: new Date(NOW.getTime() - hours * HOUR) })
const why = { reason: 'a test' }

const published = { gateway: { namespace: 'trust', name: 'bundles', host: 'bundle.cluster-a.example' }, profile: 'https_spiffe' }
const endpoint = { url: URL_A, profile: { type: 'https_spiffe', endpointSPIFFEID: ID_A } }

/** Owner B, who has a cluster, and knows of A what `member` says. */
function ownerB(member: object, ...more: readonly ((of: Spec) => void)[]): MemoryPorts {
  const mesh = memoryMesh('cluster-b' as MemberName, { own: b.bundle, objects: [] })
  const of = spec((file) => {
    file.members = file.members.map((one) => (one.name === 'cluster-a' ? { name: one.name, trustDomain: one.trustDomain, ...member } : one))
    file.trust = file.trust.filter(({ truster }) => truster === 'cluster-b')
    for (const change of more) change(file)
  })
  return memoryPorts(of, [mesh], a.bundle, b.bundle)
}
/** Owner A, who publishes. */
const ownerA = (): MemoryPorts =>
  memoryPorts(
    spec((file) => {
      file.members = [{ ...file.members[0], publish: published }]
      file.trust = []
    }),
    [memoryMesh('cluster-a' as MemberName, { own: a.bundle, objects: [] })],
    a.bundle,
  )

const serve = (ports: MemoryPorts, bundle: Bundle, leaf = leaves[0]): void =>
  void ports.served.set(URL_A, { body: Buffer.from(printBundle(bundle)), chain: leaf?.chainDer ?? [] })
const both = (sequence: bigint): Bundle => ({ ...a.bundle, anchors: [...a.bundle.anchors, ...newA.bundle.anchors], sequence })
const prints = (bundle: Bundle) => bundle.anchors.map(({ fingerprint }) => fingerprint)
const kinds = async (ports: MemoryPorts) => (await follow(ports, { members: [] })).map(({ decision }) => decision?.kind ?? 'failed')
/** A person confirms the endpoint, with the roots that are approved already. */
const confirm = async (ports: MemoryPorts): Promise<void> => {
  serve(ports, { ...a.bundle, sequence: 1n })
  await approve(ports, { member: 'cluster-a', fingerprint: prints(a.bundle), ...why })
}
/** Fetches every ten minutes for an hour and more, the certificate renewed on the way. */
async function afterHold(ports: MemoryPorts, bundle: Bundle): Promise<readonly string[]> {
  const seen: string[] = []
  for (let minutes = 0; minutes <= 60; minutes += 10) {
    serve(ports, bundle, leaves[minutes < 30 ? 0 : 1])
    seen.push(...(await kinds(ports)))
    await ports.sleep(HOUR / 6)
  }
  return seen
}

describe('follow', () => {
  const addOnly = { bundleEndpoint: endpoint, follow: { policy: 'AddOnly', hold: '1h' } }

  it('approves one more root by itself after the hold, on the record as unconfirmed', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    expect(await afterHold(ports, both(2n))).toEqual([...Array(6).fill('hold'), 'approve'])
    expect(prints(ports.approved.get(A) as Bundle)).toEqual(prints(both(2n)))
    expect(ports.entries.slice(-2)).toMatchObject([
      { action: 'offer', actor: { name: URL_A, via: 'endpoint' }, roots: prints(both(2n)), sequence: '2' },
      { action: 'approve', actor: { name: URL_A, via: 'endpoint' }, source: `endpoint ${URL_A}`, sequence: '2' },
    ])
    const { plan } = await planFederation(ports)
    expect(plan.findings.map(({ code }) => code)).toContain('addition-unconfirmed')
    expect(await kinds(ports)).toEqual(['same'])

    // The root that Entente added vouches for nothing, and nothing else follows by itself until a person confirmed it.
    serve(ports, { ...newA.bundle, sequence: 3n }, newLeaf)
    expect(await afterHold(ports, { ...newA.bundle, sequence: 3n })).toEqual(Array(7).fill('person'))
    serve(ports, both(2n))
    expect((await approve(ports, { member: 'cluster-a', fingerprint: prints(both(2n)), ...why })).already).toBe(false)
    expect((await planFederation(ports)).plan.findings.map(({ code }) => code)).not.toContain('addition-unconfirmed')
    const fewer = { ...newA.bundle, sequence: 3n }
    serve(ports, fewer, newLeaf)
    const [held] = await follow(ports, { members: [] })
    // A removal has no new root that anybody could refuse.
    expect(held?.findings[0]?.hint).toContain('to stop it: write follow: { policy: Manual }')
    await expect(refuse(ports, { member: 'cluster-a', ...why })).rejects.toMatchObject({ code: 'usage' })
    const removal: string[] = []
    for (let minutes = 0; minutes <= 60; minutes += 10) {
      serve(ports, fewer, minutes < 30 ? newLeaf : secondNewLeaf)
      removal.push(...(await kinds(ports)))
      await ports.sleep(HOUR / 6)
    }
    expect(removal).toEqual([...Array(6).fill('hold'), 'approve'])
  })

  it('counts a root that a person removed as unconfirmed if the endpoint brings it back', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    serve(ports, both(2n))
    await approve(ports, { member: 'cluster-a', fingerprint: prints(both(2n)), ...why })
    serve(ports, { ...a.bundle, sequence: 3n })
    await approve(ports, { member: 'cluster-a', fingerprint: prints(a.bundle), ...why })
    expect(await afterHold(ports, both(4n))).toEqual([...Array(6).fill('hold'), 'approve'])
    expect((await planFederation(ports)).plan.findings.map(({ code }) => code)).toContain('addition-unconfirmed')
    serve(ports, { ...newA.bundle, sequence: 5n }, newLeaf)
    expect(await kinds(ports)).toEqual(['person'])
  })

  it('approves nothing that the file and the record, as they are then, do not allow any more', async () => {
    const changes: readonly ((file: Spec) => void)[] = [
      (file) => Object.assign(file.members.find(({ name }) => name === 'cluster-a') ?? {}, { follow: { policy: 'Manual' } }),
      (file) =>
        Object.assign(file.members.find(({ name }) => name === 'cluster-a') ?? {}, {
          bundleEndpoint: { ...endpoint, url: 'https://elsewhere.example/bundle' },
        }),
    ]
    for (const change of changes) {
      const ports = ownerB(addOnly)
      await confirm(ports)
      serve(ports, both(2n))
      const before = await readDesired(ports)
      const [member] = followableIn(before, [])
      const changed = ownerB(addOnly, change)
      const session = await Session.open({ ...ports, desired: changed.desired }, true)
      const result = member && (await session.follow(before, member))
      expect(result?.decision?.kind).not.toBe('approve')
      expect(prints(ports.approved.get(A) as Bundle)).toEqual(prints(a.bundle))
    }
  })

  it('records an offer once, and Manual waits for a person', async () => {
    const ports = ownerB({ bundleEndpoint: endpoint })
    await confirm(ports)
    expect(await afterHold(ports, both(2n))).toEqual(Array(7).fill('person'))
    expect(ports.entries.filter(({ action }) => action === 'offer')).toHaveLength(1)
    const { findings } = (await planFederation(ports)).plan
    expect(findings.find(({ code }) => code === 'offer-waits')?.hint).toContain(
      `entente approve cluster-a ${prints(both(2n))
        .sort()
        .map((root) => `--fingerprint ${root}`)
        .join(' ')}`,
    )
    await expect(approve(ports, { member: 'cluster-a', ...why })).rejects.toMatchObject({ code: 'fingerprint-mismatch' })
    await approve(ports, { member: 'cluster-a', fingerprint: prints(both(2n)), ...why })
    expect((await planFederation(ports)).plan.findings.map(({ code }) => code)).not.toContain('offer-waits')
  })

  it('waits until a person confirms the endpoint, and again after the file names another one', async () => {
    const ports = ownerB(addOnly)
    serve(ports, both(2n))
    const [first] = await follow(ports, { members: [], withoutHold: true })
    expect(first?.decision).toEqual({ kind: 'person', reason: 'endpoint-changed' })
    await confirm(ports)
    const moved = ownerB({ ...addOnly, bundleEndpoint: { ...endpoint, url: 'https://elsewhere.example/bundle' } })
    for (const entry of ports.entries.slice(moved.entries.length)) await moved.record.append(entry)
    moved.served.set('https://elsewhere.example/bundle', { body: Buffer.from(printBundle(both(2n))), chain: leaves[0]?.chainDer ?? [] })
    const [then] = await follow(moved, { members: [], withoutHold: true })
    expect(then?.decision).toEqual({ kind: 'person', reason: 'endpoint-changed' })
  })

  it('does not approve an offer that a person refused, who may still approve it later', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    serve(ports, both(2n))
    await kinds(ports)
    expect((await refuse(ports, { member: 'cluster-a', ...why })).roots).toEqual(prints(newA.bundle))
    expect(await afterHold(ports, both(2n))).toEqual(Array(7).fill('person'))
    expect(ports.entries.at(-1)).toMatchObject({ action: 'refuse', actor: ALICE })
    await expect(refuse(ports, { member: 'cluster-a', fingerprint: prints(a.bundle), ...why })).rejects.toMatchObject({ code: 'usage' })
    await approve(ports, { member: 'cluster-a', fingerprint: prints(both(2n)), ...why })
    expect(await kinds(ports)).toEqual(['same'])
  })

  it('provides evidence of the root that a partner’s CA signs under, while the fetch and the certificate are recent', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    const states = async () => (await verifyTrusts(ports, {})).verdicts.flatMap(({ findings }) => findings.map(({ code }) => code))
    expect(await states()).toContain('chain-unseen')
    serve(ports, { ...a.bundle, sequence: 1n }, await issuedHoursAgo(a, 25))
    await kinds(ports)
    expect(await states()).toContain('chain-unseen')
    serve(ports, { ...a.bundle, sequence: 1n }, await issuedHoursAgo(a, 23))
    await kinds(ports)
    expect(await states()).not.toContain('chain-unseen')
    await ports.sleep(2 * HOUR)
    expect(await states()).toContain('chain-unseen')
    serve(ports, { ...a.bundle, sequence: 1n }, await issuedHoursAgo(newA, 0))
    await kinds(ports)
    expect(await states()).toContain('ca-not-approved')
  })

  it('records each offer, but not every change of an endpoint that changes at every fetch; refuse applies to the offer shown last', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    const foreigner: Bundle = { ...a.bundle, anchors: [...a.bundle.anchors, ...foreign.bundle.anchors], sequence: 2n }
    for (let i = 0; i < 30; i++) {
      serve(ports, i % 2 === 0 ? both(2n) : foreigner)
      await kinds(ports)
    }
    expect(ports.entries.filter(({ action }) => action === 'offer')).toHaveLength(16)
    expect((await refuse(ports, { member: 'cluster-a', ...why })).roots).toEqual(prints(foreign.bundle))
  })

  it.each<{ name: string; bundle: Bundle; code: string }>([
    { name: 'no root', bundle: { ...a.bundle, anchors: [], sequence: 2n }, code: 'offer-emptied' },
    { name: 'a root of ours', bundle: { ...both(2n), anchors: [...a.bundle.anchors, ...b.bundle.anchors] }, code: 'offer-refused' },
    { name: 'another root under the approved sequence', bundle: both(1n), code: 'offer-refused' },
    { name: 'the approved roots under a lower sequence', bundle: { ...a.bundle, sequence: 0n }, code: 'offer-refused' },
  ])('keeps the approved roots when the endpoint serves $name: $code', async ({ bundle, code }) => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    serve(ports, bundle)
    const [one] = await follow(ports, { members: [], withoutHold: true })
    expect(one?.findings.map((finding) => finding.code)).toEqual([code])
    expect((await planFederation(ports)).plan.findings.map((finding) => finding.code)).toContain(code)
    expect(prints(ports.approved.get(A) as Bundle)).toEqual(prints(a.bundle))
  })

  it('keeps the approved roots when the endpoint is down, and says for how long', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    expect(await kinds(ports)).toEqual(['same'])
    ports.served.clear()
    await ports.sleep(24 * HOUR)
    const [one] = await follow(ports, { members: [] })
    expect(one?.findings.map(({ code }) => code)).toEqual(['endpoint-unreachable'])
    const stale = (await planFederation(ports)).plan.findings.find(({ code }) => code === 'endpoint-stale')
    expect(stale?.message).toContain(`was fetched last at ${NOW.toISOString()}; the last try failed: does not answer`)
    expect(prints(ports.approved.get(A) as Bundle)).toEqual(prints(a.bundle))
  })

  it('approves nothing from a severed partner, and its approvals never count as a person’s after a lift', async () => {
    const ports = ownerB(addOnly)
    await confirm(ports)
    const pair = { truster: 'cluster-b', trusted: 'cluster-a' }
    await sever(ports, { ...pair, ...why })
    serve(ports, both(2n))
    const reason = async () => (await follow(ports, { members: [], withoutHold: true }))[0]?.decision
    expect(await reason()).toEqual({ kind: 'person', reason: 'severed' })
    await lift(ports, { ...pair, ...why })
    expect(await reason()).toEqual({ kind: 'person', reason: 'severed' })
  })
})

const secondNewLeaf = await newA.leaf(ID_A)

describe('an invitation', () => {
  const invited = async (more: object = {}) => {
    const { document: made, number } = await invite(ownerA(), { for: B, validMs: 24 * HOUR })
    return { text: JSON.stringify({ ...made, ...more }), number: number.number }
  }
  const without = (file: Spec): void => {
    file.members = file.members.filter(({ name }) => name === 'cluster-b')
    file.trust = []
  }
  const receiver = (): MemoryPorts => {
    const ports = ownerB({}, without)
    ports.approved.delete(A)
    serve(ports, { ...a.bundle, sequence: 1n })
    return ports
  }

  it('makes its sender a member, approves its roots, and has no effect a second time', async () => {
    const { text, number } = await invited()
    const ports = receiver()
    const { numbers, already, answer } = await acceptInvitation(ports, { file: 'f', text, comparison: number, ...why })
    expect([already, answer]).toEqual([false, undefined])
    expect(numbers).toEqual([
      { trustDomain: A, number },
      { trustDomain: B, number: comparisonNumber({ trustDomain: B, roots: prints(b.bundle) }) },
    ])
    expect(ports.partners).toMatchObject([{ name: 'cluster-a', trustDomain: A, endpoint: { url: URL_A, endpointId: ID_A } }])
    expect(ports.entries.at(-1)).toMatchObject({
      action: 'approve',
      source: 'invitation f',
      roots: prints(a.bundle),
      invitation: JSON.parse(text).id,
    })
    const lines = ports.entries.map(printEntry)
    await ports.sleep(1000 * HOUR)
    expect((await acceptInvitation(ports, { file: 'f', text, comparison: number, ...why })).already).toBe(true)
    expect(ports.entries.map(printEntry)).toEqual(lines)
  })

  it('asks a person with both numbers if none was given', async () => {
    const { text } = await invited()
    const ports = receiver()
    await acceptInvitation(ports, { file: 'f', text, ...why })
    expect(ports.asked.map(({ kind }) => kind)).toEqual(['accept-invitation'])
    const refusing = receiver()
    refusing.refuse()
    await expect(acceptInvitation(refusing, { file: 'f', text, ...why })).rejects.toMatchObject({ code: 'not-confirmed' })
    expect([refusing.partners, refusing.entries.length]).toEqual([[], 2])
  })

  it.each<{ name: string; code: string; change?: (ports: MemoryPorts) => void; with?: object; text?: object }>([
    { name: 'another number', code: 'comparison-differs', with: { comparison: '00000 00000 00000 00000 00000 00000' } },
    { name: 'other fingerprints', code: 'fingerprint-mismatch', with: { fingerprint: prints(foreign.bundle) } },
    { name: 'an endpoint with another root', code: 'invitation-differs', change: (ports) => serve(ports, foreign.bundle) },
    { name: 'an endpoint with a root more', code: 'invitation-differs', change: (ports) => serve(ports, both(2n)) },
    { name: 'no endpoint', code: 'endpoint-unreachable', change: (ports) => ports.served.clear() },
    { name: 'its time over', code: 'invitation-expired', change: (ports) => void ports.sleep(25 * HOUR) },
    { name: 'a changed file', code: 'invitation-invalid', text: { trustDomain: 'evil.example' } },
  ])('is rejected with $name, and nothing changes: $code', async ({ code, change, with: given = {}, text: more }) => {
    const { text, number } = await invited(more)
    const ports = receiver()
    change?.(ports)
    const input = { file: 'f', text, ...('fingerprint' in given ? {} : { comparison: number }), ...given, ...why }
    await expect(acceptInvitation(ports, input)).rejects.toMatchObject({ code })
    expect([ports.partners, ports.entries.length, ports.approved.has(A)]).toEqual([[], 2, false])
  })

  it('is rejected for another receiver, or from a mesh that we run', async () => {
    const { document: made } = await invite(ownerA(), { for: 'cluster-c.example', validMs: HOUR })
    await expect(acceptInvitation(receiver(), { file: 'f', text: JSON.stringify(made), ...why })).rejects.toMatchObject({
      code: 'invitation-misdirected',
    })
    await expect(invite(ownerA(), { for: A, validMs: HOUR })).rejects.toMatchObject({ code: 'usage' })
  })

  it('never lifts a sever', async () => {
    const { text, number } = await invited()
    const ports = ownerB({ bundleEndpoint: endpoint })
    serve(ports, { ...a.bundle, sequence: 1n })
    await sever(ports, { truster: 'cluster-b', trusted: 'cluster-a', ...why })
    await expect(acceptInvitation(ports, { file: 'f', text, comparison: number, ...why })).rejects.toMatchObject({
      code: 'invitation-severed',
    })
  })
})

describe('publish', () => {
  it('serves the approved roots under the number of the approval on the record', async () => {
    const { objects, endpoint: made, sequence } = await publication(ownerA(), 'cluster-a')
    expect(made).toEqual({ profile: 'https_spiffe', url: URL_A, endpointId: ID_A })
    expect([objects.map(({ kind }) => kind), sequence]).toEqual([['VirtualService', 'Gateway'], 1n])
    expect(JSON.stringify(objects)).toContain('spiffe_refresh_hint')
  })

  it('is a step of the plan like any other, changes no trust, and never returns to a lower sequence', async () => {
    const ports = ownerA()
    const { plan } = await planFederation(ports)
    expect(plan.steps.map(({ phase, after, changes }) => [phase, after?.kind, changes])).toEqual([
      ['open', 'VirtualService', []],
      ['open', 'Gateway', []],
    ])
    await approve(withCluster(ports, both(0n)), { member: 'cluster-a', ...why })
    const { objects, sequence } = await publication(ports, 'cluster-a')
    expect(sequence).toBe(2n)
    const live = memoryMesh('cluster-a' as MemberName, { own: a.bundle, objects })
    const old = memoryPorts(
      spec((file) => {
        file.members = [{ ...file.members[0], publish: published }]
        file.trust = []
      }),
      [live],
      a.bundle,
    )
    const again = (await planFederation(old)).plan
    expect([again.steps, again.findings.map(({ code }) => code)]).toEqual([[], expect.arrayContaining(['publication-older'])])
  })
})

const withCluster = (ports: MemoryPorts, own: Bundle): MemoryPorts => {
  ports.clusters.set('cluster-a', own)
  return ports
}

describe('what blocks a publication', () => {
  const publishing = (objects: readonly Manifest[], publish: object = { publish: published }): MemoryPorts =>
    memoryPorts(
      spec((file) => {
        file.members = [{ ...file.members[0], ...publish }]
        file.trust = []
      }),
      [memoryMesh('cluster-a' as MemberName, { own: a.bundle, objects })],
      a.bundle,
    )
  it('never publishes other roots than the record approves: one sequence would have two sets', async () => {
    const ports = ownerA()
    serve(ports, both(2n))
    ports.clusters.set('cluster-a', both(2n))
    await approve(ports, { member: 'cluster-a', ...why })
    expect((await publication(ports, 'cluster-a')).sequence).toBeDefined()
    ports.approved.set(A, a.bundle)
    await expect(publication(ports, 'cluster-a')).rejects.toMatchObject({ code: 'bundle-refused' })
    expect((await planFederation(ports)).plan.steps.map(({ reason }) => reason)).toEqual([])
  })

  it('a foreign Gateway with its name', async () => {
    const [, gateway] = (await publication(ownerA(), 'cluster-a')).objects
    const theirs = { ...gateway, metadata: { name: 'entente-bundle', namespace: 'trust' } } as Manifest
    const { plan } = await planFederation(publishing([theirs]))
    expect([plan.steps, plan.findings.map(({ code }) => code)]).toEqual([[], expect.arrayContaining(['owned-by'])])
  })
  it('nothing, if the publication ends: both objects are removed', async () => {
    const { objects } = await publication(ownerA(), 'cluster-a')
    const { plan } = await planFederation(publishing(objects, {}))
    expect(plan.steps.map(({ phase, before, after }) => [phase, before?.kind, after])).toEqual([
      ['clean', 'VirtualService', undefined],
      ['clean', 'Gateway', undefined],
    ])
  })
})

describe('the fields of a member', () => {
  const problems = (member: object): readonly string[] => {
    const parsed = parseFederation(document(spec((file) => Object.assign(file.members[1] as object, member))))
    return 'problems' in parsed ? parsed.problems.map(({ path, message }) => `${path.slice(3).join('.')}: ${message}`) : []
  }
  const own = { ...endpoint, profile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://cluster-b.example/x' } }
  it.each<{ name: string; member: object; says: string | undefined }>([
    { name: 'a whole endpoint', member: { bundleEndpoint: own, follow: { policy: 'AddOnly', hold: '2h' } }, says: undefined },
    { name: 'http', member: { bundleEndpoint: { ...own, url: 'http://x/bundle' } }, says: 'bundleEndpoint.url: must be https' },
    {
      name: 'no ID',
      member: { bundleEndpoint: { ...own, profile: { type: 'https_spiffe' } } },
      says: 'bundleEndpoint.profile: https_spiffe requires endpointSPIFFEID',
    },
    {
      name: 'the ID of another domain',
      member: { bundleEndpoint: endpoint },
      says: 'bundleEndpoint.profile.endpointSPIFFEID: is not of cluster-b.example',
    },
    {
      name: 'a short hold',
      member: { bundleEndpoint: own, follow: { policy: 'AddOnly', hold: '59m' } },
      says: 'follow.hold: is shorter than an hour',
    },
    {
      name: 'AddOnly over https_web',
      member: { bundleEndpoint: { url: URL_A, profile: { type: 'https_web' } }, follow: { policy: 'AddOnly' } },
      says: 'follow.policy: AddOnly requires profile https_spiffe',
    },
    { name: 'nothing to follow', member: { follow: { policy: 'Manual' } }, says: 'follow: has no bundle endpoint to follow' },
    {
      name: 'a publication without a cluster',
      member: { cluster: undefined, publish: published },
      says: 'publish: the member has no cluster',
    },
    {
      name: 'another path',
      member: { publish: { ...published, url: 'https://x.example/other' } },
      says: 'publish.url: must end in /bundle',
    },
    {
      name: 'https_web without a certificate',
      member: { publish: { ...published, profile: 'https_web' } },
      says: 'publish.credentialName: is required with https_web',
    },
  ])('$name', ({ member, says }) => {
    if (says === undefined) expect(problems(member)).toEqual([])
    else expect(problems(member).join('; ')).toContain(says)
  })
})
