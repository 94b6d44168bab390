/** Checks what the compiler cannot: that the source reports each code of the table. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AREAS, CODES } from '../../src/core/diagnostics/codes.ts'

const SRC = join(import.meta.dirname, '../../src')

/**
 * The first argument of `error(…)` and its like, which may choose between two codes; and objects that say `code: '…'`.
 * Not types, and not the code of an InputError, which is thrown.
 */
const FINDING =
  /(?:\b(?:error|warning|info|ignore|finding)|\? \w+ : (?:error|warning|info)\))\(\s*([^,()]*),|\bcode: ('[a-z0-9-]+')(?! \|)/g
const THROWN = /\b(?:FederationError|fileError|fail|denied|findingAt|findingIn)\(\s*([^,()]*),/g
const CODE = /'([a-z0-9]+(?:-[a-z0-9]+)*)'/g

const all = (pattern: RegExp, text: string): readonly string[] =>
  [...text.matchAll(pattern)].flatMap(([, first, second]) => first ?? second ?? [])

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => ({ file, text: readFileSync(join(SRC, file), 'utf8') }))

/** `new InputError(…)`, up to the end of its options. */
const INPUT_ERROR = /\bnew InputError\((?:[^}]|\$\{[^}]*\})*\}\)/g

const codesIn = (pattern: RegExp, text: string): readonly string[] => all(pattern, text).flatMap((part) => all(CODE, part))

/** Lint has a table and producers of its own; a reader of YAML says which of its codes a fault is. */
const OF_LINT = /^(core\/lint|adapters\/yaml)\//
/** A key says which of two problems it has, and the list of problems makes the finding. */
const KEY_FACTS = 'core/x509/public-key.ts'

describe('the table of codes', () => {
  it('has no code that the source never makes', () => {
    const made = new Set(sources.flatMap(({ text }) => [...codesIn(FINDING, text), ...codesIn(THROWN, text)]))
    expect(Object.keys(CODES).filter((code) => !made.has(code))).toEqual([])
  })

  it('has one producer for each finding', () => {
    const files = new Map<string, Set<string>>()
    for (const { file, text } of sources)
      if (!OF_LINT.test(file) && file !== KEY_FACTS)
        for (const code of codesIn(FINDING, text.replaceAll(INPUT_ERROR, ''))) files.set(code, (files.get(code) ?? new Set()).add(file))
    expect([...files].filter(([, made]) => made.size > 1).map(([code, made]) => `${code}: ${[...made].join(', ')}`)).toEqual([])
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
