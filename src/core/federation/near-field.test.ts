import { expect, it } from 'vitest'
import { nearField } from './near-field.ts'

it.each([
  ['trustdomain', 'trustDomain'],
  ['caller', 'callers'],
  ['sevice', 'services'],
  ['servicse', 'services'],
  ['distribtion', 'distribution'],
  ['something', undefined],
  ['__proto__', undefined],
])('%s was to be %s', (typed, meant) => {
  expect(nearField(typed)).toBe(meant)
})
