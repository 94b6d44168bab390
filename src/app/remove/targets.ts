/** The homes whose trust `remove` or `uninstall` ends. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Member, MemberName } from '../../core/model/wanted.ts'
import type { Heads } from '../../core/record/heads.ts'
import { type HeldHome, type Place, placeKey, placeOf } from '../../core/record/homes.ts'
import { leftBehind } from '../../core/record/left-behind.ts'
import { parseTrustDomain, type TrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Desired } from '../ports-desired.ts'

export interface TargetInput {
  /** Absent: every member of the file and every home left behind. */
  readonly member?: string
  /** Selects one of several homes; or names the home, if the record does not know it. */
  readonly context?: string
  readonly directory?: string
}

export interface Target {
  readonly member: Member
  /** What Entente made its proxies accept, by the record and the file. */
  readonly domains: ReadonlySet<TrustDomain>
  /** The federation file has the member with this home. */
  readonly listed: boolean
}

/** @throws FederationError usage */
export function targetsOf({ federation, record }: Desired, heads: Heads, { member, context, directory }: TargetInput): readonly Target[] {
  const left = leftBehind(record, federation, heads)
  if (member === undefined) {
    const homes = [...federation.members.values()].filter(({ home }) => home !== undefined)
    return [...left.flatMap((held) => ofHeld(held) ?? []), ...homes.map((one) => listed(one, federation, record.homes.values()))]
  }
  const own = left.filter((held) => held.member === member)
  const named = context !== undefined || directory !== undefined
  const chosen = own.flatMap((held) => ofHeld(held) ?? []).filter(({ member: { home } }) => !named || isNamed(home, { context, directory }))
  if (chosen.length > 0) return chosen
  if (federation.members.has(member as MemberName) && !named) throw stillListed(member)
  if (own.length === 0 && !named) return []
  if (!named) throw homeUnknown(member)
  const home = placeOf({ context, directory })
  const inUse = [...federation.members.values()].find((one) => isHomeOf(one, home))
  if (inUse !== undefined) throw stillListed(inUse.name)
  const made: Member = { name: member as MemberName, trustDomain: UNKNOWN, aliases: [], istioNamespace: 'istio-system', home }
  return [{ member: made, domains: new Set(own.flatMap(({ domains }) => [...domains])), listed: false }]
}

const isHomeOf = ({ home }: Member, place: Place): boolean =>
  home !== undefined &&
  ((place.context !== undefined && home.context === place.context) ||
    (place.directory !== undefined && home.directory !== undefined && placeKey(home) === placeKey(place)))

const UNKNOWN = parseTrustDomain('unknown')

const isNamed = (home: Member['home'], { context, directory }: { context: string | undefined; directory: string | undefined }): boolean =>
  (context === undefined || home?.context === context) && (directory === undefined || home?.directory === directory)

/** Undefined if the record does not know the home. */
function ofHeld({ home, domains }: HeldHome): Target | undefined {
  if (home === undefined) return undefined
  const { member: name, trustDomain, aliases = [], istioNamespace } = home
  return { member: { name, trustDomain, aliases, istioNamespace, home: placeOf(home) }, domains, listed: false }
}

function listed(member: Member, { members, trusts }: Desired['federation'], homes: Iterable<HeldHome>): Target {
  const wanted = trusts.flatMap(({ truster, trusted }) => (truster === member.name ? (members.get(trusted)?.trustDomain ?? []) : []))
  const ever = [...homes].flatMap((held) => (held.member === member.name ? [...held.domains] : []))
  return { member, domains: new Set([...wanted, ...ever]), listed: true }
}

const stillListed = (member: string): FederationError =>
  new FederationError(
    'usage',
    member,
    'is still in the federation file, so the next apply would open its trust again; nothing was changed',
    {
      hint: `take ${member} out of members, and every trust that names it; then entente remove ${member} --reason "WHY"`,
    },
  )

const homeUnknown = (member: string): FederationError =>
  new FederationError('usage', member, 'an older version of Entente wrote to it, and did not record where it is; nothing was changed', {
    hint: `entente remove ${member} --context CONTEXT --reason "WHY", or --directory DIR`,
  })
