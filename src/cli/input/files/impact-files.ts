/** What `impact` reads from files: policies, mesh configs, identities. */

import { nameOf } from '../../../adapters/files/input-text.ts'
import { readManifests } from '../../../adapters/files/manifests.ts'
import { fileError } from '../../../adapters/files/write-files.ts'
import { parseMeshConfig } from '../../../adapters/kubernetes/read/mesh-config.ts'
import type { FileImpactInput } from '../../../app/inspect/impact-of-files.ts'
import type { WrittenIdentity } from '../../../app/inspect/impact-question.ts'
import { trimEndOf } from '../../../core/basics/trim.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import { admissionOf } from '../../../core/impact/read-policies.ts'
import type { Admission } from '../../../core/impact/situation.ts'
import { meshConfigsIn } from '../../../core/lint/settings/mesh-configs.ts'
import { shownPlaceholder } from '../../../core/lint/settings/placeholder.ts'
import { type LintFile, spotOf } from '../../../core/lint/source.ts'
import { isPlaceholder } from '../../../core/mesh/config/unfilled.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, list, text, title } from '../../../core/model/manifest.ts'
import { parseSpiffeId } from '../../../core/spiffe/spiffe-id.ts'
import type { Io } from '../../io.ts'

export interface ImpactFileOptions {
  /** AuthorizationPolicies, instead of those of clusters. */
  readonly policies?: readonly string[]
  /** The current mesh config. */
  readonly mesh?: string
  /** The mesh config after the change. */
  readonly meshAfter?: string
  readonly trusted?: string
}

/** The files of a question that no cluster answers; undefined if no flag names one. @throws FederationError usage, and as below */
export async function readImpactFiles(
  { policies, mesh, meshAfter, trusted }: ImpactFileOptions,
  io: Io,
): Promise<Pick<FileImpactInput, 'objects' | 'mesh' | 'meshAfter'> | undefined> {
  if (policies === undefined && mesh === undefined && meshAfter === undefined) return undefined
  const usage = (flag: string, message: string, hint: string) => new FederationError('usage', flag, message, { hint })
  if (policies === undefined)
    throw usage('--policies', 'is missing: pass the policies to evaluate', 'kubectl get authorizationpolicies -A -o yaml > policies.yaml')
  if (mesh === undefined)
    throw usage('--mesh', 'is missing: pass the current mesh config', 'kubectl -n istio-system get configmap istio -o yaml > mesh.yaml')
  if ((meshAfter === undefined) === (trusted === undefined))
    throw usage(
      '--mesh-after',
      'requires a change: the future mesh config, or --trusted DOMAIN with --as pinned, mesh or alias',
      'entente impact --policies policies.yaml --mesh mesh.yaml --trusted cluster-a.example --as mesh',
    )
  const [objects, before] = [await readObjects(policies, io), await readAdmission(mesh, io)]
  return { objects, mesh: before, ...(meshAfter === undefined ? {} : { meshAfter: await readAdmission(meshAfter, io) }) }
}

/**
 * Every object of these files, directories and stdin. What is no object is refused where nothing else is there: no object is an
 * answer only as a List without items.
 * @throws FederationError file-unreadable
 */
async function readObjects(paths: readonly string[], io: Io): Promise<readonly Manifest[]> {
  const files = await readManifests(paths, { stdin: () => io.readFile('-') })
  const values = readable(files, 'file-unreadable').flatMap(({ documents }) => documents.map(({ value }) => value))
  if (!values.some((value) => text(at(value, 'kind')) !== '' || Array.isArray(value)))
    throw new FederationError('file-unreadable', paths.map(nameOf).join(', '), 'holds no Kubernetes object, so nothing could be judged', {
      hint: 'kubectl get authorizationpolicies -A -o yaml',
    })
  return values.flatMap(flatten)
}

/** @throws FederationError of this code, where a document cannot be read */
function readable(files: readonly LintFile[], code: 'file-unreadable' | 'mesh-config-unreadable'): readonly LintFile[] {
  for (const { fault, file } of files.flatMap(({ documents }) => documents))
    if (fault !== undefined)
      throw new FederationError(code, about.file(nameOf(file)), fault.message, {
        hint: 'helm template renders a chart; kubectl get -o yaml prints what a cluster has',
      })
  return files
}

function flatten(value: unknown): readonly Manifest[] {
  if (Array.isArray(value)) return value.flatMap(flatten)
  if (text(at(value, 'kind')).endsWith('List') && Array.isArray(at(value, 'items'))) return list(at(value, 'items')).flatMap(flatten)
  const named = text(at(value, 'kind')) !== '' && text(at(value, 'apiVersion')) !== '' && text(at(value, 'metadata', 'name')) !== ''
  if (!named && at(value, 'kind') === 'AuthorizationPolicy')
    throw new FederationError(
      'file-unreadable',
      'AuthorizationPolicy',
      'one has no apiVersion or no metadata.name, so it could not be judged',
      {
        hint: 'give both; kubectl get authorizationpolicies -A -o yaml prints them',
      },
    )
  return named ? [filledIn(value as Manifest)] : []
}

/** @throws FederationError file-unreadable: a policy whose names are yet to be filled in means nobody, and would be judged so */
function filledIn(object: Manifest): Manifest {
  if (object.kind !== 'AuthorizationPolicy') return object
  const open = placeholderIn(object)
  if (open === undefined) return object
  throw new FederationError('file-unreadable', title(object), `names ${open}: a placeholder is no name, so it cannot be judged`, {
    hint: 'give what is rendered: flux build, kustomize build, helm template, envsubst',
  })
}

function placeholderIn(policy: Manifest): string | undefined {
  const named = list(at(policy, 'spec', 'rules')).flatMap((rule) => [
    ...list(at(rule, 'from')).flatMap((from) => Object.values(Object(at(from, 'source'))).flatMap(list)),
    ...list(at(rule, 'when')).flatMap((when) =>
      text(at(when, 'key')).startsWith('source.') ? [at(when, 'values'), at(when, 'notValues')].flatMap(list) : [],
    ),
  ])
  return named.filter(isPlaceholder).map((name) => shownPlaceholder(text(name)))[0]
}

/**
 * The mesh config of a file, of a directory or of stdin: alone, or in any form that lint reads (docs/lint.md). There is exactly
 * one: none is refused as well as two that differ.
 * @throws FederationError file-unreadable, mesh-config-unreadable, mesh-config-refused
 */
async function readAdmission(path: string, io: Io): Promise<Admission> {
  const files = await readManifests([path], { stdin: () => io.readFile('-') })
  const { meshes, notRead, strangers } = meshConfigsIn(readable(files, 'mesh-config-unreadable'))
  const refuse = (message: string, hint: string): never => {
    throw new FederationError('mesh-config-unreadable', about.file(nameOf(path)), message, { hint })
  }
  const [open] = notRead
  const [first, ...others] = [...new Map(meshes.map((mesh) => [JSON.stringify(mesh.layers), mesh])).values()]
  if (first === undefined)
    return refuse(
      open === undefined ? 'holds no mesh config' : `holds no mesh config that could be read: ${open.resource.title}: ${open.message}`,
      'kubectl -n istio-system get configmap istio -o yaml prints the one that istiod reads',
    )
  if (others.length > 0) {
    const names = [first, ...others].slice(0, 3).map(({ title, spot }) => `${title} (line ${spot.line})`)
    return refuse(
      `holds ${others.length + 1} mesh configs that differ: ${names.join(', ')}`,
      'give the one that is meant in a file of its own',
    )
  }
  const [stranger] = files.length === 1 ? strangers : []
  if (stranger !== undefined)
    return refuse(`has a document that is no mesh config (line ${spotOf(stranger).line})`, 'give the mesh config in a file of its own')
  if (open !== undefined) io.report(`${nameOf(path)}: ${open.resource.title}: ${open.message}`)
  return admissionOf(parseMeshConfig(nameOf(path), first.layers, 'template'))
}

/** One on each line, or a list in JSON or YAML; `spiffe://` may be left out. @throws FederationError file-unreadable, spiffe-id-invalid */
export async function readIdentities(path: string, io: Io): Promise<readonly WrittenIdentity[]> {
  const source = Buffer.from(await read(path, io)).toString('utf8')
  const identities = source
    .split(/[\n,]/)
    .map((line) => line.replace(/#.*/, '').replace(/^[\s[]*(?:- )?["']?/, ''))
    .map((line) => trimEndOf(line, ' \t\r]').replace(/["']$/, ''))
    .filter((line) => line !== '')
    .map((written) => ({ written, id: parseSpiffeId(written.startsWith('spiffe://') ? written : `spiffe://${written}`) }))
  if (identities.length > 0) return identities
  throw new FederationError('file-unreadable', about.file(nameOf(path)), 'holds no SPIFFE ID', {
    hint: 'write one on each line, such as spiffe://cluster-a.example/ns/sample/sa/client',
  })
}

async function read(path: string, io: Io): Promise<Uint8Array> {
  try {
    return await io.readFile(path)
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw fileError('file-unreadable', path, cause)
  }
}
