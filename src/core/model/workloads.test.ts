import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Workloads } from './wanted.ts'
import { describeWorkloads, relation, selects, workloadsKey, workloadsSlug } from './workloads.ts'

const at = (namespace: string, labels?: Record<string, string>): Workloads => ({ namespace, ...(labels && { labels }) })
const all: Workloads = { namespace: 'root', everywhere: true }
const key = fc.oneof(
  fc.constantFrom('app', 'tier', 'app.kubernetes.io/name', 'x'),
  fc.stringMatching(/^[a-z][a-zA-Z0-9_.-]{0,20}[a-z0-9]$/),
)
const value = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'A', 'a-b', 'a.b'),
  fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/),
)
const labels = fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true })
const reversed = (map: Record<string, string>) => Object.fromEntries(Object.entries(map).reverse())

describe('sets of workloads', () => {
  it.each([
    { a: at('n'), b: at('n'), is: 'equal' },
    { a: at('n', { a: '1', b: '2' }), b: at('n', { b: '2', a: '1' }), is: 'equal' },
    { a: at('n'), b: at('n', { a: '1' }), is: 'overlapping' },
    { a: at('n', { a: '1' }), b: at('n', { b: '1' }), is: 'overlapping' },
    { a: at('n', { a: '1' }), b: at('n', { a: '1', b: '1' }), is: 'overlapping' },
    { a: at('n', { a: '1' }), b: at('n', { a: '2' }), is: 'disjoint' },
    { a: at('n', { a: '1', b: '1' }), b: at('n', { a: '2', b: '1' }), is: 'disjoint' },
    { a: at('n'), b: at('m'), is: 'disjoint' },
    { a: all, b: at('m', { a: '1' }), is: 'overlapping' },
    { a: all, b: { ...all, namespace: 'other' }, is: 'equal' },
    { a: { ...all, labels: { a: '1' } }, b: at('m', { a: '2' }), is: 'disjoint' },
  ] as const)('$a and $b are $is', ({ a, b, is }) => {
    expect([relation(a, b), relation(b, a)]).toEqual([is, is])
  })

  it('of the whole mesh, or part of it, have a name of their own', () => {
    expect(workloadsSlug(all)).toBe('all-namespaces')
    expect(workloadsSlug({ ...all, labels: { app: 'x' } })).toMatch(/^all-namespaces-[0-9a-f]{8}$/)
  })

  it('of the whole mesh select pods of every namespace', () => {
    expect([selects(all, 'a', {}), selects(all, 'b', { x: '1' }), selects({ ...all, labels: { x: '1' } }, 'a', {})]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('that are disjoint select no pod in common; equal ones select the same pods', () => {
    fc.assert(
      fc.property(labels, labels, labels, (a, b, pod) => {
        const [one, other] = [at('n', a), at('n', b)]
        const both = selects(one, 'n', pod) && selects(other, 'n', pod)
        if (relation(one, other) === 'disjoint') expect(both).toBe(false)
        if (relation(one, other) === 'equal') expect(selects(one, 'n', pod)).toBe(selects(other, 'n', pod))
      }),
    )
  })

  it('have valid object names, equal for equal sets and different for different ones', () => {
    const slugs = new Map<string, string>()
    fc.assert(
      fc.property(labels, (map) => {
        const slug = workloadsSlug(at('n', map))
        expect(slug).toMatch(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/)
        expect(workloadsSlug(at('n', reversed(map)))).toBe(slug)
        expect(slugs.get(slug) ?? workloadsKey(at('n', map))).toBe(workloadsKey(at('n', map)))
        slugs.set(slug, workloadsKey(at('n', map)))
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    { of: at('sample'), slug: 'all', says: 'sample (all workloads)' },
    { of: at('sample', { app: 'server' }), slug: 'app-server', says: 'sample (app=server)' },
    { of: at('sample', { b: '2', a: '1' }), slug: expect.stringMatching(/^a-1-b-2-[0-9a-f]{8}$/), says: 'sample (a=1,b=2)' },
  ])('are described as $says', ({ of, slug, says }) => {
    expect(workloadsSlug(of)).toEqual(slug)
    expect(describeWorkloads(of)).toBe(says)
  })

  it('require every label and the same namespace of a pod', () => {
    const set = at('n', { a: '1', b: '2' })
    expect([
      selects(set, 'n', { a: '1', b: '2', c: '3' }),
      selects(set, 'n', { a: '1' }),
      selects(set, 'm', { a: '1', b: '2' }),
      selects(set, 'n', undefined),
    ]).toEqual([true, false, false, false])
  })
})
