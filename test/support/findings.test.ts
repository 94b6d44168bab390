/** What the compiler does not check of the table of codes: that the source makes each of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AREAS, CODES } from '../../src/core/diagnostics/codes.ts'

const SRC = join(import.meta.dirname, '../../src')

/** The first argument of `error(…)` and its like, which may choose between two codes; and objects that say `code: '…'`. */
const MADE = /\b(?:error|warning|info|ignore|FederationError|fileError|fail|denied|tell|tellIn|told)\(([^,()]*),|\bcode: ('[a-z0-9-]+')/g
const CODE = /'([a-z0-9]+(?:-[a-z0-9]+)*)'/g

const all = (pattern: RegExp, text: string): readonly string[] =>
  [...text.matchAll(pattern)].flatMap(([, first, second]) => first ?? second ?? [])

const made = new Set(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .flatMap((file) => all(MADE, readFileSync(join(SRC, file), 'utf8')).flatMap((part) => all(CODE, part))),
)

describe('the table of codes', () => {
  it('has no code that the source never makes', () => {
    expect(Object.keys(CODES).filter((code) => !made.has(code))).toEqual([])
  })

  it('has each code in one area', () => {
    const codes = AREAS.flatMap((area) => Object.keys(area.codes))
    expect(codes.filter((code, i) => codes.indexOf(code) !== i)).toEqual([])
    expect(codes.sort()).toEqual(Object.keys(CODES).sort())
  })

  it('explains each code in whole sentences', () => {
    for (const [code, { meaning }] of AREAS.flatMap((area) => Object.entries(area.codes))) expect(`${code}: ${meaning}`).toMatch(/\.\)?$/)
  })
})
