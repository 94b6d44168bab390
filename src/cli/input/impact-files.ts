/** What `impact` reads from files: policies, mesh configs, identities. */

import { readManifests } from '../../adapters/files/manifests.ts'
import { fileError } from '../../adapters/files/write-files.ts'
import { parseMeshConfig } from '../../adapters/kubernetes/read/mesh-config.ts'
import { trimEndOf } from '../../core/basics/trim.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { admissionOf } from '../../core/impact/read-policies.ts'
import type { Admission } from '../../core/impact/situation.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { at, list, text } from '../../core/model/manifest.ts'
import { parseSpiffeId } from '../../core/spiffe/spiffe-id.ts'
import type { Io } from '../io.ts'

/** Every object of these files, directories and stdin. @throws FederationError file-unreadable */
export async function readObjects(paths: readonly string[], io: Io): Promise<readonly Manifest[]> {
  const files = await readManifests(paths, { stdin: () => io.readFile('-') })
  return files.flatMap(({ documents }) =>
    documents.flatMap(({ value, fault, file }) => {
      if (fault !== undefined)
        throw new FederationError('file-unreadable', file, fault.message, {
          hint: 'helm template renders a chart; kubectl get -o yaml prints what a cluster has',
        })
      return flatten(value)
    }),
  )
}

function flatten(value: unknown): readonly Manifest[] {
  if (text(at(value, 'kind')).endsWith('List') && Array.isArray(at(value, 'items'))) return list(at(value, 'items')).flatMap(flatten)
  const named = text(at(value, 'kind')) !== '' && text(at(value, 'apiVersion')) !== '' && text(at(value, 'metadata', 'name')) !== ''
  return named ? [value as Manifest] : []
}

/**
 * A mesh config, alone or where Istio's installers keep it: ConfigMap `istio`, Helm values, IstioOperator, Sail's Istio.
 * @throws FederationError file-unreadable, mesh-config-unreadable, mesh-config-refused
 */
export async function readAdmission(path: string, io: Io): Promise<Admission> {
  const [file] = await readManifests([path], { stdin: () => io.readFile('-') })
  const values = (file?.documents ?? []).map(({ value, fault }) => {
    if (fault === undefined) return value
    throw new FederationError('mesh-config-unreadable', path, fault.message)
  })
  const value = values.find((one) => one !== null && one !== undefined) ?? {}
  const inner =
    at(value, 'data', 'mesh') ??
    at(value, 'spec', 'meshConfig') ??
    at(value, 'spec', 'values', 'meshConfig') ??
    at(value, 'meshConfig') ??
    value
  if (text(at(value, 'kind')) !== '' && inner === value) {
    throw new FederationError('mesh-config-unreadable', path, `is a ${text(at(value, 'kind'))} without a mesh config`, {
      hint: 'kubectl -n istio-system get configmap istio -o yaml',
    })
  }
  return admissionOf(parseMeshConfig(path, [typeof inner === 'string' ? inner : JSON.stringify(inner)], 'template'))
}

export interface WrittenIdentity {
  /** As the file spells it. */
  readonly written: string
  readonly id: string
}

/** One on each line, or a list in JSON or YAML; `spiffe://` may be left out. @throws FederationError file-unreadable, spiffe-id-invalid */
export async function readIdentities(path: string, io: Io): Promise<readonly WrittenIdentity[]> {
  const source = Buffer.from(await read(path, io)).toString('utf8')
  return source
    .split(/[\n,]/)
    .map((line) => line.replace(/#.*/, '').replace(/^[\s[]*(?:- )?["']?/, ''))
    .map((line) => trimEndOf(line, ' \t\r]').replace(/["']$/, ''))
    .filter((line) => line !== '')
    .map((written) => ({ written, id: parseSpiffeId(written.startsWith('spiffe://') ? written : `spiffe://${written}`) }))
}

async function read(path: string, io: Io): Promise<Uint8Array> {
  try {
    return await io.readFile(path)
  } catch (cause) {
    if (cause instanceof FederationError) throw cause
    throw fileError('file-unreadable', path, cause)
  }
}
