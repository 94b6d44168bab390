/**
 * A snapshot of the objects in a cluster's API. Restoring it deletes new objects, and restores changed and deleted ones. There is no
 * controller manager, so this file finalizes namespaces.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Kube, KubeError, type KubeObject } from './kube.ts'

/** Objects as they were, by the path of each. */
export type Snapshot = ReadonlyMap<string, KubeObject>

interface Resource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

/** A list of objects: `/apis/GROUP/VERSION`, and the resource's name in paths. */
interface Listed {
  readonly group: string
  readonly resource: Resource
}

/** Written by API servers and istiods for themselves, all the time. */
const OF_SERVERS = new Set(['Event', 'Lease', 'ComponentStatus', 'APIService'])
const LEADER = 'control-plane.alpha.kubernetes.io/leader'

export async function takeSnapshot(kube: Kube): Promise<Snapshot> {
  const lists = await Promise.all((await listed(kube)).map((of) => objectsOf(kube, of)))
  return new Map(lists.flat())
}

/** Terminates namespaces first, so that no client creates objects in them; then deletes their objects; then the namespaces. */
export async function restore(kube: Kube, wanted: Snapshot): Promise<void> {
  const young = (path: string) => !wanted.has(path)
  const now = await takeSnapshot(kube)
  const namespaces = [...now].filter(([path, { kind }]) => kind === 'Namespace' && young(path))
  await Promise.all(namespaces.map(([path]) => gone(kube, path)))
  const others = [...(await takeSnapshot(kube)).keys()].filter((path) => young(path) && !namespaces.some(([ending]) => ending === path))
  await Promise.all(others.map((path) => gone(kube, path)))
  for (const [path, { apiVersion, kind, metadata }] of namespaces) {
    const empty = { apiVersion, kind, metadata: { name: metadata.name }, spec: { finalizers: [] } }
    await kube.request('PUT', `${path}/finalize`, empty).catch(ignoreMissing)
  }
  for (const [path, object] of wanted) await putBack(kube, path, object, now.get(path))
}

async function putBack(kube: Kube, path: string, was: KubeObject, is: KubeObject | undefined): Promise<void> {
  if (is !== undefined && isDeepStrictEqual(meaning(is), meaning(was))) return
  const { resourceVersion: _, uid: __, ...metadata } = was.metadata
  if (is === undefined) await kube.request('POST', path.slice(0, path.lastIndexOf('/')), { ...was, metadata })
  else await kube.request('PUT', path, { ...was, metadata: { ...metadata, resourceVersion: is.metadata.resourceVersion } })
}

/** Without what an API server adds. */
function meaning({ metadata, status: _, ...rest }: KubeObject): object {
  const { name, namespace, labels = {}, annotations = {} } = metadata
  return { ...rest, metadata: { name, namespace, labels, annotations } }
}

async function gone(kube: Kube, path: string): Promise<void> {
  await kube.request('DELETE', `${path}?gracePeriodSeconds=0`).catch(ignoreMissing)
}

/** Each kind once, under the version that its group prefers where that has it. */
async function listed(kube: Kube): Promise<readonly Listed[]> {
  const { groups } = (await kube.request('GET', '/apis')) as {
    readonly groups: readonly { readonly preferredVersion: Version; readonly versions: readonly Version[] }[]
  }
  const versions = groups.flatMap((group) => [group.preferredVersion, ...group.versions].map(({ groupVersion }) => groupVersion))
  const paths = ['/api/v1', ...new Set(versions.map((version) => `/apis/${version}`))]
  const all = await Promise.all(paths.map((group) => resourcesOf(kube, group)))
  const seen = new Set<string>()
  return all.flat().filter(({ group, resource: { name, kind, verbs } }) => {
    const key = `${group.slice(0, group.lastIndexOf('/'))} ${name}`
    if (seen.has(key) || OF_SERVERS.has(kind) || !verbs.includes('list') || !verbs.includes('delete')) return false
    seen.add(key)
    return true
  })
}

interface Version {
  readonly groupVersion: string
}

async function resourcesOf(kube: Kube, group: string): Promise<readonly Listed[]> {
  const { resources } = (await kube.request('GET', group)) as { readonly resources: readonly Resource[] }
  return resources.map((resource) => ({ group, resource }))
}

async function objectsOf(kube: Kube, { group, resource }: Listed): Promise<readonly (readonly [string, KubeObject])[]> {
  const { apiVersion, items } = (await kube.request('GET', `${group}/${resource.name}`)) as {
    readonly apiVersion: string
    readonly items: readonly KubeObject[]
  }
  return items
    .filter(({ metadata }) => metadata.annotations?.[LEADER] === undefined)
    .map((item) => {
      const { name, namespace } = item.metadata
      const within = resource.namespaced ? `/namespaces/${namespace}` : ''
      return [`${group}${within}/${resource.name}/${name}`, { ...item, apiVersion, kind: resource.kind }] as const
    })
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof KubeError && (error.status === 404 || error.status === 409))) throw error
}
