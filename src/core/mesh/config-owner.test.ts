import { describe, expect, it } from 'vitest'
import { configOwner, ownerText, type Source, whoSets } from './config-owner.ts'

const source = (more: Partial<Source> = {}): Source => ({ name: 'istio', labels: {}, annotations: {}, owners: [], managers: [], ...more })
const RELEASE = { 'meta.helm.sh/release-name': 'istiod' }

describe('the owner of a mesh config', () => {
  it.each([
    ['a Helm release', { annotations: RELEASE }, 'Helm release istiod'],
    ['Helm, by its label', { labels: { 'app.kubernetes.io/managed-by': 'Helm' } }, 'Helm'],
    ['the Sail operator, which runs Helm', { annotations: RELEASE, owners: ['IstioRevision'] }, 'the Sail operator'],
    [
      'Argo CD, which runs Helm',
      { annotations: { ...RELEASE, 'argocd.argoproj.io/tracking-id': 'mesh:/ConfigMap:x/istio' } },
      'the Argo CD application mesh',
    ],
    ['Flux, which runs Helm', { annotations: RELEASE, labels: { 'helm.toolkit.fluxcd.io/name': 'istiod' } }, 'the Flux HelmRelease istiod'],
    ['istioctl', { labels: { 'install.operator.istio.io/owning-resource': 'unknown' } }, 'istioctl'],
    [
      'an unknown owner',
      {
        managers: [
          { name: 'kubectl-edit', at: '2026-02-01T00:00:00Z' },
          { name: 'terraform', at: '2026-01-01T00:00:00Z' },
        ],
      },
      'nobody says so; last written by kubectl-edit',
    ],
    ['no owner', {}, 'nobody says so; last written by somebody unknown'],
  ])('is known: %s', (_, more, says) => {
    expect(ownerText(configOwner(source(more)))).toBe(says)
  })

  it('is known for each revision, by its own ConfigMap', () => {
    const owners = [configOwner(source({ annotations: RELEASE })), configOwner(source({ name: 'istio-canary', owners: ['IstioRevision'] }))]
    expect(whoSets(['canary'], owners)).toMatch(/^ConfigMap istio-canary belongs to the Sail operator: .*--values sail /)
    expect(whoSets(['default', 'canary'], owners)).toMatch(
      /^ConfigMap istio belongs to Helm release istiod; ConfigMap istio-canary belongs to the Sail operator: .*--values helm \(or sail\) /,
    )
  })
})
