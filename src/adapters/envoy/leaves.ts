/**
 * Proxies' own certificates, by port-forward to Envoy's admin port. Only on demand: whoever may do this may do anything
 * with these pods (deploy/look.yaml).
 */
import { request } from 'node:http'
import { FederationError } from '../../core/errors.ts'
import { CERTS_PATH, readCerts } from '../../core/istio/certs.ts'
import { readSecrets, SECRETS_PATH } from '../../core/istio/secrets.ts'
import type { Leaf, Seen } from '../../core/model.ts'
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

interface PodName {
  readonly namespace: string
  readonly name: string
  /** It judges by files of roots: what it has loaded from them is asked for, too. */
  readonly files?: boolean
}

/** By proxy, `POD.NAMESPACE`: each answers, or says why not. */
export async function leaves(
  client: KubeClient,
  pods: readonly PodName[],
  now: () => number = Date.now,
): Promise<ReadonlyMap<string, Seen<Leaf>>> {
  const atOnce = limit(AT_ONCE)
  const until = now() + DEADLINE_MS
  const answers = pods.map((pod) =>
    atOnce(async () => {
      const proxy = `${pod.name}.${pod.namespace}`
      return [proxy, await seen(now() > until ? late(client, proxy) : leafOf(client, pod, proxy))] as const
    }),
  )
  return new Map(await Promise.all(answers))
}

const late = async (client: KubeClient, proxy: string): Promise<never> => {
  throw new FederationError('proxy-unreachable', client.subject, `${proxy} was not asked: the others took ${DEADLINE_MS / 1000} s`, {
    hint: 'run it again, or from nearer to the cluster',
  })
}

async function leafOf(client: KubeClient, pod: PodName, proxy: string): Promise<Leaf> {
  const refused = (why: string, cause?: unknown): FederationError =>
    new FederationError('proxy-unreachable', client.subject, `${proxy}, port ${ADMIN_PORT}: ${why}`, {
      hint: `kubectl -n ${pod.namespace} logs ${pod.name} -c istio-proxy`,
      ...(cause === undefined ? {} : { cause }),
    })
  const told = async (path: string): Promise<unknown> =>
    parse(
      await ask(client, pod, path).catch((cause: unknown) => {
        throw cause instanceof FederationError ? cause : refused(cause instanceof Error ? cause.message : String(cause), cause)
      }),
      refused,
    )
  const leaf = readSecrets(await told(SECRETS_PATH))
  if (leaf === undefined) throw refused('shows no certificate of its own')
  return pod.files === true ? { proxy, ...leaf, loaded: readCerts(await told(CERTS_PATH)) } : { proxy, ...leaf }
}

function parse(body: string, refused: (why: string) => FederationError): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw refused('not JSON')
  }
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
