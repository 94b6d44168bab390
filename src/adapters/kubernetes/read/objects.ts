/** The lists that make `Observation.objects`: Entente's objects everywhere, and the objects of others that affect them. */
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { error, type Finding, fromError } from '../../../core/diagnostics/finding.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { keyOf, MANAGED_BY } from '../../../core/model/manifest.ts'
import type { Interest, Seen } from '../../../core/model/observed.ts'
import { seen } from '../../seen.ts'
import {
  AUTHORIZATION_POLICY,
  CONFIG_MAP,
  DESTINATION_RULE,
  ENDPOINT_SLICE,
  ENVOY_FILTER,
  GATEWAY,
  groupOf,
  KUBERNETES_GATEWAY,
  PEER_AUTHENTICATION,
  POD,
  type Resource,
  SERVICE,
  SERVICE_ENTRY,
  VIRTUAL_SERVICE,
} from '../resources.ts'
import type { KubeClient, Selection } from '../transport/client.ts'
import { asked, phrase } from '../transport/errors.ts'
import { WITNESS } from '../write/witness.ts'
import { bareInPod } from './pods.ts'

interface Wanted {
  readonly resource: Resource
  readonly selection: Selection
  readonly keep?: (object: Manifest) => boolean
  /** If the kind is not installed or not readable, the list is empty; whatever depends on it is rejected then. */
  readonly optional?: true
  /** Read namespace by namespace if the account may not list the whole cluster. */
  readonly namespaces?: readonly string[]
}

/** For more namespaces than this, one list of the whole cluster costs less than one per namespace. */
const FEW = 16

const OURS = { labels: `${MANAGED_BY}=entente` }

function wanted(interest: Interest, istioNamespace: string): readonly Wanted[] {
  const everywhere = [AUTHORIZATION_POLICY, PEER_AUTHENTICATION, ENVOY_FILTER, DESTINATION_RULE, SERVICE_ENTRY, GATEWAY].map(
    (resource) => ({
      resource,
      selection: {},
    }),
  )
  const ours = { resource: CONFIG_MAP, selection: OURS }
  const all = interest.everyWorkload === true
  const kinds = [SERVICE, ENDPOINT_SLICE, ...(all ? [] : [POD])]
  const among = new Set(interest.namespaces)
  const namespaces = [...among]
  const keep = (object: Manifest): boolean => among.has(object.metadata.namespace ?? '')
  const near = kinds.flatMap((resource): readonly Wanted[] =>
    namespaces.length > FEW
      ? [{ resource, selection: {}, keep, namespaces }]
      : namespaces.map((namespace) => ({ resource, selection: { namespace } })),
  )
  const pods = all ? [{ resource: POD, selection: {} }] : []
  const roots = {
    resource: CONFIG_MAP,
    selection: { namespace: istioNamespace },
    keep: (o: Manifest) => o.metadata.name.endsWith('-root-cert') || o.metadata.name === 'istio-ca-crl',
  }
  const theirs = { resource: KUBERNETES_GATEWAY, selection: {}, optional: true } as const
  const published = { resource: VIRTUAL_SERVICE, selection: OURS }
  return [...everywhere, theirs, ours, ...(interest.published === true ? [published] : []), ...near, ...pods, roots]
}

/** All of them or none: a list that failed is not an empty one. */
export async function observeObjects(client: KubeClient, interest: Interest, istioNamespace: string): Promise<Seen<readonly Manifest[]>> {
  const lists = wanted(interest, istioNamespace)
  const results = await Promise.allSettled(lists.map((one) => read(client, one)))
  const failed = results.flatMap((result, i) =>
    result.status === 'rejected' ? [{ cause: result.reason as unknown, one: lists[i] as Wanted }] : [],
  )
  if (failed.length > 0) return { ok: false, error: explain(client, failed) }
  const byKey = new Map<string, Manifest>()
  for (const result of results) {
    if (result.status === 'fulfilled') for (const object of result.value) byKey.set(keyOf(object), object)
  }
  // The ConfigMap with the record's head has Entente's label, but no intent contains it.
  return { ok: true, value: [...byKey.values()].filter((o) => o.kind !== 'ConfigMap' || o.metadata.name !== WITNESS) }
}

async function read(client: KubeClient, { resource, selection, keep, optional, namespaces }: Wanted): Promise<readonly Manifest[]> {
  const found = await client.list(resource, selection).catch(async (cause: unknown) => {
    const absent = cause instanceof FederationError && ['not-found', 'forbidden'].includes(cause.code)
    if (optional === true && absent) return []
    if (namespaces === undefined || !absent) throw cause
    return (await Promise.all(namespaces.map((namespace) => client.list(resource, { namespace })))).flat()
  })
  const kept = keep === undefined ? found : found.filter(keep)
  return resource === POD ? kept.map(bareInPod) : kept
}

/** The pods of all namespaces. */
export const observePods = (client: KubeClient): Promise<Seen<readonly Manifest[]>> =>
  seen(client.list(POD, {}).then((pods) => pods.map(bareInPod)))

/** One finding for all failed lists: it names every forbidden one, so that one change of RBAC is enough. */
function explain(client: KubeClient, failed: readonly { readonly cause: unknown; readonly one: Wanted }[]): Finding {
  const stranger = failed.find(({ cause }) => !(cause instanceof FederationError))
  if (stranger !== undefined) throw stranger.cause
  const errors = failed.map(({ cause, one }) => ({ cause: cause as FederationError, one }))
  const unreached = errors.find(({ cause }) => cause.code !== 'forbidden' && cause.code !== 'not-found')
  if (unreached !== undefined) return fromError(unreached.cause)
  const forbidden = errors.filter(({ cause }) => cause.code === 'forbidden')
  const [first, ...rest] = forbidden
  if (first !== undefined) {
    const also = [...new Set(rest.map(({ one }) => phrase(asked('list', one.resource, one.selection.namespace))))]
    const failure = fromError(first.cause)
    return also.length === 0 ? failure : { ...failure, message: `${failure.message}; nor ${also.join(', nor ')}` }
  }
  const missing = [...new Set(errors.map(({ one }) => `${one.resource.kind} (${one.resource.apiVersion})`))]
  const istios = errors.some(({ one }) => groupOf(one.resource.apiVersion).endsWith('.istio.io'))
  return error(
    istios ? 'istio-not-installed' : 'cluster-refused',
    client.subject,
    `the API server does not know ${missing.join(', ')}`,
    istios ? 'install Istio 1.22 or newer in this cluster, or correct the context' : '',
  )
}
