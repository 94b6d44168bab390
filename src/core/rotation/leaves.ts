/** Finds the root of each workload certificate: read from the pods, or else inferred from the time of the CA switch. */

import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { viewOf } from '../mesh/mesh-view.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Leaf, Observation, Seen, Seens } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import { ownDomains } from '../trust/state.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import { SEVERAL_NAMES_REMEDY, severalNames } from '../verify/own-certificate-names.ts'
import { type Fingerprint, fingerprintOf } from '../x509/anchor.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import { longestLeaf } from './leaf-lifetime.ts'
import { drained } from './retirement.ts'

/** One judged workload certificate. */
export interface LeafView {
  readonly member: MemberName
  readonly proxy: string
  /** The approved root of its own mesh that vouches for it; null if none does. */
  readonly root: Fingerprint | null
  /** The certificate of the CA that signed it, if the chain contains it. */
  readonly issuer: Fingerprint | null
  /** RFC 3339. */
  readonly until: string
  /** The mesh's CA certificates that the proxy holds. */
  readonly holds: readonly Fingerprint[]
}

export interface JudgedLeaves {
  readonly leaves: readonly LeafView[]
  readonly findings: readonly Finding[]
}

/** The pods in scopes, whose certificates partners verify. */
export function podsInScopes(intent: Intent, observation: Observation): readonly Manifest[] {
  const view = viewOf(observation)
  const scopes = intent.trusts.flatMap(({ accept, reach }) => [...accept.map(({ at }) => at), ...reach.map(({ from }) => from)])
  return [...new Set(scopes.flatMap((at) => view.sidecarsIn(at)))].sort((a, b) => (proxyOf(a) < proxyOf(b) ? -1 : 1))
}

/** @param answers the answers by proxy, `POD.NAMESPACE` */
export function judgeLeaves(intent: Intent, answers: ReadonlyMap<string, Seen<Leaf>>, now: Date): JudgedLeaves {
  const { name } = intent.member
  const seen = [...answers.values()].flatMap((answer) => (answer.ok ? [answer.value] : []))
  const judged = seen.map((leaf) => judge(intent, leaf, now))
  return {
    leaves: judged.flatMap(({ view }) => view ?? []),
    findings: [...judged.flatMap(({ findings }) => findings), ...unseen(name, answers)],
  }
}

function judge(
  intent: Intent,
  { proxy, chain, roots }: Leaf,
  now: Date,
): { readonly view?: LeafView; readonly findings: readonly Finding[] } {
  const { name, trustDomain } = intent.member
  const [leaf, issuer] = chain
  const certificate = leaf === undefined ? undefined : certificateIn(leaf)
  if (certificate === undefined)
    return { findings: [error('leaf-unseen', about.proxy(proxy, name), 'Entente could not parse its certificate', '')] }
  const { anchor, reason } = anchorOf(chain, intent.own?.anchors ?? [], now)
  const view: LeafView = {
    member: name,
    proxy,
    root: anchor?.fingerprint ?? null,
    issuer: issuer === undefined ? null : fingerprintOf(issuer),
    until: certificate.notAfter.toISOString(),
    holds: roots,
  }
  const why = reason ?? 'another root signed it'
  const several = severalNames(leaf, ownDomains(intent))
  const names =
    several === undefined
      ? []
      : [
          warning(
            'own-certificate-names',
            about.proxy(proxy, name),
            `its own certificate (${several.id}) also has ${several.others.join(', ')}: policies match every one of these names, and Entente's filter for names exempts the mesh's own certificates`,
            SEVERAL_NAMES_REMEDY,
          ),
        ]
  const unapproved =
    anchor !== undefined
      ? []
      : [
          error(
            'leaf-not-approved',
            about.proxy(proxy, name),
            `its own certificate (until ${view.until}) is under no approved root of ${trustDomain}, so partners reject it: ${why}`,
            `if that root belongs to the mesh: entente approve ${name}; if the pod kept an old certificate, restart it`,
          ),
        ]
  return { view, findings: [...unapproved, ...names] }
}

/** One finding for each error, with all proxies that it concerns. */
function unseen(name: MemberName, answers: ReadonlyMap<string, Seen<Leaf>>): readonly Finding[] {
  const failed = new Map<string, { readonly proxies: string[]; readonly error: Finding }>()
  for (const [proxy, answer] of answers) {
    if (answer.ok) continue
    const known = failed.get(answer.error.code)
    if (known === undefined) failed.set(answer.error.code, { proxies: [proxy], error: answer.error })
    else known.proxies.push(proxy)
  }
  return [...failed.values()].map(({ proxies, error: { code, message, hint } }) =>
    error(
      'leaf-unseen',
      about.proxies(proxies, name),
      message,
      code === 'forbidden' ? `${hint}; deploy/look.yaml grants the right, which gives full access to these pods` : hint,
    ),
  )
}

/** Without reading pods: infers certificates under other roots from the CA's current chain and the longest certificate lifetime. */
export function inferred(intents: readonly Intent[], seen: Seens, now: Date): readonly Finding[] {
  return intents.flatMap(({ member, own }) => {
    const observation = seen.get(member.name)
    const presented = presentedBy(observation)
    if (own === undefined || own.anchors.length < 2 || presented === undefined) return []
    const { anchor } = anchorOf(presented, own.anchors, now)
    const life = longestLeaf(observation)
    const until = drained(presented, life)
    if (anchor === undefined || until === undefined || until <= now) return []
    return [
      info(
        'leaves-inferred',
        about.member(member.name),
        `its CA signs under ${anchor.fingerprint}; by their lifetime, certificates under another of its ${own.anchors.length} approved roots may be valid until ${until.toISOString()} (${life.because})`,
        'to read the certificates from the proxies: entente verify --look',
      ),
    ]
  })
}
