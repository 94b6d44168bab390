import { describe, expect, it } from 'vitest'
import { lookOf, wantsJson } from './console.ts'

const TERMINAL = { isTTY: true, columns: 80 }
const PIPE = {}

describe('the console', () => {
  it.each([
    { stream: TERMINAL, words: [], env: {}, color: true },
    { stream: TERMINAL, words: ['plan', '--no-color'], env: {}, color: false },
    { stream: TERMINAL, words: [], env: { NO_COLOR: '1' }, color: false },
    { stream: TERMINAL, words: [], env: { TERM: 'dumb' }, color: false },
    { stream: TERMINAL, words: [], env: { FORCE_COLOR: '0' }, color: false },
    { stream: PIPE, words: [], env: {}, color: false },
    { stream: PIPE, words: [], env: { FORCE_COLOR: '1' }, color: true },
    { stream: PIPE, words: [], env: { FORCE_COLOR: '1', NO_COLOR: '1' }, color: true },
    { stream: PIPE, words: ['--no-color'], env: { FORCE_COLOR: '1' }, color: false },
    { stream: PIPE, words: [], env: { FORCE_COLOR: '' }, color: false },
  ])('with $words $env on $stream uses colour: $color', ({ stream, words, env, color }) => {
    expect(lookOf(words, env, stream).color).toBe(color)
  })
})

it('uses the width of a terminal, and no other', () => {
  expect([TERMINAL, { isTTY: true, columns: 0 }, PIPE].map((stream) => lookOf([], {}, stream).columns)).toEqual([80, undefined, undefined])
})

it('prints details with -v, unless it is an argument', () => {
  const verbose = (...words: string[]) => lookOf(words, {}, PIPE).verbose
  expect([verbose('plan', '-v'), verbose('--verbose', 'plan'), verbose('plan'), verbose('x', '--', '-v')]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

it.each([
  [['plan', '-o', 'json'], true],
  [['plan', '-ojson'], true],
  [['plan', '--output', 'json'], true],
  [['plan', '--output=json'], true],
  [['plan', '-o', 'text'], false],
  [['plan'], false],
  [['__complete', '--', 'plan', '-o', 'json'], false],
])('%j asks for JSON: %s', (words, json) => {
  expect(wantsJson(words)).toBe(json)
})
