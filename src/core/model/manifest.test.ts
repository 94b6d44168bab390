import { describe, expect, it } from 'vitest'
import { at, content, isOurs, keyOf, list, type Manifest, ownerOf, sameContent, strings, text, title } from './manifest.ts'

const labels = { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'shop' }
const object: Manifest = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'x', namespace: 'n', labels },
  spec: { a: 1, list: [1, { b: 2 }] },
}
const withMeta = (metadata: object, more: object = {}): Manifest => ({ ...object, ...more, metadata: { ...object.metadata, ...metadata } })

describe('an object', () => {
  it.each([
    { name: 'a resourceVersion', other: withMeta({ resourceVersion: '5', uid: 'u', creationTimestamp: 't' }), same: true },
    { name: 'a status', other: withMeta({}, { status: { x: 1 } }), same: true },
    { name: 'a foreign label', other: withMeta({ labels: { ...labels, team: 'x' } }), same: true },
    { name: 'the order of its fields', other: withMeta({}, { spec: { list: [1, { b: 2 }], a: 1 } }), same: true },
    { name: 'a field that is undefined', other: withMeta({}, { spec: { a: 1, list: [1, { b: 2 }], c: undefined } }), same: true },
    { name: 'another owner', other: withMeta({ labels: { ...labels, 'entente.dev/owner': 'other' } }), same: false },
    { name: 'an annotation of Entente', other: withMeta({ annotations: { 'entente.dev/until': 'x' } }), same: false },
    { name: 'a value', other: withMeta({}, { spec: { a: 2, list: [1, { b: 2 }] } }), same: false },
    { name: 'the order of a list', other: withMeta({}, { spec: { a: 1, list: [{ b: 2 }, 1] } }), same: false },
    { name: 'an additional field', other: withMeta({}, { spec: { a: 1, list: [1, { b: 2 }], c: null } }), same: false },
    { name: 'a list for a map', other: withMeta({}, { spec: { a: 1, list: { 0: 1, 1: { b: 2 } } } }), same: false },
  ])('that differs in $name counts as equal: $same', ({ other, same }) => {
    expect([sameContent(object, other), sameContent(other, object)]).toEqual([same, same])
  })

  it('belongs to Entente by its label, and to another owner by another label', () => {
    expect([isOurs(object), ownerOf(object)]).toEqual([true, 'shop'])
    const theirs = withMeta({ labels: { 'entente.dev/owner': 'shop' } })
    expect([isOurs(theirs), ownerOf(theirs)]).toEqual([false, undefined])
  })

  it('has a key without its version, and a name for people', () => {
    expect(keyOf(object)).toBe(keyOf({ ...object, apiVersion: 'security.istio.io/v1beta1' }))
    expect(keyOf(object)).not.toBe(keyOf({ ...object, apiVersion: 'other.io/v1' }))
    expect(title(object)).toBe('AuthorizationPolicy n/x')
    expect(title({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } })).toBe('Namespace n')
  })

  it('is reduced once: reducing it again changes nothing', () => {
    const reduced = content(withMeta({ resourceVersion: '5' }))
    expect(content(reduced)).toBe(reduced)
    expect(reduced.metadata).toEqual({ name: 'x', namespace: 'n', labels })
  })
})

describe('foreign values', () => {
  it('can be traversed without an exception', () => {
    expect([at({ a: [{ b: 1 }] }, 'a', 0, 'b'), at(null, 'a'), at('text', 'length'), at({ a: 1 }, 'a', 'b')]).toEqual([
      1,
      undefined,
      undefined,
      undefined,
    ])
    expect([list('x'), list([1]), text(5), text('5'), strings(null), strings(['a']), strings({ a: '1', b: 2 })]).toEqual([
      [],
      [1],
      '',
      '5',
      {},
      {},
      { a: '1' },
    ])
  })
})
