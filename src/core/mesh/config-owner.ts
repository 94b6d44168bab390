/**
 * Finds the tool that owns a mesh config. That tool reverts writes by others, so a change must be made in its source.
 */
import type { ConfigOwner } from '../model/observed.ts'
import { trackedBy } from './gitops-owner.ts'

/** Metadata of an object that shows which tool wrote it. */
export interface Source {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Kinds of its ownerReferences. */
  readonly owners: readonly string[]
  /** Field managers that set `data.mesh`, with the time of their last write. */
  readonly managers: readonly { readonly name: string; readonly at: string }[]
}

interface Tool {
  readonly owner: string
  readonly marks: (source: Source) => boolean
  readonly named?: (source: Source) => string | undefined
}

const SAIL = 'the Sail operator'
const RELEASE = 'meta.helm.sh/release-name'

const tracker = ({ name, labels, annotations }: Source): string | undefined =>
  trackedBy({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels, annotations } })

/** The first match is the owner. Argo CD and Flux run Helm, so Helm's marks are present in their objects too. */
const TOOLS: readonly Tool[] = [
  {
    owner: SAIL,
    marks: ({ owners, labels }) => owners.some((o) => /^Istio(Revision)?$/.test(o)) || labels['managed-by'] === 'sail-operator',
  },
  { owner: 'Argo CD', marks: (source) => /^the Argo CD/.test(tracker(source) ?? ''), named: tracker },
  {
    owner: 'Flux',
    marks: ({ labels }) => Object.keys(labels).some((key) => /^(kustomize|helm)\.toolkit\.fluxcd\.io\//.test(key)),
    named: tracker,
  },
  { owner: 'istioctl', marks: ({ labels }) => Object.keys(labels).some((key) => /^(install\.)?operator\.istio\.io\//.test(key)) },
  {
    owner: 'Helm',
    marks: ({ annotations, labels }) => annotations[RELEASE] !== undefined || labels['app.kubernetes.io/managed-by'] === 'Helm',
    named: ({ annotations }) => annotations[RELEASE] && `Helm release ${annotations[RELEASE]}`,
  },
]

export function configOwner(source: Source): ConfigOwner {
  const { name: config, managers } = source
  const tool = TOOLS.find(({ marks }) => marks(source))
  const named = tool?.named?.(source)
  const last = [...managers].sort((a, b) => (a.at < b.at ? 1 : -1))[0]?.name
  return {
    config,
    ...(tool === undefined ? {} : { owner: tool.owner }),
    ...(named ? { named } : {}),
    ...(last === undefined ? {} : { last }),
  }
}

/** For messages: the owner, or else the last writer. */
export const ownerText = ({ owner, named, last }: ConfigOwner): string =>
  named ?? owner ?? `nobody says so; last written by ${last ?? 'somebody unknown'}`

/** The ConfigMap that a revision of istiod reads as its own mesh config. */
export const baseConfig = (revision: string): string => (revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`)

function basesOf(revisions: readonly string[], owners: readonly ConfigOwner[] = []): readonly ConfigOwner[] {
  const bases = new Set(revisions.map(baseConfig))
  return owners.filter(({ config }) => bases.has(config))
}

/** Names the owners of the mesh configs of these revisions. */
export const ownersOf = (revisions: readonly string[], owners?: readonly ConfigOwner[]): string =>
  basesOf(revisions, owners)
    .map((one) =>
      one.owner === undefined
        ? `nobody says whose ConfigMap ${one.config} is, last written by ${one.last ?? 'somebody unknown'}`
        : `ConfigMap ${one.config} belongs to ${ownerText(one)}`,
    )
    .join('; ')

/**
 * Names the owner who must set the values that `mesh` needs, and the command that prints them.
 * @param owners as observed; undefined: not observed
 */
export function whoSets(revisions: readonly string[], owners?: readonly ConfigOwner[]): string {
  const named = ownersOf(revisions, owners)
  const tools = new Set(basesOf(revisions, owners).map(({ owner }) => owner))
  // Argo CD and Flux may render either form, so the owner chooses.
  const format =
    tools.size !== 1 || tools.has(undefined) || tools.has('Argo CD') || tools.has('Flux')
      ? 'helm (or sail)'
      : tools.has(SAIL)
        ? 'sail'
        : 'helm'
  const values = `entente render --out DIR --values ${format} prints what`
  return named === '' ? `${values} the owner of the mesh config must set` : `${named}: ${values} must be set there`
}
