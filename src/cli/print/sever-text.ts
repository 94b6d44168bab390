/** Prints the result of a sever. */
import type { Closed } from '../../app/sever/close.ts'
import type { ConnectionsView } from '../../core/verify/older-connections.ts'
import type { Look } from './layout/look.ts'
import { undeliveredText } from './outcome/delivery-text.ts'
import { type Shown, show, stacked } from './screen.ts'
import { findingsText, table, verdictText } from './text.ts'

/** All findings except those that the outcome contains already. */
/** @param file the federation file, as the user named it */
export function severedText({ verdicts, known, undoing, older, undelivered }: Closed, file: string, look: Look): Shown {
  const findings = [...known.filter(({ code }) => code !== 'gitops-tracked'), ...undoing, ...older.findings]
  return stacked([
    ...undeliveredText(undelivered, file).map((text) => show`Written, ${text}\n`),
    ...verdicts.map((verdict) => verdictText(verdict, look)),
    ...(older.views.length === 0 ? [] : [show`\n${connectionsText(older.views, look.columns)}`]),
    ...(findings.length === 0 ? [] : [show`\n${findingsText(findings, look)}`]),
  ])
}

export const connectionsText = (views: readonly ConnectionsView[], columns?: number): Shown =>
  table(
    [
      ['PROXY', 'OLDER CONNECTIONS', 'OPEN IN ALL', 'ENDED BY'],
      ...views.map(({ proxy, state, open, until }) => [proxy, state, open === null ? '-' : String(open), until ?? '-']),
    ],
    columns,
  )
