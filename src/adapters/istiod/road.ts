/**
 * Two ways to connect to an istiod. The direct one is used if an istiod of this mesh proves to answer at the address.
 * Otherwise Entente uses a port-forward through the API server. On the direct way istiod requires a token; the
 * port-forward arrives from its localhost.
 */

import { Agent } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Subject } from '../../core/diagnostics/subject.ts'
import type { Budget } from '../edge/budget.ts'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { answersAsIstiod } from './presented.ts'
import type { Tokens } from './token.ts'
import { openTunnel } from './tunnel.ts'

const CONNECT_MS = 2_000

export interface Road {
  readonly kind: 'direct' | 'forward'
  readonly pod: IstiodPod
  dial(port: number): Promise<Duplex>
  /** For HTTP on istiod's ports; destroyed after the visit. */
  readonly agent: Agent
  readonly token: string | undefined
  /** The limits for all requests of this visit; undefined: no other request belongs to this observation. */
  readonly budget?: Budget
}

export interface Roads {
  /**
   * Runs `work` with a connection to that istiod. If it fails on the direct way, it runs once more by port-forward: `work`
   * only reads.
   * @throws FederationError istiod-unreachable, istiod-refused, forbidden, …
   */
  to<T>(pod: IstiodPod, work: (road: Road) => Promise<T>, budget?: Budget): Promise<T>
}

/** The names that istiod's own certificate may have (istio pilot/pkg/bootstrap/server.go getDNSNames, eed52ebb66ad). */
export function istiodNames({ namespace, revision }: IstiodPod): readonly string[] {
  const plain = `istiod.${namespace}.svc`
  return revision === 'default' ? [plain] : [plain, `istiod-${revision}.${namespace}.svc`]
}

/**
 * @param roots the mesh's own, PEM; undefined if they could not be read: then no direct connection is made
 * @param answers checks whether an istiod of this mesh is at an address
 */
export function roads(client: KubeClient, tokens: Tokens, roots: () => string | undefined, answers = answersAsIstiod): Roads {
  /** Only successful ways are remembered: an istiod that does not answer may be starting. */
  const direct = new Map<string, boolean>()
  const mayGoDirectly = async (pod: IstiodPod): Promise<boolean> => {
    const pem = roots()
    if (pod.ip === undefined || pem === undefined) return false
    return direct.get(keyOf(pod)) ?? (await answers(pod.ip, istiodNames(pod), pem))
  }
  return {
    async to(pod, work, budget) {
      const first = (await mayGoDirectly(pod)) ? await attempt(() => travel({ client, pod, tokens, budget }, work)) : noAnswer(client, pod)
      if (first.ok) {
        direct.set(keyOf(pod), true)
        return first.value
      }
      direct.delete(keyOf(pod))
      const second = await attempt(() => travel({ client, pod, tokens: undefined, budget }, work))
      if (!second.ok) throw both(second.cause, first.cause)
      direct.set(keyOf(pod), false)
      return second.value
    },
  }
}

const keyOf = (pod: IstiodPod): string => `${pod.name} ${pod.ip}`

const noAnswer = ({ subject }: KubeClient, { namespace, name, ip }: IstiodPod) =>
  ({
    ok: false,
    cause: new FederationError('istiod-unreachable', subject, `${namespace}/${name} at ${ip} does not answer as an istiod of this mesh`),
  }) as const

interface Way {
  readonly client: KubeClient
  readonly pod: IstiodPod
  /** Undefined: by port-forward. */
  readonly tokens: Tokens | undefined
  readonly budget: Budget | undefined
}

async function travel<T>({ client, pod, tokens, budget }: Way, work: (road: Road) => Promise<T>): Promise<T> {
  const through = budget === undefined ? client : client.within(budget)
  const dial = (port: number): Promise<Duplex> =>
    tokens === undefined ? openTunnel(through, pod, port) : dialDirectly(client.subject, pod, port)
  const agent = new RoadAgent(dial)
  const road = { kind: tokens === undefined ? 'forward' : 'direct', pod, dial, agent, ...(budget === undefined ? {} : { budget }) } as const
  try {
    return await work({ ...road, token: await tokens?.get() })
  } finally {
    agent.destroy()
  }
}

function dialDirectly(subject: Subject | string, pod: IstiodPod, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: pod.ip ?? '', port })
    const fail = (cause: Error): void => {
      const message = `${pod.namespace}/${pod.name} at ${pod.ip}:${port}: ${cause.message}`
      reject(new FederationError('istiod-unreachable', subject, message, { hint: 'check that istiod runs', cause }))
    }
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('no answer')))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}

/** Keeps connections between the requests of one visit. */
export class RoadAgent extends Agent {
  readonly #dial: (port: number) => Promise<Duplex>

  constructor(dial: (port: number) => Promise<Duplex>) {
    super({ keepAlive: true, maxSockets: 8 })
    this.#dial = dial
  }

  override createConnection(
    options: { port?: number | string | null },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial(Number(options.port)).then(
      (stream) => callback?.(null, stream),
      (error) => callback?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly cause: unknown }

const attempt = <T>(work: () => Promise<T>): Promise<Attempt<T>> =>
  work().then(
    (value) => ({ ok: true, value }),
    (cause) => ({ ok: false, cause }),
  )

function both(second: unknown, first: unknown): unknown {
  if (!(second instanceof FederationError) || !(first instanceof FederationError)) return second
  const message = `by port-forward: ${second.reason}; directly: ${first.reason}`
  return new FederationError(second.code, second.subject, message, { hint: second.hint, cause: second })
}
