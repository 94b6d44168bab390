/** Kubernetes objects as values: names, comparison and ownership. */

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly resourceVersion?: string
    readonly creationTimestamp?: string
    /** For a ConfigMap: the time of its last write, RFC 3339 (`managedFields`). */
    readonly writtenAt?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export const MANAGED_BY = 'app.kubernetes.io/managed-by'
/** The owner of an object: the name of the federation or of the controller. */
export const OWNER = 'entente.dev/owner'

export const isOurs = (object: Manifest): boolean => object.metadata.labels?.[MANAGED_BY] === 'entente'

export const ownerOf = (object: Manifest): string | undefined => (isOurs(object) ? object.metadata.labels?.[OWNER] : undefined)

/** Unique among the objects of one cluster. It includes the API group but not the version. */
export function keyOf(object: Manifest): string {
  const group = object.apiVersion.includes('/') ? object.apiVersion.slice(0, object.apiVersion.indexOf('/')) : ''
  return `${object.kind}.${group}/${object.metadata.namespace ?? ''}/${object.metadata.name}`
}

/** For messages: `EnvoyFilter sample/entente-accept-app-server`. */
export function title(object: Manifest): string {
  const { namespace, name } = object.metadata
  return `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

const OURS = /(^|\/|\.)entente\.dev\/|^app\.kubernetes\.io\/managed-by$|^argocd\.argoproj\.io\/sync-wave$/

function ours(map: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  const entries = Object.entries(map ?? {}).filter(([key]) => OURS.test(key))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/**
 * The part of an object that Entente writes: its content and Entente's labels and annotations. It omits fields that the
 * API server, kubectl or a GitOps tool adds (uid, managedFields, tracking labels, status).
 */
export function content(object: Manifest): Manifest {
  const known = contents.get(object)
  if (known !== undefined) return known
  const made = withoutOthers(object)
  contents.set(object, made)
  contents.set(made, made)
  return made
}

const contents = new WeakMap<Manifest, Manifest>()

function withoutOthers(object: Manifest): Manifest {
  const { apiVersion, kind, metadata, status: _, ...fields } = object
  const labels = ours(metadata.labels)
  const annotations = ours(metadata.annotations)
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    ...fields,
  }
}

/** True if the parts that Entente writes are equal: compares what `content` returns, without building it. */
export function sameContent(a: Manifest, b: Manifest): boolean {
  if (a === b) return true
  const [one, other] = [a.metadata, b.metadata]
  return (
    one.name === other.name &&
    one.namespace === other.namespace &&
    sameOurs(one.labels, other.labels) &&
    sameOurs(one.annotations, other.annotations) &&
    equal(a, b, NOT_FIELDS)
  )
}

function sameOurs(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  let said = 0
  for (const key of Object.keys(a)) {
    if (!OURS.test(key)) continue
    said++
    if (a[key] !== b[key]) return false
  }
  for (const key of Object.keys(b)) if (OURS.test(key)) said--
  return said === 0
}

const NOT_FIELDS: ReadonlySet<string> = new Set(['metadata', 'status'])

/** @param except fields of the outermost objects that do not count */
function equal(a: unknown, b: unknown, except?: ReadonlySet<string>): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]))
  if (Array.isArray(b)) return false
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  let said = 0
  for (const key of Object.keys(left)) {
    const value = left[key]
    if (value === undefined || except?.has(key)) continue
    said++
    if (!equal(value, right[key])) return false
  }
  for (const key of Object.keys(right)) if (right[key] !== undefined && !except?.has(key)) said--
  return said === 0
}

/** The value at a path in an untrusted object; undefined if any step is missing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<string | number, unknown>)[step]
  }
  return here
}

export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Reads a string-to-string map; omits other values. */
export function strings(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  if (areStrings(value)) return value
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

const areStrings = (value: object): value is Readonly<Record<string, string>> =>
  Object.values(value).every((one) => typeof one === 'string')
