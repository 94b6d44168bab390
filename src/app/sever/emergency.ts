/** Denies a trust domain at once: it reads only the policies that do this, and asks for no consent. */
import { retry } from '../../core/basics/retry.ts'
import { LOST_RACE } from '../../core/diagnostics/codes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import { undoneBy } from '../../core/mesh/gitops-owner.ts'
import type { Digest } from '../../core/model/digest.ts'
import { type Manifest, ownerOf, sameContent } from '../../core/model/manifest.ts'
import type { Intent, Trust, Workloads } from '../../core/model/wanted.ts'
import { workloadsKey } from '../../core/model/workloads.ts'
import { ownedBy } from '../../core/plan/hazards/owned-objects.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { readCallers } from '../../core/trust/callers/policies.ts'
import { MESH_WIDE_POLICY } from '../../core/trust/mesh-wide/mesh-roots.ts'
import { authorOf, callersObject } from '../../core/trust/render.ts'
import type { Home, WritesObjects } from '../ports.ts'
import type { World } from '../world.ts'

type Denying = Pick<Home, 'member'> & WritesObjects

export interface Denied {
  /** The policies that deny every identity of the domain now. */
  readonly policies: readonly Manifest[]
  readonly findings: readonly Finding[]
}

/**
 * Denies every identity of `domain` where these trusts accept it. What the policies say about other domains stays as it is
 * live. The sever that follows removes the filters.
 */
export async function denyNow(
  intent: Intent,
  trusts: readonly Trust[],
  domain: TrustDomain,
  mesh: Denying,
  sleep: World['sleep'] = async () => {},
): Promise<Denied> {
  const sets = new Map(trusts.flatMap((trust) => trust.accept.map(({ at }) => [workloadsKey(at), at] as const)))
  const meshWide = trusts.some((trust) => trust.meshWide !== undefined)
  const places: readonly (readonly [Workloads, string?])[] = [
    ...[...sets.values()].map((at) => [at] as const),
    ...(meshWide ? [[{ namespace: intent.member.istioNamespace }, MESH_WIDE_POLICY] as const] : []),
  ]
  const denied = await Promise.all(places.map(([at, name]) => deny(() => denyOnce(intent, domain, mesh, at, name), sleep)))
  return { policies: denied.flatMap((one) => one.policies), findings: denied.flatMap((one) => one.findings) }
}

/** Another sever of the same workloads may write their policy at the same moment, so it retries for a second or two. */
const TRIES = 20

const deny = (once: () => Promise<Denied>, sleep: World['sleep']): Promise<Denied> =>
  retry(once, {
    tries: TRIES,
    waitMs: () => 100,
    sleep,
    again: (outcome) => outcome.ok && outcome.value.findings.some(({ code }) => LOST_RACE.has(code)),
  })

async function denyOnce(intent: Intent, domain: TrustDomain, mesh: Denying, at: Workloads, name?: string): Promise<Denied> {
  const wanted = (live: Manifest | undefined): Manifest =>
    callersObject({ at, callers: new Map([...(live === undefined ? [] : readCallers(live)), [domain, []]]) }, authorOf(intent), name)
  try {
    const before = await mesh.find(wanted(undefined))
    if (before !== undefined && ownerOf(before) !== intent.owner) return { policies: [], findings: [ownedBy(intent, before)] }
    const after = wanted(before)
    if (before === undefined || !sameContent(before, after)) {
      const step = {
        member: mesh.member,
        phase: 'guard',
        changes: [],
        drains: 0,
        gates: [],
        reason: 'emergency',
        id: '' as Digest,
      } as const
      await mesh.write({ ...step, ...(before === undefined ? {} : { before }), after }, { forceConflicts: true, found: true })
    }
    return { policies: [after], findings: before === undefined ? [] : undoneBy(mesh.member, before) }
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    return { policies: [], findings: [fromError(thrown)] }
  }
}
