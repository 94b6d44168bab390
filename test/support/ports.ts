/** All ports of the use cases, in memory: no file, no console. The clock advances only in `sleep`. */

import type { Event } from '../../src/app/events.ts'
import type { BundleEndpoints, Cluster, FollowMemory, Partner } from '../../src/app/ports-desired.ts'
import type { Templates } from '../../src/app/ports-templates.ts'
import type { Question } from '../../src/app/questions.ts'
import type { Ports } from '../../src/app/use-case.ts'
import { FederationError } from '../../src/core/diagnostics/errors.ts'
import type { AuditEntry } from '../../src/core/model/recorded.ts'
import type { MemberName, Severed } from '../../src/core/model/wanted.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import type { TrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { ALICE, approval, approvedOf, federation, NOW, type Spec, sealAll } from './federations.ts'
import { type MemoryMesh, memoryRecord } from './meshes.ts'
import { facts } from './observations.ts'

export interface MemoryPorts extends Ports {
  readonly entries: readonly AuditEntry[]
  /** By trust domain. */
  readonly approved: Map<string, Bundle>
  /** The severed pairs of the federation file. */
  readonly severed: Severed[]
  /** The roots that each context's mesh distributes to its own workloads. */
  readonly clusters: Map<string, Bundle>
  /** The content of bundle endpoints, by URL. */
  readonly served: Map<string, Awaited<ReturnType<BundleEndpoints['fetch']>>>
  readonly memory: Map<TrustDomain, FollowMemory>
  readonly partners: Partner[]
  readonly owners: Map<MemberName, Templates>
  readonly reported: Event['kind'][]
  readonly asked: Question[]
  /** Declines every later request for consent. */
  refuse(): void
}

/** @param bundles approved, on the record too */
export function memoryPorts(of: Spec, meshes: readonly MemoryMesh[], ...bundles: readonly Bundle[]): MemoryPorts {
  const record = memoryRecord(sealAll(bundles.map(approval)))
  const read = federation(of)
  const severed = [...read.severed]
  const approved = new Map<string, Bundle>(bundles.map((bundle) => [bundle.trustDomain, bundle]))
  const clusters = new Map<string, Bundle>()
  const served: MemoryPorts['served'] = new Map()
  const memory: MemoryPorts['memory'] = new Map()
  const partners: Partner[] = []
  const fetch = async (url: string): ReturnType<BundleEndpoints['fetch']> => {
    const found = served.get(url)
    if (found === undefined) throw new FederationError('endpoint-unreachable', url, 'does not answer')
    return found
  }
  const owners = new Map<MemberName, Templates>()
  const reported: Event['kind'][] = []
  const asked: Question[] = []
  let clock = NOW.getTime()
  let agrees = true
  return {
    entries: record.lines,
    approved,
    severed,
    clusters,
    served,
    memory,
    partners,
    owners,
    reported,
    asked,
    refuse: () => {
      agrees = false
    },
    desired: {
      federation: async () => ({ ...read, severed: [...severed] }),
      addSevered: async (one) => {
        severed.push(one)
        return true
      },
      addCall: () => Promise.reject(new Error('no test in memory adds a call')),
      removeSevered: async ({ truster, trusted }) => {
        const left = severed.filter((one) => one.truster !== truster || one.trusted !== trusted)
        return severed.splice(0, severed.length, ...left).length > left.length
      },
      addPartner: async (partner) => {
        partners.push(partner)
        return true
      },
    },
    bundles: {
      read: async () => approvedOf(...approved.values()),
      write: async (bundle) => void approved.set(bundle.trustDomain, bundle),
    },
    record: { ...record, findings: () => [], mustExist: async () => {} },
    memories: {
      read: async () => new Map(memory),
      write: async (all) => {
        memory.clear()
        for (const [domain, one] of all) memory.set(domain, one)
      },
    },
    endpoints: { fetch: ({ url }) => fetch(url), fetchUnverified: async (url) => (await fetch(url)).body },
    evidence: async () => ({ givenEvidence: new Map(), findings: [] }),
    meshes: async () => new Map(meshes.map((mesh) => [mesh.member, mesh])),
    templates: async () => owners,
    observeCluster: async (context): Promise<Cluster> => {
      const own = clusters.get(context)
      if (own === undefined) throw new FederationError('context-unknown', context, 'is not in this test')
      return { context, istio: facts(own), own }
    },
    publicRoots: async () => new Set(),
    actor: ALICE,
    now: () => new Date(clock),
    sleep: async (milliseconds) => {
      clock += milliseconds
    },
    stopped: () => false,
    report: ({ kind }) => void reported.push(kind),
    agree: async (question) => {
      asked.push(question)
      if (!agrees) throw new FederationError('not-confirmed', 'cancelled', 'nothing was changed')
      return true
    },
  }
}
