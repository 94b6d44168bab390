/**
 * Policies that decide by an address which a foreign caller can choose. `remoteIpBlocks` becomes Envoy's `remote_ip`.
 * At a sidecar's inbound listener, that is the last address in `x-forwarded-for`, because istiod sets
 * use_remote_address to false (istio pilot/pkg/networking/core/listener_inbound.go buildSidecarInboundHTTPOpts,
 * eed52ebb66ad). At a gateway it is true.
 */
import { type Finding, warning } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import type { Inbound } from '../../trust/state.ts'
import { cellsOf } from '../alias-names.ts'
import type { Bench } from '../judge-request.ts'
import type { Policy } from './policy.ts'
import { type ReadyPolicy, sourceTruth } from './rule-matching.ts'
import { NO } from './truth.ts'

/** Sidecars that accept foreign callers. */
export interface Doorway {
  /** For messages: `sample (app=server)`. */
  readonly where: string
  /** The accepted callers, by trusted domain. A domain without an entry has no restriction. */
  readonly callers: Inbound['callers']
  readonly benches: readonly Bench[]
}

/** True if the policy has a condition on such an address. */
export const namesAddress = ({ rules }: Policy): boolean =>
  rules.some(({ sources }) => sources.some((source) => source.some(({ name }) => BY_ADDRESS.includes(name))))

const BY_ADDRESS = ['remoteIpBlocks', 'notRemoteIpBlocks', 'remote.ip']
const MAX_TOLD = 10

/** @param own the trust domains of the mesh itself: the change does not affect the path of its callers */
export function byAddress(member: string, doorways: readonly Doorway[], own: readonly string[]): readonly Finding[] {
  const found = new Map<Policy, { readonly names: Set<string>; readonly at: Set<string> }>()
  for (const { where, callers, benches } of doorways) {
    for (const { admitted, applying } of benches) {
      const foreign = [...admitted].filter((domain) => !own.includes(domain))
      for (const ready of applying) {
        const names = addressesIn(ready, foreign, callers)
        if (names.length === 0) continue
        const held = found.get(ready.policy) ?? { names: new Set(), at: new Set() }
        found.set(ready.policy, held)
        for (const name of names) held.names.add(name)
        held.at.add(where)
      }
    }
  }
  const all = [...found].map(([policy, { names, at }]) =>
    warning(
      'policy-by-address',
      about.object({ kind: 'AuthorizationPolicy', metadata: policy }, member),
      `decides by ${[...names].join(', ')} at ${[...at].join(', ')}: a sidecar reads that address from the header x-forwarded-for, which callers from another mesh can set`,
      'name principals in that rule; ipBlocks is the address of the connection, which is a gateway’s for callers from another network',
    ),
  )
  const more = all.length - MAX_TOLD
  return more <= 0
    ? all
    : [
        ...all.slice(0, MAX_TOLD),
        warning(
          'policy-by-address',
          about.member(member),
          `${more} more AuthorizationPolicies decide by such an address`,
          'look for remoteIpBlocks',
        ),
      ]
}

/** The address conditions in rules whose identities may match some foreign caller. */
function addressesIn({ policy, rules }: ReadyPolicy, foreign: readonly string[], callers: Inbound['callers']): readonly string[] {
  if (policy.dryRun || policy.action === 'AUDIT') return []
  const asked = rules.flatMap(({ sources }) =>
    sources.flatMap((source) => {
      const names = source.map(({ condition }) => condition.name).filter((name) => BY_ADDRESS.includes(name))
      return names.length === 0 ? [] : [{ source, names }]
    }),
  )
  if (asked.length === 0) return []
  const ids = foreign.flatMap((domain) => representatives(policy, callers.get(domain as TrustDomain) ?? [`${domain}/*`]))
  return asked.flatMap(({ source, names }) => (ids.some((id) => sourceTruth(source, id) !== NO) ? names : []))
}

/** SPIFFE IDs of callers, enough to represent all that the policy distinguishes. */
const representatives = (policy: Policy, callers: readonly string[]): readonly string[] =>
  callers.flatMap((caller) => {
    if (!caller.endsWith('*')) return [`spiffe://${caller}`]
    const [domain, , namespace] = caller.split('/')
    return cellsOf([policy]).map(([ns, sa]) => `spiffe://${domain}/ns/${namespace ?? ns.value}/sa/${sa.value}`)
  })
