/**
 * Distribution `mounted`: Envoy's SPIFFE validator reads its roots from a file, a SPIFFE bundle map. A ConfigMap
 * provides it to every sidecar with the mount. A change of roots changes the ConfigMap only: istiod pushes nothing and
 * Envoy drains nothing.
 *
 * Tested with istiod and Envoy 1.40 (docs/mounted.md). Envoy rejects a filter whose file is missing. So the filter
 * selects pods by a label that is set together with the mount, and Entente writes the file before the filter.
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

/** Directory of the files in the sidecar. */
export const MOUNT_PATH = '/etc/entente/trust'
/** ConfigMaps of a namespace, all in one volume. Files that exceed the first go into the others. */
export const MAPS = ['entente-trust', 'entente-trust-1', 'entente-trust-2', 'entente-trust-3'] as const
/** Label of pods with the mount. */
export const MOUNT_LABEL = { key: 'entente.dev/mounted', value: 'trust' } as const
/** Higher than the pinned filter's priority, so that this filter wins while a scope moves from one to the other. */
const LATER = PRIORITY + 1

export const acceptFile = (of: Workloads): string => `accept-${workloadsSlug(of)}.json`
export const reachFile = (from: Workloads, host: string): string => `reach-${workloadsSlug(from)}--${host}.json`
export const pathOfFile = (file: string): string => `${MOUNT_PATH}/${file}`

/** Narrows a set to pods with the mount. A filter for it does not affect the other pods. */
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
 * Disables session resumption. A server does not verify a resumed session again, and a changed file creates no new TLS
 * context. A client whose root was removed could reconnect with an old ticket (confirmed by a test run, TLS 1.2 and
 * 1.3).
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

/** A file that a filter configures pods with the mount to read, and its owner. */
export interface Reading {
  readonly owner: Owner
  readonly name: string
}

/** Returns an empty list if the object is no filter of this kind. */
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

/** Returns the file that the validator in a common TLS context reads, relative to the mount. */
export function fileIn(commonTlsContext: unknown): string | undefined {
  const path = readValidatorFile(commonTlsContext)
  return path?.startsWith(`${MOUNT_PATH}/`) ? path.slice(MOUNT_PATH.length + 1) : path
}

const printed = new WeakMap<Roots, string>()

/**
 * Prints a SPIFFE bundle map (SPIFFE_Trust_Domain_and_Bundle §5.1.1), one line per domain. The same roots give the same
 * bytes. Omits domains without roots: Envoy rejects a file with such a domain, and does not trust an absent one.
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

/** Envoy reads `use` and `x5c` only. An entry in place that is no certificate is kept without the key parameters. */
function jwkIn(der: Uint8Array): Spec {
  try {
    return jwkOf({ der })
  } catch {
    return {}
  }
}

/** Reads the roots in an existing file without validating them. Of two equal names the last counts, as in Envoy. */
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

/** Owner of a file: an inbound set, or one host of an outbound one. */
export interface Owner {
  readonly of: Workloads
  readonly host?: string
}

/** Writes the annotation with the owner of each file, because the labels cannot be recovered from a file name. */
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

/** Reads the files of our ConfigMap with their owners. Skips files without an owner. */
export function readTrustMap(object: Manifest): readonly Held[] {
  // Cached: the ConfigMap may be a megabyte, and a wait for proxies reads it many times.
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
