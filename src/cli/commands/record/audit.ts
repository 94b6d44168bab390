/** `audit log|verify|export`: the record, for people, for checks and for auditors. */
import { access } from 'node:fs/promises'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { error, type Finding, fromError, hasErrors, warning } from '../../../core/diagnostics/finding.ts'
import type { AuditEntry } from '../../../core/model/recorded.ts'
import { entriesAbout, history, type Span, type Word } from '../../../core/record/history.ts'
import { NO_RECORD, type RecordView, unfinished } from '../../../core/record/projection.ts'
import { checkWitness, printEntry } from '../../../core/record/record.ts'
import { parseFingerprint } from '../../../core/x509/anchor.ts'
import { type FileOptions, filesOf, meshesOf, recordPath } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'
import { count, findingsText, table } from '../../print/text.ts'

export async function log(options: FileOptions & { output: Output; fingerprint?: string }, io: Io): Promise<number> {
  const entries = await entriesOf(options)
  if (options.fingerprint !== undefined) return tellHistory(history(entries, parseFingerprint(options.fingerprint)), options.output, io)
  if (options.output === 'json') {
    io.print(json(entries))
    return 0
  }
  const rows = entries.map((entry) => [
    String(entry.seq),
    entry.at.toISOString(),
    `${entry.actor.name} (${entry.actor.via})`,
    entry.action,
    what(entry),
    entry.reason,
  ])
  io.print(table([['SEQ', 'AT', 'BY', 'ACTION', 'WHAT', 'REASON'], ...rows], io.columns))
  return 0
}

/** Who trusted a root, from when to when, on whose word. */
function tellHistory(spans: readonly Span[], output: Output, io: Io): number {
  if (output === 'json') io.print(json(spans))
  else if (spans.length === 0) io.print('Nobody ever approved or trusted this root, as far as the record goes.')
  else {
    const said = ({ at, by, reason }: Word): string[] => [at.toISOString(), `${by.name} (${by.via})${reason === '' ? '' : `: ${reason}`}`]
    const rows = spans.map(({ what, where, trustDomain, from, until, unfinished }) => [
      `${what} ${what === 'approved' ? 'here' : `in ${where}`}${unfinished ? ', or begun' : ''}`,
      trustDomain,
      ...said(from),
      ...(until === undefined ? ['-', 'still'] : said(until)),
    ])
    io.print(table([['', 'AS A ROOT OF', 'FROM', 'BY', 'UNTIL', 'BY'], ...rows], io.columns))
  }
  return 0
}

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)

function sequences({ sequence, sequenceReset }: AuditEntry & { readonly action: 'approve' }): string {
  return `${sequence === undefined ? '' : `, sequence ${sequence}`}${sequenceReset === true ? ', sequences begin again' : ''}`
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
    case 'rotate':
      return `${entry.trustDomain}: ${entry.to.map(short).join(', ')} to stay`
    case 'sever':
      return `${entry.truster} trusts ${entry.trusted} no longer${domains(entry)}`
    case 'lift':
      return `the sever of ${entry.truster} trusting ${entry.trusted} is lifted${domains(entry)}`
  }
}

/** A sever counts by trust domain: the members may have other names by now. */
const domains = ({ trusterDomain, trustedDomain }: Pick<AuditEntry & { action: 'sever' }, 'trusterDomain' | 'trustedDomain'>): string =>
  trusterDomain === undefined || trustedDomain === undefined ? '' : ` (${trusterDomain}, ${trustedDomain})`

/** The chain itself, then every home's memory of its head. */
export async function verify(options: FileOptions & { output: Output; offline?: boolean }, io: Io): Promise<number> {
  const { store } = filesOf(options)
  const findings: Finding[] = []
  let record = NO_RECORD
  try {
    await entriesOf({ ...options, store })
    record = await store.view()
    findings.push(...store.findings())
    if (options.offline !== true) findings.push(...(await witnesses(record, options, io)))
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    findings.push(fromError(thrown))
  }
  const begin = unfinished(record)
  if (begin !== undefined)
    findings.push(
      warning(
        'apply-unfinished',
        'audit.jsonl',
        `the apply of ${begin.at.toISOString()} by ${begin.actor.name} has no end`,
        'entente apply',
      ),
    )
  const valid = !hasErrors(findings)
  const head = record.head?.hash ?? null
  const entries = record.hashes.length
  if (options.output === 'json') io.print(json({ valid, entries, head, findings }))
  else {
    const stands = `${entries} ${entries === 1 ? 'entry' : 'entries'}, head ${head === null ? 'none' : short(head)}`
    const unasked = findings.every(({ code, severity }) => severity !== 'error' || code === 'witness-unseen')
    if (valid) io.print(`The record holds: ${stands}.`)
    else if (unasked) io.print(`The file holds: ${stands}. Not every home could be asked which head it remembers.`)
    else
      io.print(
        entries === 0 && !findings.some(({ code }) => code === 'record-broken')
          ? 'There is no record that could be read.'
          : 'The record does not hold.',
      )
    if (findings.length > 0) io.print(findingsText(findings, io.color))
  }
  return valid ? 0 : 1
}

async function witnesses(record: RecordView, options: FileOptions, io: Io): Promise<readonly Finding[]> {
  const { readFederationFile } = await import('../../../adapters/files/federation-file.ts')
  const federation = await readFederationFile(options.file)
  const meshes = await meshesOf(federation, filesOf(options), io)
  const told = await Promise.all(
    [...meshes.values()].map(async (mesh): Promise<readonly Finding[]> => {
      try {
        checkWitness(record, await mesh.witness(), mesh.member)
        return []
      } catch (thrown) {
        if (!(thrown instanceof FederationError)) throw thrown
        if (thrown.code === 'record-forked') return [fromError(thrown)]
        return [
          error(
            'witness-unseen',
            mesh.member,
            `could not be asked which head it remembers: ${thrown.subject === mesh.member ? fromError(thrown).message : thrown.message}`,
            'entente audit verify --offline checks the file alone',
          ),
        ]
      }
    }),
  )
  return told.flat()
}

/** Canonical entries, one a line: what a third party can check again. */
export async function exportRecord(options: FileOptions & { fingerprint?: string }, io: Io): Promise<number> {
  const entries = await entriesOf(options)
  const chosen = options.fingerprint === undefined ? entries : entriesAbout(entries, parseFingerprint(options.fingerprint))
  for (const entry of chosen) io.print(printEntry(entry))
  return 0
}

/** @throws FederationError file-unreadable also where there is no record: an absent one is not an empty one */
async function entriesOf(options: FileOptions): Promise<readonly AuditEntry[]> {
  const { directory, store } = filesOf(options)
  const entries = await store.entries()
  if (entries.length > 0) return entries
  if (await exists(recordPath(directory)))
    throw new FederationError('file-unreadable', recordPath(directory), 'is empty: a record has an entry from its beginning', {
      hint: 'bring it back from Git or a backup; entente approve begins a new one where there never was any',
    })
  throw new FederationError('file-unreadable', recordPath(directory), 'there is no record', {
    hint: 'entente init and approve begin one; -f names another federation',
  })
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
