import { describe, expect, it } from 'vitest'
import { type Debug, parseSyncz } from './debug.ts'
import { evidenceOf, type Memory } from './evidence.ts'

const uuid = (digit: string): string => `${digit.repeat(8)}-aaaa-4aaa-8aaa-aaaaaaaaaaaa`
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener'

interface Entry {
  readonly proxy: string
  readonly cluster?: string
  readonly type?: string
  /** The push that listeners and clusters were sent with, and the one they were acknowledged with. */
  readonly sent?: string
  readonly acked?: string
  readonly error?: string
  readonly sentTime?: string
}
const entry = ({
  proxy,
  cluster = 'b',
  type = 'sidecar',
  sent = 'v/1',
  acked = sent,
  error,
  sentTime = '2026-11-21T12:00:00Z',
}: Entry) => ({
  cluster_id: cluster,
  proxy,
  proxy_type: type,
  listener_sent: sent + uuid('1'),
  listener_acked: acked + uuid('1'),
  cluster_sent: sent + uuid('2'),
  cluster_acked: acked + uuid('2'),
  resources: { [LISTENER]: { sentTime, ...(error === undefined ? {} : { lastError: error }) } },
})

/** One sample of syncz after the other, the last one for ever; dumps by the id they are asked for. */
function istiod(samples: readonly (readonly Entry[])[], dumps: Readonly<Record<string, string>>, connections: readonly string[] = []) {
  const asked: string[] = []
  let taken = 0
  const debug: Debug = {
    syncz: async () => parseSyncz('b', samples[Math.min(taken++, samples.length - 1)]?.map(entry)),
    connections: async () => connections,
    async configDump(id) {
      asked.push(id)
      return dumps[id] === undefined
        ? undefined
        : { configs: [{ '@type': 'x/envoy.admin.v3.ListenersConfigDump', versionInfo: dumps[id] }] }
    },
    version: async () => '1.31',
  }
  return { debug, asked, samplesTaken: () => taken }
}

const NOTHING = { inbound: [], outbound: [], denies: [] }
const wanted = {
  cluster: 'b',
  interesting: ({ namespace, type }: { readonly namespace: string; readonly type: string }) => namespace === 'sample' || type === 'router',
  readConfig: () => NOTHING,
}
const see = async (debug: Debug) => (await evidenceOf(debug, wanted)).map(({ evidence }) => evidence)

describe('evidence from an istiod', () => {
  it('contains what its proxies hold and what they acknowledged', async () => {
    const { debug, samplesTaken } = istiod([[{ proxy: 'server.sample' }]], { 'server.sample': 'v/1' })
    expect(await see(debug)).toEqual([
      {
        proxy: 'server.sample',
        pod: 'server',
        namespace: 'sample',
        heard: true,
        acknowledged: true,
        sent: { listeners: `v/1${uuid('1')}`, clusters: `v/1${uuid('2')}` },
        config: NOTHING,
      },
    ])
    expect(samplesTaken()).toBe(2)
  })

  it('contains Envoy’s reason if a proxy rejected the configuration', async () => {
    const { debug } = istiod([[{ proxy: 'server.sample', sent: 'v/2', acked: 'v/1', error: 'value is required' }]], {
      'server.sample': 'v/2',
    })
    expect(await see(debug)).toMatchObject([{ heard: true, acknowledged: false, rejected: 'Listener: value is required' }])
  })

  it('omits proxies of remote clusters, and does not request dumps of proxies in other namespaces', async () => {
    const { debug, asked } = istiod(
      [[{ proxy: 'server.sample', cluster: 'a' }, { proxy: 'x.other' }, { proxy: 'gw.istio-system', type: 'router' }]],
      { 'gw.istio-system': 'v/1' },
    )
    const found = await see(debug)
    expect(found.map((e) => [e.proxy, e.heard, e.config !== undefined])).toEqual([
      ['x.other', true, false],
      ['gw.istio-system', true, true],
    ])
    expect(asked).toEqual(['gw.istio-system'])
  })

  it('waits briefly if the dump contains a newer push than the one sent, and uses the last state', async () => {
    const before = [{ proxy: 'server.sample', sent: 'v/1' }]
    const after = [{ proxy: 'server.sample', sent: 'v/2', acked: 'v/1' }]
    const { debug, samplesTaken } = istiod([before, before, after], { 'server.sample': 'v/2' })
    expect(await see(debug)).toMatchObject([{ acknowledged: false }])
    expect(samplesTaken()).toBe(3)
  })

  it('distinguishes a version from one that it is a prefix of', async () => {
    const { debug, samplesTaken } = istiod([[{ proxy: 'server.sample', sent: 'v/11' }]], { 'server.sample': 'v/1' })
    await see(debug)
    expect(samplesTaken()).toBe(5)
  })

  it('is absent for a proxy that disconnected during the query', async () => {
    const { debug } = istiod([[{ proxy: 'server.sample' }]], {})
    expect(await see(debug)).toMatchObject([{ heard: false }])
  })

  it('is absent for a proxy whose dump cannot be read', async () => {
    const { debug } = istiod([[{ proxy: 'server.sample' }]], { 'server.sample': 'v/1' })
    const broken = () => {
      throw new Error('not a listener')
    }
    expect((await evidenceOf(debug, { ...wanted, readConfig: broken })).map(({ evidence }) => evidence.heard)).toEqual([false])
  })

  it('does not count a proxy that istiod sent nothing to as acknowledged', async () => {
    const { debug } = istiod([[]], {})
    const fresh = { ...debug, syncz: async () => parseSyncz('b', [{ cluster_id: 'b', proxy: 'new.other' }]) }
    expect(await see(fresh)).toMatchObject([{ acknowledged: false }])
  })

  it('uses the newer of two connections of one proxy', async () => {
    const old = { proxy: 'x.other', sent: 'v/1', acked: 'v/0', sentTime: '2026-11-21T11:00:00Z' }
    const { debug } = istiod([[{ proxy: 'x.other', sent: 'v/2' }, old]], {})
    expect(await see(debug)).toMatchObject([{ acknowledged: true }])
  })
})

describe('polling', () => {
  const poll = async (debug: Debug, memory: Memory) => (await evidenceOf(debug, wanted, memory)).map(({ evidence }) => evidence)

  it('requests dumps only of proxies that istiod has sent something to since', async () => {
    const still = { proxy: 'still.sample' }
    const moved = { proxy: 'server.sample', sent: 'v/2' }
    const samples = [
      [still, { proxy: 'server.sample' }],
      [still, { proxy: 'server.sample' }],
      [still, moved],
    ]
    const { debug, asked } = istiod(samples, { 'still.sample': 'v/1', 'server.sample': 'v/1' })
    const memory: Memory = new Map()
    await poll(debug, memory)
    asked.length = 0
    const found = await poll(debug, memory)
    expect(asked).toEqual(['server.sample'])
    expect(found.map((e) => [e.proxy, e.heard, e.acknowledged])).toEqual([
      ['still.sample', true, true],
      ['server.sample', true, true],
    ])
  })

  it('requests no dump, and samples once, while istiod sends nothing', async () => {
    const { debug, asked, samplesTaken } = istiod([[{ proxy: 'server.sample' }]], { 'server.sample': 'v/1' })
    const memory: Memory = new Map()
    const first = await poll(debug, memory)
    const taken = samplesTaken()
    expect(await poll(debug, memory)).toEqual(first)
    expect([asked.length, samplesTaken() - taken]).toEqual([1, 1])
  })

  it('does not report a cached acknowledgement as a new one', async () => {
    const [one, two] = [{ proxy: 'one.sample' }, { proxy: 'two.sample' }]
    const samples = [
      [one, two],
      [one, two],
      [one, { ...two, sent: 'v/2' }],
      [
        { ...one, sent: 'v/2' },
        { ...two, sent: 'v/2' },
      ],
    ]
    const dumps: Record<string, string> = { 'one.sample': 'v/1', 'two.sample': 'v/1' }
    const { debug } = istiod(samples, dumps)
    const memory: Memory = new Map()
    await poll(debug, memory)
    dumps['two.sample'] = 'v/2'
    expect((await poll(debug, memory)).map((e) => [e.proxy, e.acknowledged])).toEqual([
      ['one.sample', false],
      ['two.sample', true],
    ])
  })

  it('drops the cached state of a proxy whose new dump cannot be read', async () => {
    const dumps: Record<string, string> = { 'server.sample': 'v/1' }
    const { debug } = istiod([[{ proxy: 'server.sample' }], [{ proxy: 'server.sample' }], [{ proxy: 'server.sample', sent: 'v/2' }]], dumps)
    const memory: Memory = new Map()
    await poll(debug, memory)
    delete dumps['server.sample']
    expect(await poll(debug, memory)).toMatchObject([{ heard: false }])
    expect(await poll(debug, memory)).toMatchObject([{ heard: false }])
  })
})

describe('querying istiod for one proxy, although istiod matches substrings', () => {
  it.each([
    { name: 'unrelated names', other: 'web-0.sample2', connections: [], asked: ['db-0.sample'] },
    {
      name: 'a pod whose name has the same ending',
      other: 'my-db-0.other',
      connections: ['db-0.sample-3', 'my-db-0.other-4'],
      asked: ['db-0.sample'],
    },
    {
      name: 'a pod whose id has the same ending',
      other: 'my-db-0.sample',
      connections: ['db-0.sample-3', 'my-db-0.sample-4'],
      asked: ['db-0.sample-3'],
    },
    {
      name: 'a namespace with the same beginning',
      other: 'db-0.sample2',
      connections: ['db-0.sample-3', 'db-0.sample2-4'],
      asked: ['db-0.sample-3'],
    },
    { name: 'a number with the same beginning', other: 'my-db-0.sample', connections: ['db-0.sample-3', 'my-db-0.sample-31'], asked: [] },
  ])('finds the exact proxy next to $name', async ({ other, connections, asked: ids }) => {
    const dumps = Object.fromEntries(ids.map((id) => [id, 'v/1']))
    const { debug, asked } = istiod([[{ proxy: 'db-0.sample' }, { proxy: other }]], dumps, connections)
    const found = (await see(debug)).find((e) => e.proxy === 'db-0.sample')
    expect([found?.heard, asked.filter((id) => id.startsWith('db-0.sample') && !id.startsWith(other))]).toEqual([ids.length > 0, ids])
  })

  it('handles a connection number that looks like the end of a namespace', async () => {
    const { debug, asked } = istiod(
      [
        [
          { proxy: 'db-0.sample', type: 'router' },
          { proxy: 'db-0.sample-1', type: 'router' },
        ],
      ],
      { 'db-0.sample-1-7': 'v/1' },
      ['db-0.sample-12', 'db-0.sample-1-7'],
    )
    const found = await see(debug)
    expect(asked).not.toContain('db-0.sample-1')
    expect(found.find((e) => e.proxy === 'db-0.sample-1')?.heard).toBe(true)
  })

  it('sends no query for a name that exists in two clusters', async () => {
    const { debug, asked } = istiod([[{ proxy: 'db-0.sample' }, { proxy: 'db-0.sample', cluster: 'a' }]], { 'db-0.sample': 'v/1' }, [
      'db-0.sample-1',
      'db-0.sample-2',
    ])
    expect([await see(debug), asked]).toMatchObject([[{ heard: false }], []])
  })
})
