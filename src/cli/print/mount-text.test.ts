import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Lacking } from '../../app/events.ts'
import { MOUNT } from '../../core/trust/mounted/mount.ts'
import { mountGuide, mountText } from './mount-text.ts'

const blocks = [...mountGuide().matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => parse(yaml))

describe('the mount, as render writes it next to the manifests,', () => {
  const [manifest, kustomize, helm, injection] = blocks

  it('is the same in a manifest, in every Kustomize patch, and in Helm values', () => {
    expect(manifest.spec.template.metadata).toEqual(MOUNT)
    expect(kustomize.patches.map((p: { target: { kind: string } }) => p.target.kind)).toEqual(['Deployment', 'StatefulSet', 'DaemonSet'])
    for (const { patch, target } of kustomize.patches)
      expect(parse(patch)).toMatchObject({ kind: target.kind, spec: { template: { metadata: MOUNT } } })
    expect({ labels: helm.podLabels, annotations: helm.podAnnotations }).toEqual(MOUNT)
  })

  it('is the same volume at the same path in an injection template', () => {
    const template = parse(injection.sidecarInjectorWebhook.templates.entente)
    const [name] = Object.keys(JSON.parse(MOUNT.annotations['sidecar.istio.io/userVolume'] ?? '{}'))
    const volume = JSON.parse(MOUNT.annotations['sidecar.istio.io/userVolume'] ?? '{}')[name ?? '']
    const mount = JSON.parse(MOUNT.annotations['sidecar.istio.io/userVolumeMount'] ?? '{}')[name ?? '']
    expect(template).toEqual({
      metadata: { labels: MOUNT.labels },
      spec: { containers: [{ name: 'istio-proxy', volumeMounts: [{ name, ...mount }] }], volumes: [{ name, ...volume }] },
    })
  })
})

describe('the text of mount', () => {
  const workload: Lacking = {
    member: 'cluster-b' as Lacking['member'],
    context: 'ctx-b',
    namespace: 'sample',
    kind: 'Deployment',
    name: 'server',
    sets: ['sample (app=server)'],
    pods: ['server-1', 'server-2'],
    lacking: ['server-1'],
    pinned: true,
  }

  it.each([
    {
      name: 'has a patch for a template without the mount',
      of: { ...workload, patch: MOUNT },
      says: /kubectl --context ctx-b -n sample patch deployment server --type strategic -p '\{"spec"/,
    },
    { name: 'says that a rollout is in progress', of: { ...workload, template: 'mounted' as const }, says: /has the mount already/ },
    { name: 'says that a pod without a controller must be recreated', of: { ...workload, kind: 'Pod' }, says: /no workload owns this pod/ },
    {
      name: 'says that the owner of any other kind adds the mount',
      of: { ...workload, kind: 'Rollout' },
      says: /to the pod template of its owner/,
    },
    { name: 'says that the pinned filter still selects the pod', of: workload, says: /until then the pinned filter selects it/ },
    {
      name: 'says that the pod accepts no foreign identity',
      of: { ...workload, pinned: false },
      says: /until then it accepts no foreign identity/,
    },
  ])('$name', ({ of, says }) => {
    expect(String(mountText([of]))).toMatch(says)
  })

  it('requires nothing if all have the mount', () => {
    expect(String(mountText([{ ...workload, lacking: [] }]))).toMatch(/2\/2/)
    expect(String(mountText([{ ...workload, lacking: [] }]))).not.toContain('--rollout')
  })
})
