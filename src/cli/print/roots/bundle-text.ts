/** What `bundle inspect` and `bundle fetch` print: the contract's JSON, or columns for people. */
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import type { Inspection } from '../../../core/spiffe/inspect.ts'
import type { Look } from '../layout/look.ts'
import { type Shown, show, stacked } from '../screen.ts'
import { count, findingsText, painter, table } from '../text.ts'

const DAY = 10
const day = (date: Date): string => date.toISOString().slice(0, DAY)

/** The fingerprint is the last column and never shortened: people compare and copy it. */
export function bundleText(inspection: Inspection, look: Look): Shown {
  const { columns } = look
  const paint = painter(look.color)
  const { verdict, certificates, findings } = inspection
  const rows = certificates.map(({ subject, certificate: c, problems }) => [
    subject,
    c.subject || '-',
    day(c.notBefore),
    day(c.notAfter),
    [c.key.algorithm, c.key.bits || ''].join(' ').trim(),
    problems.join(',') || '-',
    c.fingerprint,
  ])
  const head = show`${paint(verdict === 'accept' ? 'green' : 'red', verdict)}   ${factsOf(inspection).join(', ')}`
  const list =
    rows.length === 0 ? [] : [table([['WHERE', 'SUBJECT', 'NOT BEFORE', 'NOT AFTER', 'KEY', 'PROBLEMS', 'FINGERPRINT'], ...rows], columns)]
  return stacked([head, ...list, ...(findings.length === 0 ? [] : [findingsText(findings, look)])], '\n\n')
}

function factsOf({ format, trustDomain, sequence, refreshHintSeconds, certificates }: Inspection): string[] {
  const names = { pem: 'PEM', der: 'DER', spiffe: 'SPIFFE bundle' } as const
  return [
    names[format],
    `${certificates.length} ${certificates.length === 1 ? 'certificate' : 'certificates'}`,
    ...(trustDomain === undefined ? [] : [`trust domain ${trustDomain}`]),
    ...(sequence === undefined ? [] : [`sequence ${sequence}`]),
    ...(refreshHintSeconds === undefined ? [] : [`refresh every ${refreshHintSeconds} s`]),
  ]
}

export const rootsAndSequence = ({ anchors, sequence }: Bundle): string =>
  `${count(anchors.length, 'root')}${sequence === undefined ? '' : `, sequence ${sequence}`}`
