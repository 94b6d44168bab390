/** All istiods of one mesh together: what their proxies hold, which chain they serve, which versions they are. */

import { error, type Finding } from '../../core/diagnostics/finding.ts'
import { type Subject, subjectText } from '../../core/diagnostics/subject.ts'
import { notChecked } from '../../core/mesh/mesh-findings.ts'
import type { Evidence, Interest, Seen } from '../../core/model/observed.ts'
import { isWhole, readProxyConfig } from '../../core/trust/live/live-config.ts'
import type { Budget } from '../edge/budget.ts'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { type Limit, limit } from '../limit.ts'
import { seen } from '../seen.ts'
import { type Debug, debug } from './debug.ts'
import { evidenceOf, type Heard, type Memory } from './evidence.ts'
import { presentedOver, XDS_PORT } from './presented.ts'
import { istiodNames, type Road, roads } from './road.ts'
import { tokens } from './token.ts'

export interface IstiodsSeen {
  /** Not ok if one istiod did not answer: a proxy connected to it would look disconnected. */
  readonly proxies: Seen<readonly Evidence[]>
  /**
   * Not ok if one istiod did not answer, or if their chains come from different CAs: the chain of one does not prove that
   * of another.
   */
  readonly presented: Seen<readonly Uint8Array[]>
  readonly versions: ReadonlyMap<string, string>
}

type What = 'all' | 'again' | 'proxies'

export interface Istiods {
  /**
   * `again` reads a proxy's configuration only if istiod has sent more since. `proxies` also omits the chain and the
   * versions, for polling.
   */
  see(pods: readonly IstiodPod[], interest: Interest, what: What, budget?: Budget): Promise<IstiodsSeen>
}

export interface IstiodsOptions {
  readonly client: KubeClient
  readonly namespace: string
  /** The mesh's own roots, PEM, as far as known. */
  readonly roots: () => string | undefined
}

/** A mesh has two or three istiods. If a member lists thousands, Entente does not connect to each at once. */
const MOST_TOLD = 5
const VISITS_AT_ONCE = 8
/** For all istiods together: a dump has megabytes. */
const DUMPS_AT_ONCE = 8

export function istiods({ client, namespace, roots: ownRoots }: IstiodsOptions): Istiods {
  const ways = roads(client, tokens(client, namespace), ownRoots)
  const memories = new Map<string, Memory>()
  const visits = limit(VISITS_AT_ONCE)
  const dumps = limit(DUMPS_AT_ONCE)
  return {
    async see(pods, interest, what, budget = client.budget()) {
      // A full observation uses no cached state; polling continues from its result.
      if (what === 'all') memories.clear()
      for (const { name } of pods) if (!memories.has(name)) memories.set(name, new Map())
      const visited = await Promise.all(
        pods.map((pod) =>
          visits(() =>
            visit(client.subject, pod, (work) => ways.to(pod, work, budget), {
              interest,
              what,
              memory: memories.get(pod.name) ?? new Map(),
              dumps,
            }),
          ),
        ),
      )
      const nobody = error(
        'istiod-not-found',
        client.subject,
        `no running pod with label app=istiod in namespace ${namespace}`,
        'check istio.namespace of this member in the federation file',
      )
      return {
        proxies: pods.length === 0 ? { ok: false, error: nobody } : proxiesOf(visited),
        presented: pods.length === 0 ? { ok: false, error: nobody } : presentedOf(client.subject, visited),
        versions: new Map(visited.flatMap(({ pod, version }) => (version === undefined ? [] : [[pod.name, version] as const]))),
      }
    },
  }
}

interface Visit {
  readonly pod: IstiodPod
  readonly heard: Seen<readonly Heard[]>
  readonly presented: Seen<readonly Uint8Array[]>
  readonly version?: string | undefined
}

type Travel = <T>(work: (road: Road) => Promise<T>) => Promise<T>

interface Question {
  readonly interest: Interest
  readonly what: What
  readonly memory: Memory
  readonly dumps: Limit
}

async function visit(subject: Subject, pod: IstiodPod, travel: Travel, { interest, what, memory, dumps }: Question): Promise<Visit> {
  const wanted = {
    cluster: pod.env.CLUSTER_ID ?? 'Kubernetes',
    interesting: (proxy: { readonly namespace: string; readonly type: string }) =>
      proxy.type !== 'ztunnel' &&
      (proxy.type === 'router' || interest.everyProxy === true || interest.namespaces.includes(proxy.namespace)),
    readConfig: (dump: unknown) => (isWhole(dump) ? readProxyConfig(dump) : undefined),
  }
  const ask = <T>(question: (istiod: Debug) => Promise<T>): Promise<T> => travel((road) => question(debug(subject, road)))
  const name = `${pod.namespace}/${pod.name}`
  const chain = (): Promise<readonly Uint8Array[]> =>
    travel(async (road) => presentedOver(await road.dial(XDS_PORT), istiodNames(pod)[0] ?? '', `${subjectText(subject)} ${name}`))
  const hearing = seen(ask((istiod) => evidenceOf({ ...istiod, configDump: (id) => dumps(() => istiod.configDump(id)) }, wanted, memory)))
  if (what === 'proxies') return { pod, heard: await hearing, presented: { ok: false, error: notChecked('error', subject, 'not asked') } }
  const [heard, presented, version] = await Promise.all([hearing, seen(chain()), ask((istiod) => istiod.version()).catch(() => undefined)])
  return { pod, heard, presented, version }
}

function proxiesOf(visits: readonly Visit[]): Seen<readonly Evidence[]> {
  // A terminating istiod may be gone by now: its proxies connect to another one.
  const silent = visits.flatMap(({ pod, heard }) => (heard.ok || pod.leaving ? [] : [heard.error]))
  const [first, ...rest] = silent
  if (first !== undefined) return { ok: false, error: together(first, rest, visits.length) }
  const last = new Map<string, Heard>()
  for (const { heard } of visits) {
    if (!heard.ok) continue
    for (const one of heard.value) {
      const other = last.get(one.evidence.proxy)
      // A proxy is connected to one istiod. If two list it, the one that sent last counts.
      if (other === undefined || other.sentAt < one.sentAt) last.set(one.evidence.proxy, one)
    }
  }
  const value = [...last.values()].map(({ evidence }) => evidence).sort((a, b) => (a.proxy < b.proxy ? -1 : 1))
  return { ok: true, value }
}

export function presentedOf(subject: Subject, visits: readonly Pick<Visit, 'pod' | 'presented'>[]): Seen<readonly Uint8Array[]> {
  const chains = visits.flatMap(({ presented }) => (presented.ok ? [presented.value] : []))
  const errors = visits.flatMap(({ pod, presented }) => (presented.ok || (pod.leaving && chains.length > 0) ? [] : [presented.error]))
  const [first, ...others] = chains
  const [silent, ...rest] = errors
  if (first === undefined || silent !== undefined) return { ok: false, error: together(silent as Finding, rest, visits.length) }
  const other = others.find((chain) => issuers(chain) !== issuers(first))
  if (other === undefined) return { ok: true, value: first }
  const message = 'istiods of this mesh serve chains of different CAs'
  return {
    ok: false,
    error: error('presented-differs', subject, message, 'wait for the CA change to reach all of them, or restart the ones that lag'),
  }
}

/** The leaf differs from pod to pod; the CA above it must not. */
const issuers = (chain: readonly Uint8Array[]): string =>
  chain
    .slice(1)
    .map((der) => Buffer.from(der).toString('base64'))
    .join(' ')

function together(first: Finding, rest: readonly Finding[], asked: number): Finding {
  if (rest.length === 0 && asked === 1) return first
  return {
    ...first,
    message: `${1 + rest.length} of ${asked} istiods did not answer: ${[first, ...rest]
      .slice(0, MOST_TOLD)
      .map((f) => f.message)
      .join('; ')}${1 + rest.length > MOST_TOLD ? '; …' : ''}`,
  }
}
