/** `render`: the manifests that `apply` would write, for each member. The output depends on the files in Git only. */
import { join } from 'node:path'
import { meshWideMembers, type RenderedMember, removeRendered, renderFederation } from '../../../app/render.ts'
import type { Ports } from '../../../app/use-case.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { folderLeftBehind } from '../../../core/record/left-behind.ts'
import { type ValuesFormat, valuesFor } from '../../../core/trust/mesh-wide/install-values.ts'
import { documented } from '../../../core/view/versioned.ts'
import { removedFolder, renderedFolder, renderedMembers } from '../../input/files/rendered-folder.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { document, json, show, stacked } from '../../print/screen.ts'
import { count, findingsText } from '../../print/text.ts'

export interface RenderOptions extends FileOptions {
  readonly out: string
  readonly output: Output
  readonly values?: ValuesFormat
  /** The member whose folder is removed, in two runs. */
  readonly remove?: string
}

const VALUES = { helm: 'Helm values of the istiod chart', sail: 'for the Sail operator’s Istio resource (kubectl patch --type merge)' }

export async function run({ out, output, values, remove, ...options }: RenderOptions, io: Io): Promise<number> {
  const ports = portsOf(options, io)
  if (values !== undefined) {
    const members = await meshWideMembers(ports)
    io.print(show`# ${VALUES[values]}, in ${members.join(', ')}; set them in every revision\n${document(valuesFor(values))}`)
    return 0
  }
  if (remove !== undefined) return removeOne(remove, { out, output }, ports, io)
  const { members, left } = await renderFederation({
    ...ports,
    foldersOf: renderedMembers(out),
    writeFolder: renderedFolder(out),
    report: ({ findings }) => io.report(findingsText(findings, io)),
  })
  const findings = left.map((name) => folderLeftBehind(name, join(out, name), `entente render --out ${out} --remove ${name}`))
  for (const { guide } of members)
    if (guide !== undefined) io.report(`${join(out, guide)}: the label and annotations for the pod templates of mounted scopes`)
  if (output === 'json') io.print(json(documented('Render', { out, members: members.map(({ guide: _, ...member }) => member), findings })))
  else printMembers(members, out, io)
  if (output === 'text' && findings.length > 0) io.report(show`\n${findingsText(findings, io)}`)
  return findings.length > 0 ? 1 : 0
}

/** The first run removes the filters, and the next one the rest. Exit 1 as long as something is left. */
async function removeOne(
  member: string,
  { out, output }: Pick<RenderOptions, 'out' | 'output'>,
  ports: Pick<Ports, 'desired'>,
  io: Io,
): Promise<number> {
  const { objects, left, removed } = await removeRendered({ ...ports, removeFolder: removedFolder(out) }, member)
  if (output === 'json') io.print(json(documented('Render', { out, members: [{ member, files: left, removed }], findings: [] })))
  else {
    io.print(`${join(out, member)}: ${count(removed.length, 'file')} removed, ${left.length} left`)
    for (const file of removed) io.print(`  ${file}   removed`)
    io.report(show`\nNOT IN FORCE until it is committed and delivered, or deleted by hand:\n${stacked(objects.map(deleteCommand))}`)
    if (left.length > 0)
      io.report(
        show`\nThen wait until proxies have acknowledged it (istioctl proxy-status: SYNCED), and run the same command again: it removes the policies.`,
      )
  }
  return left.length > 0 ? 1 : 0
}

function deleteCommand({ kind, apiVersion, metadata: { name, namespace } }: Manifest): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
  return `  kubectl${namespace === undefined ? '' : ` -n ${namespace}`} delete ${kind.toLowerCase()}${group} ${name}`
}

function printMembers(members: readonly RenderedMember[], out: string, io: Io): void {
  for (const { member, files, removed } of members) {
    io.print(`${join(out, member)}: ${count(files.length, 'file')}`)
    for (const file of files) io.print(`  ${file}`)
    for (const file of removed) io.print(`  ${file}   removed`)
  }
  io.report(show`\nApply the folders in the order of their names, e.g. kubectl apply -f MEMBER/10-guard, then MEMBER/20-open.`)
  if (members.some(({ removed }) => removed.length > 0))
    io.report(
      'Files were removed: delete their objects in the opposite order, filters before policies, as REMOVE.md beside them says. entente apply does that.',
    )
}
