import { describe, expect, it } from 'vitest'
import { trackedBy } from './gitops-owner.ts'

describe('an object is tracked', () => {
  it.each([
    {
      annotations: { 'argocd.argoproj.io/tracking-id': 'mesh:networking.istio.io/EnvoyFilter:sample/x' },
      by: 'the Argo CD application mesh',
    },
    { labels: { 'argocd.argoproj.io/instance': 'mesh' }, by: 'the Argo CD application mesh' },
    {
      labels: { 'kustomize.toolkit.fluxcd.io/name': 'trust', 'kustomize.toolkit.fluxcd.io/namespace': 'flux-system' },
      by: 'the Flux Kustomization flux-system/trust',
    },
    { labels: { 'helm.toolkit.fluxcd.io/name': 'trust' }, by: 'the Flux HelmRelease trust' },
    { labels: { 'app.kubernetes.io/instance': 'helm-sets-this-too' }, by: undefined },
    { by: undefined },
  ])('by $by', ({ by, ...metadata }) => {
    expect(trackedBy({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', ...metadata } as never })).toBe(by)
  })
})
