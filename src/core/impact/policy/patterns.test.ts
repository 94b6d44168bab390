import { expect, it } from 'vitest'
import type { Token } from '../alias-names.ts'
import { patternsOf } from './patterns.ts'

const token = (shown: string): Token => ({ value: shown.replace('*', 'entente'), shown })
const ANY = token('*')

it.each([
  {
    name: 'a name that begins and ends like a pattern, and is too short for it',
    of: ['foobar*ar', 'foobar'],
    paths: ['ns/foobar*ar/*', 'ns/foobar/*'],
  },
  { name: 'a name that the pattern covers', of: ['foobar*ar', 'foobarar'], paths: ['ns/foobar*ar/*'] },
  { name: 'a pattern within another', of: ['foo*', 'foobar*ar'], paths: ['ns/foo*/*'] },
])('an exception is reported next to the pattern, or by the pattern itself: $name', ({ of, paths }) => {
  const cells = of.map((namespace) => [token(namespace), ANY] as const)
  expect(patternsOf(cells, [...cells, [token('other'), ANY]]).map(({ path }) => path)).toEqual(paths)
})
