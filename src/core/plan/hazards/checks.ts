/**
 * Checks the conditions for widening trust in a mesh: each hazard of a change of TLS contexts is a finding with its
 * remedy. A finding of severity `error` blocks widening in its scope, and never narrowing.
 */

import { some } from '../../basics/some.ts'
import { error, type Finding, info, warning } from '../../diagnostics/finding.ts'
import { about, type Subject } from '../../diagnostics/subject.ts'
import { foreignFilter, gatewayScope, mtlsDisabled, mtlsNotStrict, noWorkload, trustDomainDiffers } from '../../mesh/mesh-findings.ts'
import { type MeshView, onceForAlike, viewOf } from '../../mesh/mesh-view.ts'
import {
  ANY,
  composeMode,
  describeMode,
  type Effective,
  isStrict,
  type NamedWorkload,
  type PeerPolicy,
  peerPolicy,
  type Workload,
} from '../../mesh/mtls.ts'
import { keepsTo } from '../../mesh/plaintext.ts'
import { checkHost } from '../../mesh/services.ts'
import { unguardedFindings } from '../../mesh/unguarded-ports.ts'
import { at, isOurs, keyOf, list, type Manifest, text, title } from '../../model/manifest.ts'
import type { IstioFacts, Observation, Seen } from '../../model/observed.ts'
import type { Intent, Workloads } from '../../model/wanted.ts'
import { describeWorkloads, relation, workloadsKey } from '../../model/workloads.ts'
import { readStrict, strictPolicy } from '../../trust/callers/policies.ts'
import { checkGateway, whatGatewaysDo } from '../../trust/gateway-scope.ts'
import { checkWide } from '../../trust/mesh-wide/prerequisites.ts'
import { readWorkloads } from '../../trust/pinned/pinned-filter.ts'
import { type Inbound, type MeshState, ownDomains } from '../../trust/state.ts'
import { unknownRoots } from '../../verify/unapproved-roots.ts'
import { type AccountFindings, accountFindings } from './call-accounts.ts'
import { hostsOfSeveralDomains } from './host-domains.ts'

/** Findings and blocks against widening: in the whole mesh, or for single sets of workloads. */
export interface Checked {
  readonly findings: readonly Finding[]
  readonly blocked: boolean
  readonly blockedInbound: ReadonlySet<string>
  readonly blockedOutbound: ReadonlySet<string>
  readonly blockedWide: boolean
  /** Sets that a STRICT PeerAuthentication of another owner covers: Entente writes none for them. */
  readonly strictAlready: ReadonlySet<string>
}

export function check(intent: Intent, wanted: MeshState, seen: Observation): Checked {
  const view = viewOf(seen)
  const mesh = checkMesh(intent, seen)
  const wide = checkWide(intent, seen)
  const rootNamespace = seen.istio.ok ? seen.istio.value.rootNamespace : intent.member.istioNamespace
  const canLook = intent.member.home?.context !== undefined
  const accounts: AccountFindings = canLook ? accountFindings(intent, view) : { accept: new Map(), reach: new Map() }
  const inbound = canLook
    ? [...wanted.inbound].map(([key, scope]) => {
        const { findings, strictAlready } = checkInbound(scope, intent, view, rootNamespace)
        return { scope, strictAlready, findings: [...findings, ...(accounts.accept.get(key) ?? [])] }
      })
    : []
  const outbound =
    canLook && seen.istio.ok
      ? [...wanted.outbound].map(([key, scope]) => ({
          key,
          findings: [
            ...checkOutbound(scope, intent, view, (seen.istio as { value: IstioFacts }).value),
            ...(accounts.reach.get(key) ?? []),
          ],
        }))
      : []
  const shared = [...wanted.outbound.values()].flatMap((scope) => hostsOfSeveralDomains(intent.member.name, scope, ownDomains(intent)))
  const blocks = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')
  return {
    findings: [...mesh, ...wide, ...inbound.flatMap((c) => c.findings), ...outbound.flatMap((c) => c.findings), ...shared],
    blocked: blocks(mesh),
    blockedWide: blocks(wide),
    blockedInbound: new Set(inbound.filter((c) => blocks(c.findings)).map((c) => workloadsKey(c.scope.at))),
    blockedOutbound: new Set(outbound.filter((c) => blocks(c.findings)).map((c) => c.key)),
    strictAlready: new Set(inbound.filter((c) => c.strictAlready).map((c) => workloadsKey(c.scope.at))),
  }
}

const failure = <T>(seen: Seen<T>): readonly Finding[] => (seen.ok ? [] : [seen.error])

function checkMesh(intent: Intent, seen: Observation): readonly Finding[] {
  if (intent.trusts.length === 0) return []
  const { name, trustDomain, aliases } = intent.member
  const findings: Finding[] = [...failure(seen.istio), ...failure(seen.own)]
  if (seen.istio.ok) {
    const istio = seen.istio.value
    if (istio.trustDomain !== trustDomain) {
      findings.push(trustDomainDiffers(name, istio.trustDomain, trustDomain))
    }
    const undeclared = istio.aliases.filter((alias) => alias !== trustDomain && !aliases.includes(alias))
    if (undeclared.length > 0) {
      findings.push(
        error(
          'own-domain-unaccounted',
          about.member(name),
          `the mesh accepts ${undeclared.join(', ')} as its own (trustDomainAliases); a pinned filter without them would cut those workloads off`,
          `add trustDomainAliases: [${undeclared.join(', ')}] to member ${name} if its own roots vouch for them`,
        ),
      )
    }
    if (istio.extraRoots > 0 && intent.trusts.some((trust) => trust.wide === undefined)) {
      findings.push(
        error(
          'own-domain-unaccounted',
          about.member(name),
          `its mesh config has ${istio.extraRoots} caCertificates: identities under them are accepted today, and a pinned filter would cut them off where it applies`,
          'remove caCertificates from the mesh config first, and federate those domains here',
        ),
      )
    }
  }
  if (intent.own !== undefined) findings.push(...unknownRoots(name, intent.own, seen.own))
  findings.push(...checkSurroundings(intent, viewOf(seen)))
  return findings
}

/**
 * An Entente filter replaces the validation context that holds Istio's CRL. A CRL copied into the filter would expire,
 * and Envoy then rejects the whole domain (docs/decisions/0018-revocation.md). The owner therefore has to accept its
 * loss.
 */
function checkSurroundings({ member, trusts }: Intent, view: MeshView): readonly Finding[] {
  // istiod creates this ConfigMap in every mesh, and leaves it empty if its CA has no CRL.
  const crl = view.of('ConfigMap').find((o) => o.metadata.name === 'istio-ca-crl' && text(at(o, 'data', 'ca-crl.pem')) !== '')
  if (crl === undefined || trusts.every((trust) => trust.wide !== undefined)) return []
  const what = 'the mesh distributes a CRL (istio-ca-crl), which Envoy does not read under a filter of ours'
  return [
    member.ignoresCrl === true
      ? warning(
          'crl-ignored',
          about.member(member.name),
          `${what}: certificates revoked there are accepted in scope, as the federation file allows`,
          'keep scopes to workloads for which that is acceptable',
        )
      : error(
          'crl-ignored',
          about.member(member.name),
          `${what}: certificates that are revoked would be accepted again in scope`,
          `write istio: { crl: ignore } at member ${member.name} if that is acceptable; or distribution mesh, which keeps the CRL`,
        ),
  ]
}

function checkInbound(
  scope: Inbound,
  intent: Intent,
  view: MeshView,
  rootNamespace: string,
): { findings: readonly Finding[]; strictAlready: boolean } {
  const where = about.scope(describeWorkloads(scope.at), intent.member.name)
  if (scope.gateway !== undefined) {
    const root = rootNamespaceScope(scope.at, rootNamespace, where)
    return { findings: [...root, ...checkGateway(scope, scope.gateway, view, where)], strictAlready: false }
  }
  const pods = view.podsIn(scope.at)
  // A scope of the whole mesh means its sidecars, and neither gateways nor pods outside the mesh.
  const meant = pods.filter((pod) => !view.isGateway(pod))
  const gateways = scope.at.everywhere ? [] : pods.filter((pod) => view.isGateway(pod))
  const sidecars = meant.filter((pod) => view.hasSidecar(pod))
  const findings: Finding[] = [...rootNamespaceScope(scope.at, rootNamespace, where)]
  if (pods.length === 0) findings.push(noWorkload(where, 'pod'))
  if (gateways.length > 0) {
    const names = gateways.map(title).join(', ')
    const { why, hint } = whatGatewaysDo(gateways, view)
    findings.push(
      pods.length === gateways.length
        ? gatewayScope(where, `selects gateways (${names}); ${why}`, hint)
        : gatewayScope(
            where,
            `selects gateways too (${names}); the filter does not apply to them`,
            'use a selector that leaves them out',
            true,
          ),
    )
  }
  findings.push(...unguardedFindings(scope.at, view, where, 'warning'))
  for (const pod of sidecars.filter((p) => /(^|,)spire(,|$)/.test(p.metadata.annotations?.['inject.istio.io/templates'] ?? ''))) {
    findings.push(
      error(
        'identity-unaccounted',
        where,
        `${title(pod)} gets its identity from SPIRE, whose roots are not the mesh's`,
        'leave such workloads out of the scope',
      ),
    )
  }
  const mode = checkMode(scope, sidecars, view, rootNamespace, where)
  return { findings: [...findings, ...mode.findings, ...foreignFilters(scope, view, where)], strictAlready: mode.strictAlready }
}

/** The federation file names the namespace of istiod; only the mesh config names the root namespace. */
const rootNamespaceScope = (at: Workloads, rootNamespace: string, where: Subject): readonly Finding[] =>
  at.everywhere
    ? at.namespace === rootNamespace
      ? []
      : [
          error(
            'root-namespace',
            where,
            `the mesh config says rootNamespace: ${rootNamespace}; an object in ${at.namespace} would reach the workloads there only`,
            'one entry for each namespace',
          ),
        ]
    : at.namespace === rootNamespace
      ? [
          error(
            'root-namespace',
            where,
            `${rootNamespace} is the mesh's root namespace: what stands there reaches every namespace`,
            'name the namespace of the workloads',
          ),
        ]
      : []

const names = (pods: readonly Manifest[]): string =>
  pods.length > 3
    ? `${pods
        .slice(0, 3)
        .map((pod) => pod.metadata.name)
        .join(', ')} and ${pods.length - 3} more`
    : pods.map((pod) => pod.metadata.name).join(', ')

/**
 * A plaintext caller shows no identity, so `callers` cannot restrict it: this computes the mode of every pod and port.
 */
function checkMode(scope: Inbound, sidecars: readonly Manifest[], view: MeshView, rootNamespace: string, where: Subject) {
  const policies = scope.at.everywhere
    ? view.of('PeerAuthentication').map(peerPolicy)
    : view.peerPolicies(scope.at.namespace, rootNamespace)
  const others = policies.filter(({ object }) => !isOurs(object))
  const ours = scope.strict ? [peerPolicy(ourPolicy(scope, policies))] : []
  const judge = (more: readonly PeerPolicy[]): ((workload: Workload) => Effective) => {
    const all = [...others, ...more]
    return onceForAlike((workload) => composeMode(workload, all, rootNamespace))
  }
  const subjects = view.subjectsOf(scope.at, sidecars, rootNamespace)
  const without = judge([])
  const before = subjects.map((subject) => ({ subject, mode: without(subject) }))
  const strictAlready =
    scope.strict &&
    before.every(({ mode }) => isStrict(mode)) &&
    others.some((o) => o.namespace === scope.at.namespace && sameSelector(o, scope))
  const imposed = strictAlready ? [] : ours
  const within = imposed.length === 0 ? without : judge(imposed)
  const after = imposed.length === 0 ? before : subjects.map((subject) => ({ subject, mode: within(subject) }))
  const loose = after.filter(({ mode }) => !keepsTo(mode, scope.plaintext))
  const findings: Finding[] = []
  const [first] = loose
  if (first !== undefined) {
    const which = whoIs(scope.at, loose)
    findings.push(
      mtlsNotStrict(where, `${which}: ${describeMode(first.mode)}`, `${remedy(first.mode, scope)}; mtls: permissive if that is meant`),
    )
  } else if (
    scope.strict &&
    !strictAlready &&
    !policies.some((o) => isOurs(o.object) && sameSelector(o, scope) && readStrict(o.object).strict)
  ) {
    const changing = before.filter(({ mode }) => !isStrict(mode))
    if (changing.length > 0) {
      const plain = view.bare
      const known = plain.length === 0 ? '' : ` (pods without a sidecar that were seen: ${names(plain)})`
      findings.push(
        warning(
          'plaintext-refused',
          where,
          `becomes STRICT: callers without a sidecar are refused, such as a Prometheus or a load balancer outside the mesh${known}`,
          'make sure that nothing without a sidecar calls these workloads',
        ),
      )
    }
  }
  if (scope.plaintext !== undefined) findings.push(...plaintextFindings(scope.at, after, where))
  if (first === undefined && scope.plaintext !== 'all') {
    // Pods of the scope may get labels in addition to those that it names.
    const specific = others
      .map(({ object }) => ({ object, of: selected(object) }))
      .filter(({ of }) => of.labels !== undefined && relation(of, scope.at) === 'overlapping')
    for (const { object, of } of specific) {
      const mode = within({ namespace: of.namespace, labels: { ...scope.at.labels, ...of.labels } })
      if (keepsTo(mode, scope.plaintext)) continue
      findings.push(
        warning(
          'mtls-may-loosen',
          where,
          `${describeMode(mode)}: a pod of ${describeWorkloads(of)} that comes into this scope would take plaintext, too`,
          `set ${title(object)} to STRICT, or keep the two apart`,
        ),
      )
    }
  }
  return { findings, strictAlready }
}

interface Judged {
  readonly subject: NamedWorkload
  readonly mode: Effective
}

/** The names of the workloads; for the whole mesh, their namespaces. */
function whoIs({ everywhere }: Workloads, judged: readonly Judged[]): string {
  if (!everywhere) return [...new Set(judged.map(({ subject }) => subject.name))].join(', ')
  const namespaces = [...new Set(judged.map(({ subject }) => subject.namespace))]
  const named = namespaces.filter((name) => name !== ANY)
  const told = named.length === 0 ? [] : [`namespace ${some(named, 10)}`]
  return [...told, ...(named.length < namespaces.length ? ['every namespace without a policy of its own'] : [])].join(', and ')
}

/** Reports the plaintext that the federation file allows, and its effect. */
function plaintextFindings(at: Workloads, after: readonly Judged[], where: Subject): readonly Finding[] {
  const told = (list: typeof after): string => whoIs(at, list)
  const open = after.filter(({ mode }) => !isStrict(mode))
  const deaf = open.filter(({ mode }) => mode.mode === 'DISABLE' && [...mode.ports.values()].every((port) => port === 'DISABLE'))
  const [first] = open
  const [disabled] = deaf
  if (disabled !== undefined) {
    return [
      mtlsDisabled(
        where,
        `${told(deaf)}: ${describeMode(disabled.mode)}`,
        `set ${disabled.mode.decidedBy ?? 'the PeerAuthentication'} to PERMISSIVE or STRICT, or write mtls: enforce`,
      ),
    ]
  }
  return first === undefined
    ? []
    : [
        warning(
          'plaintext-accepted',
          where,
          `${told(open)}: ${describeMode(first.mode)}, as the federation file allows; who comes in plaintext shows no identity, so callers does not hold for them`,
          'write mtls: enforce without exceptions once every caller has a sidecar',
        ),
      ]
}

const selected = (policy: Manifest): Workloads => readWorkloads(policy, 'selector', 'matchLabels')

const ourPolicy = (scope: Inbound, all: readonly PeerPolicy[]): Manifest => {
  const live = all.find((o) => isOurs(o.object) && o.namespace === scope.at.namespace && sameSelector(o, scope))
  const metadata = live?.object.metadata ?? { name: 'entente', namespace: scope.at.namespace }
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata, spec: strictPolicy(scope) }
}

const sameSelector = ({ object }: PeerPolicy, scope: Inbound): boolean => workloadsKey(selected(object)) === workloadsKey(scope.at)

function remedy({ decidedBy }: Effective, { at, strict: enforced }: Inbound): string {
  if (at.everywhere) {
    const policy = decidedBy === undefined ? `create a PeerAuthentication STRICT in ${at.namespace}` : `set ${decidedBy} to STRICT`
    return `${policy}, or name the namespaces that are, one entry for each`
  }
  if (decidedBy === undefined) return 'write mtls: enforce, or create a PeerAuthentication with mode STRICT'
  return enforced
    ? `${decidedBy} is older than ours or more specific, so it wins: set it to STRICT, or remove it`
    : `set ${decidedBy} to STRICT, or write mtls: enforce`
}

/** Reports EnvoyFilters of others that change the same TLS contexts: the last one applies, and it has to be ours. */
function foreignFilters(scope: Inbound, view: MeshView, where: Subject): readonly Finding[] {
  const filters = scope.at.everywhere === true ? view.of('EnvoyFilter') : view.in('EnvoyFilter', scope.at.namespace)
  const touching = filters.filter(
    (object) =>
      !isOurs(object) &&
      list(at(object, 'spec', 'configPatches')).some(
        (patch) =>
          ['FILTER_CHAIN', 'LISTENER'].includes(text(at(patch, 'applyTo'))) &&
          JSON.stringify(at(patch, 'patch') ?? '').includes('transport_socket'),
      ),
  )
  return touching.map((object) =>
    foreignFilter(
      where,
      `${title(object)} touches inbound TLS contexts too: Envoy takes the last one`,
      `look at ${keyOf(object)}; ours has priority 1000`,
      'unknown',
    ),
  )
}

function checkOutbound(
  scope: { from: Inbound['at']; hosts: ReadonlyMap<string, unknown> },
  intent: Intent,
  view: MeshView,
  istio: IstioFacts,
): readonly Finding[] {
  const where = about.scope(describeWorkloads(scope.from), intent.member.name)
  const none = view.podsIn(scope.from).length === 0 ? [noWorkload(where, 'pod')] : []
  return [
    ...rootNamespaceScope(scope.from, istio.rootNamespace, where),
    ...none,
    ...[...scope.hosts.keys()].flatMap((host) => checkHost(host, scope.from, intent.member.name, view, istio)),
  ]
}

/** Reports approved roots that the mesh does not distribute: announced for a rotation, or left over. */
export function announcedRoots(intent: Intent, seen: Observation): readonly Finding[] {
  if (!seen.own.ok || intent.own === undefined) return []
  const live = new Set(seen.own.value.anchors.map((anchor) => anchor.fingerprint))
  return intent.own.anchors
    .filter((anchor) => !live.has(anchor.fingerprint))
    .map((anchor) =>
      info(
        'own-root-announced',
        about.member(intent.member.name),
        `${anchor.fingerprint} is approved for ${ownDomains(intent)[0]} and not (or no longer) among the mesh's own roots`,
        '',
      ),
    )
}
