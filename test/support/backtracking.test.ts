import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'
import { superLinear } from './backtracking.ts'

describe('a regular expression', () => {
  it.each([
    ['a repetition of repetitions', /(a+)+$/],
    ['a repetition of alternatives that share a text', /^(a|aa)+$/],
    ['a repetition of the same alternative twice', /^(?:a|a)*$/],
    ['a repetition of something that may be empty in two ways', /^(?:(?:|)a)*b/],
    ['two adjacent repetitions that share a character', /^a*a*$/],
    ['two repetitions that meet over a letter that both match', /^[ab]*a[ab]*$/],
    ['blanks before a required text, from any position', /\s*\n\s*/g],
    ['blanks at the end, from any position', /\s+$/],
    ['blanks at the end of a line, from any line', /^\s*x/m],
    ['text between two marks, the second of which is missing', /BEGIN.*?END/g],
    ['a repetition in a lookahead, from any position', /(?=a*b)/],
  ])('can need more than linear time: %s', (_, { source, flags }) => {
    expect(superLinear(source, flags)).toBeDefined()
  })

  it.each([
    ['nothing can fail behind the repetition', /\s+/g],
    ['it is anchored at the start', /^\s*$/],
    ['it is sticky', /\s+x/y],
    ['its repetitions share no character', /^(\d+(\.\d+)?(ms|h|m|s))+$/],
    ['a separator stands between its repetitions', /^([a-z]([a-z-]*[a-z])?\.)+[a-z]$/],
    ['the repetition is short', /[ab]{1,3}$/],
  ])('is linear where %s', (_, { source, flags }) => {
    expect(superLinear(source, flags)).toBeUndefined()
  })
})

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))

interface Node {
  readonly type: string
  readonly start: number
  readonly regex?: { readonly pattern: string; readonly flags: string }
  readonly callee?: { readonly name?: string }
}

/** Without a pattern: made of a text. */
interface Expression {
  readonly at: string
  readonly pattern?: string
  readonly flags: string
}

function* nodesIn(value: unknown): Generator<Node> {
  if (typeof value !== 'object' || value === null) return
  if ('type' in value && 'start' in value) yield value as Node
  for (const part of Object.values(value)) yield* nodesIn(part)
}

describe('the sources', () => {
  const expressions = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    const place = ({ start }: Node): string => `${file}:${text.slice(0, start).split('\n').length}`
    return [...nodesIn(parseAst(text, { lang: 'ts' }))].flatMap((node): readonly Expression[] => {
      if (node.regex !== undefined) return [{ at: place(node), ...node.regex }]
      const made = (node.type === 'NewExpression' || node.type === 'CallExpression') && node.callee?.name === 'RegExp'
      return made ? [{ at: place(node), flags: '' }] : []
    })
  })

  it('build no regular expression from a text: patterns from outside go through core/glob.ts', () => {
    expect(expressions.filter(({ pattern }) => pattern === undefined)).toEqual([])
    expect(expressions.length).toBeGreaterThan(100)
  })

  it('contain no regular expression that can need more than linear time', () => {
    const slow = expressions.flatMap(({ at, pattern = '', flags }) => {
      const word = superLinear(pattern, flags)
      return word === undefined ? [] : [`${at} /${pattern}/${flags}: repeat ${JSON.stringify(word)}`]
    })
    expect(slow).toEqual([])
  })
})
