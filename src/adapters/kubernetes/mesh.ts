/** A member's home that is a cluster: the port `Mesh` over its API server and its istiods. */

import type { Mesh, Observes, ShowsProxies } from '../../app/ports.ts'
import type { KubernetesMeshOptions } from './observe.ts'
import { writableResource } from './resources.ts'
import type { KubeClient } from './transport/client.ts'
import { nudge } from './write/nudge.ts'
import { moveWitness, readWitness } from './write/witness.ts'
import { write } from './write/write.ts'

type Observer = Observes & ShowsProxies

/** An emergency writes before it observes, so the code that observes is loaded when it is first needed. */
export function kubernetesMesh(options: KubernetesMeshOptions): Mesh {
  const { member, client, owner = '' } = options
  const namespace = member.istioNamespace
  let loaded: Promise<Observer> | undefined
  const observing = (): Promise<Observer> => (loaded ??= import('./observe.ts').then(({ observer }) => observer(options)))
  /** One request to the member: it has the time limit of an observation, and its failure is the member's. */
  const ask = <T>(work: (through: KubeClient) => Promise<T>): Promise<T> => {
    const budget = client.budget()
    return budget.race(work(client.within(budget)))
  }

  return {
    member: member.name,
    live: true,
    observe: async (wanted) => (await observing()).observe(wanted),
    proxies: async (interest) => (await observing()).proxies(interest),
    async find({ apiVersion, kind, metadata: { namespace, name } }) {
      const resource = writableResource(apiVersion, kind)
      return resource === undefined ? undefined : ask((through) => through.find(resource, namespace, name))
    },
    leaves: async (pods) => (await import('../envoy/leaves.ts')).leaves(client, pods),
    connections: async (pods) => (await import('../envoy/connections.ts')).connections(client, pods),
    write: (step, options) => ask((through) => write(through, step, options)),
    nudge: (pods, at) => ask((through) => nudge(through, pods, at)),
    witness: () => ask((through) => readWitness(through, namespace, owner)),
    moveWitness: (was, is) => ask((through) => moveWitness(through, namespace, was, is, owner)),
  }
}
