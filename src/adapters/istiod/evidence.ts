/**
 * What one istiod reports about the proxies connected to it.
 *
 * A dump shows the configuration that istiod generates for the push that it sent to the proxy last, and istiod records a
 * push before it sends it. So Entente reads the acknowledgements after the dump. It reads them again for a short time
 * while the dump's push differs from the push of the listeners. After a push without listeners they stay different, hence
 * the time limit.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Evidence, ProxyConfig } from '../../core/model/observed.ts'
import { limit } from '../limit.ts'
import { type Debug, pushOf, type Sync, versionOf } from './debug.ts'
import { endings, occurrences } from './search.ts'

const DUMPS_AT_ONCE = 8
/** 200 ms in total: mostly the first read is enough, and for a thousand proxies an answer has megabytes. */
const SETTLE_MS = [20, 40, 140] as const

export interface Wanted {
  /** istiod's CLUSTER_ID: proxies of remote clusters belong to another member. */
  readonly cluster: string
  /** True if this proxy's configuration is needed, in addition to what it acknowledged. */
  readonly interesting: (proxy: { readonly namespace: string; readonly type: string }) => boolean
  /** Undefined if the dump contains too little. */
  readonly readConfig: (dump: unknown) => ProxyConfig | undefined
}

/** Evidence, and when istiod last sent listeners. If two istiods list a proxy, the later one counts. */
export interface Heard {
  readonly evidence: Evidence
  readonly sentAt: string
}

/**
 * What proxies held when they were asked last, and what istiod had sent to them by then. While istiod sends nothing more,
 * this stays true. A real proxy's dump has megabytes, and waiting for acknowledgements polls many times a second.
 */
export type Memory = Map<string, { readonly sent: string; readonly config: ProxyConfig }>

/** @param memory kept between calls to one istiod; without it every proxy is asked */
export async function evidenceOf(istiod: Debug, wanted: Wanted, memory: Memory = new Map()): Promise<readonly Heard[]> {
  const connected = await istiod.syncz()
  const ours = latest(connected.filter((sync) => sync.cluster === wanted.cluster))
  const interesting = ours.filter((sync) => isInteresting(sync, wanted))
  const asked = interesting.filter((sync) => memory.get(sync.proxy)?.sent !== sentTo(sync))
  const dumps = await dumpsOf(istiod, wanted, connected, asked)
  const after = dumps.size === 0 ? ours : latest(await settled(istiod, wanted.cluster, dumps))
  const before = new Map(ours.map((sync) => [sync.proxy, sentTo(sync)]))
  const heard = after.map((sync) => {
    const { proxy } = sync
    const dump = dumps.get(proxy)
    const remembered = memory.get(proxy)?.sent === before.get(proxy) ? memory.get(proxy)?.config : undefined
    const config = dump === undefined ? remembered : dump.config
    const moved = before.get(proxy) !== sentTo(sync)
    if (config !== undefined && !moved) memory.set(proxy, { sent: sentTo(sync), config })
    // The proxy may have acknowledged more than the cached state.
    return { evidence: judge(sync, wanted, config, dump === undefined && moved), sentAt: sync.sentAt }
  })
  const here = new Set(after.map(({ proxy }) => proxy))
  for (const proxy of memory.keys()) if (!here.has(proxy)) memory.delete(proxy)
  return heard
}

const sentTo = ({ listeners, clusters, endpoints }: Sync): string => [listeners.sent, clusters.sent, endpoints].join(' ')

const isInteresting = (sync: Sync, wanted: Wanted): boolean => wanted.interesting({ namespace: namespaceOf(sync.proxy), type: sync.type })

interface Dump {
  readonly version: string
  readonly config: ProxyConfig | undefined
}

/** A proxy that has gone meanwhile, or that no query identifies, has no dump. */
async function dumpsOf(
  istiod: Debug,
  wanted: Wanted,
  connected: readonly Sync[],
  asked: readonly Sync[],
): Promise<ReadonlyMap<string, Dump>> {
  const ids = await dumpIds(istiod, connected, asked)
  const dumps = new Map<string, Dump>()
  const atOnce = limit(DUMPS_AT_ONCE)
  const ask = async (proxy: string, id: string): Promise<void> => {
    const dump = await istiod.configDump(id)
    if (dump !== undefined) dumps.set(proxy, { version: versionOf(dump), config: read(dump, wanted.readConfig) })
  }
  await Promise.all([...ids].map(([proxy, id]) => atOnce(() => ask(proxy, id))))
  return dumps
}

async function settled(istiod: Debug, cluster: string, dumps: ReadonlyMap<string, Dump>): Promise<readonly Sync[]> {
  const sample = async (): Promise<readonly Sync[]> => (await istiod.syncz()).filter((sync) => sync.cluster === cluster)
  const isMoving = ({ proxy, listeners }: Sync): boolean => dumps.has(proxy) && dumps.get(proxy)?.version !== pushOf(listeners.sent)
  let after = await sample()
  for (const milliseconds of SETTLE_MS) {
    if (!after.some(isMoving)) break
    await sleep(milliseconds)
    after = await sample()
  }
  return after
}

/** A proxy that reconnected is listed twice until istiod closes the old connection: the latest push counts. */
function latest(syncs: readonly Sync[]): readonly Sync[] {
  const byProxy = new Map<string, Sync>()
  for (const sync of syncs) {
    const other = byProxy.get(sync.proxy)
    if (other === undefined || other.sentAt < sync.sentAt) byProxy.set(sync.proxy, sync)
  }
  return [...byProxy.values()]
}

/**
 * istiod answers for the first connection whose id (`POD.NAMESPACE-NUMBER`) contains the query, in no fixed order. So
 * `db-0.shop` may return `my-db-0.shop` or `db-0.shop2` (pilot/pkg/xds/debug.go getProxyConnection). Entente asks by name
 * if that is unique, otherwise by connection id if that is unique, otherwise not at all.
 */
async function dumpIds(istiod: Debug, connected: readonly Sync[], asked: readonly Sync[]): Promise<ReadonlyMap<string, string>> {
  const names = [...new Map(connected.map((sync) => [`${sync.cluster} ${sync.proxy}`, sync.proxy])).values()]
  const inside = occurrences(
    names,
    asked.map(({ proxy }) => proxy),
  )
  const atEnd = endings(
    names,
    asked.flatMap(({ proxy }) => beforeNumber(proxy) ?? []),
  )
  const isPlain = ({ proxy }: Sync): boolean => inside.get(proxy) === 1 && (atEnd.get(beforeNumber(proxy) ?? '') ?? 0) === 0
  const ids = new Map(asked.filter(isPlain).map(({ proxy }) => [proxy, proxy]))
  const others = asked.filter(({ proxy }) => !ids.has(proxy))
  if (others.length === 0) return ids
  const connections = await istiod.connections()
  const byProxy = new Map<string, string[]>()
  for (const id of connections) {
    const proxy = beforeNumber(id)
    const own = proxy === undefined ? undefined : byProxy.get(proxy)
    if (own !== undefined) own.push(id)
    else if (proxy !== undefined) byProxy.set(proxy, [id])
  }
  const alone = occurrences(
    connections,
    others.flatMap(({ proxy }) => byProxy.get(proxy) ?? []),
  )
  for (const { proxy } of others) {
    const [id, ...more] = byProxy.get(proxy) ?? []
    if (id !== undefined && more.length === 0 && alone.get(id) === 1) ids.set(proxy, id)
  }
  return ids
}

/** `db-0.shop` of `db-0.shop-7`: a suffix that looks like a connection's number may be the end of a namespace. */
const beforeNumber = (id: string): string | undefined => /^(.*)-\d+$/.exec(id)?.[1]

function judge(sync: Sync, wanted: Wanted, config: ProxyConfig | undefined, overtaken: boolean): Evidence {
  const { proxy, version, listeners, clusters, errors } = sync
  const accepted = ({ sent, acked }: Sync['listeners']): boolean => sent !== '' && sent === acked
  return {
    proxy,
    namespace: namespaceOf(proxy),
    pod: proxy.slice(0, proxy.lastIndexOf('.')),
    ...(version === '' ? {} : { version }),
    heard: config !== undefined || !isInteresting(sync, wanted),
    acknowledged: accepted(listeners) && accepted(clusters) && errors.length === 0 && !overtaken,
    sent: { listeners: listeners.sent, clusters: clusters.sent },
    ...(errors.length === 0 ? {} : { rejected: errors.map(({ type, message }) => `${type}: ${message}`).join('; ') }),
    ...(config === undefined ? {} : { config }),
  }
}

/** A dump that cannot be parsed proves nothing: the proxy counts as one without evidence. */
function read(dump: unknown, readConfig: Wanted['readConfig']): ProxyConfig | undefined {
  try {
    return readConfig(dump)
  } catch {
    return undefined
  }
}

/** A namespace is a DNS label and has no dot; a pod's name may have some. */
const namespaceOf = (proxy: string): string => proxy.slice(proxy.lastIndexOf('.') + 1)
