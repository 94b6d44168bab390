import { describe, expect, it } from 'vitest'
import { VIEWS } from '../../../core/view/schemas.ts'
import { run } from './version.ts'

async function printed(output: 'text' | 'json'): Promise<string> {
  const lines: string[] = []
  expect(await run({ version: '1.2.3', output }, { print: (text) => void lines.push(String(text)) })).toBe(0)
  return lines.join('\n')
}

describe('version', () => {
  it('says that a checkout is not a release, and names Node and Istio', async () => {
    const text = await printed('text')
    expect(text).toMatch(/^entente 1\.2\.3$/m)
    expect(text).toMatch(/^commit: none: this is a checkout/m)
    expect(text).toContain(process.versions.node)
    expect(text).toMatch(/^Istio: {2}1\.22 or newer; tested with 1\.\d+/m)
  })

  it('prints a document that its schema accepts', async () => {
    const view = VIEWS.Version.parse(JSON.parse(await printed('json')))
    expect(view).toMatchObject({ version: '1.2.3', commit: null, node: process.versions.node })
  })
})
