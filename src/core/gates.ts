/** What a step waits for: a root leaves only when nothing that lives is under it. */
import { readState } from './istio/render.ts'
import type { MeshState, Root, Roots } from './istio/state.ts'
import type { Gate, Intent, Manifest, Observation, Phase } from './model.ts'
import type { Course, Seens } from './plan.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import { readCertificate } from './x509/certificate.ts'
import { anchorOf } from './x509/chain.ts'

/** What evidence there is, and when it is judged. */
export interface Witnesses {
  readonly intent: Intent
  readonly seen: Seens
  readonly now: Date
}

export function gatesOf(
  phase: Phase,
  before: Manifest | undefined,
  after: Manifest | undefined,
  going: Course,
  witnesses: Witnesses,
): readonly Gate[] {
  const { intent, seen } = witnesses
  if (phase === 'close' && before !== undefined && after !== undefined) {
    return retired(readState([before]), readState([after])).map(([domain, root]) => retirement(domain, root, witnesses))
  }
  const delivered = intent.member.home?.directory !== undefined
  return phase === 'clean' && delivered ? deliveredRemovals(going, intent, seen.get(intent.member.name)) : []
}

/** Roots that leave a place where their domain stays trusted: a domain that leaves as a whole waits for nothing. */
function retired(before: MeshState, after: MeshState): readonly [TrustDomain, Root][] {
  const inbound = [...before.inbound].flatMap(([key, scope]) => leaving(scope.roots, after.inbound.get(key)?.roots))
  const outbound = [...before.outbound].flatMap(([key, scope]) =>
    [...scope.hosts].flatMap(([host, roots]) => leaving(roots, after.outbound.get(key)?.hosts.get(host))),
  )
  return [...new Map([...inbound, ...outbound].map((pair) => [`${pair[0]} ${pair[1].fingerprint}`, pair])).values()]
}

function leaving(before: Roots, after: Roots | undefined): [TrustDomain, Root][] {
  return [...before].flatMap(([domain, roots]) => {
    const staying = after?.get(domain)
    const gone = staying === undefined ? [] : roots.filter((root) => !staying.some((other) => other.fingerprint === root.fingerprint))
    return gone.map((root): [TrustDomain, Root] => [domain, root])
  })
}

/** The state after phase `close`, with every root that only a gate lets go. */
export function withRetiring(before: MeshState, after: MeshState): MeshState {
  const keep = (b: Roots | undefined, a: Roots): Roots => new Map([...a].map(([domain, roots]) => [domain, merge(b?.get(domain), roots)]))
  return {
    ...after,
    inbound: new Map([...after.inbound].map(([key, a]) => [key, { ...a, roots: keep(before.inbound.get(key)?.roots, a.roots) }])),
    outbound: new Map(
      [...after.outbound].map(([key, a]) => {
        const held = before.outbound.get(key)?.hosts
        return [key, { ...a, hosts: new Map([...a.hosts].map(([host, roots]) => [host, keep(held?.get(host), roots)])) }]
      }),
    ),
  }
}

const merge = (a: readonly Root[] = [], b: readonly Root[]): readonly Root[] => [
  ...new Map([...a, ...b].map((root) => [root.fingerprint, root])).values(),
]

/**
 * Open when what that domain's CA signs with now is under a root that stays, and its own mesh has let go of this one:
 * leaves live on after a switch (24 h by default), and only their owner knows when the last of them is gone. Open, too,
 * when nothing can be under it any more.
 */
function retirement(domain: TrustDomain, root: Root, { intent, seen, now }: Witnesses): Gate {
  const gate = { needs: 'unused', root: root.fingerprint } as const
  if (vouchesForNobody(root, now)) return { ...gate, open: true, waitingFor: [] }
  const trust = intent.trusts.find((other) => other.trustDomain === domain)
  const bundle = trust === undefined ? intent.own : trust.bundle
  const member = trust?.trusted ?? intent.member.name
  const { istio, own } = seen.get(member) ?? {}
  const presented = istio?.ok === true ? istio.value.presented : undefined
  const issuer = presented?.ok === true ? anchorOf(presented.value, bundle?.anchors ?? [], now).anchor : undefined
  const what =
    presented?.ok !== true
      ? `the certificate chain that ${member} presents`
      : issuer === undefined
        ? `the CA of ${member}, which signs under another root`
        : own?.ok !== true || own.value.anchors.some((anchor) => anchor.fingerprint === root.fingerprint)
          ? `${member}, whose own workloads still accept it (istio-ca-root-cert)`
          : undefined
  return { ...gate, open: what === undefined, waitingFor: what === undefined ? [] : [what] }
}

function vouchesForNobody(root: Root, now: Date): boolean {
  try {
    return readCertificate(root.der).notAfter <= now
  } catch {
    return true
  }
}

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
