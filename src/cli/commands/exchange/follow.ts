/** `follow`: fetches the bundle endpoints of partners, and approves what the policy of each allows. */
import { type FollowedMember, follow } from '../../../app/exchange/follow.ts'
import { watchEndpoints } from '../../../app/exchange/watch.ts'
import { type Finding, hasErrors } from '../../../core/diagnostics/finding.ts'
import { followView } from '../../../core/view/bundle-view.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { count, findingsText, table } from '../../print/text.ts'

export interface FollowOptions extends FileOptions {
  readonly members: readonly string[]
  readonly watch?: boolean
  /** For tests only. */
  readonly testWithoutHold?: boolean
  readonly output: Output
}

export async function run({ members, watch, testWithoutHold: withoutHold = false, ...options }: FollowOptions, io: Io): Promise<number> {
  const ports = portsOf(options, io)
  const input = { members, withoutHold }
  if (watch === true) {
    const last = new Map<string, number>()
    await watchEndpoints(ports, input, (followed) => {
      last.set(followed.member.name, codeOf(followed.findings))
      const changed = followed.decision?.kind !== 'same'
      if (options.output === 'json') io.print(json(followView([followed], followed.findings), 0))
      else if (changed) io.print(show`${followed.at.toISOString()}   ${findingsText(followed.findings, io)}`)
    })
    return worst([...last.values()])
  }
  const partners = await follow(ports, input)
  const findings = partners.flatMap((one) => one.findings)
  if (options.output === 'json') io.print(json(followView(partners, findings)))
  else {
    io.print(partners.length === 0 ? 'No member has a bundleEndpoint in the federation file.' : partnersText(partners, io.columns))
    if (findings.length > 0) io.print(show`\n${findingsText(findings, io)}`)
  }
  return codeOf(findings)
}

const codeOf = (findings: readonly Finding[]): number =>
  hasErrors(findings) ? 1 : findings.some(({ code }) => code === 'offer-waits') ? 2 : 0
const worst = (codes: readonly number[]): number => (codes.includes(1) ? 1 : Math.max(0, ...codes))

function partnersText(partners: readonly FollowedMember[], columns?: number) {
  const rows = partners.map(({ member, decision, refreshHintSeconds: hint }) => [
    member.name,
    member.trustDomain,
    member.follow?.kind ?? 'Manual',
    decision === undefined ? 'failed' : WORDS[decision.kind],
    hint === undefined ? '-' : count(hint, 'second'),
  ])
  return table([['MEMBER', 'TRUST DOMAIN', 'POLICY', 'RESULT', 'REFRESH'], ...rows], columns)
}

const WORDS = {
  same: 'serves the approved roots',
  approve: 'approved by itself',
  hold: 'held',
  person: 'waits for a person',
  refuse: 'refused',
} as const
