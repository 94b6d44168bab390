/** Observes a cluster: its objects, its istiods, and what they report of proxies. */

import type { Observes, ShowsProxies } from '../../app/ports.ts'
import { configOwner } from '../../core/mesh/config-owner.ts'
import type { Interest, IstioFacts, Observation, Seen } from '../../core/model/observed.ts'
import type { Member } from '../../core/model/wanted.ts'
import type { Budget } from '../edge/budget.ts'
import { type IstiodsSeen, istiods } from '../istiod/istiods.ts'
import { seen } from '../seen.ts'
import { readMeshConfig } from './read/mesh-config.ts'
import { observeObjects, observePods } from './read/objects.ts'
import { type OwnRoots, parseOwnRoots, readOwnRoots } from './read/own.ts'
import { type IstiodPod, istiodPods } from './read/pods.ts'
import { NAMESPACE } from './resources.ts'
import type { KubeClient } from './transport/client.ts'

const NETWORK = 'topology.istio.io/network'

export interface KubernetesMeshOptions {
  readonly member: Member
  readonly client: KubeClient
  /** The owner of the stored head: the federation's name. Empty if nothing is written. */
  readonly owner?: string
  readonly now?: () => Date
}

export function observer({ member, client, now = () => new Date() }: KubernetesMeshOptions): Observes & ShowsProxies {
  const namespace = member.istioNamespace
  let pem: string | undefined
  const all = istiods({ client, namespace, roots: () => pem })

  /** By `Interest.sharedDeadline`, so that each observer continues its own observation. */
  const budgets = new WeakMap<object, Budget>()

  const ownRoots = async (through: KubeClient, listed: Promise<readonly IstiodPod[]>): Promise<OwnRoots> => {
    pem = undefined
    const own = await readOwnRoots(through, namespace, await listed.catch(() => []))
    pem = own.pem
    return own
  }
  const look = async (through: KubeClient, budget: Budget, wanted: Interest): Promise<Observation> => {
    /** Returns a failure as a value, and at the latest at the deadline. */
    const part = <T>(work: Promise<T>): Promise<Seen<T>> => seen(budget.race(work))
    const listed = istiodPods(through, namespace)
    const roots = ownRoots(through, listed)
    const config = listed.then((pods) => readMeshConfig(through, namespace, pods))
    const network = through.get(NAMESPACE, undefined, namespace).then((ns) => ns.metadata.labels?.[NETWORK])
    const own = Promise.all([config, roots]).then(([{ trustDomain }, { pem }]) => parseOwnRoots(trustDomain, pem, now()))
    // The direct way to an istiod needs the mesh's roots; without them the port-forward still works.
    const visited = roots
      .catch(() => undefined)
      .then(async () => all.see(await listed, wanted, wanted.again === true ? 'again' : 'all', budget))
    const facts = Promise.all([config, network, listed, visited]).then(([{ sources, ...config }, network, pods, visits]) => ({
      ...config,
      configOwners: sources.map(configOwner),
      ...(network === undefined ? {} : { network }),
      istiods: pods.map((pod) => istiodOf(pod, visits)),
      presented: visits.presented,
    }))
    const [objects, ownSeen, istio, visits, since, pods] = await Promise.all([
      part(observeObjects(through, wanted, namespace)),
      part(own),
      part<IstioFacts>(facts),
      part(visited),
      part(roots),
      wanted.everyPod === true ? part(observePods(through)) : undefined,
    ])
    const clock = through.clock()
    return {
      ...(clock === undefined ? {} : { clock }),
      objects: objects.ok ? objects.value : objects,
      own: ownSeen,
      ...(since.ok && since.value.since !== undefined ? { ownSince: since.value.since } : {}),
      ...(pods === undefined ? {} : { pods: pods.ok ? pods.value : pods }),
      istio,
      proxies: visits.ok ? visits.value.proxies : visits,
    }
  }
  return {
    observe(wanted) {
      const { sharedDeadline } = wanted
      const budget = (sharedDeadline === undefined ? undefined : budgets.get(sharedDeadline)?.further()) ?? client.budget()
      if (sharedDeadline !== undefined) budgets.set(sharedDeadline, budget)
      return budget.watched(() => look(client.within(budget), budget, wanted))
    },
    async proxies(interest) {
      const budget = client.budget()
      const through = client.within(budget)
      const listed = istiodPods(through, namespace)
      if (pem === undefined) await budget.race(ownRoots(through, listed)).catch(() => undefined)
      const visits = await seen(budget.race(listed.then((pods) => all.see(pods, interest, 'proxies', budget))))
      return visits.ok ? visits.value.proxies : visits
    },
  }
}

function istiodOf({ name, revision, env }: IstiodPod, { versions }: IstiodsSeen): IstioFacts['istiods'][number] {
  const version = versions.get(name)
  return { pod: name, revision, env, ...(version === undefined ? {} : { version }) }
}
