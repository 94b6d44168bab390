/** Renders the objects of each member. The result depends on the files in Git only: no mesh is read. */

import { FederationError } from '../core/diagnostics/errors.ts'
import { type Finding, hasErrors } from '../core/diagnostics/finding.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Intent, MemberName } from '../core/model/wanted.ts'
import { render } from '../core/trust/render.ts'
import { type DesiredPorts, readDesired } from './desired.ts'
import { InputError } from './input-error.ts'

export interface RenderPorts extends DesiredPorts {
  readonly report: (event: { readonly kind: 'rendering'; readonly findings: readonly Finding[] }) => void
  /** Makes a member's folder hold exactly these objects of Entente. @throws FederationError file-unwritable, object-invalid */
  readonly writeFolder: (folder: MemberFolder) => Promise<Omit<RenderedMember, 'member'>>
  /** The names of the folders that hold objects of this owner. */
  readonly foldersOf: (owner: string) => Promise<readonly string[]>
}

export interface MemberFolder {
  readonly member: MemberName
  readonly objects: readonly Manifest[]
  /** Pods of this member must mount the files of roots. */
  readonly mounted: boolean
}

export interface RenderedMember {
  readonly member: MemberName
  /** Paths in the member's folder, sorted. */
  readonly files: readonly string[]
  readonly removed: readonly string[]
  /** The path of the guide to the mount, if there is one. */
  readonly guide?: string
}

/** @throws FederationError as `readDesired`; bundle-refused: findings prevent it, and nothing was written */
export async function renderFederation(ports: RenderPorts): Promise<Rendered> {
  const { federation, intents, findings } = await readDesired(ports)
  if (findings.length > 0) ports.report({ kind: 'rendering', findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', federation.name, 'cannot be rendered with the findings above; nothing was written', {
      hint: 'correct what the findings above name, then run entente render again',
    })
  const written: RenderedMember[] = []
  for (const intent of intents) written.push({ member: intent.member.name, ...(await ports.writeFolder(folderOf(intent))) })
  const names = new Set<string>(intents.map(({ member }) => member.name))
  const left = (await ports.foldersOf(federation.name)).filter((name) => !names.has(name))
  return { members: written, left }
}

export interface Rendered {
  readonly members: readonly RenderedMember[]
  /** Folders of Entente that no member with a home has any more: a GitOps tool still delivers them. */
  readonly left: readonly string[]
}

export interface RemoveRenderedPorts extends Pick<DesiredPorts, 'desired'> {
  readonly removeFolder: (member: string, owner: string) => Promise<RemovedFolder>
}

/** The part of a member's folder that was removed now: filters first, and everything else with the next removal. */
export interface RemovedFolder {
  readonly objects: readonly Manifest[]
  readonly removed: readonly string[]
  readonly left: readonly string[]
}

/** @throws FederationError as `federation`; file-unwritable, object-invalid; usage if the folder holds nothing of Entente */
export async function removeRendered(ports: RemoveRenderedPorts, member: string): Promise<RemovedFolder> {
  const { name } = await ports.desired.federation()
  const removal = await ports.removeFolder(member, name)
  if (removal.objects.length > 0) return removal
  throw new InputError('remove', `the folder of ${member} holds no object of federation ${name}; nothing was changed`, {
    hint: 'entente render --out DIR',
  })
}

const folderOf = (intent: Intent): MemberFolder => ({
  member: intent.member.name,
  objects: [...render(intent), ...(intent.published ?? [])],
  mounted: intent.trusts.some(({ distribution }) => distribution === 'mounted'),
})

/** The members whose mesh config must get settings for distribution mesh. @throws FederationError usage if there are none */
export async function meshWideMembers(ports: DesiredPorts): Promise<readonly MemberName[]> {
  const { intents } = await readDesired(ports)
  const meshWide = intents.filter(({ trusts }) => trusts.some((trust) => trust.meshWide !== undefined)).map(({ member }) => member.name)
  if (meshWide.length > 0) return meshWide
  throw new InputError('values', 'no trust has distribution mesh, so the owner of a mesh config has nothing to set', {
    hint: 'entente render --out DIR',
  })
}
