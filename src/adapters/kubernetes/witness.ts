/**
 * The record's head as a cluster remembers it: ConfigMap entente-record in the Istio namespace. Moving it is a compare
 * and set by resourceVersion, which makes it the lock between two applies.
 */

import { clip } from '../../core/clip.ts'
import { FederationError } from '../../core/errors.ts'
import { at, MANAGED_BY, text } from '../../core/manifest.ts'
import type { Digest } from '../../core/model.ts'
import type { KubeClient, Live } from './client.ts'
import { type Answer, asked } from './errors.ts'
import { CONFIG_MAP, pathOf } from './resources.ts'

export const WITNESS = 'entente-record'

/** @throws FederationError record-broken when the ConfigMap is there and holds no head */
export async function readWitness(client: KubeClient, namespace: string): Promise<Digest | undefined> {
  return headOf(client, await client.find(CONFIG_MAP, namespace, WITNESS))
}

function headOf(client: KubeClient, live: Live | undefined): Digest | undefined {
  if (live === undefined) return undefined
  const head = text(at(live, 'data', 'head'))
  if (/^sha256:[0-9a-f]{64}$/.test(head)) return head as Digest
  throw new FederationError(
    'record-broken',
    client.subject,
    `ConfigMap ${live.metadata.namespace}/${WITNESS} has no head: ${JSON.stringify(clip(head, 80))}`,
    {
      hint: 'somebody edited it: compare with `entente audit log`, then put the right hash back',
    },
  )
}

/** @throws FederationError record-busy when the head is not `was`, or moves while we move it */
export async function moveWitness(client: KubeClient, namespace: string, was: Digest | undefined, is: Digest): Promise<void> {
  const live = await client.find(CONFIG_MAP, namespace, WITNESS)
  if (headOf(client, live) !== was) throw busy(client, namespace)
  const request = live === undefined ? creation(namespace, is) : replacement(live, namespace, is)
  const lost = (answer: Answer): boolean => answer.status === 409 || (answer.status === 404 && live !== undefined)
  const answer = await client.call(request, asked(live === undefined ? 'create' : 'update', CONFIG_MAP, namespace, WITNESS), lost)
  if (lost(answer)) throw busy(client, namespace)
}

const body = (namespace: string, is: Digest, resourceVersion?: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: WITNESS,
    namespace,
    labels: { [MANAGED_BY]: 'entente' },
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  },
  data: { head: is },
})

const query = { fieldManager: 'entente' }

const creation = (namespace: string, is: Digest) =>
  ({ method: 'POST', path: pathOf(CONFIG_MAP, namespace), query, body: body(namespace, is) }) as const

const replacement = (live: Live, namespace: string, is: Digest) =>
  ({
    method: 'PUT',
    path: pathOf(CONFIG_MAP, namespace, WITNESS),
    query,
    body: body(namespace, is, live.metadata.resourceVersion),
  }) as const

const busy = (client: KubeClient, namespace: string): FederationError =>
  new FederationError('record-busy', client.subject, `the record's head in ConfigMap ${namespace}/${WITNESS} is not what it was`, {
    hint: 'another apply is at work, or the record here is not the newest: pull it, then run it again',
  })
