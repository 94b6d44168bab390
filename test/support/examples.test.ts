/** examples/ says where things are, and in which order: as `apply` and `render` write them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { FOLDERS, layoutPath } from '../../src/adapters/directory/layout.ts'
import { at } from '../../src/core/model/manifest.ts'
import { render } from '../../src/core/trust/render.ts'
import { A, authority, B, federation, wanted } from './federations.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')
const documents = (file: string): readonly unknown[] =>
  parseAllDocuments(readFileSync(join(EXAMPLES, file), 'utf8')).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })

const bundles = (await Promise.all([authority(A), authority(B)])).map(({ bundle }) => bundle)
const objects = wanted(federation(), ...bundles).flatMap(render)

describe('the order of what is delivered', () => {
  it('is the same by folder and by sync wave', () => {
    expect(objects.length).toBeGreaterThan(3)
    for (const object of objects) {
      const wave = object.metadata.annotations?.['argocd.argoproj.io/sync-wave']
      expect(layoutPath(object).startsWith(`${FOLDERS[Number(wave)]}/`), layoutPath(object)).toBe(true)
    }
  })
})

describe('examples/flux', () => {
  it('delivers every folder, each after the one before it, and prunes', () => {
    const all = documents('flux/kustomizations.yaml')
    expect(all.map((one) => at(one, 'spec', 'path'))).toEqual(FOLDERS.map((folder) => `./clusters/cluster-b/${folder}`))
    for (const [i, one] of all.entries()) {
      expect(one).toMatchObject({ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', spec: { prune: true, wait: true } })
      const before = at(all[i - 1], 'metadata', 'name')
      expect(at(one, 'spec', 'dependsOn')).toEqual(before === undefined ? undefined : [{ name: before }])
    }
  })
})

describe('examples/argocd', () => {
  it('delivers the whole directory, prunes, and may end with nothing', () => {
    const [application] = documents('argocd/application.yaml')
    expect(application).toMatchObject({
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'Application',
      spec: {
        source: { path: 'clusters/cluster-b', directory: { recurse: true } },
        syncPolicy: { automated: { prune: true, allowEmpty: true }, syncOptions: expect.arrayContaining(['ServerSideApply=true']) },
      },
    })
  })
})
