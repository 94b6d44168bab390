/** Renders the objects of each member. The result depends on the files in Git only: no mesh is read. */

import { FederationError } from '../core/diagnostics/errors.ts'
import { type Finding, hasErrors } from '../core/diagnostics/finding.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Intent, MemberName } from '../core/model/wanted.ts'
import { render } from '../core/trust/render.ts'
import { type DesiredPorts, readDesired } from './desired.ts'
import { InputError } from './input-error.ts'

export interface RenderPorts extends DesiredPorts {
  readonly tell: (event: { readonly kind: 'rendering'; readonly findings: readonly Finding[] }) => void
  /** Makes a member's folder hold exactly these objects of Entente. @throws FederationError file-unwritable, object-invalid */
  readonly writeFolder: (folder: MemberFolder) => Promise<Omit<RenderedMember, 'member'>>
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
export async function renderFederation(ports: RenderPorts): Promise<readonly RenderedMember[]> {
  const { federation, intents, findings } = await readDesired(ports)
  if (findings.length > 0) ports.tell({ kind: 'rendering', findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', federation.name, 'cannot be rendered with the findings above; nothing was written', {
      hint: 'correct what the findings above name, then run entente render again',
    })
  const written: RenderedMember[] = []
  for (const intent of intents) written.push({ member: intent.member.name, ...(await ports.writeFolder(folderOf(intent))) })
  return written
}

const folderOf = (intent: Intent): MemberFolder => ({
  member: intent.member.name,
  objects: [...render(intent), ...(intent.published ?? [])],
  mounted: intent.trusts.some(({ distribution }) => distribution === 'mounted'),
})

/** The members whose mesh config must get settings for distribution mesh. @throws FederationError usage if there are none */
export async function meshWideMembers(ports: DesiredPorts): Promise<readonly MemberName[]> {
  const { intents } = await readDesired(ports)
  const wide = intents.filter(({ trusts }) => trusts.some((trust) => trust.wide !== undefined)).map(({ member }) => member.name)
  if (wide.length > 0) return wide
  throw new InputError('values', 'no trust has distribution mesh, so the owner of a mesh config has nothing to set', {
    hint: 'entente render --out DIR',
  })
}
