/** Prints the result of a sever. */
import type { Closed } from '../../app/sever/close.ts'
import type { ConnectionsView } from '../../core/verify/older-connections.ts'
import type { Io } from '../io.ts'
import { type Shown, show, stacked } from './screen.ts'
import { findingsText, table, verdictText } from './text.ts'

/** All findings except those that the outcome contains already. */
export function severedText({ verdicts, known, undoing, older }: Closed, { color, columns }: Pick<Io, 'color' | 'columns'>): Shown {
  const findings = [...known.filter(({ code }) => code !== 'gitops-tracked'), ...undoing, ...older.findings]
  return stacked([
    ...verdicts.map((verdict) => verdictText(verdict, color)),
    ...(older.views.length === 0 ? [] : [show`\n${connectionsText(older.views, columns)}`]),
    ...(findings.length === 0 ? [] : [show`\n${findingsText(findings, color)}`]),
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
