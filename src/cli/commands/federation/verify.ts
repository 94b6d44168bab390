/** `verify`: checks for each trust, by evidence, whether it holds; if not, it names the side and the remedy. */

import { handOver } from '../../../app/verify/hand-over.ts'
import { type VerifyInput, verifyTrusts } from '../../../app/verify/verify.ts'
import { evidenceView } from '../../../core/evidence/print-evidence.ts'
import { verifyView } from '../../../core/view/verify-view.ts'
import { exitCodeOf } from '../../exit-code.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { json, show, stacked } from '../../print/screen.ts'
import { findingsText, leavesText, verdictText } from '../../print/text.ts'

export interface VerifyOptions extends FileOptions, VerifyInput {
  /** `evidence`: JSON with the observations, for owners who cannot reach these clusters. */
  readonly output: 'text' | 'json' | 'evidence'
}

export async function run(options: VerifyOptions, io: Io): Promise<number> {
  if (options.output === 'evidence') return printEvidence(options, io)
  const { federation, at, verdicts, findings, leaves, outlook } = await verifyTrusts(portsOf(options, io), options)
  if (options.output === 'json') io.print(json(verifyView(verdicts, findings, at, leaves)))
  else {
    const texts = verdicts.map((verdict) => verdictText(verdict, io))
    io.print(texts.length === 0 ? `${federation}: no trust is declared.` : stacked(texts, '\n\n'))
    if (leaves !== undefined && leaves.length > 0) io.print(show`\n${leavesText(leaves, io.columns)}`)
    if (findings.length > 0) io.print(show`\n${findingsText(findings, io)}`)
  }
  return exitCodeOf(outlook)
}

/** Exit 0 if everything that could be observed is in it, whatever it says. */
async function printEvidence(options: VerifyOptions, io: Io): Promise<number> {
  const { handing, missing } = await handOver(portsOf(options, io))
  io.print(json(evidenceView(handing), 0))
  if (missing.length > 0) io.report(findingsText(missing, io))
  return missing.length > 0 ? 1 : 0
}
