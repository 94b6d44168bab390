/** Port to the pod templates of one member, and to the rollouts of their owners. */

import type { Manifest } from '../core/model/manifest.ts'
import type { TemplateMetadata } from '../core/trust/mounted/mount.ts'

export interface Template {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export interface Rollout {
  readonly state: 'done' | 'under way' | 'stuck'
  readonly words: string
}

export interface Templates {
  /**
   * Owners of pods, each with the labels and annotations of its pod template.
   * @throws FederationError forbidden, cluster-unreachable, …
   */
  list(namespaces: readonly string[]): Promise<readonly Manifest[]>
  /** True if owners of this kind restart their pods when the template changes. */
  rolls(kind: string): boolean
  /** Adds labels and annotations to a pod template, so that its owner restarts the pods. */
  patch(template: Template, metadata: TemplateMetadata): Promise<void>
  rollout(template: Template): Promise<Rollout>
  close(): void
}
