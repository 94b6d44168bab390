/** The input of all rules: the objects of every file, indexed once. */
import { about, type Subject } from '../diagnostics/subject.ts'
import { type Included, includedPaths } from '../federation/expand/included.ts'
import { type Problem, parseFederation } from '../federation/parse.ts'
import { DEFAULT_ROOT_NAMESPACE } from '../mesh/config/mesh-facts.ts'
import { isPlaceholder } from '../mesh/config/unfilled.ts'
import { at, list, text } from '../model/manifest.ts'
import type { Federation, Member } from '../model/wanted.ts'
import type { Anchor } from '../x509/anchor.ts'
import { type FindingOptions, type LintFinding, lintFinding, type RuleCode } from './lint-rules.ts'
import { type Resource, resourcesOf } from './resource.ts'
import { asIstiodReads } from './schema/mesh-reading.ts'
import { type NotRead, notAmong } from './settings/not-read.ts'
import { type Settings, settingsIn } from './settings/settings.ts'
import { type LintFile, type Path, type Source, spotOf, type View, viewOf } from './source.ts'

export interface LintOptions {
  readonly now: Date
  /** The federation file of `-f`. */
  readonly federation?: Source
  /** The files that it includes. Those of other federations are among the manifests. */
  readonly included?: ReadonlyMap<string, Included>
  /** Roots that the mesh's proxies hold now (`--known`). */
  readonly known?: readonly Anchor[]
  /** The member that the manifests belong to. If undefined, lint derives it from their mesh config. */
  readonly member?: string
}

/** A federation that lint found or received, with the positions of its parts. */
export interface Federated {
  readonly federation: Federation
  readonly view: View
}

export interface Context extends LintOptions {
  readonly files: readonly LintFile[]
  readonly resources: readonly Resource[]
  /** By namespace. */
  readonly namespaces: ReadonlyMap<string, readonly Resource[]>
  readonly settings: readonly Settings[]
  /** Settings in a form that lint does not read. */
  readonly notRead: readonly NotRead[]
  readonly federations: readonly Federated[]
  /** One mesh for each command-line argument, by that argument. */
  readonly meshes: ReadonlyMap<string, Mesh>
}

export interface Mesh {
  readonly resources: readonly Resource[]
  readonly settings: readonly Settings[]
  /** Undefined: no mesh config sets it, or several set different values. */
  readonly trustDomain?: string
  /** The first of `rootNamespaces`. */
  readonly rootNamespace: string
  /** The root namespaces that mesh configs name, or Istio's default. Several: the files belong to several meshes. */
  readonly rootNamespaces: readonly [string, ...string[]]
  readonly members: readonly { readonly member: Member; readonly of: Federated }[]
}

export function contextOf(files: readonly LintFile[], options: LintOptions): { context: Context; findings: readonly LintFinding[] } {
  const documents = files.flatMap((file) => file.documents)
  const resources = documents.flatMap(resourcesOf)
  const searched = resources.map((resource) => settingsIn(resource))
  const settings = searched.flatMap((found) => found.settings).map(asIstiodReads)
  const notRead = notAmong(
    searched.flatMap((found) => found.notRead),
    files,
    resources,
  )
  const found = [
    ...(options.federation === undefined ? [] : [viewOf(options.federation)]),
    ...resources.filter((r) => r.group === 'entente.dev' && r.kind === 'Federation' && r.source.file !== options.federation?.file),
  ]
  const read = found.map((view) => ({ view, ...parseFederation(view.value, includedBy(view, files, options)) }))
  const federations = read.flatMap(({ view, ...result }) => ('federation' in result ? [{ view, federation: result.federation }] : []))
  const findings = read.flatMap(({ view, ...result }) =>
    'problems' in result
      ? result.problems.map((problem) =>
          findingAt('federation-invalid', view, lintedPath(problem, view), about.input('Federation'), problemText(problem), {
            hint: problem.hint,
          }),
        )
      : [],
  )
  const meshes = new Map(
    [...new Set(files.map(({ given }) => given))].map((given) => [given, meshOf(given, resources, settings, federations, options)]),
  )
  return { context: { ...options, files, resources, namespaces: byNamespace(resources), settings, notRead, federations, meshes }, findings }
}

function includedBy(
  { source, value }: View,
  files: readonly LintFile[],
  { federation, included }: LintOptions,
): ReadonlyMap<string, Included> {
  if (source === federation && included !== undefined) return included
  const folder = source.file.slice(0, source.file.lastIndexOf('/') + 1)
  return new Map(
    includedPaths(value).flatMap((path): [string, Included][] => {
      const found = files.find(({ file }) => file === folder + path)?.documents[0]
      return found === undefined ? [] : [[path, { value: found.value }]]
    }),
  )
}

/** A problem in an included file is reported where the federation includes the file. */
function lintedPath({ path, file }: Problem, { value }: View): Path {
  if (file === undefined) return path
  const index = list(at(value, 'spec', 'include')).findIndex((entry) => at(entry, 'path') === file)
  return ['spec', 'include', index, 'path']
}

const problemText = ({ path, file, message }: Problem): string => `${file === undefined ? '' : `${file}: `}${path.join('.')}: ${message}`

function byNamespace(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  const all = new Map<string, Resource[]>()
  for (const resource of resources) {
    const those = all.get(resource.namespace)
    if (those === undefined) all.set(resource.namespace, [resource])
    else those.push(resource)
  }
  return all
}

function meshOf(
  given: string,
  all: readonly Resource[],
  allSettings: readonly Settings[],
  federations: readonly Federated[],
  options: LintOptions,
): Mesh {
  const resources = all.filter(({ source }) => source.given === given)
  const settings = allSettings.filter(({ resource }) => resource.source.given === given)
  const domains = [...new Set(settings.flatMap(trustDomainIn))]
  const trustDomain = domains.length === 1 ? domains[0] : undefined
  const named = [...new Set(settings.flatMap(rootNamespaceIn))]
  const rootNamespaces: Mesh['rootNamespaces'] = [named[0] ?? DEFAULT_ROOT_NAMESPACE, ...named.slice(1)]
  const members = federations.flatMap((of) =>
    (memberOf(of.federation, trustDomain, options.member) ?? []).map((member) => ({ member, of })),
  )
  return {
    resources,
    settings,
    rootNamespace: rootNamespaces[0],
    rootNamespaces,
    members,
    ...(trustDomain === undefined ? {} : { trustDomain }),
  }
}

/**
 * The trust domain that the mesh config sets. The ConfigMap is the whole mesh config: without a value, Istio's default.
 */
export function trustDomainIn({ mesh, whole }: Settings): readonly string[] {
  if (mesh === undefined) return []
  const said = text(at(mesh.value, 'trustDomain'))
  if (isPlaceholder(said)) return []
  return said !== '' ? [said] : whole ? ['cluster.local'] : []
}

function rootNamespaceIn({ mesh, whole }: Settings): readonly string[] {
  if (mesh === undefined) return []
  const said = text(at(mesh.value, 'rootNamespace'))
  return said !== '' ? [said] : whole ? [DEFAULT_ROOT_NAMESPACE] : []
}

function memberOf(
  { members, trusts }: Federation,
  trustDomain: string | undefined,
  name: string | undefined,
): readonly Member[] | undefined {
  const all = [...members.values()]
  if (name !== undefined) return all.filter((member) => member.name === name)
  if (trustDomain !== undefined) return all.filter((member) => member.trustDomain === trustDomain)
  const trusters = all.filter((member) => trusts.some(({ truster }) => truster === member.name))
  return trusters.length === 1 ? trusters : undefined
}

export const findingAt = (code: RuleCode, view: View, path: Path, of: Subject, message: string, more: FindingOptions = {}): LintFinding =>
  lintFinding(code, { file: view.source.file, ...spotOf(view, ...path), about: of }, message, more)

/** A finding at a place within an object. */
export const findingIn = (code: RuleCode, resource: Resource, path: Path, message: string, more: FindingOptions = {}): LintFinding =>
  findingAt(code, resource, path, resource.about, message, more)

/** The objects of a namespace from the same command-line argument. */
export const inNamespace = ({ namespaces }: Context, namespace: string, given: string): readonly Resource[] =>
  (namespaces.get(namespace) ?? []).filter(({ source }) => source.given === given)

export const meshFor = ({ meshes }: Context, resource: Resource): Mesh => meshes.get(resource.source.given) as Mesh
