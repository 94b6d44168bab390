/** Finds objects that a GitOps tool tracks. The tool reverts manual writes to what Git has. */
import { type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Manifest } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'

/**
 * Names the tool that tracks an object; undefined if its metadata names none.
 * - Argo CD sets annotation `argocd.argoproj.io/tracking-id` or label `argocd.argoproj.io/instance`
 *   (docs/user-guide/resource_tracking.md).
 * - Flux sets labels `kustomize.toolkit.fluxcd.io/name` and `helm.toolkit.fluxcd.io/name` (fluxcd/pkg ssa).
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

/** Warns that the tool reverts a manual write of a tracked object. */
export function undoneBy(member: MemberName, object: Manifest): readonly Finding[] {
  const tool = trackedBy(object)
  if (tool === undefined) return []
  return [
    warning(
      'gitops-tracked',
      about.object(object, member),
      `${tool} tracks it, and puts back what Git says at its next sync`,
      'commit federation.yaml and what entente render writes; or pause that tool',
    ),
  ]
}

const named = (namespace: string | undefined, name: string): string => (namespace === undefined ? name : `${namespace}/${name}`)
