import { describe, expect, it } from 'vitest'
import { readDocuments } from './documents.ts'
import { resolveScalar } from './scalars.ts'

/** What sigs.k8s.io/yaml v1.6.0 made of `a: SCALAR`. */
const KUBERNETES: readonly (readonly [string, unknown])[] = [
  ['1.20', 1.2],
  ['~', null],
  ['yes', true],
  ['Y', true],
  ['n', false],
  ['No', false],
  ['on', true],
  ['OFF', false],
  ['yEs', 'yEs'],
  ['true', true],
  ['TRUE', true],
  ['tRUE', 'tRUE'],
  ['Null', null],
  ['nULL', 'nULL'],
  ['0777', 511],
  ['07', 7],
  ['00', 0],
  ['08', 8],
  ['0o17', 15],
  ['0O7', 7],
  ['0o8', '0o8'],
  ['0b11', 3],
  ['-0b11', -3],
  ['0b2', '0b2'],
  ['0B1', 1],
  ['0x1F', 31],
  ['0X1f', 31],
  ['-0x1f', -31],
  ['0x', '0x'],
  ['1_000', 1000],
  ['1__0', 10],
  ['_1', '_1'],
  ['0_7', 7],
  ['0x_1f', 31],
  ['1.5_0', 1.5],
  ['.5_0', 0.5],
  ['._5', '._5'],
  ['.5', 0.5],
  ['-.5', -0.5],
  ['1.', 1],
  ['.', '.'],
  ['..', '..'],
  ['.e1', '.e1'],
  ['1e3', 1000],
  ['1E-3', 0.001],
  ['1e', '1e'],
  ['1e308', 1e308],
  ['1e309', '1e309'],
  ['190:20:30', '190:20:30'],
  ['1:2', '1:2'],
  ['22:22', '22:22'],
  ['-1', -1],
  ['+1', 1],
  ['-0', 0],
  ['1.2.3', '1.2.3'],
  ['2026-01-01', '2026-01-01'],
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
  ['10.0.0.1', '10.0.0.1'],
  ['100m', '100m'],
  ['128Mi', '128Mi'],
  ['5s', '5s'],
  ['18446744073709551615', 18446744073709552000],
  ['18446744073709551616', 18446744073709552000],
  ['0x1ffffffffffffffff', '0x1ffffffffffffffff'],
  ['-0x9000000000000000', '-0x9000000000000000'],
  ['9007199254740993', 9007199254740992],
  ['=', '='],
  ['1,000', '1,000'],
  ['+', '+'],
  ['-x', '-x'],
  // It reads these as well, and has no JSON for them.
  ['.inf', Number.POSITIVE_INFINITY],
  ['-.Inf', Number.NEGATIVE_INFINITY],
  ['.NaN', Number.NaN],
]

const read = (text: string): unknown => readDocuments('m.yaml', 'm.yaml', text).documents[0]?.value

describe('a scalar', () => {
  it.each(KUBERNETES)('%s has the type that Kubernetes gives it', (scalar, value) => {
    expect(resolveScalar(scalar)).toEqual(value)
    expect(read(`a: ${scalar}\n`)).toEqual({ a: value })
    // What only the library reads.
    expect(read(`a: &anchor ${scalar}\n`)).toEqual({ a: value })
  })

  it('with a tag has the type of the tag', () => {
    expect(read('{a: !!str 1, b: !!int 0x1f, c: !!bool yes, d: !!null "", e: !!str yes}\n')).toEqual({
      a: '1',
      b: 31,
      c: true,
      d: null,
      e: 'yes',
    })
  })
})
