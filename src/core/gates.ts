/** What a step waits for: a root leaves only when nothing that lives is under it. */
import type { MeshState } from './istio/state.ts'
import type { Change, Gate, Intent, Observation, Phase } from './model.ts'
import type { Course, Seens } from './plan.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import { anchorOf } from './x509/chain.ts'

export function gatesOf(
  phase: Phase,
  changes: readonly Change[],
  going: Course,
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): readonly Gate[] {
  if (phase === 'close') return retirements(changes, going, intent, wanted, seen, now)
  const delivered = intent.member.home?.directory !== undefined
  return phase === 'clean' && delivered ? deliveredRemovals(going, intent, seen.get(intent.member.name)) : []
}

/** A root goes while its domain stays trusted: only when what that domain's CA signs with now is under one that stays. */
function retirements(
  changes: readonly Change[],
  going: Course,
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): readonly Gate[] {
  const leaving = changes.filter(
    (change) => change.of === 'root' && change.effect === 'narrows' && domainStays(going.after, change.trusted),
  )
  return leaving.map((change) => {
    const bundle =
      change.trusted === intent.member.trustDomain
        ? intent.own
        : intent.trusts.find((trust) => trust.trustDomain === change.trusted)?.bundle
    const member =
      change.trusted === intent.member.trustDomain
        ? intent.member.name
        : intent.trusts.find((trust) => trust.trustDomain === change.trusted)?.trusted
    const istio = member === undefined ? undefined : seen.get(member)?.istio
    const presented = istio?.ok === true ? istio.value.presented : undefined
    const issuer = presented?.ok === true ? anchorOf(presented.value, bundle?.anchors ?? [], now).anchor : undefined
    const unseen = wanted.some((w) => w.member.name === member)
      ? `the certificate chain that ${member} presents`
      : `evidence from ${member ?? change.trusted}`
    return {
      needs: 'unused',
      root: change.what as Gate['root'],
      open: issuer !== undefined,
      waitingFor: issuer === undefined ? [unseen] : [],
    }
  })
}

const domainStays = (after: MeshState, domain: TrustDomain): boolean =>
  [...after.inbound.values()].some((scope) => scope.roots.has(domain)) ||
  [...after.outbound.values()].some((scope) => [...scope.hosts.values()].some((roots) => roots.has(domain)))

/** Git delivers at its own pace: a policy goes only when the proxies are seen to have let go of the filter. */
function deliveredRemovals(going: Course, intent: Intent, seen: Observation | undefined): readonly Gate[] {
  const proxies = seen?.proxies.ok === true ? seen.proxies.value : undefined
  return [...going.before.shares.values()]
    .filter((share) => !going.after.shares.has(share.trusted))
    .flatMap(({ trustDomain, roots }) => {
      const holding = proxies
        ?.filter(({ config }) => config === undefined || config.inbound.some((chain) => chain.pins?.has(trustDomain)))
        .map(({ proxy }) => proxy)
      const waitingFor = holding ?? [`evidence from the proxies of ${intent.member.name}`]
      return roots.map((root): Gate => ({ needs: 'unused', root: root.fingerprint, open: waitingFor.length === 0, waitingFor }))
    })
}
