import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readWithLibrary } from './library.ts'
import { readPlain } from './plain.ts'

const plain = (text: string) => readPlain(text)

/** The library's opinion of one document; undefined when it has none. */
function library(text: string): unknown {
  const read = readWithLibrary(text)
  if (!Array.isArray(read) || read.length > 1) return undefined
  const [document] = read
  return document === undefined ? null : document.fault === undefined ? document.value : undefined
}

const agree = (text: string): void => {
  const mine = plain(text)
  if (mine !== undefined) expect({ text, value: mine.value }).toEqual({ text, value: library(text) })
}

const POLICY = `# why
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: only-web   # a comment
  namespace: 'it''s'
  annotations: { a: "b\\n", c.d/e: f }
spec:
  selector:
    matchLabels: {app: web}
  rules:
  - from:
    - source:
        principals: ["*/ns/a/sa/b", cluster.local/ns/x/sa/y]
    to: []
    when:
      - key: source.ip

        values:
          - 10.0.0.0/8
  - {}
data:
  mesh: |-
    trustDomain: a.example

      indented # no comment
  on: 
  empty:
    # nothing
  last: |
    x
`

/** Every manifest and every block of YAML in what is shipped and documented. */
const CORPUS = [
  'README.md',
  ...['deploy', 'docs', 'examples'].flatMap((folder) =>
    readdirSync(folder, { encoding: 'utf8', recursive: true }).map((name) => join(folder, name)),
  ),
].flatMap((file) => {
  if (/\.(ya?ml|json)$/.test(file)) return readFileSync(file, 'utf8').split(/^(?=---$)/m)
  if (!file.endsWith('.md')) return []
  return [...readFileSync(file, 'utf8').matchAll(/```ya?ml\n([\s\S]*?)```/g)].map(([, block = '']) => block)
})

describe('the plain YAML parser', () => {
  it('reads nearly everything that people write, as the library reads it', () => {
    for (const text of CORPUS) agree(text)
    expect(CORPUS.filter((text) => plain(text) !== undefined).length).toBeGreaterThan(CORPUS.length * 0.8)
    expect(CORPUS.length).toBeGreaterThan(50)
  })

  it('reads the syntax of manifests', () => {
    const text = POLICY.replace('  on: \n', '')
    expect(plain(text)?.value).toEqual(library(text))
  })

  it('knows where keys and items begin', () => {
    const text = 'a:\n  - b: 1\n    c: {d: 2}\n'
    const { value, spots } = plain(text) as unknown as { value: { a: [{ c: object }] }; spots: WeakMap<object, unknown> }
    expect(spots.get(value)).toEqual(new Map([['a', 0]]))
    expect(spots.get(value.a)).toEqual([text.indexOf('b')])
    expect(spots.get(value.a[0].c)).toEqual(new Map([['d', text.indexOf('d')]]))
  })

  it('reads JSON, over several lines', () => {
    const text = `${JSON.stringify({ kind: 'List', items: [{ a: null, b: [1, true, 'x"\\/é', -2.5e3] }, {}, []] }, null, 4)}\n`
    expect(plain(text)?.value).toEqual(JSON.parse(text))
  })

  it.each([
    ['an anchor', 'a: &x 1\n'],
    ['an alias', 'a: *x\n'],
    ['a tag', 'a: !!str 1\n'],
    ['a tab', 'a:\tb\n'],
    ['folded text', 'a: >\n  b\n'],
    ['a scalar over two lines', 'a: b\n  c\n'],
    ['a merge key', 'a:\n  <<: {b: 1}\n'],
    ['a key that is not text', 'yes: 1\n'],
    ['__proto__', '__proto__: {a: 1}\n'],
    ['a quoted __proto__', '"__proto__": {a: 1}\n'],
    ['a directive', '%YAML 1.1\n---\na: 1\n'],
    ['a bad indent', 'a:\n    b: 1\n  c: 2\n'],
    ['a list under a deeper key', 'a: 1\n  - b\n'],
    ['two documents', 'a: 1\n---\nb: 2\n'],
  ])('leaves %s to the library', (_, text) => {
    expect(plain(text)).toBeUndefined()
  })

  it.each([
    '1.20',
    '~',
    'yes',
    '0777',
    '0x1F',
    '1_000',
    '190:20:30',
    '-1',
    '+1',
    '.5',
    '1e3',
    '2026-01-01',
    '2026-01-01T00:00:00Z',
    '10.0.0.1',
    '-',
    '.inf',
    'n',
    'Null',
    '08',
    '1:2',
  ])('reads %s as the library does', (scalar) => {
    agree(`a: ${scalar}\n`)
    agree(`- ${scalar}\n`)
    agree(`{a: ${scalar}, b: [${scalar}]}\n`)
  })

  it('agrees with the library, or defers to it, on any value that the library writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 80), (value, lineWidth) => {
        agree(stringify(value, { version: '1.1', lineWidth }))
        agree(`${JSON.stringify(value, null, 2)}\n`)
      }),
      { numRuns: 300 },
    )
  }, 60_000)

  it('agrees with the library, or defers to it, on any text made of YAML tokens', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        'b: ',
        'key:',
        '- ',
        '-',
        ' ',
        '  ',
        '    ',
        '\n',
        '\n',
        '\n  ',
        '\n- ',
        '|',
        '|-',
        '|+',
        '>',
        '#',
        ' # c',
        '"',
        "'",
        '{',
        '}',
        '[',
        ']',
        ', ',
        ',',
        ':',
        ': ',
        '1',
        '~',
        'yes',
        '---',
        '...',
        '\t',
        '\\n',
        '&a',
        '*a',
        '!',
        '?',
        'é',
        '0',
        '.',
        'x: y\n',
      ],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => agree(`${pieces.join('')}\n`)),
      { numRuns: 3_000 },
    )
  }, 60_000)

  it('agrees with the library, or defers to it, on a manifest with one piece changed', () => {
    const edit = fc.tuple(
      fc.nat(POLICY.length),
      fc.nat(12),
      fc.constantFrom('', ' ', '\n', ': ', '- ', '  ', '#', '"', '|', 'a', '\n\n', '{'),
    )
    fc.assert(
      fc.property(edit, ([at, cut, insert]) => agree(POLICY.slice(0, at) + insert + POLICY.slice(at + cut))),
      { numRuns: 1_000 },
    )
  }, 60_000)

  it('handles any depth', () => {
    expect(plain(`${'['.repeat(100_000)}\n`)).toBeUndefined()
    expect(plain(`${'- '.repeat(100_000)}\n`)).toBeUndefined()
  })
})
