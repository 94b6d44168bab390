/** `render`: the manifests that `apply` would write, for each member. The output depends on the files in Git only. */
import { join, resolve } from 'node:path'
import { writeTree } from '../../../adapters/directory/render-tree.ts'
import { makeFolder, removeDurably, writeAtomically } from '../../../adapters/files/write-files.ts'
import { readDesired } from '../../../app/desired.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { type ValuesFormat, valuesFor } from '../../../core/trust/mesh-wide/install-values.ts'
import { explain, render } from '../../../core/trust/render.ts'
import { documented } from '../../../core/view/versioned.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { mountGuide } from '../../print/mount-text.ts'
import { document, json, show } from '../../print/screen.ts'
import { count, findingsText } from '../../print/text.ts'

export async function run(options: FileOptions & { out: string; output: Output; values?: ValuesFormat }, io: Io): Promise<number> {
  const desired = await readDesired(portsOf(options, io))
  if (options.values !== undefined) {
    const wide = desired.intents
      .filter((intent) => intent.trusts.some((trust) => trust.wide !== undefined))
      .map(({ member }) => member.name)
    if (wide.length === 0)
      throw new FederationError(
        'usage',
        `--values ${options.values}`,
        'no trust has distribution mesh, so the owner of a mesh config has nothing to set',
        {
          hint: 'entente render --out DIR',
        },
      )
    const what =
      options.values === 'helm' ? 'Helm values of the istiod chart' : 'for the Sail operator’s Istio resource (kubectl patch --type merge)'
    io.print(show`# ${what}, in ${wide.join(', ')}; set them in every revision\n${document(valuesFor(options.values))}`)
    return 0
  }
  if (desired.findings.length > 0) io.tell(findingsText(desired.findings, io.color))
  if (hasErrors(desired.findings)) {
    throw new FederationError('bundle-refused', options.file, 'cannot be rendered with the findings above; nothing was written', {
      hint: 'correct what the findings above name, then run entente render again',
    })
  }
  const out = resolve(options.out)
  await makeFolder(out)
  const written = []
  for (const intent of desired.intents) {
    written.push({ member: intent.member.name, ...(await writeTree(join(out, intent.member.name), render(intent), explain)) })
    const guide = join(intent.member.name, 'mount.md')
    if (intent.trusts.some(({ distribution }) => distribution === 'mounted')) {
      await writeAtomically(join(out, guide), mountGuide())
      io.tell(`${join(options.out, guide)}: the label and annotations for the pod templates of mounted scopes`)
    } else await removeDurably(join(out, guide))
  }
  if (options.output === 'json') io.print(json(documented('Render', { out: options.out, members: written })))
  else {
    for (const { member, files, removed } of written) {
      io.print(`${join(options.out, member)}: ${count(files.length, 'file')}`)
      for (const file of files) io.print(`  ${file}`)
      for (const file of removed) io.print(`  ${file}   removed`)
    }
    io.tell(show`\nApply the folders in the order of their names, e.g. kubectl apply -f MEMBER/10-guard, then MEMBER/20-open.`)
    if (written.some(({ removed }) => removed.length > 0)) {
      io.tell('Files were removed: delete their objects in the opposite order, filters before policies. entente apply does that.')
    }
  }
  return 0
}
