/** `impact`: which foreign identities a change of trust newly accepts, policy by policy. Reads only. */

import { impactOfFederation } from '../../../app/inspect/impact-of-federation.ts'
import { impactOfFiles } from '../../../app/inspect/impact-of-files.ts'
import type { ImpactInput } from '../../../app/inspect/impact-question.ts'
import { distinct, hasErrors } from '../../../core/diagnostics/finding.ts'
import { impactView } from '../../../core/view/impact-view.ts'
import { documented } from '../../../core/view/versioned.ts'
import { type ImpactFileOptions, readIdentities, readImpactFiles } from '../../input/files/impact-files.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { changeText, impactText } from '../../print/impact-text.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface ImpactArgs extends FileOptions, ImpactFileOptions, Omit<ImpactInput, 'identities'> {
  readonly output: Output
  readonly truster?: string
  readonly trusted?: string
  /** A file with SPIFFE IDs to evaluate. */
  readonly identities?: string
}

/** @throws FederationError usage, file-unreadable, mesh-config-unreadable, federation-invalid, … */
export async function run({ identities: path, meshAfter, ...args }: ImpactArgs, io: Io): Promise<number> {
  const files = await readImpactFiles({ ...args, ...(meshAfter === undefined ? {} : { meshAfter }) }, io)
  const input = { ...args, identities: path === undefined ? [] : await readIdentities(path, io) }
  const { answers, findings } =
    files === undefined
      ? await impactOfFederation(portsOf(args, io), input)
      : { answers: [impactOfFiles({ ...input, ...files })], findings: [] }
  const views = answers.map(({ change, impact }) => ({ change, view: impactView(impact, 'member' in change ? change.member : undefined) }))
  const all = distinct([...findings, ...views.flatMap(({ view }) => view.findings)])
  if (args.output === 'json') {
    const [policies, identities] = [views.flatMap(({ view }) => view.policies), views.flatMap(({ view }) => view.identities)]
    io.print(json(documented('Impact', { policies, identities, findings: all })))
  } else {
    for (const { change, view } of views) io.print(show`${impactText(changeText(change, meshAfter), view, io)}\n`)
    if (findings.length > 0) io.report(findingsText(findings, io))
  }
  return hasErrors(all) ? 1 : 0
}
