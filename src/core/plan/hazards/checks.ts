/**
 * Checks the conditions for widening trust in a mesh. Each hazard is one function in a file of its own, and returns
 * findings with their remedies. A finding of severity `error` blocks widening in its scope, and never narrowing.
 */

import type { Finding } from '../../diagnostics/finding.ts'
import { about } from '../../diagnostics/subject.ts'
import { noWorkload } from '../../mesh/mesh-findings.ts'
import { viewOf } from '../../mesh/mesh-view.ts'
import { checkHost } from '../../mesh/services.ts'
import { unguardedFindings } from '../../mesh/unguarded-ports.ts'
import type { IstioFacts, Observation } from '../../model/observed.ts'
import type { Intent, Workloads } from '../../model/wanted.ts'
import { describeWorkloads, workloadsKey } from '../../model/workloads.ts'
import { checkGateway } from '../../trust/gateway-scope.ts'
import { checkMeshWide } from '../../trust/mesh-wide/prerequisites.ts'
import { type Inbound, type MeshState, type Outbound, ownDomains } from '../../trust/state.ts'
import { unknownRoots } from '../../verify/unapproved-roots.ts'
import { type AccountFindings, accountFindings } from './call-accounts.ts'
import type { GatewayContext, Hazard, MeshContext, OutboundContext, ScopeContext } from './hazard.ts'
import { ignoredCrl } from './mesh/ignored-crl.ts'
import { undeclaredDomains } from './mesh/undeclared-domains.ts'
import { competingFilters } from './scopes/competing-filters.ts'
import { gatewaysInScope } from './scopes/gateways-in-scope.ts'
import { hostsOfSeveralDomains } from './scopes/host-domains.ts'
import { modesOf } from './scopes/mtls-modes.ts'
import { type ModeContext, plaintextCallers } from './scopes/plaintext-callers.ts'
import { rootNamespaceScope } from './scopes/root-namespace-scope.ts'
import { spireIdentities } from './scopes/spire-identities.ts'

/** Of a mesh with trusts. */
const MESH: readonly Hazard<MeshContext>[] = [
  ({ seen }) => [seen.istio, seen.own].flatMap((part) => (part.ok ? [] : [part.error])),
  undeclaredDomains,
  ({ intent, seen }) => (intent.own === undefined ? [] : unknownRoots(intent.member.name, intent.own, seen.own)),
  ignoredCrl,
]

const noPods: Hazard<ScopeContext> = ({ pods, where }) => (pods.length === 0 ? [noWorkload(where, 'pod')] : [])

const INBOUND: readonly Hazard<ModeContext>[] = [
  rootNamespaceScope,
  noPods,
  gatewaysInScope,
  ({ at, view, where }) => unguardedFindings(at, view, where, 'warning'),
  spireIdentities,
  plaintextCallers,
  competingFilters,
]

const GATEWAYS: readonly Hazard<GatewayContext>[] = [
  rootNamespaceScope,
  ({ scope, servers, view, where }) => checkGateway(scope, servers, view, where),
]

const OUTBOUND: readonly Hazard<OutboundContext>[] = [
  rootNamespaceScope,
  noPods,
  ({ scope, at, intent, view, istio }) => [...scope.hosts.keys()].flatMap((host) => checkHost(host, at, intent.member.name, view, istio)),
]

const all = <Context>(hazards: readonly Hazard<Context>[], context: Context): readonly Finding[] =>
  hazards.flatMap((hazard) => hazard(context))

/** Findings and blocks against widening: in the whole mesh, or for single sets of workloads. */
export interface Checked {
  readonly findings: readonly Finding[]
  readonly blocked: boolean
  readonly blockedInbound: ReadonlySet<string>
  readonly blockedOutbound: ReadonlySet<string>
  readonly blockedMeshWide: boolean
  /** Sets that a STRICT PeerAuthentication of another owner covers: Entente writes none for them. */
  readonly strictAlready: ReadonlySet<string>
}

export function check(intent: Intent, wanted: MeshState, seen: Observation): Checked {
  const mesh: MeshContext = { intent, seen, view: viewOf(seen) }
  const ofMesh = intent.trusts.length === 0 ? [] : all(MESH, mesh)
  const meshWide = checkMeshWide(intent, seen)
  // Hazards of scopes are facts about pods, which a directory does not show.
  const canLook = intent.member.home?.context !== undefined
  const accounts: AccountFindings = canLook ? accountFindings(intent, mesh.view) : { accept: new Map(), reach: new Map() }
  const inbound = canLook
    ? [...wanted.inbound].map(([key, scope]) => {
        const { findings, strictAlready } = checkInbound(scope, mesh)
        return { scope, strictAlready, findings: [...findings, ...(accounts.accept.get(key) ?? [])] }
      })
    : []
  const { istio } = seen
  const outbound =
    canLook && istio.ok
      ? [...wanted.outbound].map(([key, scope]) => ({
          key,
          findings: [...all(OUTBOUND, outboundContext(scope, mesh, istio.value)), ...(accounts.reach.get(key) ?? [])],
        }))
      : []
  const shared = [...wanted.outbound.values()].flatMap((scope) => hostsOfSeveralDomains(intent.member.name, scope, ownDomains(intent)))
  const blocks = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')
  return {
    findings: [...ofMesh, ...meshWide, ...inbound.flatMap((c) => c.findings), ...outbound.flatMap((c) => c.findings), ...shared],
    blocked: blocks(ofMesh),
    blockedMeshWide: blocks(meshWide),
    blockedInbound: new Set(inbound.filter((c) => blocks(c.findings)).map((c) => workloadsKey(c.scope.at))),
    blockedOutbound: new Set(outbound.filter((c) => blocks(c.findings)).map((c) => c.key)),
    strictAlready: new Set(inbound.filter((c) => c.strictAlready).map((c) => workloadsKey(c.scope.at))),
  }
}

function checkInbound(scope: Inbound, mesh: MeshContext): { readonly findings: readonly Finding[]; readonly strictAlready: boolean } {
  const context = { ...scopeContext(scope.at, mesh), scope }
  if (scope.gateway !== undefined) return { findings: all(GATEWAYS, { ...context, servers: scope.gateway }), strictAlready: false }
  const { view } = mesh
  // A set means its sidecars, and neither gateways nor pods outside the mesh.
  const sidecars = context.pods.filter((pod) => !view.isGateway(pod) && view.hasSidecar(pod))
  const modes = modesOf(scope, sidecars, view, context.rootNamespace)
  return { findings: all(INBOUND, { ...context, sidecars, modes }), strictAlready: modes.strictAlready }
}

const outboundContext = (scope: Outbound, mesh: MeshContext, istio: IstioFacts): OutboundContext => ({
  ...scopeContext(scope.from, mesh),
  scope,
  istio,
})

const scopeContext = (at: Workloads, mesh: MeshContext): ScopeContext => ({
  ...mesh,
  at,
  where: about.scope(describeWorkloads(at), mesh.intent.member.name),
  rootNamespace: mesh.seen.istio.ok ? mesh.seen.istio.value.rootNamespace : mesh.intent.member.istioNamespace,
  pods: mesh.view.podsIn(at),
})
