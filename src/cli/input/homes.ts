/** The members' homes, as adapters: API servers, directories, both, or an owner's evidence. */

import { join } from 'node:path'
import { directoryMesh, gitDelivered } from '../../adapters/directory/mesh.ts'
import { evidenceMesh } from '../../adapters/files/evidence-file.ts'
import { folderOf } from '../../adapters/files/federation-folder.ts'
import type { ClientOptions } from '../../adapters/kubernetes/transport/client.ts'
import type { Access } from '../../adapters/kubernetes/transport/kubeconfig.ts'
import type { Mesh } from '../../app/ports.ts'
import type { Desired } from '../../app/ports-desired.ts'
import type { Meshes } from '../../app/world.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { fromError } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Member, MemberName } from '../../core/model/wanted.ts'
import { explain } from '../../core/trust/render.ts'
import type { Io } from '../io.ts'
import { type HomeOptions, kubeconfigOf, limitsOf, overseer } from './limits.ts'

/**
 * A home for each member that has one. The home of an unreachable cluster reports that it is unreachable.
 * @param only this member's home, through its API server even if Git delivers
 */
export async function meshesOf(
  { federation, givenEvidence }: Pick<Desired, 'federation' | 'givenEvidence'>,
  options: HomeOptions,
  io: Io,
  only?: MemberName,
): Promise<Meshes> {
  const homes = [...federation.members.values()].filter((member) => member.home !== undefined && (only ?? member.name) === member.name)
  const clusters = homes.some((member) => member.home?.context !== undefined)
    ? await import('../../adapters/kubernetes/transport/kubeconfig.ts')
    : undefined
  const kubeconfig = await clusters?.loadKubeconfig(kubeconfigOf(options, io))
  const meshes = new Map<MemberName, Mesh>()
  for (const member of homes) {
    const { context, directory } = member.home ?? {}
    const owner = federation.name
    const inGit = directory === undefined ? undefined : { member, path: join(folderOf(options.file), directory), owner, why: explain }
    if (context === undefined || kubeconfig === undefined) {
      const seen = givenEvidence.get(member.name)
      if (inGit === undefined) continue
      const tree = directoryMesh(inGit)
      meshes.set(member.name, seen === undefined ? tree : evidenceMesh(tree, seen.observed, seen.file, seen.stale))
      continue
    }
    const cluster = await clusterMesh(member, owner, () => kubeconfig.access(context), { limits: limitsOf(options), ...overseer(io) })
    meshes.set(member.name, inGit === undefined || only !== undefined ? cluster : gitDelivered(cluster, inGit))
  }
  return meshes
}

async function clusterMesh(member: Member, owner: string, access: () => Access, options: ClientOptions): Promise<Mesh> {
  const { kubeClient } = await import('../../adapters/kubernetes/transport/client.ts')
  const { kubernetesMesh } = await import('../../adapters/kubernetes/mesh.ts')
  try {
    return kubernetesMesh({ member, owner, client: kubeClient(access(), { ...options, subject: about.member(member.name) }) })
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return outOfReach(member, cause)
  }
}

/** A home that cannot be contacted: every observation returns the reason, every write throws it. */
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
