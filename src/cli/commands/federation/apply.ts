/** `apply`: carries the plan out phase by phase. It is safe to interrupt and to repeat. */

import { type ApplyInput, applyPlan, succeeded } from '../../../app/consent/apply-plan.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { applyView } from '../../../core/view/plan-view.ts'
import { mustHaveReason } from '../../input/reason.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { doneText, stopsText } from '../../print/apply-text.ts'
import { errorText } from '../../print/error-text.ts'
import { json, type Shown, show, stacked } from '../../print/screen.ts'
import { repeat } from '../../watch.ts'

export interface ApplyOptions extends FileOptions, ApplyInput {
  readonly output: Output
  readonly yes?: boolean
  readonly watch?: boolean
}

const EVERY_SECONDS = 15

export async function run(options: ApplyOptions, io: Io): Promise<number> {
  mustHaveReason(options.reason)
  if (options.watch !== true) return once(options, io)
  if (options.yes !== true || options.consent !== undefined) {
    throw new FederationError('usage', '--watch', 'applies every later change of the files, so it requires --yes and excludes --consent', {
      hint: 'entente apply --watch --yes --reason "keep as in Git"',
    })
  }
  let lastReport = ''
  return repeat(EVERY_SECONDS, io, async () => {
    try {
      // A round that changes nothing prints nothing.
      const [news, results]: [(Shown | string)[], (Shown | string)[]] = [[], []]
      const round = {
        ...io,
        report: (text: Shown | string) => void news.push(text),
        print: (text: Shown | string) => void results.push(text),
        progress: () => {},
      }
      const code = await once(options, round)
      const text = stacked(news)
      if (String(text) !== lastReport) io.report(show`${io.now().toISOString()}\n${text}\n`)
      lastReport = String(text)
      for (const result of results) io.print(result)
      return code
    } catch (thrown) {
      if (!(thrown instanceof FederationError) || thrown.code === 'interrupted') throw thrown
      const text = errorText(thrown)
      if (String(text) !== lastReport) io.report(show`${io.now().toISOString()}\n${text}\n`)
      lastReport = String(text)
      return 1
    }
  })
}

async function once(options: ApplyOptions, io: Io): Promise<number> {
  const applied = await applyPlan(portsOf(options, io), options)
  const { outcome } = applied
  if (options.output === 'json') io.print(json(applyView(applied.plan, applied.outcome)))
  else if (outcome !== undefined) {
    for (const text of stopsText(outcome, io)) io.report(text)
    io.print(doneText(outcome, options.file))
  }
  return succeeded(applied) ? 0 : 1
}
