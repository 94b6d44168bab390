/** `--evidence`: evidence from owners about meshes that are unreachable from here. */
import { createHash } from 'node:crypto'
import type { Evidences, GivenEvidence } from '../../app/ports-desired.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, info } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { outdated, reliesOnEvidence } from '../../core/evidence/counts.ts'
import { parseEvidence } from '../../core/evidence/read-evidence.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Federation, MemberName } from '../../core/model/wanted.ts'
import type { RecordView } from '../../core/record/projection.ts'
import type { Io } from '../io.ts'

/**
 * Of several files about one member the newest counts.
 * @throws FederationError file-unreadable, evidence-malformed
 */
export async function readGivenEvidence(files: readonly string[], federation: Federation, record: RecordView, io: Io): Promise<Evidences> {
  const givenEvidence = new Map<MemberName, GivenEvidence>()
  const findings: Finding[] = []
  const now = io.now()
  for (const file of files) {
    const body = await io.readFile(file)
    const parsed = parseEvidence(body, file, federation, now)
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}` as Digest
    for (const [member, observed] of parsed.observed) {
      const { home } = observed.member
      if (home?.directory === undefined || home.context !== undefined) {
        const why =
          home === undefined
            ? 'has no home here, so only its bundle is evaluated'
            : 'has a context here, so Entente reads the cluster itself'
        findings.push(info('evidence-unused', about.member(member), `${why}; ${file} is ignored for it`))
        continue
      }
      if ((givenEvidence.get(member)?.of.at ?? parsed.at) > parsed.at) continue
      const stale = outdated(parsed, member, file, record, now)
      givenEvidence.set(member, { file, observed, of: { member, digest, at: parsed.at }, ...(stale === undefined ? {} : { stale }) })
    }
  }
  for (const { file, of, stale } of givenEvidence.values()) findings.push(stale ?? reliesOnEvidence(of, of.member, file, now))
  return { givenEvidence, findings }
}

/** `MEMBER=CONTEXT`, as often as given. @throws FederationError usage */
export function inContexts(federation: Federation, pairs: readonly string[]): Federation {
  const members = new Map(federation.members)
  for (const pair of pairs) {
    const [, name = '', context = ''] = /^([^=]+)=(.+)$/.exec(pair) ?? []
    const member = members.get(name as MemberName)
    if (member === undefined)
      throw new FederationError(
        'usage',
        `--context ${pair}`,
        name === '' ? 'must have the form MEMBER=CONTEXT' : `${name} is not a member of this federation`,
        {
          hint: `members: ${[...members.keys()].join(', ')}`,
        },
      )
    members.set(member.name, { ...member, home: { ...member.home, context, inFile: member.home ?? {} } })
  }
  return { ...federation, members }
}
