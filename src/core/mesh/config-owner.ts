/** Who keeps a mesh config as it is: whoever else writes it is undone, so that is where a change has to be made. */
import type { ConfigOwner } from '../model/observed.ts'
import { trackedBy } from './gitops-owner.ts'

/** Who wrote an object, as its metadata tells. */
export interface Source {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Kinds of its owners. */
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

/** The tool in front owns it: Argo CD and Flux run Helm, and its marks stay. */
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

/** For people: whose it is, or what is known instead. */
export const ownerText = ({ owner, named, last }: ConfigOwner): string =>
  named ?? owner ?? `nobody says so; last written by ${last ?? 'somebody unknown'}`

/** The ConfigMap that a revision of istiod reads as its own mesh config. */
export const baseConfig = (revision: string): string => (revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`)

function basesOf(revisions: readonly string[], owners: readonly ConfigOwner[] = []): readonly ConfigOwner[] {
  const bases = new Set(revisions.map(baseConfig))
  return owners.filter(({ config }) => bases.has(config))
}

/** Whose the mesh configs of these revisions are. */
export const ownersOf = (revisions: readonly string[], owners?: readonly ConfigOwner[]): string =>
  basesOf(revisions, owners)
    .map((one) =>
      one.owner === undefined
        ? `nobody says whose ConfigMap ${one.config} is, last written by ${one.last ?? 'somebody unknown'}`
        : `ConfigMap ${one.config} belongs to ${ownerText(one)}`,
    )
    .join('; ')

/** Who must set what `mesh` needs, and what shows it to them. @param owners as they were seen; undefined: they were not */
export function whoSets(revisions: readonly string[], owners?: readonly ConfigOwner[]): string {
  const told = ownersOf(revisions, owners)
  const tools = new Set(basesOf(revisions, owners).map(({ owner }) => owner))
  const format =
    tools.size !== 1 || tools.has(undefined) || tools.has('Argo CD') || tools.has('Flux')
      ? 'helm (or sail)'
      : tools.has(SAIL)
        ? 'sail'
        : 'helm'
  const values = `entente render --out DIR --values ${format} prints what`
  return told === '' ? `${values} the owner of the mesh config must set` : `${told}: ${values} must be set there`
}
