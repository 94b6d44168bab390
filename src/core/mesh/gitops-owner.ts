/** Objects that a GitOps tool holds to what Git says: it undoes what anybody else writes. */
import { type Finding, warning } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import { title } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'

/**
 * Who tracks an object, for people; undefined when nobody does, as far as its metadata tells. Argo CD marks by annotation
 * `argocd.argoproj.io/tracking-id` or label `argocd.argoproj.io/instance` (docs/user-guide/resource_tracking.md), Flux by
 * labels `kustomize.toolkit.fluxcd.io/name` and `helm.toolkit.fluxcd.io/name` (fluxcd/pkg ssa).
 */
export function trackedBy({ metadata: { labels = {}, annotations = {} } }: Manifest): string | undefined {
  const [application] = (annotations['argocd.argoproj.io/tracking-id'] ?? '').split(':')
  const argo = application || labels['argocd.argoproj.io/instance']
  if (argo) return `the Argo CD application ${argo}`
  const kustomization = labels['kustomize.toolkit.fluxcd.io/name']
  if (kustomization) return `the Flux Kustomization ${named(labels['kustomize.toolkit.fluxcd.io/namespace'], kustomization)}`
  const release = labels['helm.toolkit.fluxcd.io/name']
  return release ? `the Flux HelmRelease ${named(labels['helm.toolkit.fluxcd.io/namespace'], release)}` : undefined
}

/** What a hand-made write of a tracked object comes to. */
export function undoneBy(member: MemberName, object: Manifest): readonly Finding[] {
  const tool = trackedBy(object)
  if (tool === undefined) return []
  return [
    warning(
      'gitops-tracked',
      `${member}: ${title(object)}`,
      `${tool} tracks it, and puts back what Git says at its next sync`,
      'commit federation.yaml and what entente render writes; or pause that tool',
    ),
  ]
}

const named = (namespace: string | undefined, name: string): string => (namespace === undefined ? name : `${namespace}/${name}`)
