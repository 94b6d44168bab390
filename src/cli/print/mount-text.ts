/** What `mount` says of workloads, and the mount in each form that people keep their workloads in. */
import type { Lacking } from '../../app/events.ts'

import { MOUNT_LABEL } from '../../core/trust/mounted/bundle-map.ts'
import { MOUNT, VOLUME, VOLUME_MOUNT, VOLUME_NAME } from '../../core/trust/mounted/mount.ts'
import { type Part, type Shown, show, stacked } from './screen.ts'
import { count, painter, table } from './text.ts'

export function mountText(workloads: readonly Lacking[], color = false): Shown {
  const paint = painter(color)
  const rows = workloads.map(({ member, kind, namespace, name, pods, lacking, sets }) => [
    member,
    `${kind} ${namespace}/${name}`,
    paint(lacking.length === 0 ? 'green' : 'yellow', `${pods.length - lacking.length}/${pods.length}`),
    sets.join('; '),
  ])
  const lacking = workloads.filter((workload) => workload.lacking.length > 0)
  const parts: Part[] = [table([['MEMBER', 'WORKLOAD', 'MOUNTED', 'SCOPES'], ...rows]), ...lacking.map(nextOf)]
  if (lacking.length > 0)
    parts.push('entente mount --rollout does it, one workload at a time, and waits for each. Nothing is restarted unasked.')
  return stacked(parts, '\n\n')
}

function nextOf({ context, kind, namespace, name, lacking, patch, template, pinned }: Lacking): Part {
  const until = pinned ? 'until then the pinned filter stays for it' : 'until then nothing foreign is accepted there'
  const does = `one restart gives ${count(lacking.length, 'pod')} the file; ${until}. After it, a change of roots needs no restart, no push and drains nothing`
  const what = `${kind} ${namespace}/${name}: ${does}`
  if (patch !== undefined) {
    const body = JSON.stringify({ spec: { template: { metadata: patch } } })
    return show`${what}\n  kubectl --context ${context} -n ${namespace} patch ${kind.toLowerCase()} ${name} --type strategic -p '${body}'`
  }
  if (template === 'mounted')
    return show`${what}\n  its template has the mount already: its rollout is under way, or its pods are yours to delete`
  if (kind === 'Pod') return show`${what}\n  it is a pod on its own: make it anew with the label and the annotations of the mount`
  return show`${what}\n  whoever owns it adds the label and the annotations of the mount to its pod template`
}

const indent = (text: string, by: number): string => text.replace(/^(?=.)/gm, ' '.repeat(by))

const yaml = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key}: '${value}'`)
    .join('\n')

/** Every form of the mount, as `render` leaves it beside the manifests. A function of nothing: always the same bytes. */
export function mountGuide(): string {
  const labels = yaml(MOUNT.labels)
  const annotations = yaml(MOUNT.annotations)
  const metadata = `metadata:\n  labels:\n${indent(labels, 4)}\n  annotations:\n${indent(annotations, 4)}`
  const template = `spec:\n  template:\n${indent(metadata, 4)}`
  const patch = (kind: string): string =>
    `  - target: { group: apps, version: v1, kind: ${kind} } # add name, namespace or labelSelector\n    patch: |-\n      apiVersion: apps/v1\n      kind: ${kind}\n      metadata: { name: any }\n${indent(template, 6)}`
  return `# The mount

A mounted scope reaches the pods that have the label and the volume below, and no other. Set both together, in the pod template: a pod with the label
and without the volume would be refused its listener. \`entente mount\` shows who lacks it. Order: \`entente apply\` (ConfigMaps), then the restart.

## kubectl

\`\`\`console
$ kubectl -n NAMESPACE patch deployment NAME --type strategic -p '${JSON.stringify({ spec: { template: { metadata: MOUNT } } })}'
\`\`\`

The same for \`statefulset\` and \`daemonset\`. A template that has \`sidecar.istio.io/userVolume\` already: \`entente mount\` prints a patch that keeps its volumes.

## A manifest: Deployment, StatefulSet, DaemonSet

\`\`\`yaml
${template}
\`\`\`

## Kustomize

\`\`\`yaml
patches:
${['Deployment', 'StatefulSet', 'DaemonSet'].map(patch).join('\n')}
\`\`\`

## Helm values, for charts that have podLabels and podAnnotations

\`\`\`yaml
podLabels:
${indent(labels, 2)}
podAnnotations:
${indent(annotations, 2)}
\`\`\`

## An injection template instead of the two annotations

In the values of istiod's chart; pods then carry the label and \`inject.istio.io/templates: sidecar,entente\`.
This form was never run: Entente's test bed has no injector. Try it on one pod first; \`entente mount\` tells whether that has the mount.

\`\`\`yaml
sidecarInjectorWebhook:
  templates:
    entente: |
      metadata:
        labels:
          ${MOUNT_LABEL.key}: ${MOUNT_LABEL.value}
      spec:
        containers:
          - name: istio-proxy
            volumeMounts:
              - { name: ${VOLUME_NAME}, mountPath: ${VOLUME_MOUNT.mountPath}, readOnly: true }
        volumes:
          - name: ${VOLUME_NAME}
            projected:
              sources:
${VOLUME.projected.sources.map(({ configMap }) => `                - configMap: { name: ${configMap.name}, optional: true }`).join('\n')}
\`\`\`
`
}
