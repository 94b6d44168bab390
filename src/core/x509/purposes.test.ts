import { describe, expect, it } from 'vitest'
import { purposeCases } from '../../../test/support/purposes.ts'
import { pathTo } from './chain.ts'
import { purposeFindings, purposesOf } from './purposes.ts'

const NOW = new Date('2026-06-01T00:00:00Z')

describe('an extended key usage', async () => {
  it.each(await purposeCases())('$name: Go $go, Envoy $envoy', ({ ca, leaf, go, envoy }) => {
    const { path } = pathTo(leaf.chainDer, [ca.root.anchor], NOW)
    expect(purposesOf(path?.certificates ?? [])).toEqual({ go, envoy })
    const refused = new Set(
      ['clientAuth', 'serverAuth'].filter((purpose) => ![go, envoy].every((all) => all.some((one) => one === purpose))),
    )
    expect(purposeFindings('the chain', path?.certificates ?? []).length).toBe(refused.size)
  })
})
