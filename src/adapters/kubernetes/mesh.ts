/** A member's home that is a cluster: the port `Mesh` over its API server and its istiods. */
import { configOwner } from '../../core/istio/config-owner.ts'
import type { Interest, IstioFacts, Member, Mesh, Observation } from '../../core/model.ts'
import { connections } from '../envoy/connections.ts'
import { leaves } from '../envoy/leaves.ts'
import { type IstiodsSeen, istiods } from '../istiod/istiods.ts'
import { seen } from '../seen.ts'
import type { KubeClient } from './client.ts'
import { readMeshConfig } from './mesh-config.ts'
import { nudge } from './nudge.ts'
import { observeObjects, observePods } from './objects.ts'
import { type OwnRoots, parseOwnRoots, readOwnRoots } from './own.ts'
import { type IstiodPod, istiodPods } from './pods.ts'
import { NAMESPACE, writableResource } from './resources.ts'
import { moveWitness, readWitness } from './witness.ts'
import { write } from './write.ts'

const NETWORK = 'topology.istio.io/network'

export interface KubernetesMeshOptions {
  readonly member: Member
  readonly client: KubeClient
  /** Whose record's head the cluster remembers: the federation's name. Empty, where nothing is written. */
  readonly owner?: string
  readonly now?: () => Date
}

export function kubernetesMesh({ member, client, owner = '', now = () => new Date() }: KubernetesMeshOptions): Mesh {
  const namespace = member.istioNamespace
  let pem: string | undefined
  // proxies() is polled between writes: it looks at what was observed last.
  let interest: Interest = { namespaces: [] }
  const all = istiods({ client, namespace, roots: () => pem })

  const ownRoots = async (): Promise<OwnRoots> => {
    pem = undefined
    const own = await readOwnRoots(client, namespace)
    pem = own.pem
    return own
  }
  const observe = async (wanted: Interest): Promise<Observation> => {
    interest = wanted
    const listed = istiodPods(client, namespace)
    const roots = ownRoots()
    const config = listed.then((pods) => readMeshConfig(client, namespace, pods))
    const network = client.get(NAMESPACE, undefined, namespace).then((ns) => ns.metadata.labels?.[NETWORK])
    const own = Promise.all([config, roots]).then(([{ trustDomain }, { pem }]) => parseOwnRoots(trustDomain, pem, now()))
    // Which road leads to an istiod depends on the roots; without them there is still the other one.
    const visited = roots.catch(() => undefined).then(async () => all.see(await listed, interest, wanted.again === true ? 'again' : 'all'))
    const facts = Promise.all([config, network, listed, visited]).then(([{ sources, ...config }, network, pods, visits]) => ({
      ...config,
      configOwners: sources.map(configOwner),
      ...(network === undefined ? {} : { network }),
      istiods: pods.map((pod) => istiodOf(pod, visits)),
      presented: visits.presented,
    }))
    const [objects, ownSeen, istio, visits, since, pods] = await Promise.all([
      observeObjects(client, wanted, namespace),
      seen(own),
      seen<IstioFacts>(facts),
      seen(visited),
      roots.then((own) => own.since).catch(() => undefined),
      wanted.everyPod === true ? observePods(client) : undefined,
    ])
    const clock = client.clock()
    return {
      ...(clock === undefined ? {} : { clock }),
      objects,
      own: ownSeen,
      ...(since === undefined ? {} : { ownSince: since }),
      ...(pods === undefined ? {} : { pods }),
      istio,
      proxies: visits.ok ? visits.value.proxies : visits,
    }
  }

  return {
    member: member.name,
    live: true,
    observe,
    async proxies() {
      if (pem === undefined) await ownRoots().catch(() => undefined)
      const visits = await seen(istiodPods(client, namespace).then((pods) => all.see(pods, interest, 'proxies')))
      return visits.ok ? visits.value.proxies : visits
    },
    async find({ apiVersion, kind, metadata: { namespace, name } }) {
      const resource = writableResource(apiVersion, kind)
      return resource === undefined ? undefined : client.find(resource, namespace, name)
    },
    leaves: (pods) => leaves(client, pods),
    connections: (pods) => connections(client, pods),
    write: (step, options) => write(client, step, options),
    nudge: (pods, at) => nudge(client, pods, at),
    witness: () => readWitness(client, namespace, owner),
    moveWitness: (was, is) => moveWitness(client, namespace, was, is, owner),
  }
}

function istiodOf({ name, revision, env }: IstiodPod, { versions }: IstiodsSeen): IstioFacts['istiods'][number] {
  const version = versions.get(name)
  return { pod: name, revision, env, ...(version === undefined ? {} : { version }) }
}
