/** `refuse`: records that what a partner's endpoint offers must not be approved without a person. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Member } from '../../core/model/wanted.ts'
import { seal } from '../../core/record/record.ts'
import { type Fingerprint, parseFingerprint } from '../../core/x509/anchor.ts'
import { type DesiredPorts, memberOf, readDesired } from '../desired.ts'
import type { Ports } from '../use-case.ts'

export interface RefuseInput {
  readonly member: string
  /** Absent: every root that the last fetch showed in addition to the approved ones. */
  readonly fingerprint?: readonly string[]
  readonly reason: string
}

export interface Refused {
  readonly member: Member
  readonly roots: readonly Fingerprint[]
}

/** @throws FederationError usage if there is nothing to refuse; not-confirmed */
export async function refuse(
  ports: DesiredPorts & Pick<Ports, 'actor' | 'agree'>,
  { member: name, fingerprint, reason }: RefuseInput,
): Promise<Refused> {
  const { federation, record } = await readDesired(ports)
  const member = memberOf(federation, name)
  const { offers, newest } = record.domains.get(member.trustDomain) ?? {}
  const shown = (await ports.memories.read()).get(member.trustDomain)?.watched?.roots ?? offers?.at(-1)?.roots ?? []
  const roots = fingerprint?.map(parseFingerprint) ?? shown.filter((root) => newest?.roots.has(root) !== true)
  if (roots.length === 0)
    throw new FederationError('usage', name, 'offers no new root, as far as the last fetch knows; nothing was changed', {
      hint: `entente follow ${name}, or name a root: entente refuse ${name} --fingerprint sha256:… --reason "WHY"`,
    })
  const approved = roots.find((root) => newest?.roots.has(root))
  if (approved !== undefined)
    throw new FederationError('usage', approved, `is approved for ${member.trustDomain}: refusing it would change nothing`, {
      hint: `to end the trust: entente sever TRUSTER ${name} --reason "WHY"`,
    })
  await ports.agree({ kind: 'refuse', member: member.name, roots })
  const draft = { actor: ports.actor, at: ports.now(), reason, action: 'refuse' as const, trustDomain: member.trustDomain, roots }
  await ports.record.append(seal((await ports.record.view()).head, draft))
  return { member, roots }
}
