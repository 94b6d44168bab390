/** One cluster's API server: reads, lists and writes objects. It handles HTTP and RBAC, not trust. */

import { FederationError } from '../../../core/diagnostics/errors.ts'
import { about, type Subject } from '../../../core/diagnostics/subject.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, list, strings, text } from '../../../core/model/manifest.ts'
import type { Clock } from '../../../core/model/observed.ts'
import { Budget, LIMITS, type Limits, type Overseer } from '../../edge/budget.ts'
import { clockIn, closer } from '../read/clock.ts'
import { pathOf, type Resource } from '../resources.ts'
import { type Answer, type Asked, asked, phrase, refusal } from './errors.ts'
import type { Access } from './kubeconfig.ts'
import { type Request, transport } from './request.ts'
import { retryMs } from './retry.ts'

/** An object as the API server stores it, without `managedFields` and kubectl's last-applied copy. */
export interface Live extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly uid?: string; readonly deletionTimestamp?: string }
}

export interface Selection {
  readonly namespace?: string
  readonly labels?: string
  /** In the form of `kubectl --field-selector`. */
  readonly fields?: string
}

export interface KubeClient {
  /** The cluster's name in errors. */
  readonly subject: Subject
  readonly access: Access
  /** The limits for all calls of one observation. Without an observation, each call has separate limits. */
  budget(): Budget
  /** The same API server, with all calls in one observation. */
  within(budget: Budget): KubeClient
  /** @throws FederationError not-found, forbidden, cluster-unreachable, cluster-refused */
  get(resource: Resource, namespace: string | undefined, name: string): Promise<Live>
  /** The raw object with `metadata.managedFields`; undefined if there is none. */
  raw(resource: Resource, namespace: string | undefined, name: string): Promise<unknown>
  /** As get; undefined if there is none. */
  find(resource: Resource, namespace: string | undefined, name: string): Promise<Live | undefined>
  /** All pages. @throws FederationError not-found if the kind itself is unknown */
  list(resource: Resource, selection?: Selection): Promise<readonly Live[]>
  /** Any request; error statuses throw. `take`: error statuses that the caller handles. */
  call(request: Request, what: Asked, take?: (answer: Answer) => boolean): Promise<Answer>
  /** The offset of the server's clock, as precisely as the answers so far show it. */
  clock(): Clock | undefined
  close(): void
}

const PAGE = 500
/** A page with at least twice the requested number is invalid. */
const MOST_IN_PAGE = 10 * PAGE
/** Kubernetes' continue tokens have some hundred characters, and are part of a URL. */
const MAX_TOKEN = 8_192
/** Each time a continue token has expired, the whole list is read again. */
const RESTARTS = 3

export interface ClientOptions extends Overseer {
  readonly subject?: Subject
  readonly limits?: Partial<Limits>
  readonly now?: () => Date
}

export function kubeClient(access: Access, options: ClientOptions = {}): KubeClient {
  const subject = options.subject ?? about.other(access.context)
  const limits = { ...LIMITS, ...options.limits }
  const wire = transport(subject, access, limits)
  const now = options.now ?? (() => new Date())
  let clock: Clock | undefined

  const fresh = (): Budget => new Budget(subject, limits, options)

  const of = (given?: Budget): KubeClient => {
    const budget = (): Budget => given ?? fresh()
    const call: KubeClient['call'] = async (request, what, take = () => false) => {
      const within = budget()
      for (;;) {
        const sent = now().getTime()
        const answer = await wire.send(request, () => (what.verb === 'list' ? within.page() : within.call()))
        clock = closer(clock, clockIn(answer, sent, now().getTime()))
        if ((answer.status >= 200 && answer.status <= 299) || take(answer)) return answer
        const wait = retryMs(answer, request.method, now())
        if (wait === undefined) throw refusal(subject, access.context, what, answer)
        await within.wait(wait, `answered ${answer.status} to ${phrase(what)} and requested a wait of ${wait / 1000} s`)
      }
    }

    const raw: KubeClient['raw'] = async (resource, namespace, name) => {
      const what = asked('get', resource, namespace, name)
      // Only the API server's own "not found" counts: a 404 from a proxy in between says nothing about the object.
      const missing = ({ status, body }: Answer): boolean =>
        status === 404 && at(body, 'kind') === 'Status' && at(body, 'reason') === 'NotFound'
      const answer = await call({ method: 'GET', path: pathOf(resource, namespace, name) }, what, missing)
      return missing(answer) ? undefined : answer.body
    }

    const find: KubeClient['find'] = async (resource, namespace, name) => {
      const body = await raw(resource, namespace, name)
      return body === undefined ? undefined : parseLive(subject, body, resource)
    }

    /** The pages of one list in order; undefined if its continue token expired. */
    const pages = async (resource: Resource, selection: Selection): Promise<readonly Live[] | undefined> => {
      const all: Live[] = []
      const seen = new Set<string>()
      let next = ''
      const expired = ({ status }: Answer): boolean => status === 410 && next !== ''
      do {
        const query = {
          limit: String(PAGE),
          ...(selection.labels === undefined ? {} : { labelSelector: selection.labels }),
          ...(selection.fields === undefined ? {} : { fieldSelector: selection.fields }),
          ...(next === '' ? {} : { continue: next }),
        }
        const what = asked('list', resource, selection.namespace)
        const answer = await call({ method: 'GET', path: pathOf(resource, selection.namespace), query }, what, expired)
        if (expired(answer)) return undefined
        const items = at(answer.body, 'items')
        if (!Array.isArray(items)) throw notAnObject(subject, `the list of ${resource.plural}`)
        if (items.length > MOST_IN_PAGE) throw endless(subject, resource, `sends ${items.length} in one page`)
        for (const item of items) all.push(parseLive(subject, item, resource))
        next = text(at(answer.body, 'metadata', 'continue'))
        if (seen.has(next)) throw endless(subject, resource, 'repeats a continue token')
        if (next.length > MAX_TOKEN) throw endless(subject, resource, `has a continue token of ${next.length} characters`)
        seen.add(next)
      } while (next !== '')
      return all
    }

    return {
      subject,
      access,
      budget,
      within: of,
      call,
      raw,
      find,
      async get(resource, namespace, name) {
        const found = await find(resource, namespace, name)
        if (found !== undefined) return found
        throw new FederationError('not-found', subject, `there is no such object: ${phrase(asked('get', resource, namespace, name))}`)
      },
      async list(resource, selection = {}) {
        // All pages share one set of limits.
        if (given === undefined) return of(fresh()).list(resource, selection)
        for (let restarts = 0; restarts <= RESTARTS; restarts++) {
          const all = await pages(resource, selection)
          if (all !== undefined) return all
        }
        throw new FederationError(
          'cluster-refused',
          subject,
          `its list of ${resource.plural} expired ${RESTARTS + 1} times while it was read`,
          {
            hint: 'run it again closer to the cluster',
          },
        )
      },
      clock: () => clock,
      close: wire.close,
    }
  }
  return of()
}

const endless = (subject: Subject | string, resource: Resource, why: string): FederationError =>
  new FederationError('cluster-refused', subject, `its list of ${resource.plural} ${why}: it would never end`, {
    hint: 'check that the server is a Kubernetes API server',
  })

const notAnObject = (subject: Subject | string, what: string): FederationError =>
  new FederationError('cluster-refused', subject, `${what} is not a valid answer of an API server`, {
    hint: 'check that the server is a Kubernetes API server',
  })

/** RFC 3339 in UTC, to the second: such times sort as text. */
function writtenAt(metadata: unknown): { readonly writtenAt?: string } {
  const times = list(at(metadata, 'managedFields')).map((entry) => text(at(entry, 'time')))
  const last = times.sort().at(-1) ?? ''
  return last === '' ? {} : { writtenAt: last }
}

/** The owner of a pod: only the kind and name of its controller. */
function controllerIn(metadata: unknown): { readonly ownerReferences?: readonly object[] } {
  const owner = list(at(metadata, 'ownerReferences')).find((reference) => at(reference, 'controller') === true)
  return owner === undefined
    ? {}
    : { ownerReferences: [{ controller: true, kind: text(at(owner, 'kind')), name: text(at(owner, 'name')) }] }
}

/** Items of lists lack apiVersion and kind; `resource` knows them. */
export function parseLive(subject: Subject | string, value: unknown, resource: Resource): Live {
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
