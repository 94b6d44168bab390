import { describe, expect, it } from 'vitest'
import { parseManifests } from '../directory/tree.ts'
import { parseMeshConfig } from '../kubernetes/read/mesh-config.ts'
import { tooDeepAt } from './depth.ts'

const DEEP = [
  { what: 'sequences in a line', text: '- '.repeat(100_000) },
  { what: 'brackets', text: '['.repeat(100_000) },
  { what: 'braces', text: '{a: '.repeat(100_000) },
  { what: 'indentation', text: Array.from({ length: 1_200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n') },
]

describe('YAML that is nested too deeply', () => {
  it.each(DEEP)('by $what is rejected before the parser reads it', ({ text }) => {
    expect(tooDeepAt(text)).toBeDefined()
    expect(() => parseMeshConfig('cluster-a', [text])).toThrow(/nested too deeply/)
    expect(() => parseManifests('x.yaml', text)).toThrow(/nested too deeply/)
  })

  it('excludes what people write', () => {
    expect(tooDeepAt('a:\n  - b: [c, {d: e}]\n')).toBeUndefined()
  })
})
