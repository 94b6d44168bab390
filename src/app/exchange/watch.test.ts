import { describe, expect, it } from 'vitest'
import { A, authority, B, spec } from '../../../test/support/federations.ts'
import { type MemoryPorts, memoryPorts } from '../../../test/support/ports.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { printBundle } from '../../core/spiffe/bundle.ts'
import type { FollowedMember } from './follow.ts'
import { watchEndpoints } from './watch.ts'

const HOUR = 3_600_000
const both = [await authority(A), await authority(B)]
const served = await Promise.all(
  both.map(async (ca) => {
    const id = `spiffe://${ca.bundle.trustDomain}/ns/trust/sa/bundles`
    return {
      id,
      chain: (await ca.leaf(id)).chainDer,
      body: Buffer.from(printBundle({ ...ca.bundle, sequence: 1n, refreshHintSeconds: 600 })),
    }
  }),
)
const urlOf = (name: unknown) => `https://${String(name)}.example/bundle`

/** Both are partners, with a hint of ten minutes each. */
function partners(): MemoryPorts {
  const of = spec((file) => {
    file.members = file.members.map(({ name, trustDomain }, i) => ({
      name,
      trustDomain,
      bundleEndpoint: { url: urlOf(name), profile: { type: 'https_spiffe', endpointSPIFFEID: served[i]?.id } },
    }))
    file.trust = []
  })
  const ports = memoryPorts(of, [], ...both.map(({ bundle }) => bundle))
  served.forEach(({ body, chain }, i) => void ports.served.set(urlOf(of.members[i]?.name), { body, chain }))
  return ports
}

/** Follows for this long. @returns the fetches of each partner */
async function watched(ports: MemoryPorts, forMs: number, change: Partial<MemoryPorts> = {}) {
  const end = ports.now().getTime() + forMs
  const seen = new Map<string, FollowedMember[]>()
  await watchEndpoints({ ...ports, ...change, stopped: () => ports.now().getTime() >= end }, { members: [] }, (followed) => {
    seen.set(followed.member.name, [...(seen.get(followed.member.name) ?? []), followed])
  })
  return seen
}

describe('follow --watch', () => {
  it('fetches each partner by its refresh hint', async () => {
    const seen = await watched(partners(), HOUR)
    for (const name of ['cluster-a', 'cluster-b']) {
      const times = (seen.get(name) ?? []).map(({ at }) => at.getTime())
      expect(times.length).toBeGreaterThanOrEqual(6)
      const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0))
      for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(540_000)
    }
    expect(seen.get('cluster-a')?.[1]?.at).not.toEqual(seen.get('cluster-b')?.[1]?.at)
  })

  it('tries a failing partner four times as often, without delaying the others', async () => {
    const ports = partners()
    await watched(ports, 1_000)
    ports.served.delete(urlOf('cluster-a'))
    const seen = await watched(ports, HOUR)
    expect(seen.get('cluster-a')?.every(({ decision }) => decision === undefined)).toBe(true)
    expect(seen.get('cluster-a')?.length).toBeGreaterThanOrEqual(24)
    expect(seen.get('cluster-b')?.every(({ decision }) => decision?.kind === 'same')).toBe(true)
    expect(seen.get('cluster-b')?.length).toBeGreaterThanOrEqual(6)
  })

  it('stores its observations for the next process', async () => {
    const ports = partners()
    await watched(ports, HOUR)
    expect([...ports.memory.keys()].sort()).toEqual([A, B])
  })

  it('continues with the last federation file while the current one cannot be read', async () => {
    const ports = partners()
    let reads = 0
    const federation = (): ReturnType<typeof ports.desired.federation> => {
      reads += 1
      if (reads > 1) throw new FederationError('federation-invalid', 'federation.yaml', 'one problem')
      return ports.desired.federation()
    }
    const seen = await watched(ports, HOUR, { desired: { ...ports.desired, federation: async () => federation() } })
    expect(seen.get('cluster-a')?.length).toBeGreaterThanOrEqual(6)
    expect(reads).toBeGreaterThan(10)
  })

  it('ends if it cannot store its observations', async () => {
    const ports = partners()
    const write = async (): Promise<void> => {
      throw new FederationError('file-unwritable', 'following.json', 'no space left on device')
    }
    await expect(watched(ports, HOUR, { memories: { ...ports.memories, write } })).rejects.toMatchObject({ code: 'file-unwritable' })
  })
})
