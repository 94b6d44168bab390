/** `audit report|who`: what the record says was accepted at an instant. */
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { callersOf, standingAt, type Target } from '../../../core/record/at-date.ts'
import { auditReportView, auditWhoView } from '../../../core/view/audit-view.ts'
import { entriesOf } from '../../input/record-entries.ts'
import type { FileOptions } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { reportText, whoText } from '../../print/audit-at-text.ts'
import { json } from '../../print/screen.ts'

export interface AtOptions extends FileOptions {
  /** Absent: now. */
  readonly at?: Date
  readonly output: Output
}

export async function report({ at, output, ...options }: AtOptions, io: Io): Promise<number> {
  const instant = at ?? io.now()
  const view = auditReportView(standingAt(await entriesOf(options), instant), instant)
  io.print(output === 'json' ? json(view) : reportText(view, io.columns))
  return 0
}

export async function who({ at, output, target, ...options }: AtOptions & { readonly target: string }, io: Io): Promise<number> {
  const instant = at ?? io.now()
  const view = auditWhoView(target, callersOf(standingAt(await entriesOf(options), instant), targetOf(target)), instant)
  io.print(output === 'json' ? json(view) : whoText(view, io.columns))
  return 0
}

function targetOf(text: string): Target {
  const [member = '', namespace = '', app, ...more] = text.split('/')
  if (member !== '' && namespace !== '' && app !== '' && more.length === 0)
    return { member, namespace, ...(app === undefined ? {} : { app }) }
  throw new FederationError('usage', text, 'is not MEMBER/NAMESPACE or MEMBER/NAMESPACE/APP', {
    hint: 'entente audit who cluster-b/sample/server',
  })
}
