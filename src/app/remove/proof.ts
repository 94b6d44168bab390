/** Proves that a home is empty: no object of Entente is left, and no live proxy accepts what Entente had opened. */

import type { Finding } from '../../core/diagnostics/finding.ts'
import { type Manifest, ownerOf } from '../../core/model/manifest.ts'
import type { Observation } from '../../core/model/observed.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { Federation, Intent, Member, MemberName } from '../../core/model/wanted.ts'
import { severedVerdict } from '../../core/verify/revocation.ts'
import type { Planned } from '../plan.ts'
import type { Mesh } from '../ports.ts'
import type { Ports } from '../use-case.ts'
import type { Target } from './targets.ts'

/**
 * - `ended`: nothing is left, and no live proxy accepts what Entente had opened.
 * - `undelivered`: it is written to a directory, and not in force until it is committed and delivered.
 * - `left`: objects are left, or a proxy still accepts something.
 * - `unknown`: Entente could not read the home, or not every proxy.
 */
export type EmptiedState = 'ended' | 'undelivered' | 'left' | 'unknown'

export interface Emptied {
  readonly target: Target
  readonly state: EmptiedState
  /** Undefined if they could not be read. */
  readonly left: readonly Manifest[] | undefined
  /** One for each trust domain; none if the home shows no proxies. */
  readonly verdicts: readonly Verdict[]
  readonly findings: readonly Finding[]
}

type Proving = Pick<Ports, 'now' | 'sleep' | 'stopped'>

export const proofOf = (ports: Proving, { desired, meshes }: Planned, targets: readonly Target[]): Promise<readonly Emptied[]> =>
  Promise.all(
    targets.map(async (target): Promise<Emptied> => {
      const mesh = meshes.get(target.member.name)
      const intent = desired.intents.find(({ member }) => member.name === target.member.name)
      if (mesh === undefined || intent === undefined) return { target, state: 'unknown', left: undefined, verdicts: [], findings: [] }
      const { observation, verdicts } = await lettingGo(ports, mesh, intent, target)
      const { objects } = observation
      const left = objects.ok ? objects.value.filter((object) => ownerOf(object) === intent.owner) : undefined
      const state = stateOf(target.member, mesh, left, verdicts)
      return { target, state, left, verdicts, findings: objects.ok ? [] : [objects.error] }
    }),
  )

function stateOf({ home }: Member, { live }: Mesh, left: Emptied['left'], verdicts: readonly Verdict[]): EmptiedState {
  if (left === undefined) return 'unknown'
  if (!live) return 'undelivered'
  const states = verdicts.map(({ state }) => state)
  if (left.length > 0 || states.includes('broken') || states.includes('lagging'))
    return home?.directory === undefined ? 'left' : 'undelivered'
  return states.includes('unknown') ? 'unknown' : 'ended'
}

/** As after a sever: a proxy applies what istiod sends within a second or so. */
const LETTING_GO_MS = 10_000

async function lettingGo(
  ports: Proving,
  mesh: Mesh,
  intent: Intent,
  { member, domains }: Target,
): Promise<{ readonly observation: Observation; readonly verdicts: readonly Verdict[] }> {
  const own = new Set([member.trustDomain, ...member.aliases])
  const begun = ports.now().getTime()
  for (;;) {
    const observation = await mesh.observe({ namespaces: [], everyProxy: true, everyWorkload: true })
    const verdicts = mesh.live
      ? [...domains]
          .filter((domain) => !own.has(domain))
          .sort()
          .map((domain) => verdictOn(domain, member, intent, observation))
      : []
    const over = member.home?.directory !== undefined || verdicts.every(({ proxies }) => proxies.lagging.length === 0)
    if (over || ports.stopped() || ports.now().getTime() - begun > LETTING_GO_MS) return { observation, verdicts }
    await ports.sleep(250)
  }
}

/** A trust domain that no member has stands for itself. The proxies of the whole mesh count. */
function verdictOn(domain: Member['trustDomain'], { name: truster }: Member, intent: Intent, observation: Observation): Verdict {
  const trusted = domain as string as MemberName
  const other: Member = { name: trusted, trustDomain: domain, aliases: [], istioNamespace: '' }
  const federation: Federation = { name: intent.owner, members: new Map([[trusted, other]]), trusts: [], severed: [] }
  return severedVerdict(
    { truster, trusted },
    { ...intent, lapsed: [] },
    federation,
    new Map([[truster, observation]]),
    undefined,
    'it was removed',
  )
}
