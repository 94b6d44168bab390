import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RULES } from './lint-rules.ts'
import { parseShape, served, shapeOf } from './schema/config-schema.ts'

describe('docs/lint.md', () => {
  it('has a heading, and so an anchor, for every rule and for nothing else', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/lint.md'), 'utf8')
    const headings = [...page.matchAll(/^### (\S+)$/gm)].map(([, code]) => code)
    expect(headings.sort()).toEqual(RULES.map(({ code }) => code).sort())
  })
})

describe('the name of a resource', () => {
  it('is read from one line', () => {
    const scalar = { is: 'scalar' }
    expect(parseShape('{a,b[]{c},d*,e?,f*[]{g}}')).toEqual({
      is: 'fields',
      fields: new Map<string, unknown>([
        ['a', scalar],
        ['b', { is: 'list', of: { is: 'fields', fields: new Map([['c', scalar]]) } }],
        ['d', { is: 'map', of: scalar }],
        ['e', { is: 'anything' }],
        ['f', { is: 'map', of: { is: 'list', of: { is: 'fields', fields: new Map([['g', scalar]]) } } }],
      ]),
    })
  })

  it('is known for every kind that Istio serves', () => {
    expect(shapeOf('security.istio.io', 'PeerAuthentication', 'v1')).toMatchObject({ is: 'fields' })
    expect(shapeOf('security.istio.io', 'PeerAuthentication', 'v9')).toBeUndefined()
    expect(served('EnvoyFilter')).toEqual(['networking.istio.io/v1alpha3'])
  })
})
