/** The question that `doctor` answers: which clusters to examine, and between which of them calls go. */

import type { Accept, Federation, Member, MemberName, Trust, Workloads } from '../model/wanted.ts'
import { NO_RECORD, type RecordView } from '../record/projection.ts'
import { endedPairs, pairKey } from '../record/severs.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'

export interface Patient {
  readonly name: MemberName
  readonly context: string
  readonly istioNamespace: string
  /** From the federation file; undefined without one. */
  readonly declared?: Pick<Member, 'trustDomain' | 'aliases' | 'network' | 'publish'>
  /** The namespaces of scopes and of called hosts. */
  readonly namespaces: readonly string[]
  readonly accepts: readonly Pick<Accept, 'at' | 'mtls' | 'ports'>[]
  readonly reaches: readonly Workloads[]
  /** Trusted members. For each of them the cluster has a ConfigMap with its roots. */
  readonly trusted: readonly MemberName[]
  /** `apply` writes to this API server, not only into a Git tree. */
  readonly writes: boolean
}

/** Calls from workloads of one member to services of another. */
export interface Route {
  readonly from: MemberName
  readonly to: MemberName
  /** Empty if the called hosts are not known. */
  readonly hosts: readonly string[]
}

export interface Question {
  readonly patients: readonly Patient[]
  readonly routes: readonly Route[]
  /** Members without a context on this machine. */
  readonly away: readonly MemberName[]
  /** For each member, the trust domains of the other members in the file. */
  readonly foreign: ReadonlyMap<MemberName, readonly TrustDomain[]>
}

/**
 * @param now ended trusts make no route, and neither do severed ones
 * @param record may sever a pair that the file does not sever
 */
export function questionOf(federation: Federation, now: Date, record: RecordView = NO_RECORD): Question {
  const ended = endedPairs(federation, record)
  const trusts = federation.trusts.filter((trust) => !ended.has(pairKey(trust)) && (trust.until === undefined || now < trust.until))
  const members = [...federation.members.values()]
  const observed = members.filter(({ home }) => home?.context !== undefined)
  return {
    patients: observed.map((member) => patientOf(member, trusts)),
    routes: routesOf(trusts),
    away: members.filter((member) => !observed.includes(member)).map(({ name }) => name),
    foreign: new Map(members.map(({ name }) => [name, members.filter((m) => m.name !== name).map((m) => m.trustDomain)])),
  }
}

function patientOf({ name, home, istioNamespace, trustDomain, aliases, network, publish }: Member, trusts: readonly Trust[]): Patient {
  const own = trusts.filter(({ truster }) => truster === name)
  const hosts = trusts.filter((t) => t.trusted === name).flatMap((t) => t.reach.flatMap(({ services }) => services.map(({ host }) => host)))
  const accepts = own.flatMap(({ accept }) => accept.map(({ callers: _, ...accept }) => accept))
  const reaches = own.flatMap(({ reach }) => reach.map(({ from }) => from))
  const near = [...accepts.map(({ at }) => at.namespace), ...reaches.map(({ namespace }) => namespace), ...hosts.flatMap(namespaceOf)]
  return {
    name,
    context: home?.context ?? '',
    istioNamespace,
    declared: { trustDomain, aliases, ...(network === undefined ? {} : { network }), ...(publish === undefined ? {} : { publish }) },
    namespaces: [...new Set(near)],
    accepts,
    reaches,
    trusted: [...new Set(own.map(({ trusted }) => trusted))],
    writes: home?.directory === undefined,
  }
}

/** `server.sample.svc.cluster.local` → sample. */
const namespaceOf = (host: string): readonly string[] => host.split('.').slice(1, 2)

function routesOf(trusts: readonly Trust[]): readonly Route[] {
  const routes = new Map<string, { readonly from: MemberName; readonly to: MemberName; readonly hosts: string[] }>()
  const route = (from: MemberName, to: MemberName, hosts: readonly string[]): void => {
    const known = routes.get(`${from} ${to}`) ?? { from, to, hosts: [] }
    known.hosts.push(...hosts.filter((host) => !known.hosts.includes(host)))
    routes.set(`${from} ${to}`, known)
  }
  for (const { truster, trusted, accept, reach } of trusts) {
    if (accept.length > 0) route(trusted, truster, [])
    if (reach.length > 0)
      route(
        truster,
        trusted,
        reach.flatMap(({ services }) => services.map(({ host }) => host)),
      )
  }
  return [...routes.values()]
}

export interface Contexts {
  readonly contexts: readonly { readonly name: MemberName; readonly context: string }[]
  readonly istioNamespace: string
  readonly namespaces: readonly string[]
}

/** Without a federation file: every cluster calls every other. */
export function questionOfContexts({ contexts, istioNamespace, namespaces }: Contexts): Question {
  const names = contexts.map(({ name }) => name)
  return {
    patients: contexts.map(({ name, context }) => ({
      name,
      context,
      istioNamespace,
      namespaces,
      accepts: [],
      reaches: [],
      trusted: [],
      writes: false,
    })),
    routes: names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to, hosts: [] }))),
    away: [],
    foreign: new Map(),
  }
}
