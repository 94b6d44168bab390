/**
 * The records' heads in a cluster: ConfigMap entente-record in the Istio namespace, with one key for each owner, because
 * two federations may share a cluster. It is one object, so that RBAC can name it. Moving a head is a compare-and-set by
 * resourceVersion, which makes it the lock between two applies of one owner. Applies of other owners only cause a retry.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { clip } from '../../../core/basics/clip.ts'
import { retry } from '../../../core/basics/retry.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Digest } from '../../../core/model/digest.ts'
import { at, MANAGED_BY, strings } from '../../../core/model/manifest.ts'
import { parseHead } from '../../../core/record/record.ts'
import { CONFIG_MAP, pathOf } from '../resources.ts'
import type { KubeClient, Live } from '../transport/client.ts'
import { type Answer, asked } from '../transport/errors.ts'

export const WITNESS = 'entente-record'
/** The single key of an older version, which did not distinguish owners. */
const ONE = 'head'
const TRIES = 10

interface Place {
  readonly client: KubeClient
  readonly namespace: string
  /** The owner of the head: the federation's name. Empty: the single head of an older version. */
  readonly owner: string
}

/** @throws FederationError record-broken if the ConfigMap exists and its value is not a head */
export async function readWitness(client: KubeClient, namespace: string, owner = ''): Promise<Digest | undefined> {
  const place = { client, namespace, owner }
  return headOf(place, await find(place))
}

/**
 * @throws FederationError record-busy if the head is not `was`, or moves at the same moment; changed-meanwhile if the API
 * server keeps rejecting the write although the head has not moved
 */
export async function moveWitness(client: KubeClient, namespace: string, was: Digest | undefined, is: Digest, owner = ''): Promise<void> {
  const place = { client, namespace, owner }
  const once = async (): Promise<boolean> => {
    const live = await find(place)
    if (headOf(place, live) !== was) throw busy(place)
    const request = live === undefined ? creation(place, is) : replacement(place, live, is)
    const lost = (answer: Answer): boolean => answer.status === 409 || (answer.status === 404 && live !== undefined)
    const answer = await client.call(request, asked(live === undefined ? 'create' : 'update', CONFIG_MAP, namespace, WITNESS), lost)
    return !lost(answer)
  }
  const moved = await retry(once, {
    tries: TRIES,
    waitMs: (tried) => tried * (10 + Math.random() * 20),
    sleep,
    // Another owner's head moved, or this one: the next read shows which.
    again: (outcome) => outcome.ok && !outcome.value,
  })
  if (moved) return
  throw new FederationError(
    'changed-meanwhile',
    client.subject,
    `ConfigMap ${namespace}/${WITNESS} could not be updated in ${TRIES} tries`,
    {
      hint: 'the head of this record in it did not change: find the client that keeps writing to it, or check the API server',
    },
  )
}

const find = ({ client, namespace }: Place) => client.find(CONFIG_MAP, namespace, WITNESS)

const keyOf = ({ owner }: Place): string => (owner === '' ? ONE : `${ONE}.${owner}`)

/** The owner's key. If there is none yet, the single head of an older version counts as the owner's. */
function heldIn(place: Place, live: Live): { readonly key: string; readonly value: unknown } | undefined {
  const key = [keyOf(place), ONE].find((key) => at(live, 'data', key) !== undefined)
  return key === undefined ? undefined : { key, value: at(live, 'data', key) }
}

function headOf(place: Place, live: Live | undefined): Digest | undefined {
  if (live === undefined) return undefined
  const held = heldIn(place, live)
  if (held === undefined && isOthersOnly(live)) return undefined
  const head = parseHead(held?.value)
  if (head !== undefined) return head
  const { client, namespace } = place
  const what = held === undefined ? 'holds no head' : `has no head in ${held.key}: ${shown(held.value)}`
  const undo = held === undefined ? '' : ` patch configmap ${WITNESS} --type json -p '[{"op":"remove","path":"/data/${held.key}"}]'`
  throw new FederationError('record-broken', client.subject, `ConfigMap ${namespace}/${WITNESS} ${what}`, {
    hint: `somebody edited it. If audit.jsonl is the newest version: kubectl --context ${client.access.context} -n ${namespace}${undo === '' ? ` delete configmap ${WITNESS}` : undo}`,
  })
}

/** An API server may send any JSON here, at any depth. */
const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(clip(value, 80)) : 'not a text')

/** True if it contains only heads of other owners. */
function isOthersOnly(live: Live): boolean {
  const data = at(live, 'data') ?? {}
  if (typeof data !== 'object' || Array.isArray(data) || at(live, 'binaryData') !== undefined) return false
  return Object.keys(data).every((key) => key.startsWith(`${ONE}.`))
}

const query = { fieldManager: 'entente' }

const creation = (place: Place, is: Digest) =>
  ({
    method: 'POST',
    path: pathOf(CONFIG_MAP, place.namespace),
    query,
    body: body(place, { data: { [keyOf(place)]: is } }),
  }) as const

/** Other owners' heads stay unchanged. The single head of an older version is replaced if the owner had no other. */
function replacement(place: Place, live: Live, is: Digest) {
  const taken = heldIn(place, live)?.key
  const rest = Object.entries(strings(at(live, 'data'))).filter(([key]) => key !== taken)
  const { labels, annotations, resourceVersion } = live.metadata
  return {
    method: 'PUT',
    path: pathOf(CONFIG_MAP, place.namespace, WITNESS),
    query,
    body: body(place, {
      data: { ...Object.fromEntries(rest), [keyOf(place)]: is },
      metadata: { resourceVersion, labels: { ...labels, [MANAGED_BY]: 'entente' }, ...(annotations === undefined ? {} : { annotations }) },
    }),
  } as const
}

const body = ({ namespace }: Place, { data, metadata = {} }: { readonly data: object; readonly metadata?: object }) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { labels: { [MANAGED_BY]: 'entente' }, ...metadata, name: WITNESS, namespace },
  data,
})

const busy = ({ client, namespace }: Place): FederationError =>
  new FederationError('record-busy', client.subject, `the record's head in ConfigMap ${namespace}/${WITNESS} has changed`, {
    hint: 'wait for another apply to end, or pull the newest record from Git; then run the command again',
  })
