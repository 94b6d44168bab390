/** `render`: the manifests that `apply` would write, for each member. The output depends on the files in Git only. */
import { join } from 'node:path'
import { meshWideMembers, type RenderedMember, renderFederation } from '../../../app/render.ts'
import { type ValuesFormat, valuesFor } from '../../../core/trust/mesh-wide/install-values.ts'
import { documented } from '../../../core/view/versioned.ts'
import { renderedFolder } from '../../input/files/rendered-folder.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { document, json, show } from '../../print/screen.ts'
import { count, findingsText } from '../../print/text.ts'

export interface RenderOptions extends FileOptions {
  readonly out: string
  readonly output: Output
  readonly values?: ValuesFormat
}

const VALUES = { helm: 'Helm values of the istiod chart', sail: 'for the Sail operator’s Istio resource (kubectl patch --type merge)' }

export async function run({ out, output, values, ...options }: RenderOptions, io: Io): Promise<number> {
  const ports = portsOf(options, io)
  if (values !== undefined) {
    const members = await meshWideMembers(ports)
    io.print(show`# ${VALUES[values]}, in ${members.join(', ')}; set them in every revision\n${document(valuesFor(values))}`)
    return 0
  }
  const members = await renderFederation({
    ...ports,
    writeFolder: renderedFolder(out),
    tell: ({ findings }) => io.tell(findingsText(findings, io)),
  })
  for (const { guide } of members)
    if (guide !== undefined) io.tell(`${join(out, guide)}: the label and annotations for the pod templates of mounted scopes`)
  if (output === 'json') io.print(json(documented('Render', { out, members: members.map(({ guide: _, ...member }) => member) })))
  else printMembers(members, out, io)
  return 0
}

function printMembers(members: readonly RenderedMember[], out: string, io: Io): void {
  for (const { member, files, removed } of members) {
    io.print(`${join(out, member)}: ${count(files.length, 'file')}`)
    for (const file of files) io.print(`  ${file}`)
    for (const file of removed) io.print(`  ${file}   removed`)
  }
  io.tell(show`\nApply the folders in the order of their names, e.g. kubectl apply -f MEMBER/10-guard, then MEMBER/20-open.`)
  if (members.some(({ removed }) => removed.length > 0))
    io.tell('Files were removed: delete their objects in the opposite order, filters before policies. entente apply does that.')
}
