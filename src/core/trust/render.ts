/**
 * Renders objects from a MeshState and reads it back, side by side. Rendering depends on Git alone: no clock, no
 * observation.
 */

import type { Manifest } from '../model/manifest.ts'
import { at, isOurs, keyOf, MANAGED_BY, OWNER, strings, text } from '../model/manifest.ts'
import type { Approval, Intent, MemberName } from '../model/wanted.ts'
import { describeWorkloads, workloadsKey, workloadsSlug } from '../model/workloads.ts'
import { parseTrustDomain, type TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import { callersPolicy, readCallers, readStrict, strictPolicy } from './callers/policies.ts'
import { asFilter, isCanary } from './canary/canary-filter.ts'
import {
  isMeshConfig,
  isMeshWidePolicy,
  MESH_WIDE_POLICY,
  meshConfigData,
  readMeshConfig,
  SHARED_MESH_CONFIG,
} from './mesh-wide/mesh-roots.ts'
import {
  acceptFile,
  filesAnnotation,
  isTrustMap,
  MAPS,
  mountedInboundFilter,
  mountedOutboundFilter,
  type Owner,
  printFile,
  reachFile,
  readMountedFilter,
  readTrustMap,
} from './mounted/bundle-map.ts'
import {
  inboundFilter,
  outboundFilter,
  printRoots,
  readGuard,
  readInboundFilter,
  readNames,
  readOutboundFilter,
  readRoots,
  readWorkloads,
} from './pinned/pinned-filter.ts'
import { meetServed } from './stage.ts'
import {
  type Canary,
  EMPTY,
  type Inbound,
  type MeshState,
  NO_FILE,
  noInbound,
  noOutbound,
  type Outbound,
  ownDomains,
  type RootsFile,
  type Share,
  unionRoots,
} from './state.ts'
import { wantedState } from './wanted-state.ts'

/** The author of the objects. Every object of one mesh carries its labels. */
export interface Author {
  readonly owner: string
  readonly istioNamespace: string
  readonly own: ReadonlySet<TrustDomain>
}

export const authorOf = (intent: Intent): Author => ({
  owner: intent.owner,
  istioNamespace: intent.member.istioNamespace,
  own: new Set(ownDomains(intent)),
})

/** Renders the mesh's manifests for the case that none of them is in place yet. */
export const render = (intent: Intent): readonly Manifest[] => renderState(wantedState(intent), authorOf(intent))

export function renderState(state: MeshState, author: Author): readonly Manifest[] {
  return [
    ...[...state.shares.values()].flatMap((share) => once(share, author, () => [shareObject(share, author)])),
    ...trustMaps(state, author),
    ...(state.meshWide === undefined ? [] : meshWideObjects(state.meshWide, author)),
    ...[...state.inbound.values()].flatMap((scope) => once(scope, author, () => inboundObjects(scope, author))),
    ...[...state.outbound.values()].flatMap((scope) => once(scope, author, () => outboundObjects(scope, author))),
  ]
}

const rendered = new WeakMap<Author, WeakMap<object, readonly Manifest[]>>()

/** Caches the objects of each scope: a plan renders many states that share most scopes. */
function once(part: object, author: Author, make: () => readonly Manifest[]): readonly Manifest[] {
  const parts = rendered.get(author) ?? new WeakMap<object, readonly Manifest[]>()
  rendered.set(author, parts)
  const objects = parts.get(part) ?? make()
  parts.set(part, objects)
  return objects
}

function metadata(
  name: string,
  namespace: string,
  wave: '0' | '1',
  author: Author,
  annotations: Readonly<Record<string, string>> = {},
): Manifest['metadata'] {
  return {
    name,
    namespace,
    labels: { [MANAGED_BY]: 'entente', [OWNER]: author.owner },
    annotations: { 'argocd.argoproj.io/sync-wave': wave, ...annotations },
  }
}

export const acceptName = (at: Inbound['at']): string => `entente-accept-${workloadsSlug(at)}`
/** Name of the callers rule, as Envoy's RBAC rules contain it. */
export const acceptPolicy = (at: Inbound['at']): string => `${at.namespace}/${acceptName(at)}`
/** Name of the filter of the same set for pods with the mount. */
export const mountedName = (filter: string): string => `${filter}-mounted`
export const reachName = (from: Outbound['from']): string => `entente-reach-${workloadsSlug(from)}`

/** Renders the callers rule of a set of workloads. */
export const callersObject = (scope: Pick<Inbound, 'at' | 'callers'>, author: Author, name = acceptName(scope.at)): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: metadata(name, scope.at.namespace, '0', author),
  spec: callersPolicy(scope),
})

function meshWideObjects({ at, roots, callers }: Inbound, author: Author): readonly Manifest[] {
  const where = author.istioNamespace
  return [
    ...(callers.size > 0 ? [callersObject({ at, callers }, author, MESH_WIDE_POLICY)] : []),
    ...(roots.size > 0
      ? [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(SHARED_MESH_CONFIG, where, '1', author), data: meshConfigData(roots) }]
      : []),
  ]
}

function inboundObjects(scope: Inbound, author: Author): readonly Manifest[] {
  const name = acceptName(scope.at)
  const where = scope.at.namespace
  return [
    ...(scope.strict
      ? [
          {
            apiVersion: 'security.istio.io/v1',
            kind: 'PeerAuthentication',
            metadata: metadata(name, where, '0', author),
            spec: strictPolicy(scope),
          },
        ]
      : []),
    ...(scope.callers.size > 0 ? [callersObject(scope, author)] : []),
    ...(scope.roots.size > 0
      ? [
          {
            apiVersion: 'networking.istio.io/v1alpha3',
            kind: 'EnvoyFilter',
            metadata: metadata(name, where, '1', author),
            spec: inboundFilter(scope, author.own),
          },
        ]
      : []),
    ...(scope.file.read
      ? [
          {
            apiVersion: 'networking.istio.io/v1alpha3',
            kind: 'EnvoyFilter',
            metadata: metadata(mountedName(name), where, '1', author),
            spec: mountedInboundFilter(scope, author.own),
          },
        ]
      : []),
  ]
}

function outboundObjects(scope: Outbound, author: Author): readonly Manifest[] {
  const name = reachName(scope.from)
  const filter = (name: string, spec: Readonly<Record<string, unknown>>): Manifest => ({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: metadata(name, scope.from.namespace, '1', author),
    spec,
  })
  return [
    ...([...scope.hosts.values()].some((roots) => roots.size > 0) ? [filter(name, outboundFilter(scope))] : []),
    ...([...scope.files.values()].some((file) => file.read) ? [filter(mountedName(name), mountedOutboundFilter(scope))] : []),
  ]
}

/** Renders the ConfigMaps with the files of all sets, by namespace. */
function trustMaps(state: MeshState, author: Author): readonly Manifest[] {
  const maps = new Map<string, { namespace: string; volume: number; files: [string, RootsFile, Owner][] }>()
  const add = (name: string, file: RootsFile, owner: Owner): void => {
    if (file.roots.size === 0) return
    for (const volume of file.volumes) {
      const key = `${owner.of.namespace}/${volume}`
      const map = maps.get(key) ?? { namespace: owner.of.namespace, volume, files: [] }
      map.files.push([name, file, owner])
      maps.set(key, map)
    }
  }
  for (const { at, file } of state.inbound.values()) add(acceptFile(at), file, { of: at })
  for (const { from, files } of state.outbound.values())
    for (const [host, file] of files) add(reachFile(from, host), file, { of: from, host })
  return [...maps.values()].map(({ namespace, volume, files }) => {
    const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(
        MAPS[volume] ?? MAPS[0],
        namespace,
        '0',
        author,
        filesAnnotation(new Map(sorted.map(([name, , owner]) => [name, owner]))),
      ),
      data: Object.fromEntries(sorted.map(([name, { roots }]) => [name, printFile(roots)])),
    }
  })
}

const ANNOTATION = {
  trustDomain: 'entente.dev/trust-domain',
  fingerprints: 'entente.dev/fingerprints',
  approvedBy: 'entente.dev/approved-by',
  approvedAt: 'entente.dev/approved-at',
  until: 'entente.dev/until',
} as const

function shareObject(share: Share, author: Author): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(`${share.trusted}-root-cert`, author.istioNamespace, '0', author, {
      [ANNOTATION.trustDomain]: share.trustDomain,
      [ANNOTATION.fingerprints]: share.roots
        .map((root) => root.fingerprint)
        .sort()
        .join(','),
      ...(share.approval === undefined
        ? {}
        : { [ANNOTATION.approvedBy]: share.approval.by.name, [ANNOTATION.approvedAt]: share.approval.at.toISOString() }),
      ...(share.until === undefined ? {} : { [ANNOTATION.until]: share.until.toISOString() }),
    }),
    data: { [`${share.trusted}-root.pem`]: printRoots(share.roots) },
  }
}

/** Reads the trust that our objects really grant. Skips objects of other kinds. */
export function readState(objects: readonly Manifest[]): MeshState {
  const inbound = new Map<string, Inbound>()
  const outbound = new Map<string, Outbound>()
  const shares = new Map<string, Share>()
  const canaries = new Map<string, Canary>()
  let meshWide: Inbound | undefined
  const mergeMeshWide = ({ metadata: { namespace = '' } }: Manifest, part: Partial<Inbound>): void => {
    meshWide = { ...(meshWide ?? noInbound({ namespace })), ...part }
  }
  const merge = (at: Inbound['at'], part: (was: Inbound) => Partial<Inbound>): void => {
    const was = inbound.get(workloadsKey(at)) ?? noInbound(at)
    inbound.set(workloadsKey(at), { ...was, ...part(was) })
  }
  const mergeOut = (from: Outbound['from'], part: (was: Outbound) => Partial<Outbound>): void => {
    const was = outbound.get(workloadsKey(from)) ?? noOutbound(from)
    outbound.set(workloadsKey(from), { ...was, ...part(was) })
  }
  const mergeFile = ({ of, host }: Owner, part: (was: RootsFile) => Partial<RootsFile>): void => {
    const joined = (was = NO_FILE): RootsFile => ({ ...was, ...part(was) })
    if (host === undefined) merge(of, ({ file }) => ({ file: joined(file) }))
    else mergeOut(of, ({ files }) => ({ files: new Map([...files, [host, joined(files.get(host))]]) }))
  }
  for (const object of objects.filter(isOurs)) {
    if (isMeshConfig(object)) mergeMeshWide(object, { roots: readMeshConfig(object) })
    else if (isMeshWidePolicy(object)) mergeMeshWide(object, { callers: readCallers(object) })
    else if (isCanary(object)) {
      canaries.set(keyOf(object), readCanary(object))
    } else if (object.kind === 'EnvoyFilter') {
      const accepts = readInboundFilter(object)
      if (accepts !== undefined) merge(accepts.at, (was) => ({ ...accepts, admitted: joinAdmitted(was, accepts.admitted) }))
      const reaches = readOutboundFilter(object)
      if (reaches !== undefined)
        mergeOut(reaches.from, ({ served }) => ({ hosts: reaches.hosts, served: meetServed(served, reaches.served) }))
      const names = readNames(object)
      for (const { owner, name } of readMountedFilter(object)) {
        if (owner.host === undefined) merge(owner.of, (was) => ({ admitted: joinAdmitted(was, readGuard(object)?.callers) }))
        mergeFile(owner, () => ({ name, read: true }))
        if (owner.host !== undefined) mergeOut(owner.of, ({ served }) => ({ served: meetServed(served, names) }))
      }
    } else if (object.kind === 'AuthorizationPolicy') {
      merge(readWorkloads(object, 'selector', 'matchLabels'), () => ({ callers: readCallers(object) }))
    } else if (object.kind === 'PeerAuthentication') {
      merge(readWorkloads(object, 'selector', 'matchLabels'), () => readStrict(object))
    } else if (isTrustMap(object)) {
      for (const { owner, name, roots, volume } of readTrustMap(object))
        mergeFile(owner, (was) => ({ name, roots: unionRoots(was.roots, roots), volumes: [...was.volumes, volume].sort() }))
    } else if (object.kind === 'ConfigMap') {
      const share = readShare(object)
      if (share !== undefined) shares.set(share.trusted, share)
    }
  }
  if (inbound.size + outbound.size + shares.size + canaries.size === 0 && meshWide === undefined) return EMPTY
  return { inbound, outbound, shares, ...(meshWide === undefined ? {} : { meshWide }), ...(canaries.size === 0 ? {} : { canaries }) }
}

/** Joins the callers of two filters of one set, for pods with the mount and without: some pod accepts each of them. */
function joinAdmitted(was: Inbound, admitted: Inbound['admitted']): Inbound['admitted'] {
  if (was.roots.size === 0 && !was.file.read) return admitted
  return was.admitted && admitted && [...new Set([...was.admitted, ...admitted])].sort()
}

function readCanary(object: Manifest): Canary {
  const filter = asFilter(object)
  const { inbound, outbound } = readState([filter])
  const [accepts] = inbound.values()
  const [reaches] = outbound.values()
  return {
    of: filter.metadata.name,
    at: readWorkloads(object),
    ...(accepts === undefined ? {} : { inbound: accepts }),
    ...(reaches === undefined ? {} : { outbound: reaches }),
  }
}

function readShare(object: Manifest): Share | undefined {
  const trusted = object.metadata.name.match(/^(.+)-root-cert$/)?.[1] as MemberName | undefined
  const annotations = strings(object.metadata.annotations)
  const domain = annotations[ANNOTATION.trustDomain]
  if (trusted === undefined || domain === undefined || !/^[a-z0-9._-]{1,255}$/.test(domain)) return undefined
  const trustDomain = parseTrustDomain(domain)
  const approvedAt = new Date(annotations[ANNOTATION.approvedAt] ?? Number.NaN)
  const until = new Date(annotations[ANNOTATION.until] ?? Number.NaN)
  const approval: Approval = {
    trustDomain,
    roots: (annotations[ANNOTATION.fingerprints] ?? '').split(',').filter((f) => f !== '') as Fingerprint[],
    by: { name: annotations[ANNOTATION.approvedBy] ?? '', via: 'os' },
    at: approvedAt,
    reason: '',
  }
  return {
    trusted,
    trustDomain,
    roots: readRoots(text(at(object, 'data', `${trusted}-root.pem`))),
    ...(Number.isNaN(approvedAt.getTime()) ? {} : { approval }),
    ...(Number.isNaN(until.getTime()) ? {} : { until }),
  }
}

/** Explains an object to a person who finds it in Git or in a cluster. */
export function explain(object: Manifest): string {
  const where = (path: readonly string[]): string => describeWorkloads(readWorkloads(object, ...path))
  switch (object.kind) {
    case 'ConfigMap':
      if (isMeshConfig(object))
        return 'The approved roots in the list of Istio itself: istiod reads it because SHARED_MESH_CONFIG names it. Every workload accepts them, for any trust domain among them.'
      if (isTrustMap(object)) return 'The approved roots as SPIFFE bundle maps, one file for each use: pods with the mount read them.'
      return `The approved roots of ${object.metadata.annotations?.[ANNOTATION.trustDomain] ?? 'another mesh'}, for people and tools; proxies get them from the EnvoyFilter.`
    case 'PeerAuthentication':
      return `${where(['selector', 'matchLabels'])} take mutual TLS only: without a certificate there is no caller to know.`
    case 'AuthorizationPolicy': {
      const rules = [...readCallers(object)].map(
        ([domain, named]) => `of ${domain} ${named.length === 0 ? 'nobody' : `only ${named.join(', ')}`}`,
      )
      return `Who may call ${isMeshWidePolicy(object) ? 'every workload of the mesh' : where(['selector', 'matchLabels'])}: ${rules.join('; ')}. Local callers are untouched.`
    }
    default: {
      if (isCanary(object)) return `${where([])} have this ahead of the others for as long as an apply needs to see that Envoy takes it.`
      const reach = readOutboundFilter(object)
      if (reach !== undefined)
        return `${describeWorkloads(reach.from)} check the servers of ${[...reach.hosts.keys()].join(', ')} against the roots of each trust domain.`
      const [reading] = readMountedFilter(object)
      if (reading !== undefined) return `${describeWorkloads(reading.owner.of)}, those with the mount, judge by the roots in their file.`
      const accept = readInboundFilter(object)
      return `${accept === undefined ? '' : describeWorkloads(accept.at)} accept a caller of ${[...(accept?.roots.keys() ?? [])].join(', ')} under the roots of its own trust domain only.`
    }
  }
}

/** Checks that the JSON of an object exceeds a size. Computes the exact size only if an upper bound exceeds it. */
export const exceeds = (object: Manifest, bytes: number): boolean => mostBytes(object) > bytes && sizeOf(object) > bytes

/** Upper bound: an escape in JSON has at most six bytes per character. */
function mostBytes(value: unknown): number {
  if (typeof value === 'string') return 6 * value.length + 3
  if (typeof value !== 'object' || value === null) return 32
  let most = 2
  for (const key of Object.keys(value)) most += 6 * key.length + 4 + mostBytes((value as Readonly<Record<string, unknown>>)[key])
  return most
}

/** Size of the object as JSON in bytes, which the API server and etcd limit. */
export function sizeOf(object: Manifest): number {
  return Buffer.byteLength(JSON.stringify(object))
}
