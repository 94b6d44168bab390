/** docs/findings.md explains every code that a person may meet, and no other. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')
const PAGE = join(import.meta.dirname, '../../docs/findings.md')

/** The first argument of `error(…)` and its like, which may choose between two codes; and objects that say `code: '…'`. */
const FINDING = /\b(?:error|warning|info|ignore)\(([^,()]*),|\bcode: ('[a-z0-9-]+')/g
const CODE = /'([a-z0-9]+(?:-[a-z0-9]+)*)'/g
/** The members of the union ErrorCode. */
const ERROR = /^ {2}\| '([a-z-]+)'$/gm

const all = (pattern: RegExp, text: string): readonly string[] =>
  [...text.matchAll(pattern)].flatMap(([, first, second]) => first ?? second ?? [])

const used = new Set(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(SRC, file), 'utf8')
      return [...all(FINDING, text).flatMap((part) => all(CODE, part)), ...(file.endsWith('errors.ts') ? all(ERROR, text) : [])]
    }),
)
const rows = all(/^\| `([a-z0-9-]+)` \|/gm, readFileSync(PAGE, 'utf8'))

describe('docs/findings.md', () => {
  it('explains every code that the source uses', () => {
    expect([...used].filter((code) => !rows.includes(code)).sort()).toEqual([])
  })

  it('explains no code that the source does not use', () => {
    expect(rows.filter((code) => !used.has(code))).toEqual([])
  })

  it('explains each once', () => {
    expect(rows.filter((code, i) => rows.indexOf(code) !== i)).toEqual([])
  })
})
