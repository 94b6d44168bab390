import { describe, expect, it } from 'vitest'
import { jsonSchemas } from './json-schemas.ts'
import { VIEWS } from './schemas.ts'
import { documented } from './versioned.ts'

describe('documents', () => {
  it('begin with the version and the kind', () => {
    expect(Object.keys(documented('RecordCheck', { valid: true, entries: 0, head: null, findings: [] })).slice(0, 2)).toEqual([
      'apiVersion',
      'kind',
    ])
  })

  it('have a JSON Schema each, as do the files that owners write', () => {
    expect([...jsonSchemas().keys()].length).toBe(Object.keys(VIEWS).length + 2)
    expect(jsonSchemas().get('record-check.json')).toMatchObject({
      title: 'RecordCheck',
      required: expect.arrayContaining(['kind', 'valid']),
    })
  })

  it('may gain members in a later version; the federation file may not', () => {
    expect(JSON.stringify(jsonSchemas().get('plan.json'))).not.toContain('"additionalProperties":false')
    expect(jsonSchemas().get('federation.json')).toMatchObject({ additionalProperties: false })
  })

  it('are rejected by their schema with an unknown member, so that a test detects new ones', () => {
    const view = { ...documented('RecordCheck', { valid: true, entries: 0, head: null, findings: [] }), more: 1 }
    expect(VIEWS.RecordCheck.safeParse(view).success).toBe(false)
  })
})
