/** istiod's debug port (15014, plain HTTP): pilot/pkg/xds/debug.go at eed52ebb66ad defines each path's answer. */

import { request } from 'node:http'
import { clip } from '../../core/basics/clip.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Subject } from '../../core/diagnostics/subject.ts'
import type { NetworkGateway, RemoteCluster } from '../../core/doctor/seen.ts'
import { withoutKeys } from '../../core/evidence/masked.ts'
import { at, list, text } from '../../core/model/manifest.ts'
import { Budget, LIMITS } from '../edge/budget.ts'
import { checkedJson, Unfit } from '../edge/checked-json.ts'
import { exchange } from '../edge/exchange.ts'
import type { Road } from './road.ts'

const DEBUG_PORT = 15014
/** A value takes 8 bytes and more of memory, however short it is on the wire. */
const BYTES_A_VALUE = 8

/** One proxy's connection, from /debug/syncz. */
export interface Sync {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  readonly cluster: string
  /** `sidecar`, `router`, `waypoint`, `ztunnel`; empty if this istiod does not report it. */
  readonly type: string
  /** The proxy's version; empty if the proxy did not report it. */
  readonly version: string
  readonly listeners: Nonces
  readonly clusters: Nonces
  /** The nonce of the endpoints that istiod sent last. */
  readonly endpoints: string
  /** Envoy's reasons for rejected configuration, by resource type; its next acknowledgement clears them. */
  readonly errors: readonly { readonly type: string; readonly message: string }[]
  /** When istiod last sent listeners; empty if it does not report that. RFC 3339. */
  readonly sentAt: string
}

/** A nonce is the version of the push and a UUID (pilot/pkg/xds/discovery.go nonce). */
interface Nonces {
  readonly sent: string
  readonly acked: string
}

const UUID_LENGTH = 36
export const pushOf = (nonce: string): string => nonce.slice(0, -UUID_LENGTH)

export interface Debug {
  /** @throws FederationError istiod-unreachable, istiod-refused */
  syncz(): Promise<readonly Sync[]>
  /** The ids of the connections, `POD.NAMESPACE-NUMBER`. */
  connections(): Promise<readonly string[]>
  /**
   * Undefined if that proxy is not connected to this istiod. `id`: any part of a connection's id; istiod uses the first
   * match.
   */
  configDump(id: string): Promise<unknown>
  version(): Promise<string>
}

/** The part that only `doctor` reads. */
export interface Survey extends Debug {
  /** Clusters whose endpoints it reads, including its own. */
  clusters(): Promise<readonly RemoteCluster[]>
  /** Gateways between networks. */
  gateways(): Promise<readonly NetworkGateway[]>
}

export function debug(subject: Subject | string, road: Road): Survey {
  const json = async (path: string): Promise<unknown> => parse(subject, road, path, (await get(subject, road, path)).body)
  return {
    syncz: async () => parseSyncz(subject, await json('/debug/syncz')),
    connections: async () => list(at(await json('/debug/connections'), 'clients')).map((client) => text(at(client, 'connectionId'))),
    async configDump(id) {
      const path = `/debug/config_dump?include_eds=true&proxyID=${encodeURIComponent(id)}`
      const { status, body } = await get(subject, road, path, [404])
      return status === 404 ? undefined : parse(subject, road, path, body)
    },
    version: async () => wordsOf((await get(subject, road, '/version')).body),
    clusters: async () =>
      list(await json('/debug/clusterz')).map((one) => ({
        id: text(at(one, 'id')),
        secret: text(at(one, 'secretName')),
        status: text(at(one, 'syncStatus')),
      })),
    // The Go struct has no JSON tags: pilot/pkg/model/network.go NetworkGateway.
    gateways: async () =>
      list(await json('/debug/networkz')).map((one) => ({
        network: text(at(one, 'Network')),
        cluster: text(at(one, 'Cluster')),
        address: text(at(one, 'Addr')),
        port: Number(at(one, 'Port') ?? 0),
      })),
  }
}

interface Page {
  readonly status: number
  readonly body: Buffer
}

/** The beginning of a text that may have megabytes. */
const wordsOf = (body: Buffer): string => clip(body.subarray(0, 800).toString('utf8').trim(), 200)

async function get(subject: Subject | string, road: Road, path: string, also: readonly number[] = []): Promise<Page> {
  const name = `${road.pod.namespace}/${road.pod.name}`
  const page = await fetchPage(subject, road, path).catch((cause: unknown) => {
    if (cause instanceof FederationError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FederationError('istiod-unreachable', subject, `${name}:${DEBUG_PORT}${path}: ${why}`, {
      hint: 'check that istiod runs',
      cause,
    })
  })
  if (page.status === 200 || also.includes(page.status)) return page
  const why = page.status === 401 || page.status === 403 ? 'it rejects the token of Entente' : wordsOf(page.body)
  throw new FederationError('istiod-refused', subject, `${name}:${DEBUG_PORT}${path} answered ${page.status}: ${why}`, {
    hint: page.status === 404 ? 'check that ENABLE_DEBUG_ON_HTTP is not false in istiod' : 'read the log of istiod',
  })
}

function fetchPage(subject: Subject | string, road: Road, path: string): Promise<Page> {
  const headers = {
    accept: 'application/json',
    'user-agent': 'entente',
    ...(road.token === undefined ? {} : { authorization: `Bearer ${road.token}` }),
  }
  const budget = road.budget ?? new Budget(subject, LIMITS)
  return exchange(() => request({ agent: road.agent, host: road.pod.name, port: DEBUG_PORT, path, headers }), undefined, budget.dump())
}

function parse(subject: Subject | string, road: Road, path: string, body: Buffer): unknown {
  const most = (road.budget?.limits ?? LIMITS).maxDumpBytes
  try {
    return checkedJson(body, { maxValues: Math.ceil(most / BYTES_A_VALUE) })
  } catch (cause) {
    if (!(cause instanceof Unfit)) throw cause
    throw new FederationError('istiod-refused', subject, `${road.pod.namespace}/${road.pod.name}:${DEBUG_PORT}${path} ${cause.message}`)
  }
}

/** @throws FederationError istiod-refused */
export function parseSyncz(subject: Subject | string, value: unknown): readonly Sync[] {
  if (value === null) return []
  if (!Array.isArray(value)) throw new FederationError('istiod-refused', subject, 'its answer to /debug/syncz is not a list')
  return value.map((entry) => {
    const resources = Object.entries(Object(at(entry, 'resources')) as Record<string, unknown>)
    const listener = resources.find(([type]) => type.endsWith('.Listener'))?.[1]
    return {
      proxy: text(at(entry, 'proxy')),
      cluster: text(at(entry, 'cluster_id')),
      type: text(at(entry, 'proxy_type')),
      version: text(at(entry, 'istio_version')),
      listeners: { sent: text(at(entry, 'listener_sent')), acked: text(at(entry, 'listener_acked')) },
      clusters: { sent: text(at(entry, 'cluster_sent')), acked: text(at(entry, 'cluster_acked')) },
      endpoints: text(at(entry, 'endpoint_sent')),
      errors: resources.flatMap(([type, resource]) => {
        // One character less than the limit: the cut may have left half a surrogate pair.
        const message = clip(reasonIn(text(at(resource, 'lastError'))), 999)
        return message === '' ? [] : [{ type: type.slice(type.lastIndexOf('.') + 1), message }]
      }),
      sentAt: text(at(listener, 'sentTime')),
    }
  })
}

/** Envoy prints the whole resource, certificates included, before the reason: only the reason is kept. */
export function reasonIn(words: string): string {
  const [begin, end] = [words.indexOf('goo.gle/debug'), words.lastIndexOf('\n}')]
  const after = words.slice(end + 2).trimStart()
  const kept = begin === -1 || end < begin ? words : `${words.slice(0, begin).trimEnd()}${after.startsWith(':') ? after.slice(1) : after}`
  return withoutKeys(kept).replace(/\s+/g, ' ').trim().slice(0, 1000)
}

/** The push that a dump was made of. Every listener says the same. */
export function versionOf(dump: unknown): string {
  const listeners = list(at(dump, 'configs')).find((config) => text(at(config, '@type')).endsWith('ListenersConfigDump'))
  return text(at(listeners, 'versionInfo')) || text(at(listeners, 'version_info'))
}
