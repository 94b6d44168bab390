/** Runs Entente's use cases in one directory. The user can repeat each of the demo's steps with the printed command line. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { rootCertificates } from 'node:tls'
import { actorHere } from '../adapters/actor.ts'
import { directoryMesh } from '../adapters/directory/mesh.ts'
import { bundleFolder, federationFile, openRecord } from '../adapters/files/federation-folder.ts'
import { approve } from '../app/approve/approve.ts'
import { type Audited, auditRecord } from '../app/audit.ts'
import { applyPlan, succeeded } from '../app/consent/apply-plan.ts'
import { planFederation } from '../app/plan.ts'
import type { Mesh } from '../app/ports.ts'
import { sever } from '../app/sever/sever.ts'
import type { Ports } from '../app/use-case.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import type { Plan } from '../core/model/planned.ts'
import type { AuditEntry } from '../core/model/recorded.ts'
import type { Federation, MemberName } from '../core/model/wanted.ts'
import { publicRoots } from '../core/record/judge-offer.ts'
import { explain } from '../core/trust/render.ts'

export interface Product {
  /** @returns exit codes, as the command lines would */
  approve(member: string, pem: string, fingerprint: string): Promise<number>
  apply(reason: string, overrideGate?: string): Promise<number>
  sever(truster: string, trusted: string, reason: string): Promise<number>
  plan(): Promise<Plan>
  record(): Promise<readonly AuditEntry[]>
  /** @param directory another one, with its own record, federation file and homes */
  audit(directory?: string): Promise<Audited>
}

export function productIn(directory: string, now: () => Date): Product {
  const ports = portsIn(directory, now)
  return {
    approve: async (member, pem, fingerprint) => {
      const sent = { name: pem, read: () => readFile(pem) }
      await approve(ports, { member, sent, fingerprint: [fingerprint], reason: 'fingerprint read out by its owner' })
      return 0
    },
    apply: async (reason, overrideGate) => {
      const applied = await applyPlan(ports, overrideGate === undefined ? { reason } : { reason, overrideGate })
      return succeeded(applied) ? 0 : 1
    },
    sever: async (truster, trusted, reason) => ((await sever(ports, { truster, trusted, reason })).failed ? 1 : 0),
    plan: async () => (await planFederation(ports)).plan,
    record: async () => openRecord(directory).entries(),
    audit: (elsewhere = directory) => auditRecord(portsIn(elsewhere, now), {}),
  }
}

const noNetwork = (): Promise<never> => Promise.reject(new FederationError('endpoint-unreachable', 'entente demo', 'has no network'))

/** Consents to everything and prints no events: the demo prints its own text. */
function portsIn(directory: string, now: () => Date): Ports {
  const sleep = (milliseconds: number): Promise<void> => setTimeout(milliseconds)
  return {
    desired: federationFile(join(directory, 'federation.yaml'), sleep),
    bundles: bundleFolder(directory),
    record: openRecord(directory),
    memories: { read: async () => new Map(), write: async () => {} },
    endpoints: { fetch: noNetwork, fetchUnverified: noNetwork },
    evidence: async () => ({ givenEvidence: new Map(), findings: [] }),
    meshes: async ({ federation }) => directoriesOf(federation, directory),
    templates: async () => new Map(),
    observeCluster: async (context) => {
      throw new FederationError('context-unknown', context, 'the demo has no clusters')
    },
    publicRoots: async () => publicRoots(rootCertificates),
    actor: actorHere(),
    now,
    sleep,
    stopped: () => false,
    report: () => undefined,
    agree: async () => false,
  }
}

const directoriesOf = ({ name: owner, members }: Federation, root: string): ReadonlyMap<MemberName, Mesh> =>
  new Map(
    [...members.values()].flatMap((member): [MemberName, Mesh][] => {
      const { directory } = member.home ?? {}
      if (directory === undefined) return []
      return [[member.name, directoryMesh({ member, path: join(root, directory), owner, why: explain })]]
    }),
  )
