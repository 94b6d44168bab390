/** What a command works on: the federation file and what stands beside it in Git, and the members' homes. */

import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { directoryMesh, gitDelivered } from '../../adapters/directory/mesh.ts'
import type { Limits } from '../../adapters/edge/budget.ts'
import { readBundles } from '../../adapters/files/bundle-files.ts'
import { handedMesh } from '../../adapters/files/evidence-file.ts'
import { readFederationFile } from '../../adapters/files/federation-file.ts'
import { type RecordFileStore, recordStore } from '../../adapters/files/record-store.ts'
import type { ClientOptions } from '../../adapters/kubernetes/transport/client.ts'
import type { Access } from '../../adapters/kubernetes/transport/kubeconfig.ts'
import type { Meshes } from '../../app/apply/apply.ts'
import type { Mesh } from '../../app/ports.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import { type Approved, intents } from '../../core/federation/intents.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Actor, Federation, Intent, Member, MemberName, Severed } from '../../core/model/wanted.ts'
import { applyUnfinished } from '../../core/record/interrupted-apply.ts'
import { type RecordView, unfinished } from '../../core/record/projection.ts'
import { explain } from '../../core/trust/render.ts'
import type { Io } from '../io.ts'
import { type HandedOver, inContexts, readHanded } from './evidence-input.ts'
import { type LimitOptions, limitsOf, overseer } from './limits.ts'

export interface Files {
  readonly file: string
  /** Where the federation file is: what it names is relative to it. */
  readonly directory: string
  /** The record: read and verified once, however often it is asked. */
  readonly store: RecordFileStore
  readonly kubeconfig?: string
  /** What one member may take, where it is not the usual. */
  readonly limits?: Partial<Limits>
  /** What their owners saw, of members that are a directory here. */
  readonly handed?: ReadonlyMap<MemberName, HandedOver>
}

export interface Workspace extends Files {
  readonly federation: Federation
  readonly approved: Approved
  readonly record: RecordView
  readonly intents: readonly Intent[]
  /** What the files alone say. */
  readonly findings: readonly Finding[]
}

export interface FileOptions extends LimitOptions {
  readonly file: string
  readonly kubeconfig?: string
  /** As the command has opened the record; when absent it is opened anew. */
  readonly store?: RecordFileStore
  /** Files about members that are a directory here. */
  readonly evidence?: readonly string[]
  /** `MEMBER=CONTEXT`: where to look at a member, whatever the file says. */
  readonly context?: readonly string[]
}

export const filesOf = ({ file, kubeconfig, store, ...limits }: FileOptions): Files => ({
  file,
  directory: dirname(resolve(file)),
  store: store ?? openRecord(dirname(resolve(file))),
  limits: limitsOf(limits),
  ...(kubeconfig === undefined ? {} : { kubeconfig }),
})

/** For a command that opens its files several times: it verifies the record once. */
export const withRecord = <T extends FileOptions>(options: T): T & { readonly store: RecordFileStore } => ({
  ...options,
  store: filesOf(options).store,
})

/** @throws FederationError file-unreadable, federation-invalid */
export const openFederation = async ({ file, context }: FileOptions): Promise<Federation> =>
  inContexts(await readFederationFile(file), context ?? [])

/**
 * @param ended severed, whether the file says so or not
 * @throws FederationError file-unreadable, federation-invalid, record-broken
 */
export async function openWorkspace(options: FileOptions, io: Io, ended?: Severed): Promise<Workspace> {
  const files = filesOf(options)
  const read = await openFederation(options)
  const federation = ended === undefined ? read : { ...read, severed: [...read.severed, ended] }
  const [approved, record] = await Promise.all([readBundles(files.directory, federation, io.now()), files.store.view()])
  const wanted = intents(federation, approved, record, io.now())
  const { handed, findings } = await readHanded(options.evidence ?? [], federation, record, io)
  return {
    ...files,
    handed,
    federation,
    approved,
    record,
    intents: wanted.intents,
    findings: [...wanted.findings, ...files.store.findings(), ...interrupted(record), ...findings],
  }
}

function interrupted(record: RecordView): readonly Finding[] {
  const begin = unfinished(record)
  return begin === undefined ? [] : [applyUnfinished(begin)]
}

/** @throws FederationError usage where the file has no such member */
export function membersOf(federation: Federation, { truster, trusted }: Pick<Severed, 'truster' | 'trusted'>): readonly [Member, Member] {
  const find = (name: MemberName): Member => {
    const member = federation.members.get(name)
    if (member !== undefined) return member
    throw new FederationError('usage', name, 'is no member of this federation', {
      hint: `members: ${[...federation.members.keys()].join(', ')}`,
    })
  }
  return [find(truster), find(trusted)]
}

/** As entries about a pair name them. */
export function domainsOf(federation: Federation, pair: Pick<Severed, 'truster' | 'trusted'>) {
  const [truster, trusted] = membersOf(federation, pair)
  return { trusterDomain: truster.trustDomain, trustedDomain: trusted.trustDomain }
}

export const recordPath = (directory: string): string => join(directory, 'audit.jsonl')

export const openRecord = (directory: string): RecordFileStore => recordStore(recordPath(directory))

/** The person at this machine, as the operating system names them. */
export function actor(io: Io): Actor {
  try {
    return { name: userInfo().username, via: 'os' }
  } catch {
    return { name: io.env.USER ?? 'unknown', via: 'os' }
  }
}

/**
 * A home for each member that has one; a cluster that cannot be reached is one that says so.
 * @param only this member's, by its API server also where Git delivers
 */
export async function meshesOf(federation: Federation, files: Files, io: Io, only?: MemberName): Promise<Meshes> {
  const homes = [...federation.members.values()].filter((member) => member.home !== undefined && (only ?? member.name) === member.name)
  const clusters = homes.some((member) => member.home?.context !== undefined)
    ? await import('../../adapters/kubernetes/transport/kubeconfig.ts')
    : undefined
  const source = { env: io.env, ...(files.kubeconfig === undefined ? {} : { path: files.kubeconfig }) }
  const kubeconfig = await clusters?.loadKubeconfig(source)
  const meshes = new Map<MemberName, Mesh>()
  for (const member of homes) {
    const { context, directory } = member.home ?? {}
    const owner = federation.name
    const inGit = directory === undefined ? undefined : { member, path: join(files.directory, directory), owner, why: explain }
    if (context === undefined || kubeconfig === undefined) {
      const seen = files.handed?.get(member.name)
      if (inGit === undefined) continue
      const tree = directoryMesh(inGit)
      meshes.set(member.name, seen === undefined ? tree : handedMesh(tree, seen.looked, seen.file, seen.stale))
      continue
    }
    const cluster = await clusterMesh(member, owner, () => kubeconfig.access(context), { limits: files.limits ?? {}, ...overseer(io) })
    meshes.set(member.name, inGit === undefined || only !== undefined ? cluster : gitDelivered(cluster, inGit))
  }
  return meshes
}

async function clusterMesh(member: Member, owner: string, access: () => Access, options: ClientOptions): Promise<Mesh> {
  const { kubeClient } = await import('../../adapters/kubernetes/transport/client.ts')
  const { kubernetesMesh } = await import('../../adapters/kubernetes/mesh.ts')
  try {
    return kubernetesMesh({ member, owner, client: kubeClient(access(), { ...options, subject: member.name }) })
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return outOfReach(member, cause)
  }
}

/** A home that cannot even be asked: every observation says why, every write is refused. */
function outOfReach(member: Member, cause: FederationError): Mesh {
  const seen: Seen<never> = { ok: false, error: fromError(cause) }
  const refuse = (): Promise<never> => Promise.reject(cause)
  return {
    member: member.name,
    live: true,
    observe: async () => ({ objects: seen, own: seen, istio: seen, proxies: seen }),
    proxies: async () => seen,
    write: refuse,
    find: refuse,
    witness: refuse,
    moveWitness: refuse,
  }
}
