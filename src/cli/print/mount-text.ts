/** Prints the workloads of `mount`, and the mount in every form in which people keep workloads. */
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
    parts.push('entente mount --rollout restarts one workload at a time and waits for each. Entente restarts nothing without your consent.')
  return stacked(parts, '\n\n')
}

function nextOf({ context, kind, namespace, name, lacking, patch, template, pinned }: Lacking): Part {
  const until = pinned ? 'until then the pinned filter selects it' : 'until then it accepts no foreign identity'
  const does = `one restart gives ${count(lacking.length, 'pod')} the file; ${until}. After that, a change of roots needs no restart and no push, and drains no connections`
  const what = `${kind} ${namespace}/${name}: ${does}`
  if (patch !== undefined) {
    const body = JSON.stringify({ spec: { template: { metadata: patch } } })
    return show`${what}\n  kubectl --context ${context} -n ${namespace} patch ${kind.toLowerCase()} ${name} --type strategic -p '${body}'`
  }
  if (template === 'mounted')
    return show`${what}\n  its template has the mount already: wait for its rollout, or delete its pods (updateStrategy OnDelete)`
  if (kind === 'Pod') return show`${what}\n  no workload owns this pod: recreate it with the label and the annotations of the mount`
  return show`${what}\n  add the label and the annotations of the mount to the pod template of its owner`
}

const indent = (text: string, by: number): string => text.replace(/^(?=.)/gm, ' '.repeat(by))

const yaml = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key}: '${value}'`)
    .join('\n')

/** Every form of the mount, as `render` writes it beside the manifests. It has no input, so the bytes are always the same. */
export function mountGuide(): string {
  const labels = yaml(MOUNT.labels)
  const annotations = yaml(MOUNT.annotations)
  const metadata = `metadata:\n  labels:\n${indent(labels, 4)}\n  annotations:\n${indent(annotations, 4)}`
  const template = `spec:\n  template:\n${indent(metadata, 4)}`
  const patch = (kind: string): string =>
    `  - target: { group: apps, version: v1, kind: ${kind} } # add name, namespace or labelSelector\n    patch: |-\n      apiVersion: apps/v1\n      kind: ${kind}\n      metadata: { name: any }\n${indent(template, 6)}`
  return `# The mount

A mounted scope reaches the pods that have the label and the volume below, and no other. Set both together, in the pod template: a pod with the label
and Envoy rejects the listener of a pod that has the label without the volume. \`entente mount\` lists the pods that lack it. Order: \`entente apply\` (ConfigMaps), then the restart.

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
This form is untested: Entente's test bed has no injector. Try it on one pod before the others; \`entente mount\` shows whether that pod has the mount.

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
