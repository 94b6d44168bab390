/** `sever`: writes it into the federation file, closes, proves. What only narrows waits for nobody. */
import { addSevered } from '../../adapters/federation-file.ts'
import { FederationError } from '../../core/errors.ts'
import { hasErrors } from '../../core/finding.ts'
import type { MemberName, Step } from '../../core/model.ts'
import { seal } from '../../core/record.ts'
import { verify } from '../../core/verify.ts'
import { verifyView } from '../../core/view.ts'
import type { Io, Output } from '../io.ts'
import { planText, verdictText } from '../text.ts'
import { actor, type FileOptions, openRecord, openWorkspace, type Workspace } from '../workspace.ts'
import { agree, carryOut, tellOutcome } from './apply.ts'
import { planNow } from './plan.ts'

export interface SeverOptions extends FileOptions {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
  readonly yes?: boolean
  readonly output: Output
  readonly overrideGate?: string
}

export async function run(options: SeverOptions, io: Io): Promise<number> {
  const before = await openWorkspace(options, io)
  const truster = options.truster as MemberName
  const trusted = options.trusted as MemberName
  const severed = isSevered(before, truster, trusted)
  if (!severed) {
    mustTrust(before, truster, trusted)
    await agree(`${truster} stops trusting ${trusted}, now and until somebody takes it out of spec.severed. Go on?`, options, io)
    await addSevered(options.file, { truster, trusted, at: io.now(), reason: options.reason })
    const record = await openRecord(before.directory)
    await record.append(
      seal((await record.entries()).at(-1), { actor: actor(io), at: io.now(), reason: options.reason, action: 'sever', truster, trusted }),
    )
    io.tell(`${options.file} and the record say that ${truster} trusts ${trusted} no longer.`)
  }
  return close(truster, trusted, options, io)
}

const isSevered = ({ federation }: Workspace, truster: MemberName, trusted: MemberName): boolean =>
  federation.severed.some((pair) => pair.truster === truster && pair.trusted === trusted)

function mustTrust({ federation }: Workspace, truster: MemberName, trusted: MemberName): void {
  for (const name of [truster, trusted]) {
    if (!federation.members.has(name))
      throw new FederationError('usage', name, 'is no member of this federation', {
        hint: `members: ${[...federation.members.keys()].join(', ')}`,
      })
  }
  if (!federation.trusts.some((trust) => trust.truster === truster && trust.trusted === trusted)) {
    const there = federation.trusts.map((trust) => `${trust.truster} ${trust.trusted}`).join(', ')
    throw new FederationError('usage', `${truster} ${trusted}`, `the file has no trust of ${truster} in ${trusted}; nothing was changed`, {
      hint: there === '' ? 'there is no trust to sever' : `there are: ${there}`,
    })
  }
}

async function close(truster: MemberName, trusted: MemberName, options: SeverOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { plan, meshes } = await planNow(workspace, io)
  const domain = workspace.federation.members.get(trusted)?.trustDomain
  const about = plan.steps.filter((step) => step.member === truster && narrows(step))
  const findings = plan.findings.filter((finding) => finding.severity === 'error' && finding.subject.startsWith(truster))
  io.tell(`\n${planText({ ...plan, steps: about, findings }, io.color)}\n`)
  const outcome = await carryOut(workspace, plan, new Set(about.map((step) => step.id)), options, meshes, io)
  tellOutcome(outcome, io)
  const { seen } = await planNow(workspace, io)
  const verdicts = verify(workspace.federation, workspace.intents, seen, io.now()).filter(
    (verdict) => verdict.truster === truster && verdict.trusted === trusted,
  )
  if (options.output === 'json') io.print(JSON.stringify(verifyView(verdicts, outcome.findings, io.now()), null, 2))
  else io.print(verdicts.map((verdict) => verdictText(verdict, io.color)).join('\n'))
  if (verdicts.some((verdict) => verdict.state === 'unknown'))
    io.tell(`\nNo evidence says that ${domain} is refused by live proxies: run entente verify where they can be asked.`)
  return hasErrors(outcome.findings) || verdicts.some((verdict) => verdict.state === 'broken') ? 1 : 0
}

/** Never widens: what else is pending in the plan stays for `apply`. */
const narrows = (step: Step): boolean => step.changes.every((change) => change.effect === 'narrows') && step.phase !== 'open'
