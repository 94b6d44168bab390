/** Prints what the record says about an instant. */
import type { View } from '../../core/view/schemas.ts'
import { actorText } from './audit-text.ts'
import { type Part, type Shown, show, stacked } from './screen.ts'
import { count, table } from './text.ts'

type Report = View<'AuditReport'>
type Since = Report['running'][number]

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)
const said = ({ at, by, reason }: Since): string[] => [at, actorText(by), reason]

export function reportText(view: Report, columns?: number): Shown {
  const head =
    view.head === null ? 'no entry' : `${count(view.entries, 'entry').replace('entrys', 'entries')}, the last one ${short(view.head)}`
  return stacked(
    [
      show`At ${view.at} the record had ${head}.`,
      ...part(
        'Approved roots',
        [['TRUST DOMAIN', 'ROOT', 'SOURCE', 'AT', 'BY', 'REASON']],
        view.approved.flatMap((one) => one.roots.map((root) => [one.trustDomain, root, one.source, ...said(one)])),
        columns,
      ),
      ...part(
        'Trust that applies had opened',
        [['TRUSTER', 'TRUSTED', 'WORKLOADS', '', '', 'SINCE', 'BY', 'REASON']],
        view.trusts.flatMap(opened),
        columns,
      ),
      ...part(
        'Severed',
        [['TRUSTER', 'TRUSTED', 'AT', 'BY', 'REASON']],
        view.severed.map((one) => [one.truster, one.trusted, ...said(one)]),
        columns,
      ),
      ...part('Applies that had begun and not ended', [['AT', 'BY', 'REASON']], view.running.map(said), columns),
      LIMIT,
    ],
    '\n\n',
  )
}

const LIMIT = 'The record has what Entente changed. It does not have what others changed in a cluster: entente verify reads that, now.'

function part(title: string, head: readonly string[][], rows: readonly (readonly string[])[], columns?: number): readonly Part[] {
  return rows.length === 0 ? [show`${title}: none.`] : [show`${title}:\n${table([...head, ...rows], columns)}`]
}

function opened({ truster, trusted, workloads, callers, hosts, servers }: Report['trusts'][number]): readonly (readonly string[])[] {
  const rows = (kind: string, all: typeof callers): readonly (readonly string[])[] =>
    all.map(({ what, since, certain }) => [truster, trusted, workloads, kind, certain ? what : `${what} (not certain)`, ...said(since)])
  return [...rows('accepts', callers), ...rows('calls', hosts), ...rows('served by', servers)]
}

export function whoText({ at, target, callers }: View<'AuditWho'>, columns?: number): Shown | string {
  if (callers.length === 0) return `By the record, no foreign identity could call ${target} at ${at}.`
  const rows = callers.map(({ caller, workloads, since, certain }) => [
    certain ? caller : `${caller} (not certain)`,
    workloads,
    ...said(since),
  ])
  return stacked([
    show`By the record, these foreign identities could call ${target} at ${at}:`,
    table([['CALLER', 'WORKLOADS', 'SINCE', 'BY', 'REASON'], ...rows], columns),
  ])
}
