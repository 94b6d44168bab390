/** Prints the record for people. */
import type { Audited } from '../../app/audit.ts'
import type { AuditEntry } from '../../core/model/recorded.ts'
import type { Span, Word } from '../../core/record/history.ts'
import { short } from './layout/fingerprints.ts'
import type { Look } from './layout/look.ts'
import { type Shown, stacked } from './screen.ts'
import { count, findingsText, table } from './text.ts'

export function recordText(entries: readonly AuditEntry[], columns?: number): Shown {
  const rows = entries.map((entry) => [
    String(entry.seq),
    entry.at.toISOString(),
    actorText(entry.actor),
    entry.action,
    what(entry),
    entry.reason,
  ])
  return table([['SEQ', 'AT', 'BY', 'ACTION', 'WHAT', 'REASON'], ...rows], columns)
}

/** Nothing authenticated the claimed name, so it never stands alone. */
export const actorText = ({
  name,
  via,
  claimed,
}: {
  readonly name: string
  readonly via: string
  readonly claimed?: string | undefined
}): string => `${name} (${via}${claimed === undefined ? '' : `, claims ${claimed}`})`

/** Prints who trusted or approved a root, from when to when, and who decided that. */
export function historyText(spans: readonly Span[], columns?: number): Shown | string {
  if (spans.length === 0) return 'The record has no approval of this root, and no trust in it.'
  const said = ({ at, by, reason }: Word): string[] => [at.toISOString(), `${actorText(by)}${reason === '' ? '' : `: ${reason}`}`]
  const rows = spans.map(({ what, where, trustDomain, from, until, unfinished }) => [
    `${what} ${what === 'approved' ? 'here' : `in ${where}`}${unfinished ? ', or only begun' : ''}`,
    trustDomain,
    ...said(from),
    ...(until === undefined ? ['-', 'still'] : said(until)),
  ])
  return table([['', 'AS A ROOT OF', 'FROM', 'BY', 'UNTIL', 'BY'], ...rows], columns)
}

export function auditText({ valid, entries, head, findings }: Audited, look: Look = {}): Shown {
  const stands = `${count(entries, 'entry').replace('entrys', 'entries')}, head ${head === null ? 'none' : short(head)}`
  return stacked([verdictOf(valid, entries, stands, findings), ...(findings.length === 0 ? [] : [findingsText(findings, look)])])
}

function verdictOf(valid: boolean, entries: number, stands: string, findings: Audited['findings']): string {
  if (valid) return `The record is intact: ${stands}.`
  if (findings.every(({ code, severity }) => severity !== 'error' || code === 'witness-unseen'))
    return `The file is intact: ${stands}. Entente could not read the head that every home stores.`
  if (entries === 0 && !findings.some(({ code }) => code === 'record-broken')) return 'There is no readable record.'
  return 'The record is not intact.'
}

function sequences({ sequence, sequenceReset }: AuditEntry & { readonly action: 'approve' }): string {
  return `${sequence === undefined ? '' : `, sequence ${sequence}`}${sequenceReset === true ? ', sequence numbers restart' : ''}`
}

function what(entry: AuditEntry): string {
  switch (entry.action) {
    case 'approve':
      return `${entry.trustDomain}: ${entry.roots.map(short).join(', ')} from ${entry.source}${sequences(entry)}`
    case 'begin':
      return `plan ${short(entry.plan)}, ${count(entry.steps.length, 'step')}`
    case 'end':
      return entry.stopped === undefined
        ? `${count(entry.done.length, 'step')} done`
        : `${count(entry.done.length, 'step')} done, stopped: ${entry.stopped.code}`
    case 'override':
      return `gate ${entry.gate.needs} of ${short(entry.gate.root)}`
    case 'offer':
      return `${entry.trustDomain}: its bundle endpoint publishes ${entry.roots.map(short).join(', ') || 'no root'}`
    case 'refuse':
      return `${entry.trustDomain}: ${entry.roots.map(short).join(', ')} not to be approved`
    case 'rotate':
      return `${entry.trustDomain}: ${entry.to.map(short).join(', ')} to stay`
    case 'sever':
      return `${entry.truster} no longer trusts ${entry.trusted}${domains(entry)}`
    case 'remove':
      return `${entry.member}: nothing of Entente is left in ${entry.directory ?? entry.context ?? 'its home'}${entry.unseen === true ? ', by the word of the actor' : ''}`
    case 'lift':
      return `the sever of ${entry.truster} trusting ${entry.trusted} is lifted${domains(entry)}`
  }
}

/** Members may have been renamed since, so the trust domains are printed, which decide what a sever closes. */
const domains = ({ trusterDomain, trustedDomain }: Pick<AuditEntry & { action: 'sever' }, 'trusterDomain' | 'trustedDomain'>): string =>
  trusterDomain === undefined || trustedDomain === undefined ? '' : ` (${trusterDomain}, ${trustedDomain})`
