/** One cluster's API server: read, list and write objects. Knows HTTP and RBAC, nothing of trust. */
import type { Clock } from '../../core/clock.ts'
import { FederationError } from '../../core/errors.ts'
import { at, list, strings, text } from '../../core/manifest.ts'
import type { Manifest } from '../../core/model.ts'
import { clockIn, closer } from './clock.ts'
import { type Answer, type Asked, asked, phrase, refusal } from './errors.ts'
import type { Access } from './kubeconfig.ts'
import { LIMITS, type Limits, type Request, transport } from './request.ts'
import { pathOf, type Resource } from './resources.ts'

/** An object as the API server holds it. `managedFields` and kubectl's copy of it are left out. */
export interface Live extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly uid?: string; readonly deletionTimestamp?: string }
}

export interface Selection {
  readonly namespace?: string
  readonly labels?: string
  /** As `kubectl --field-selector` takes it. */
  readonly fields?: string
}

export interface KubeClient {
  /** As errors name this cluster. */
  readonly subject: string
  readonly access: Access
  /** @throws FederationError not-found, forbidden, cluster-unreachable, cluster-refused */
  get(resource: Resource, namespace: string | undefined, name: string): Promise<Live>
  /** As it comes, with `metadata.managedFields`; undefined when there is none. */
  raw(resource: Resource, namespace: string | undefined, name: string): Promise<unknown>
  /** As get; undefined when there is none. */
  find(resource: Resource, namespace: string | undefined, name: string): Promise<Live | undefined>
  /** All pages. @throws FederationError not-found when the kind itself is unknown */
  list(resource: Resource, selection?: Selection): Promise<readonly Live[]>
  /** Any request, refusals thrown. `take`: answers outside 2xx that the caller wants to see. */
  call(request: Request, what: Asked, take?: (answer: Answer) => boolean): Promise<Answer>
  /** The server's clock against ours, as well as answers so far told it. */
  clock(): Clock | undefined
  close(): void
}

const PAGE = 500
/** More than any cluster that etcd could hold. */
const MOST = 500_000

export function kubeClient(access: Access, options: { subject?: string; limits?: Partial<Limits>; now?: () => Date } = {}): KubeClient {
  const subject = options.subject ?? access.context
  const wire = transport(subject, access, { ...LIMITS, ...options.limits })

  const now = options.now ?? (() => new Date())
  let clock: Clock | undefined

  const call: KubeClient['call'] = async (request, what, take = () => false) => {
    const sent = now().getTime()
    const answer = await wire.send(request)
    clock = closer(clock, clockIn(answer, sent, now().getTime()))
    if ((answer.status >= 200 && answer.status <= 299) || take(answer)) return answer
    throw refusal(subject, access.context, what, answer)
  }

  const raw: KubeClient['raw'] = async (resource, namespace, name) => {
    const what = asked('get', resource, namespace, name)
    // Only the API server's own "not found" counts: a 404 of a proxy in between is no word about the object.
    const missing = ({ status, body }: Answer): boolean =>
      status === 404 && at(body, 'kind') === 'Status' && at(body, 'reason') === 'NotFound'
    const answer = await call({ method: 'GET', path: pathOf(resource, namespace, name) }, what, missing)
    return missing(answer) ? undefined : answer.body
  }

  const find: KubeClient['find'] = async (resource, namespace, name) => {
    const body = await raw(resource, namespace, name)
    return body === undefined ? undefined : parseLive(subject, body, resource)
  }

  return {
    subject,
    access,
    call,
    raw,
    find,
    async get(resource, namespace, name) {
      const found = await find(resource, namespace, name)
      if (found !== undefined) return found
      throw new FederationError('not-found', subject, `there is no such thing: ${phrase(asked('get', resource, namespace, name))}`)
    },
    async list(resource, selection = {}) {
      const all: Live[] = []
      let next = ''
      do {
        const query = {
          limit: String(PAGE),
          ...(selection.labels === undefined ? {} : { labelSelector: selection.labels }),
          ...(selection.fields === undefined ? {} : { fieldSelector: selection.fields }),
          ...(next === '' ? {} : { continue: next }),
        }
        const { body } = await call(
          { method: 'GET', path: pathOf(resource, selection.namespace), query },
          asked('list', resource, selection.namespace),
        )
        const items = at(body, 'items')
        if (!Array.isArray(items)) throw notAnObject(subject, `the list of ${resource.plural}`)
        for (const item of items) all.push(parseLive(subject, item, resource))
        next = text(at(body, 'metadata', 'continue'))
        if (all.length > MOST)
          throw new FederationError('cluster-refused', subject, `has more than ${MOST} ${resource.plural}, or never ends its list`)
      } while (next !== '')
      return all
    },
    clock: () => clock,
    close: wire.close,
  }
}

const notAnObject = (subject: string, what: string): FederationError =>
  new FederationError('cluster-refused', subject, `${what} is not what an API server sends`, {
    hint: 'is that server a Kubernetes API server?',
  })

/** RFC 3339 in UTC, to the second: such times sort as text. */
function writtenAt(metadata: unknown): { readonly writtenAt?: string } {
  const times = list(at(metadata, 'managedFields')).map((entry) => text(at(entry, 'time')))
  const last = times.sort().at(-1) ?? ''
  return last === '' ? {} : { writtenAt: last }
}

/** Who made a pod: of all that is said of owners, the controller's kind and name. */
function controllerIn(metadata: unknown): { readonly ownerReferences?: readonly object[] } {
  const owner = list(at(metadata, 'ownerReferences')).find((reference) => at(reference, 'controller') === true)
  return owner === undefined
    ? {}
    : { ownerReferences: [{ controller: true, kind: text(at(owner, 'kind')), name: text(at(owner, 'name')) }] }
}

/** Lists leave apiVersion and kind out of their items; `resource` knows them. */
export function parseLive(subject: string, value: unknown, resource: Resource): Live {
  const metadata = at(value, 'metadata')
  const name = text(at(metadata, 'name'))
  if (name === '') throw notAnObject(subject, `an object of ${resource.plural}`)
  const { apiVersion: _, kind: __, metadata: ___, ...fields } = value as Record<string, unknown>
  const optional = (key: string): Record<string, string> => {
    const found = text(at(metadata, key))
    return found === '' ? {} : { [key]: found }
  }
  const labels = strings(at(metadata, 'labels'))
  const { 'kubectl.kubernetes.io/last-applied-configuration': ____, ...annotations } = strings(at(metadata, 'annotations'))
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    metadata: {
      name,
      ...optional('namespace'),
      ...optional('uid'),
      ...optional('resourceVersion'),
      ...optional('creationTimestamp'),
      ...optional('deletionTimestamp'),
      ...(resource.kind === 'ConfigMap' ? writtenAt(metadata) : {}),
      ...(resource.kind === 'Pod' ? controllerIn(metadata) : {}),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    ...fields,
  }
}
