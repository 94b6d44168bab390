/** The shape of a hazard: a function from a mesh, or from one of its scopes, to findings. An error stops widening there. */
import type { Finding } from '../../diagnostics/finding.ts'
import type { Subject } from '../../diagnostics/subject.ts'
import type { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { IstioFacts, Observation } from '../../model/observed.ts'
import type { Intent, Server, Workloads } from '../../model/wanted.ts'
import type { Inbound, Outbound } from '../../trust/state.ts'

export type Hazard<Context> = (context: Context) => readonly Finding[]

export interface MeshContext {
  readonly intent: Intent
  readonly seen: Observation
  readonly view: MeshView
}

/** One set of workloads, for hazards of both directions. */
export interface ScopeContext extends MeshContext {
  readonly at: Workloads
  /** The scope, as findings name it. */
  readonly where: Subject
  /** As the mesh config says; the federation file names the namespace of istiod only. */
  readonly rootNamespace: string
  /** All pods of the set. */
  readonly pods: readonly Manifest[]
}

/** A set of workloads that accepts foreign callers. */
export interface InboundContext extends ScopeContext {
  readonly scope: Inbound
  /** Its pods, without gateways and pods that have no sidecar. */
  readonly sidecars: readonly Manifest[]
}

/** A set of gateways whose named servers accept foreign callers. */
export interface GatewayContext extends ScopeContext {
  readonly scope: Inbound
  readonly servers: readonly Server[]
}

/** A set of workloads that calls foreign hosts. */
export interface OutboundContext extends ScopeContext {
  readonly scope: Outbound
  readonly istio: IstioFacts
}
