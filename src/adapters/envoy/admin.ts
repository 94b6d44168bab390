/**
 * What proxies say on their admin port, by port-forward. Only on demand: whoever may do this may do anything with these
 * pods (deploy/look.yaml).
 */
import { request } from 'node:http'
import { FederationError } from '../../core/errors.ts'
import type { Seen } from '../../core/model.ts'
import { readBody } from '../body.ts'
import { openTunnel } from '../istiod/tunnel.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { limit } from '../limit.ts'
import { seen } from '../seen.ts'

const ADMIN_PORT = 15000
const AT_ONCE = 8
/** For one pod, and for all of them. */
const TIMEOUT_MS = 5_000
const DEADLINE_MS = 60_000
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
  /** What to throw when the answer is of no use. */
  readonly refused: (why: string, cause?: unknown) => FederationError
}

/** By proxy, `POD.NAMESPACE`: each answers, or says why not. */
export async function askAll<P extends PodName, T>(
  client: KubeClient,
  pods: readonly P[],
  read: (pod: P, admin: Admin) => Promise<T>,
  now: () => number = Date.now,
): Promise<ReadonlyMap<string, Seen<T>>> {
  const atOnce = limit(AT_ONCE)
  const until = now() + DEADLINE_MS
  const answers = pods.map((pod) =>
    atOnce(async () => {
      const admin = adminOf(client, pod)
      return [admin.proxy, await seen(now() > until ? late(client, admin.proxy) : read(pod, admin))] as const
    }),
  )
  return new Map(await Promise.all(answers))
}

const late = async (client: KubeClient, proxy: string): Promise<never> => {
  throw new FederationError('proxy-unreachable', client.subject, `${proxy} was not asked: the others took ${DEADLINE_MS / 1000} s`, {
    hint: 'run it again, or from nearer to the cluster',
  })
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
      return JSON.parse(body)
    } catch {
      throw refused('not JSON')
    }
  }
  return { proxy, get, refused }
}

/** @throws FederationError forbidden, not-found, cluster-unreachable; Error */
async function ask(client: KubeClient, pod: PodName, path: string): Promise<string> {
  const tunnel = await openTunnel(client, pod, ADMIN_PORT)
  const timer = setTimeout(() => tunnel.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS)
  try {
    return await new Promise<string>((resolve, reject) => {
      const sent = request({
        createConnection: () => tunnel as never,
        host: 'localhost',
        path,
        headers: { connection: 'close' },
      })
      sent.once('error', reject)
      sent.once('response', (response) => {
        const answered = readBody(response, MAX_BYTES, (message) => new Error(message))
        answered.then(
          (body) => (response.statusCode === 200 ? resolve(body) : reject(new Error(`answered ${response.statusCode}`))),
          reject,
        )
      })
      sent.end()
    })
  } finally {
    clearTimeout(timer)
    tunnel.destroy()
  }
}
