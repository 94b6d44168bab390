import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Mesh } from '../../app/ports.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Member } from '../../core/model/wanted.ts'
import { directoryMesh, gitDelivered } from './mesh.ts'
import { writeTree } from './render-tree.ts'

const MEMBER = { name: 'cluster-a', istioNamespace: 'istio-system' } as Member
const OURS = { 'app.kubernetes.io/managed-by': 'entente' }

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'tree-'))
const map = (name: string, value: string, labels: Record<string, string> = OURS): Manifest => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'sample', labels },
  data: { value },
})
const step = (before: Manifest | undefined, after: Manifest | undefined): Step =>
  ({ phase: 'guard', ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }) as Step
const write = (mesh: Mesh, before: Manifest | undefined, after: Manifest | undefined) =>
  mesh.write(step(before, after), { forceConflicts: false })
const objects = async (mesh: Mesh) => (await mesh.observe({ namespaces: [] })).objects
const names = async (mesh: Mesh) => {
  const seen = await objects(mesh)
  return seen.ok ? seen.value.map((o) => o.metadata.name) : seen.error.code
}

describe('a member that is a directory', () => {
  it('stores each written object in its own file, under the reason for it', async () => {
    const path = join(await folder(), 'cluster-a')
    const mesh = directoryMesh({ member: MEMBER, path, why: () => 'roots of b' })
    await write(mesh, undefined, map('x', 'one'))
    await write(mesh, map('x', 'one'), map('x', 'two'))
    expect(await readFile(join(path, '10-guard/configmap-sample-x.yaml'), 'utf8')).toMatch(/^# roots of b\napiVersion: v1\n/)
    expect(await objects(mesh)).toMatchObject({ ok: true, value: [map('x', 'two')] })
    await write(mesh, map('x', 'two'), undefined)
    expect([await names(mesh), await readdir(join(path, '10-guard')), await readdir(join(path, '20-open'))]).toEqual([
      [],
      ['.keep'],
      ['.keep'],
    ])
  })

  it('can be read while another process removes files', async () => {
    const path = await folder()
    const files = Array.from({ length: 300 }, (_, i) => join(path, `x${i}.yaml`))
    await Promise.all(files.map((file, i) => writeFile(file, JSON.stringify(map(`x${i}`, '1')))))
    const mesh = directoryMesh({ member: MEMBER, path })
    const [seen] = await Promise.all([mesh.observe({ namespaces: [] }), ...files.map((file) => rm(file))])
    expect(seen.objects).toMatchObject({ ok: true })
    expect(await names(mesh)).toEqual([])
  })

  it('accepts the writes of one phase in parallel', async () => {
    const path = await folder()
    const homes = [directoryMesh({ member: MEMBER, path }), gitDelivered(directoryMesh({ member: MEMBER, path }), { member: MEMBER, path })]
    for (const [i, mesh] of homes.entries()) {
      await Promise.all(['x', 'y', 'z'].map((name) => write(mesh, undefined, map(`${name}${i}`, 'one'))))
    }
    expect(await names(directoryMesh({ member: MEMBER, path }))).toEqual(['x0', 'x1', 'y0', 'y1', 'z0', 'z1'])
  })

  it('knows nothing about live proxies', async () => {
    const mesh = directoryMesh({ member: MEMBER, path: await folder() })
    const { own, istio, proxies } = await mesh.observe({ namespaces: [] })
    for (const one of [own, istio, proxies, await mesh.proxies({ namespaces: [] })]) {
      expect(one).toMatchObject({ ok: false, error: { code: 'not-checked', severity: 'info', subject: 'cluster-a' } })
    }
    expect(mesh.live).toBe(false)
  })

  it.each([
    { name: 'was created', before: undefined, after: map('x', 'wanted') },
    { name: 'was changed', before: map('x', 'planned'), after: map('x', 'wanted') },
    { name: 'was changed', before: map('x', 'planned'), after: undefined },
  ])('refuses to overwrite an object that $name', async ({ name, before, after }) => {
    const mesh = directoryMesh({ member: MEMBER, path: await folder() })
    await write(mesh, undefined, map('x', 'there'))
    await expect(write(mesh, before, after)).rejects.toMatchObject({ code: 'changed-meanwhile', message: expect.stringContaining(name) })
  })

  it('counts an object that already matches as written', async () => {
    const mesh = directoryMesh({ member: MEMBER, path: await folder() })
    await write(mesh, undefined, map('x', 'one'))
    await write(mesh, undefined, map('x', 'one'))
    await write(mesh, map('gone', 'one'), undefined)
    expect(await names(mesh)).toEqual(['x'])
  })

  it('reads foreign objects, lists and files with several documents, and skips files without objects', async () => {
    const path = await folder()
    await mkdir(join(path, 'apps/deep'), { recursive: true })
    await writeFile(
      join(path, 'apps/deep/two.yml'),
      `${JSON.stringify(map('a', '1', {}))}\n---\nkind: List\napiVersion: v1\nitems: [${JSON.stringify(map('b', '1', {}))}]\n`,
    )
    await writeFile(join(path, 'values.yaml'), 'replicas: 3\n')
    await writeFile(join(path, 'README.md'), '{{ not yaml')
    expect(await names(directoryMesh({ member: MEMBER, path }))).toEqual(['a', 'b'])
  })

  it('does not change a file that also holds foreign objects', async () => {
    const path = await folder()
    await writeFile(join(path, 'all.yaml'), `${JSON.stringify(map('x', '1'))}\n---\n${JSON.stringify(map('other', '1', {}))}\n`)
    const mesh = directoryMesh({ member: MEMBER, path })
    await expect(write(mesh, map('x', '1'), undefined)).rejects.toMatchObject({ code: 'object-invalid', subject: join(path, 'all.yaml') })
  })

  it('writes an object to the file that it was moved to', async () => {
    const path = await folder()
    await writeFile(join(path, 'moved.yaml'), JSON.stringify(map('x', '1')))
    const mesh = directoryMesh({ member: MEMBER, path })
    await write(mesh, map('x', '1'), map('x', '2'))
    expect(await readdir(path)).toEqual(['moved.yaml'])
  })
})

describe('a tree that cannot be read is not treated as empty', () => {
  const failing: [string, (path: string) => Promise<unknown>, string][] = [
    ['a file that is not YAML, with its line', (path) => writeFile(join(path, 'bad.yaml'), 'a: 1\nb: [\nc: }\n'), 'bad.yaml:3'],
    [
      'the same object twice',
      async (path) => {
        await writeFile(join(path, 'a.yaml'), JSON.stringify(map('x', '1')))
        await writeFile(join(path, 'b.yaml'), JSON.stringify(map('x', '2')))
      },
      'b.yaml',
    ],
    ['a file of more than 1 MiB', (path) => writeFile(join(path, 'big.yaml'), `a: ${'x'.repeat(1 << 20)}`), 'big.yaml'],
    ['a link out of the tree', (path) => symlink('/etc', join(path, 'etc')), 'etc'],
    ['a link to nowhere', (path) => symlink('nowhere', join(path, 'link.yaml')), 'link.yaml'],
    [
      'aliases that expand exponentially',
      (path) =>
        writeFile(
          join(path, 'bomb.yaml'),
          `a: &a [x]\n${[...'bcdefghij'].map((c, i) => `${c}: &${c} [${Array(10).fill(`*${'abcdefghi'[i]}`).join(',')}]`).join('\n')}\n`,
        ),
      'bomb.yaml',
    ],
  ]
  it.each(failing)('%s', async (_, make, where) => {
    const path = await folder()
    await make(path)
    const seen = await objects(directoryMesh({ member: MEMBER, path }))
    expect(seen).toMatchObject({ ok: false, error: { code: 'file-unreadable', subject: join(path, where) } })
  })

  it('reports a directory whose parent is missing, too', async () => {
    const path = join(await folder(), 'typo', 'cluster-a')
    expect(await objects(directoryMesh({ member: MEMBER, path }))).toMatchObject({ ok: false, error: { code: 'file-unreadable' } })
  })

  it('treats a directory that does not exist yet as empty if its parent exists', async () => {
    const path = join(await folder(), 'cluster-a')
    expect(await objects(directoryMesh({ member: MEMBER, path }))).toEqual({ ok: true, value: [] })
  })
})

describe('the record’s witness in a directory', () => {
  const head = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest

  it('moves only from the head that the caller read', async () => {
    const path = await folder()
    const mesh = directoryMesh({ member: MEMBER, path })
    expect(await mesh.witness()).toBeUndefined()
    await mesh.moveWitness(undefined, head('a'))
    await expect(mesh.moveWitness(undefined, head('b'))).rejects.toMatchObject({ code: 'record-busy' })
    expect(await mesh.witness()).toBe(head('a'))
    expect(await names(mesh)).toEqual([])
  })

  it('accepts exactly one of many concurrent writers', async () => {
    const mesh = directoryMesh({ member: MEMBER, path: await folder() })
    const results = await Promise.allSettled(['1', '2', '3', '4', '5'].map((digit) => mesh.moveWitness(undefined, head(digit))))
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1)
    for (const r of results) if (r.status === 'rejected') expect(r.reason).toMatchObject({ code: 'record-busy' })
  })
})

describe('the records’ witness in a directory of two owners', () => {
  const head = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest
  const homes = async () => {
    const path = await folder()
    const [shop, bank] = ['shop', 'bank'].map((owner) => directoryMesh({ member: MEMBER, path, owner })) as [Mesh, Mesh]
    return { path, file: join(path, '.entente-record'), shop, bank }
  }

  it('stores one head per owner; neither owner reads the other’s', async () => {
    const { file, shop, bank } = await homes()
    await shop.moveWitness(undefined, head('a'))
    expect(await bank.witness()).toBeUndefined()
    await bank.moveWitness(undefined, head('b'))
    await shop.moveWitness(head('a'), head('c'))
    expect([await shop.witness(), await bank.witness()]).toEqual([head('c'), head('b')])
    expect(await readFile(file, 'utf8')).toBe(`bank ${head('b')}\nshop ${head('c')}\n`)
  })

  it('moves both heads at once: a writer waits for the other’s lock, not for its head', async () => {
    const { shop, bank } = await homes()
    for (let i = 0; i < 10; i++) {
      const [a, b] = [await shop.witness(), await bank.witness()]
      await Promise.all([shop.moveWitness(a, head(`${i}`)), bank.moveWitness(b, head(`${i}`))])
    }
    expect([await shop.witness(), await bank.witness()]).toEqual([head('9'), head('9')])
  })

  it('from before heads were stored per owner counts as the owner’s until the next move', async () => {
    const { path, file, shop, bank } = await homes()
    await directoryMesh({ member: MEMBER, path }).moveWitness(undefined, head('a'))
    expect(await readFile(file, 'utf8')).toBe(`${head('a')}\n`)
    await expect(shop.moveWitness(undefined, head('b'))).rejects.toMatchObject({ code: 'record-busy' })
    await shop.moveWitness(head('a'), head('b'))
    expect(await bank.witness()).toBeUndefined()
    expect(await readFile(file, 'utf8')).toBe(`shop ${head('b')}\n`)
  })

  it.each(['', 'hello\n', 'shop hello\n', 'shop \n', 'shop sha256:\n', `shop ${head('a')} more\n`, '\u0000'])(
    'is reported as broken if somebody edited it: %j',
    async (text) => {
      const { file, shop } = await homes()
      await writeFile(file, text)
      await expect(shop.witness()).rejects.toMatchObject({ code: 'record-broken' })
      await expect(shop.moveWitness(undefined, head('b'))).rejects.toMatchObject({ code: 'record-broken' })
    },
  )

  it('is not read through a link that leaves the directory', async () => {
    const { file, shop } = await homes()
    await symlink('/dev/zero', file)
    await expect(shop.witness()).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})

describe('a member delivered by Git', () => {
  it('is observed in the cluster and written to the tree, whichever of the two is newer', async () => {
    const path = await folder()
    const seen = { objects: { ok: true, value: [] } }
    const cluster = { member: MEMBER.name, live: true, observe: async () => seen, proxies: async () => 'live' } as unknown as Mesh
    const mesh = gitDelivered(cluster, { member: MEMBER, path })
    expect([mesh.live, await mesh.observe({ namespaces: [] }), await mesh.proxies({ namespaces: [] })]).toEqual([true, seen, 'live'])
    await write(mesh, map('x', 'live'), map('x', 'wanted'))
    await write(mesh, map('x', 'live'), map('x', 'wanted'))
    await expect(write(mesh, map('x', 'live'), map('x', 'another'))).rejects.toMatchObject({ code: 'changed-meanwhile' })
    expect(await readdir(join(path, '10-guard'))).toEqual(['.keep', 'configmap-sample-x.yaml'])
  })
})

describe('a policy of a member delivered by Git', () => {
  const filter = { ...map('f', '1'), apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' }
  const policy = { ...map('p', '1'), apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' }
  const cases: [string, readonly Manifest[], boolean][] = [
    ['stays while a filter in Git is not yet in the cluster', [policy], false],
    ['stays while a filter in the cluster differs from Git', [policy, { ...filter, data: { value: '0' } }], false],
    ['is removed once all filters in Git are in the cluster', [policy, filter], true],
  ]
  it.each(cases)('%s', async (_, objects, goes) => {
    const path = await folder()
    const files = directoryMesh({ member: MEMBER, path })
    for (const object of [policy, filter]) await write(files, undefined, object)
    const cluster = { member: MEMBER.name, live: true, observe: async () => ({ objects: { ok: true, value: objects } }) } as unknown as Mesh
    const mesh = gitDelivered(cluster, { member: MEMBER, path })
    const removed = mesh.write({ phase: 'clean', before: policy } as unknown as Step, { forceConflicts: false, seen: objects })
    if (goes) await removed
    else await expect(removed).rejects.toMatchObject({ code: 'changed-meanwhile', message: expect.stringContaining('has not arrived') })
    expect(await names(files)).toEqual(goes ? ['f'] : ['p', 'f'])
  })

  it('is removed only after a filter that this apply removed', async () => {
    const path = await folder()
    for (const object of [policy, filter]) await write(directoryMesh({ member: MEMBER, path }), undefined, object)
    const mesh = gitDelivered({ member: MEMBER.name, live: true } as unknown as Mesh, { member: MEMBER, path })
    await mesh.write({ phase: 'close', before: filter } as unknown as Step, { forceConflicts: false, seen: [policy, filter] })
    await mesh.write({ phase: 'clean', before: policy } as unknown as Step, { forceConflicts: false, seen: [policy] })
    expect(await readdir(join(path, '10-guard'))).toEqual(['.keep'])
  })

  it('stays while a filter that an earlier apply wrote through the same port is not yet in the cluster', async () => {
    const path = await folder()
    const next = { ...filter, data: { value: '2' } }
    for (const object of [policy, filter]) await write(directoryMesh({ member: MEMBER, path }), undefined, object)
    const cluster = [policy, filter]
    const observe = async () => ({ objects: { ok: true, value: cluster } })
    const mesh = gitDelivered({ member: MEMBER.name, live: true, observe } as unknown as Mesh, { member: MEMBER, path })
    await mesh.observe({ namespaces: [] })
    await mesh.write({ phase: 'open', before: filter, after: next } as unknown as Step, { forceConflicts: false, seen: cluster })
    // Another apply, before the GitOps tool has synced.
    await mesh.observe({ namespaces: [] })
    const removed = mesh.write({ phase: 'clean', before: policy } as unknown as Step, { forceConflicts: false, seen: cluster })
    await expect(removed).rejects.toMatchObject({ code: 'changed-meanwhile', message: expect.stringContaining('has not arrived') })
  })
})

describe('a rendered tree', () => {
  const filter = { ...map('f', '1'), apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' }

  it('renders the same bytes twice, and deletes files of objects that are no longer planned', async () => {
    const path = await folder()
    expect(await writeTree(path, [filter, map('x', '1')], () => 'why')).toEqual({
      files: ['10-guard/configmap-sample-x.yaml', '20-open/envoyfilter-sample-f.yaml'],
      removed: [],
    })
    const before = await readFile(join(path, '20-open/envoyfilter-sample-f.yaml'))
    await writeFile(join(path, 'theirs.yaml'), JSON.stringify(map('theirs', '1', {})))
    expect(await writeTree(path, [filter], () => 'why')).toEqual({
      files: ['20-open/envoyfilter-sample-f.yaml'],
      removed: ['10-guard/configmap-sample-x.yaml'],
    })
    expect(await readFile(join(path, '20-open/envoyfilter-sample-f.yaml'))).toEqual(before)
    expect(await readdir(path)).toContain('theirs.yaml')
  })
})
