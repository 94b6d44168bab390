/** `sever`: notes that a trust is over, closes it, proves it. What only narrows waits for nobody. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { intents } from '../../core/federation/intents.ts'
import type { Federation, MemberName, Severed } from '../../core/model/wanted.ts'
import { NO_RECORD } from '../../core/record/projection.ts'
import { pairKey } from '../../core/record/severs.ts'
import { membersOf, readDesired } from '../desired.ts'
import type { Pair } from '../ports-desired.ts'
import { denyNow } from '../sever/emergency.ts'
import type { Ports } from '../use-case.ts'
import { type Closed, type ClosePorts, close } from './close.ts'
import { type NotePorts, note } from './note.ts'

export interface SeverInput {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
  /** Goes past closed gates; why. */
  readonly overrideGate?: string
  /** Waits until connections from before are gone. */
  readonly drain?: boolean
  /** Shuts the domain out before anything is looked at, and asks nobody. */
  readonly emergency?: boolean
}

export type SeverPorts = ClosePorts & NotePorts & Pick<Ports, 'agree'>

/** @throws FederationError usage, not-confirmed: then nothing was changed */
export async function sever(ports: SeverPorts, input: SeverInput): Promise<Closed> {
  const { emergency = false, drain = false, ...leave } = input
  // In an emergency, bundles or a record that cannot be read keep nobody in.
  const federation = emergency ? await ports.desired.federation() : (await readDesired(ports)).federation
  const pair = { truster: input.truster as MemberName, trusted: input.trusted as MemberName }
  const standing = federation.severed.find((one) => pairKey(one) === pairKey(pair))
  if (standing === undefined) {
    mustTrust(federation, pair)
    if (!emergency) await ports.agree({ kind: 'sever', ...pair })
  }
  const severed: Severed = standing ?? { ...pair, at: ports.now(), reason: input.reason }
  // Whatever keeps the file or the record from being written, those who are out are out first.
  const [noted, denied] = await Promise.allSettled([
    note(ports, severed, federation, { reason: input.reason, emergency }),
    emergency ? shutOut(ports, federation, pair) : [],
  ])
  if (noted.status === 'rejected') throw noted.reason
  if (denied.status === 'rejected') throw denied.reason
  return close(ports, severed, [...noted.value, ...denied.value], { ...leave, drain })
}

/**
 * Policies first, by the API server also where Git delivers: what a plan would find out can wait.
 * @returns what was found
 */
async function shutOut(
  { meshes, now, sleep, tell }: Pick<Ports, 'meshes' | 'now' | 'sleep' | 'tell'>,
  federation: Federation,
  { truster, trusted }: Pair,
): Promise<readonly Finding[]> {
  // Whose objects they are, and where: no bundle and no approval has a say in that.
  const intent = intents(federation, new Map(), NO_RECORD, now()).intents.find(({ member }) => member.name === truster)
  const trustDomain = federation.members.get(trusted)?.trustDomain
  const mesh = (await meshes({ federation, handed: new Map() }, truster)).get(truster)
  if (intent === undefined || trustDomain === undefined || mesh === undefined) return []
  const trusts = federation.trusts.filter((trust) => trust.truster === truster && trust.trusted === trusted)
  const { policies, findings } = await denyNow(intent, trusts, trustDomain, mesh, sleep)
  tell({ kind: 'denied', member: truster, trustDomain, policies, findings })
  return findings
}

function mustTrust(federation: Federation, pair: Pair): void {
  membersOf(federation, pair)
  const { truster, trusted } = pair
  if (!federation.trusts.some((trust) => trust.truster === truster && trust.trusted === trusted)) {
    const there = federation.trusts.map((trust) => `${trust.truster} ${trust.trusted}`).join(', ')
    throw new FederationError('usage', `${truster} ${trusted}`, `the file has no trust of ${truster} in ${trusted}; nothing was changed`, {
      hint: there === '' ? 'there is no trust to sever' : `there are: ${there}`,
    })
  }
}
