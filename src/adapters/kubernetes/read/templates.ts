/** Deployments, StatefulSets and DaemonSets: reads and changes their pod templates, and reads the state of rollouts. */
import type { Rollout, Template } from '../../../app/ports-templates.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, list, strings, text } from '../../../core/model/manifest.ts'
import type { TemplateMetadata } from '../../../core/trust/mounted/mount.ts'
import { DAEMON_SET, DEPLOYMENT, pathOf, type Resource, STATEFUL_SET } from '../resources.ts'
import type { KubeClient } from '../transport/client.ts'
import { asked } from '../transport/errors.ts'

const KINDS: readonly Resource[] = [DEPLOYMENT, STATEFUL_SET, DAEMON_SET]

export const rolls = (kind: string): boolean => KINDS.some((resource) => resource.kind === kind)

/** Only the labels and annotations of each pod template. @throws FederationError forbidden, cluster-unreachable, … */
export async function listTemplates(client: KubeClient, namespaces: readonly string[]): Promise<readonly Manifest[]> {
  const lists = namespaces.flatMap((namespace) => KINDS.map((resource) => client.list(resource, { namespace })))
  return (await Promise.all(lists)).flat().map(({ apiVersion, kind, metadata, ...fields }) => ({
    apiVersion,
    kind,
    metadata,
    spec: { template: { metadata: { labels: labelsIn(fields), annotations: annotationsIn(fields) } } },
  }))
}

const labelsIn = (of: unknown) => strings(at(of, 'spec', 'template', 'metadata', 'labels'))
const annotationsIn = (of: unknown) => strings(at(of, 'spec', 'template', 'metadata', 'annotations'))

/** Adds labels and annotations to a pod template, so that its owner restarts the pods. */
export async function patchTemplate(client: KubeClient, { kind, namespace, name }: Template, metadata: TemplateMetadata): Promise<void> {
  const resource = resourceOf(kind)
  await client.call(
    {
      method: 'PATCH',
      path: pathOf(resource, namespace, name),
      query: { fieldManager: 'entente-mount', fieldValidation: 'Strict' },
      body: { spec: { template: { metadata } } },
      contentType: 'application/strategic-merge-patch+json',
    },
    asked('patch', resource, namespace, name),
  )
}

/**
 * Evaluated as `kubectl rollout status` does (kubernetes
 * staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
 */
export async function rolloutOf(client: KubeClient, { kind, namespace, name }: Template): Promise<Rollout> {
  // The raw object: the shortened form of an object lacks its generation.
  const object = await client.raw(resourceOf(kind), namespace, name)
  if (object === undefined) return { state: 'stuck', words: 'it was deleted' }
  const spec = (key: string, otherwise = 0): number => numberOr(at(object, 'spec', key), otherwise)
  const status = (key: string): number => numberOr(at(object, 'status', key), 0)
  if (numberOr(at(object, 'metadata', 'generation'), 0) > status('observedGeneration'))
    return { state: 'under way', words: 'its controller has not seen the change yet' }
  if (kind === 'DaemonSet') {
    return counts(status('updatedNumberScheduled'), status('numberAvailable'), status('desiredNumberScheduled'))
  }
  const strategy = text(at(object, 'spec', 'updateStrategy', 'type'))
  if (kind === 'StatefulSet') {
    if (strategy === 'OnDelete') return { state: 'stuck', words: 'its update strategy is OnDelete, so you have to delete its pods' }
    return counts(status('updatedReplicas'), status('readyReplicas'), spec('replicas', 1))
  }
  const progressing = list(at(object, 'status', 'conditions')).find((condition) => at(condition, 'type') === 'Progressing')
  if (at(progressing, 'reason') === 'ProgressDeadlineExceeded') return { state: 'stuck', words: text(at(progressing, 'message')) }
  const old = status('replicas') - status('updatedReplicas')
  if (old > 0) return { state: 'under way', words: `${old} old pods still exist` }
  return counts(status('updatedReplicas'), status('availableReplicas'), spec('replicas', 1))
}

function counts(updated: number, available: number, wanted: number): Rollout {
  const done = updated >= wanted && available >= wanted
  return { state: done ? 'done' : 'under way', words: `${Math.min(updated, available)} of ${wanted} new pods are ready` }
}

const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

function resourceOf(kind: string): Resource {
  const found = KINDS.find((resource) => resource.kind === kind)
  if (found !== undefined) return found
  throw new FederationError('object-invalid', kind, 'is not a kind that restarts its pods')
}
