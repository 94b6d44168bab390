/**
 * Reads the admin port of proxies by port-forward. It is used only on demand: the right to port-forward allows anything
 * with these pods (deploy/look.yaml).
 */
import { type ClientRequest, request } from 'node:http'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Seen } from '../../core/model/observed.ts'
import { seconds } from '../edge/budget.ts'
import { checkedJson } from '../edge/checked-json.ts'
import { exchange } from '../edge/exchange.ts'
import { openTunnel } from '../istiod/tunnel.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { limit } from '../limit.ts'
import { seen } from '../seen.ts'

const ADMIN_PORT = 15000
const AT_ONCE = 8
const MAX_BYTES = 4 * 1024 * 1024

export interface PodName {
  readonly namespace: string
  readonly name: string
}

/** One proxy that is being asked. */
export interface Admin {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** The answer to a GET, parsed as JSON. @throws FederationError proxy-unreachable, forbidden, not-found, cluster-unreachable */
  readonly get: (path: string) => Promise<unknown>
  /** Makes the error for an answer that Entente cannot use. */
  readonly refused: (why: string, cause?: unknown) => FederationError
}

/** By proxy, `POD.NAMESPACE`: the answer of each, or the reason why there is none. */
export async function askAll<P extends PodName, T>(
  client: KubeClient,
  pods: readonly P[],
  read: (pod: P, admin: Admin) => Promise<T>,
  now: () => number = Date.now,
): Promise<ReadonlyMap<string, Seen<T>>> {
  const atOnce = limit(AT_ONCE)
  const budget = client.budget()
  const { lookMs } = budget.limits
  const until = now() + lookMs
  const late = async (proxy: string): Promise<never> => {
    throw new FederationError(
      'proxy-unreachable',
      client.subject,
      `Entente did not ask ${proxy}: the other proxies used the time limit of ${seconds(lookMs)}`,
      {
        hint: 'run it again, or closer to the cluster; or raise --look-timeout',
      },
    )
  }
  const answers = pods.map((pod) =>
    atOnce(async () => {
      const admin = adminOf(client.within(budget), pod)
      return [admin.proxy, await seen(now() > until ? late(admin.proxy) : budget.race(read(pod, admin)))] as const
    }),
  )
  return new Map(await Promise.all(answers))
}

function adminOf(client: KubeClient, pod: PodName): Admin {
  const proxy = `${pod.name}.${pod.namespace}`
  const refused = (why: string, cause?: unknown): FederationError =>
    new FederationError('proxy-unreachable', client.subject, `${proxy}, port ${ADMIN_PORT}: ${why}`, {
      hint: `kubectl -n ${pod.namespace} logs ${pod.name} -c istio-proxy`,
      ...(cause === undefined ? {} : { cause }),
    })
  const get = async (path: string): Promise<unknown> => {
    const body = await ask(client, pod, path).catch((cause: unknown) => {
      throw cause instanceof FederationError ? cause : refused(cause instanceof Error ? cause.message : String(cause), cause)
    })
    try {
      return checkedJson(body)
    } catch (cause) {
      throw refused(cause instanceof Error ? cause.message : String(cause), cause)
    }
  }
  return { proxy, get, refused }
}

/** @throws FederationError forbidden, not-found, cluster-unreachable; Error */
async function ask(client: KubeClient, pod: PodName, path: string): Promise<Buffer> {
  const tunnel = await openTunnel(client, pod, ADMIN_PORT)
  const make = (): ClientRequest =>
    request({ createConnection: () => tunnel as never, host: 'localhost', path, headers: { connection: 'close' } })
  try {
    const { status, body } = await exchange(make, undefined, client.budget().call(MAX_BYTES))
    if (status !== 200) throw new Error(`answered ${status}`)
    return body
  } finally {
    tunnel.destroy()
  }
}
