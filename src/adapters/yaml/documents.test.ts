import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Path } from '../../core/lint/source.ts'
import { readDocuments } from './documents.ts'

const read = (text: string) => readDocuments('m.yaml', 'm.yaml', text).documents
const at = (text: string, path: Path, document = 0) => {
  const { line, column } = read(text)[document]?.spot(path) ?? { line: 0, column: 0 }
  return `${line}:${column}`
}

describe('documents', () => {
  it('are split at every --- and know their lines', () => {
    const text = '# head\na: 1\n---\n# nothing\n---\nb:\n  - c: 2\n--- # and\nd: 3\n'
    expect(read(text).map(({ value }) => value)).toEqual([{ a: 1 }, { b: [{ c: 2 }] }, { d: 3 }])
    expect([at(text, ['a']), at(text, ['b', 0, 'c'], 1), at(text, ['d'], 2)]).toEqual(['2:1', '7:5', '9:1'])
  })

  it.each([
    ['with Windows line ends', 'a:\r\n  b: x\r\n  c: |\r\n    y\r\n'],
    ['with the line ends of old Macs', 'a:\r  b: x\r  c: |\r    y\r'],
    ['with a byte order mark', '\ufeffa:\n  b: x\n  c: |\n    y\n'],
    ['without a final newline', 'a:\n  b: x\n  c: |\n    y'],
    ['with an anchor, by the library', 'a: &a\n  b: x\n  c: |\n    y\nz: *a\n'],
  ])('read the same %s', (_, text) => {
    expect(read(text)[0]?.value).toMatchObject({ a: { b: 'x', c: 'y\n' } })
    expect(at(text, ['a', 'c'])).toBe('3:3')
  })

  it('report the closest enclosing line if the place itself is absent', () => {
    expect(at('a:\n  b: 1\n', ['a', 'x', 'y'])).toBe('1:1')
    expect(at('a: &q\n  b: 1\n', ['a', 'x', 'y'])).toBe('1:1')
  })

  it('follow an alias', () => {
    const text = 'a: &a\n  b: 1\nc: *a\n'
    expect(read(text)[0]?.value).toEqual({ a: { b: 1 }, c: { b: 1 } })
    expect(at(text, ['c', 'b'])).toBe('2:3')
  })

  it('may be JSON, also with a list of objects over many lines', () => {
    const text = JSON.stringify({ items: [{ a: 1 }, { b: { c: 2 } }] }, null, 2)
    expect(read(text)[0]?.value).toEqual({ items: [{ a: 1 }, { b: { c: 2 } }] })
    expect(at(text, ['items', 1, 'b', 'c'])).toBe('8:9')
  })

  it('keep directives with their document', () => {
    expect(read('%YAML 1.1\n---\na: yes\n---\nb: 1\n').map(({ value, fault }) => fault ?? value)).toEqual([{ a: true }, { b: 1 }])
  })

  it('use the last of two equal keys, as the API server does', () => {
    expect(read('a: 1\na: 2\n')[0]?.value).toEqual({ a: 2 })
  })

  it.each([
    ['before the merge is overridden', '{b: 3, <<: *x}', { b: 1 }],
    ['after the merge counts', '{<<: *x, b: 3}', { b: 3 }],
    ['of the first mapping in a list counts', '{<<: [*x, *y]}', { b: 1, c: 3 }],
    ['in a merged mapping also counts', '{<<: {b: 5, <<: *x}}', { b: 1 }],
  ])('use the last of two equal keys with merges, as the API server does: one %s', (_, merging, value) => {
    expect(read(`x: &x {b: 1}\ny: &y {b: 2, c: 3}\nz: ${merging}\n`)[0]?.value).toMatchObject({ z: value })
  })

  it('stay readable if one of them is broken; the error has its line', () => {
    const documents = read('a: 1\n---\nb: [1\nc: 2\n---\nd: 3\n')
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, undefined, { d: 3 }])
    expect(documents[1]).toMatchObject({ fault: { code: 'yaml-invalid' } })
    expect(documents[1]?.spot([]).line).toBeGreaterThanOrEqual(3)
  })

  it('reject Helm templates', () => {
    expect(read('{{- if .Values.x }}\na: 1\n{{- end }}\n---\nb: {{ .c }}\n').map(({ fault }) => fault?.code)).toEqual(['helm-template'])
  })

  it.each([
    [
      'aliases that expand exponentially',
      `${Array.from(
        { length: 9 },
        (_, i) =>
          `a${i}: &a${i} [${Array(10)
            .fill(i === 0 ? 'x' : `*a${i - 1}`)
            .join(', ')}]`,
      ).join('\n')}\n`,
    ],
    ['an alias without an anchor', 'a: *b\n'],
    ['a list within itself', 'a: &a [*a]\n'],
    ['a mapping within itself', 'a: &a\n  b: [{c: *a}]\n'],
    ['flow lists a hundred thousand deep', '['.repeat(100_000)],
    ['lists a hundred thousand deep', `${'- '.repeat(100_000)}x`],
    ['a document that is large and not plain', `a: &a 1\n${'b: "\\x41"\n'.repeat(500_000)}`],
  ])(
    'reject %s, quickly',
    (_, text) => {
      const [document] = read(text)
      expect(document?.fault?.code).toMatch(/yaml-invalid|document-too-large/)
    },
    60_000,
  )

  it('never throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        for (const { spot } of read(text)) expect(spot(['a', 0]).line).toBeGreaterThan(0)
      }),
      { numRuns: 100 },
    )
  }, 60_000)
})

describe('a document within a document', () => {
  const inner = (text: string) => read(text)[0]?.embedded(['data', 'mesh'])

  it.each([
    ['a block scalar', 'data:\n  mesh: |-\n    a: 1\n    b:\n      c: 2\n', '5:7'],
    ['a block scalar after blank lines', 'data:\n  mesh: |\n\n    a: 1\n    b:\n      c: 2\n', '6:7'],
    ['a block scalar that the library reads', 'x: &x 1\ndata:\n  mesh: |\n    a: 1\n    b:\n      c: 2\n', '6:7'],
    ['a quoted text', 'data:\n  mesh: "a: 1\\nb:\\n  c: 2"\n', '2:3'],
  ])('reports lines of the outer file in %s', (_, text, place) => {
    const source = inner(text)
    expect(source?.value).toEqual({ a: 1, b: { c: 2 } })
    const { line, column } = source?.spot(['b', 'c']) ?? { line: 0, column: 0 }
    expect(`${line}:${column}`).toBe(place)
  })

  it('is absent where there is no text', () => {
    expect(inner('data:\n  mesh: {a: 1}\n')).toBeUndefined()
    expect(inner('data: {}\n')).toBeUndefined()
  })

  it('is reported if it is not YAML', () => {
    expect(inner('data:\n  mesh: "a: [1"\n')?.fault?.code).toBe('yaml-invalid')
  })
})
