/** `sever`: records that a trust ended, closes it, and checks live proxies. Steps that only close wait for nothing. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { intents } from '../../core/federation/intents.ts'
import type { Federation, MemberName, Severed } from '../../core/model/wanted.ts'
import { NO_RECORD } from '../../core/record/projection.ts'
import { pairKey } from '../../core/record/severs.ts'
import { membersOf, readDesired } from '../desired.ts'
import type { Pair } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import type { Closed, ClosePorts } from './close.ts'
import { denyNow } from './emergency.ts'
import { type NotePorts, note } from './note.ts'

export interface SeverInput {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
  /** The reason to override closed gates. */
  readonly overrideGate?: string
  /** Waits until older connections are gone. */
  readonly drain?: boolean
  /** Denies the domain before anything is observed, and asks for no consent. */
  readonly emergency?: boolean
}

/** The file and the record need the processor too, so an emergency lets the first requests go ahead of them. */
const DENIED_FIRST_MS = 250

export type SeverPorts = ClosePorts & NotePorts & Pick<Ports, 'agree'>

/** @throws FederationError usage, not-confirmed: then nothing was changed */
export async function sever(ports: SeverPorts, input: SeverInput): Promise<Closed> {
  const { emergency = false, drain = false, ...leave } = input
  // In an emergency, an unreadable bundle or record does not prevent closing.
  const federation = emergency ? await ports.desired.federation() : (await readDesired(ports)).federation
  const pair = { truster: input.truster as MemberName, trusted: input.trusted as MemberName }
  const standing = federation.severed.find((one) => pairKey(one) === pairKey(pair))
  if (standing === undefined) {
    mustTrust(federation, pair)
    if (!emergency) await ports.agree({ kind: 'sever', ...pair })
  }
  const severed: Severed = standing ?? { ...pair, at: ports.now(), reason: input.reason }
  // Even if the file or the record cannot be written, the domain is denied before anything else.
  const denying = emergency ? shutOut(ports, federation, pair) : Promise.resolve([])
  if (emergency) await Promise.race([denying.catch(() => []), ports.sleep(DENIED_FIRST_MS)])
  const [noted, denied] = await Promise.allSettled([note(ports, severed, federation, { reason: input.reason, emergency }), denying])
  if (noted.status === 'rejected') throw noted.reason
  if (denied.status === 'rejected') throw denied.reason
  // An emergency denies the domain before it loads the code that plans and verifies.
  const { close } = await import('./close.ts')
  return close(ports, severed, [...noted.value, ...denied.value], { ...leave, drain })
}

/**
 * Writes the policies before all else, through the API server even if Git delivers. Whatever a plan would find can wait.
 * @returns the findings
 */
async function shutOut(
  { meshes, now, sleep, report }: Pick<Ports, 'meshes' | 'now' | 'sleep' | 'report'>,
  federation: Federation,
  { truster, trusted }: Pair,
): Promise<readonly Finding[]> {
  // Only the federation is needed to know whose objects they are and where. Bundles and approvals have no influence.
  const intent = intents(federation, new Map(), NO_RECORD, now()).intents.find(({ member }) => member.name === truster)
  const trustDomain = federation.members.get(trusted)?.trustDomain
  const mesh = (await meshes({ federation, givenEvidence: new Map() }, truster)).get(truster)
  if (intent === undefined || trustDomain === undefined || mesh === undefined) return []
  const trusts = federation.trusts.filter((trust) => trust.truster === truster && trust.trusted === trusted)
  const { policies, findings } = await denyNow(intent, trusts, trustDomain, mesh, sleep)
  report({ kind: 'denied', member: truster, trustDomain, policies, findings })
  return findings
}

function mustTrust(federation: Federation, pair: Pair): void {
  membersOf(federation, pair)
  const { truster, trusted } = pair
  if (!federation.trusts.some((trust) => trust.truster === truster && trust.trusted === trusted)) {
    const there = federation.trusts.map((trust) => `${trust.truster} ${trust.trusted}`).join(', ')
    throw new FederationError(
      'usage',
      `${truster} ${trusted}`,
      `the federation file has no trust of ${truster} in ${trusted}; nothing was changed`,
      {
        hint: there === '' ? 'there is no trust to sever' : `the trusts of the file are: ${there}`,
      },
    )
  }
}
