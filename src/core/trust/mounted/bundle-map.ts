/**
 * Distribution `mounted`: Envoy's SPIFFE validator reads its roots from a file, a SPIFFE bundle map that a ConfigMap
 * brings into every sidecar with the mount. A change of roots is a change of the ConfigMap: no push, no drain.
 *
 * Run on istiod and Envoy 1.40 (docs/mounted.md). A file that is missing when the filter arrives is a rejection, so the
 * filter selects pods by a label that is set together with the mount, and comes after the file.
 */

import type { Manifest } from '../../model/manifest.ts'
import { at, list, strings, text } from '../../model/manifest.ts'
import type { Workloads } from '../../model/wanted.ts'
import { workloadsSlug } from '../../model/workloads.ts'
import { parseTrustDomain, type TrustDomain } from '../../spiffe/trust-domain.ts'
import { fingerprintOf } from '../../x509/anchor.ts'
import { jwkOf } from '../../x509/public-key.ts'
import { inListOrder } from '../../x509/roots-of-one-name.ts'
import {
  foreignIn,
  guardOf,
  inboundContexts,
  inboundPatches,
  outboundContexts,
  outboundPatches,
  PRIORITY,
  readValidatorFile,
  readWorkloads,
  type Spec,
} from '../pinned/pinned-filter.ts'
import type { Inbound, Outbound, Root, Roots } from '../state.ts'

/** Where the sidecar has the files. */
export const MOUNT_PATH = '/etc/entente/trust'
/** The ConfigMaps of a namespace, all in one volume: what does not fit into the first goes into the others. */
export const MAPS = ['entente-trust', 'entente-trust-1', 'entente-trust-2', 'entente-trust-3'] as const
/** What a pod with the mount is known by. */
export const MOUNT_LABEL = { key: 'entente.dev/mounted', value: 'trust' } as const
/** It must win over the pinned filter beside it, while a scope moves from one to the other. */
const LATER = PRIORITY + 1

export const acceptFile = (of: Workloads): string => `accept-${workloadsSlug(of)}.json`
export const reachFile = (from: Workloads, host: string): string => `reach-${workloadsSlug(from)}--${host}.json`
export const pathOfFile = (file: string): string => `${MOUNT_PATH}/${file}`

/** The part of a set that has the mount: a filter for it leaves all other pods alone. */
export const withMount = ({ namespace, labels }: Workloads): Workloads => ({
  namespace,
  labels: { ...labels, [MOUNT_LABEL.key]: MOUNT_LABEL.value },
})

function withoutMount({ namespace, labels }: Workloads): Workloads {
  const { [MOUNT_LABEL.key]: _, ...rest } = labels ?? {}
  return { namespace, ...(Object.keys(rest).length === 0 ? {} : { labels: rest }) }
}

export const isTrustMap = (object: Manifest): boolean =>
  object.kind === 'ConfigMap' && (MAPS as readonly string[]).includes(object.metadata.name)

const reading = (file: string): Spec => ({ trust_bundles: { filename: pathOfFile(file), watched_directory: { path: MOUNT_PATH } } })

/**
 * A server does not verify again who resumes a session, and a change of the file makes no new context: whose root has
 * left would come in with a ticket from before (run, TLS 1.2 and 1.3). So there are none.
 */
const NO_TICKETS: Spec = { disable_stateless_session_resumption: true, disable_stateful_session_resumption: true }

export function mountedInboundFilter(scope: Inbound, own: ReadonlySet<TrustDomain>): Spec {
  const { at: workloads, file } = scope
  return {
    workloadSelector: { labels: withMount(workloads).labels },
    priority: LATER,
    configPatches: inboundPatches(reading(acceptFile(workloads)), foreignIn(file.roots, own), guardOf(scope, own), NO_TICKETS),
  }
}

export function mountedOutboundFilter({ from, files, served }: Outbound): Spec {
  return {
    workloadSelector: { labels: withMount(from).labels },
    priority: LATER,
    configPatches: [...files]
      .filter(([, file]) => file.read)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([host]) => outboundPatches(host, reading(reachFile(from, host)), served.get(host))),
  }
}

/** A file of ours that a filter makes pods with the mount read, and whose it is. */
export interface Reading {
  readonly owner: Owner
  readonly name: string
}

/** None when the object is no filter of this kind. */
export function readMountedFilter(object: Manifest): readonly Reading[] {
  const of = withoutMount(readWorkloads(object))
  const accept = inboundContexts(object).flatMap((context) => fileIn(context) ?? [])
  return [
    ...accept.slice(0, 1).map((name) => ({ owner: { of }, name })),
    ...outboundContexts(object).flatMap(([host, context]) => {
      const name = fileIn(context)
      return name === undefined ? [] : [{ owner: { of, host }, name }]
    }),
  ]
}

/** The file under the mount that the validator in a common TLS context reads. */
export function fileIn(commonTlsContext: unknown): string | undefined {
  const path = readValidatorFile(commonTlsContext)
  return path?.startsWith(`${MOUNT_PATH}/`) ? path.slice(MOUNT_PATH.length + 1) : path
}

const printed = new WeakMap<Roots, string>()

/**
 * A SPIFFE bundle map (SPIFFE_Trust_Domain_and_Bundle §5.1.1), a line for each domain: same roots, same bytes. A domain
 * without roots is left out: Envoy refuses a file in which one has none, and a domain that is not there is not trusted.
 */
export function printFile(roots: Roots): string {
  const known = printed.get(roots)
  if (known !== undefined) return known
  const lines = [...roots]
    .filter(([, anchors]) => anchors.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([domain, anchors]) => `${JSON.stringify(domain)}:${JSON.stringify({ keys: inListOrder(anchors).map(keyOfRoot) })}`)
  const file = `{"trust_domains":{\n${lines.join(',\n')}\n}}\n`
  printed.set(roots, file)
  return file
}

function keyOfRoot({ der }: Root): Spec {
  return { ...jwkIn(der), use: 'x509-svid', x5c: [Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')] }
}

/** Envoy reads `use` and `x5c` only. What is in place may be no certificate, and is told all the same. */
function jwkIn(der: Uint8Array): Spec {
  try {
    return jwkOf({ der })
  } catch {
    return {}
  }
}

/** The roots in a file that is in use already: nothing is judged, what is there is told. As Envoy, of two equal names the last counts. */
export function readFile(file: string): Roots {
  let domains: unknown
  try {
    domains = at(JSON.parse(file), 'trust_domains')
  } catch {
    return new Map()
  }
  return new Map(
    Object.entries(strangeOr(domains)).flatMap(([name, bundle]): [TrustDomain, readonly Root[]][] => {
      const roots = list(at(bundle, 'keys')).flatMap((key) => (at(key, 'use') === 'x509-svid' ? list(at(key, 'x5c')).map(rootOf) : []))
      return /^[a-z0-9._-]{1,255}$/.test(name) && roots.length > 0 ? [[parseTrustDomain(name), roots]] : []
    }),
  )
}

const strangeOr = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}

function rootOf(base64: unknown): Root {
  const der = Buffer.from(text(base64), 'base64')
  return { fingerprint: fingerprintOf(der), der }
}

const FILES = 'entente.dev/files'

/** Whose file a file is: an inbound set, or one host of an outbound one. */
export interface Owner {
  readonly of: Workloads
  readonly host?: string
}

/** The annotation that says whose files a ConfigMap has: a name alone does not lead back to the labels. */
export const filesAnnotation = (owners: ReadonlyMap<string, Owner>): Readonly<Record<string, string>> => ({
  [FILES]: JSON.stringify(
    Object.fromEntries(
      [...owners].map(([file, { of, host }]) => [
        file,
        { ...(of.labels && { labels: of.labels }), ...(host === undefined ? {} : { host }) },
      ]),
    ),
  ),
})

type Held = Reading & { readonly roots: Roots; readonly volume: number }

const known = new WeakMap<Manifest, readonly Held[]>()

/** The files of a ConfigMap of ours with their owners; a file that nobody owns is passed over. */
export function readTrustMap(object: Manifest): readonly Held[] {
  // It may be a megabyte, and whoever waits for proxies looks many times at the same one.
  const held = known.get(object) ?? readHeld(object)
  known.set(object, held)
  return held
}

function readHeld(object: Manifest): readonly Held[] {
  const volume = (MAPS as readonly string[]).indexOf(object.metadata.name)
  const namespace = object.metadata.namespace ?? ''
  return Object.entries(ownersIn(object)).flatMap(([file, entry]) => {
    const labels = strings(at(entry, 'labels'))
    const of: Workloads = { namespace, ...(Object.keys(labels).length === 0 ? {} : { labels }) }
    const host = text(at(entry, 'host'))
    const content = at(object, 'data', file)
    if (file !== (host === '' ? acceptFile(of) : reachFile(of, host)) || typeof content !== 'string') return []
    return [{ owner: host === '' ? { of } : { of, host }, name: file, roots: readFile(content), volume }]
  })
}

function ownersIn(object: Manifest): Record<string, unknown> {
  try {
    return strangeOr(JSON.parse(object.metadata.annotations?.[FILES] ?? '{}'))
  } catch {
    return {}
  }
}
