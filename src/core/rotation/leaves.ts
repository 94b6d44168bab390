/** Under which root workloads' own certificates are: what their pods said when they were asked, or what time tells. */
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Leaf, Observation, Seen, Seens } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import { sidecarsIn } from '../trust/scope.ts'
import { ownDomains } from '../trust/state.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import { SEVERAL_NAMES_REMEDY, severalNames } from '../verify/own-certificate-names.ts'
import { type Fingerprint, fingerprintOf } from '../x509/anchor.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import { longestLeaf } from './leaf-lifetime.ts'
import { drained } from './retirement.ts'

/** One workload certificate, judged. */
export interface LeafView {
  readonly member: MemberName
  readonly proxy: string
  /** The approved root of its own mesh that vouches for it; null when none does. */
  readonly root: Fingerprint | null
  /** The certificate of the CA that signed it, where it was shown. */
  readonly issuer: Fingerprint | null
  /** RFC 3339. */
  readonly until: string
  /** The CA certificates of the mesh that it holds. */
  readonly holds: readonly Fingerprint[]
}

export interface Looked {
  readonly leaves: readonly LeafView[]
  readonly findings: readonly Finding[]
}

/** The pods in scopes: partners check their certificates. */
export function podsToLookAt(intent: Intent, observation: Observation): readonly Manifest[] {
  const objects = observation.objects.ok ? observation.objects.value : []
  const scopes = intent.trusts.flatMap(({ accept, reach }) => [...accept.map(({ at }) => at), ...reach.map(({ from }) => from)])
  return [...new Set(scopes.flatMap((at) => sidecarsIn(objects, at)))].sort((a, b) => (proxyOf(a) < proxyOf(b) ? -1 : 1))
}

/** @param answers by proxy, `POD.NAMESPACE` */
export function judgeLeaves(intent: Intent, answers: ReadonlyMap<string, Seen<Leaf>>, now: Date): Looked {
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
  if (certificate === undefined) return { findings: [error('leaf-unseen', `${name}: ${proxy}`, 'its certificate could not be read', '')] }
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
            `${name}: ${proxy}`,
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
            `${name}: ${proxy}`,
            `its own certificate (until ${view.until}) is under no approved root of ${trustDomain}, so partners refuse it: ${why}`,
            `entente approve ${name}, if that root is the mesh's; a pod that kept an old one gets a new one at a restart`,
          ),
        ]
  return { view, findings: [...unapproved, ...names] }
}

/** One finding for what was in the way of several. */
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
      `${name}: ${proxies.slice(0, 5).join(', ')}${proxies.length > 5 ? ` and ${proxies.length - 5} more` : ''}`,
      message,
      code === 'forbidden' ? `${hint}; deploy/look.yaml has the right, which is one to everything in these pods` : hint,
    ),
  )
}

/** Without a look: what the chain that a CA presents now, and the longest life that workloads ask for, say together. */
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
        member.name,
        `its CA signs under ${anchor.fingerprint}; by time alone, certificates under another of its ${own.anchors.length} approved roots may live until ${until.toISOString()} (${life.because})`,
        'entente verify --look asks the proxies themselves',
      ),
    ]
  })
}
