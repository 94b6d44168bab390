/** examples/ says where things are, and in which order: as `apply` and `render` write them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { FOLDERS, layoutPath } from '../../src/adapters/directory/layout.ts'
import { readFederationFile } from '../../src/adapters/files/federation-file.ts'
import { parseFederation } from '../../src/core/federation/parse.ts'
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

describe('the order of delivery', () => {
  it('is the same by folder and by sync wave', () => {
    expect(objects.length).toBeGreaterThan(3)
    for (const object of objects) {
      const wave = object.metadata.annotations?.['argocd.argoproj.io/sync-wave']
      expect(layoutPath(object).startsWith(`${FOLDERS[Number(wave)]}/`), layoutPath(object)).toBe(true)
    }
  })
})

describe('examples/teams', () => {
  it('is a federation whose teams own the calls of their namespaces', async () => {
    const { trusts } = await readFederationFile(join(EXAMPLES, 'teams/federation.yaml'))
    const named = trusts.map(({ truster, trusted, until, accept, reach }) => {
      const namespaces = [...accept.map(({ at: { namespace } }) => namespace), ...reach.map(({ from: { namespace } }) => namespace)]
      return `${truster} ${trusted} until ${until?.toISOString().slice(0, 10)}: ${namespaces.join(' ')}`
    })
    expect(named).toEqual([
      'cluster-b partner until 2027-07-01: shop',
      'cluster-b cluster-a until 2028-01-01: shop billing billing',
      'cluster-a cluster-b until 2028-01-01: billing web billing',
    ])
  })
})

describe('docs/federation-file.md', () => {
  const blocks = [
    ...readFileSync(join(EXAMPLES, '../docs/federation-file.md'), 'utf8').matchAll(/```yaml\n(apiVersion|# yaml)([\s\S]*?)```/g),
  ].map(([, first = '', rest = '']) => parse(`${first === 'apiVersion' ? first : '# yaml'}${rest}`) as { kind: string })

  it('shows federation files that are valid', () => {
    const shown = blocks.filter(({ kind }) => kind === 'Federation')
    expect(shown).toHaveLength(2)
    for (const one of shown) expect(parseFederation(one)).toHaveProperty('federation')
  })

  it('shows an included file that is valid', () => {
    const [included] = blocks.filter(({ kind }) => kind === 'Calls')
    const [{ spec }] = blocks as unknown as [{ spec: object }]
    const including = { ...blocks[0], spec: { ...spec, include: [{ path: 'teams/billing.yaml', namespaces: ['billing'] }] } }
    expect(parseFederation(including, new Map([['teams/billing.yaml', { value: included }]]))).toHaveProperty('federation')
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

describe('delivers the whole directory, prunes, and may end with an empty one', () => {
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

describe('docs/exchange.md', () => {
  it('shows members that Entente accepts', () => {
    const page = readFileSync(join(EXAMPLES, '../docs/exchange.md'), 'utf8')
    const members = [...page.matchAll(/```yaml\n( {4}- name: [\s\S]*?)```/g)].map(([, text]) => text)
    expect(members).toHaveLength(2)
    const head = 'apiVersion: entente.dev/v1alpha1\nkind: Federation\nmetadata: { name: shop }\nspec:\n  members:\n'
    expect(parseFederation(parse(`${head}${members.join('')}`))).toHaveProperty('federation')
  })
})
