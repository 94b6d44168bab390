import { describe, expect, it } from 'vitest'
import { InputError } from '../../app/input-error.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { errorText } from './error-text.ts'

const text = (error: FederationError): string => String(errorText(error))

describe('an error about an input', () => {
  it('names its flag', () => {
    expect(text(new InputError('resetSequence', 'requires a reason'))).toBe('error usage: --reset-sequence: requires a reason')
  })

  it('names the flag that would allow what was refused', () => {
    const refused = { code: 'not-consented', subject: 'cluster-b' } as const
    const head = 'error not-consented: cluster-b: accepts more\n  next: '
    expect(text(new InputError('acceptImpact', 'accepts more', refused))).toBe(`${head}add --accept-impact`)
    expect(text(new InputError('acceptImpact', 'accepts more', { ...refused, hint: 'narrow those' }))).toBe(
      `${head}narrow those, or add --accept-impact`,
    )
  })
})

it('another error stays as it is', () => {
  expect(text(new FederationError('usage', 'resetSequence', 'is odd'))).toBe('error usage: resetSequence: is odd')
})
