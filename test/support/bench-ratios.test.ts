import { describe, expect, it } from 'vitest'
import { compare, rowsOf } from '../../bench/ratios.ts'

const table = (first: number, steady: string): string => `
plan, best of 3 runs

members  steps      first plan              steady state
   250   2250     ${first} ms   5.382 ms/member   ${steady}   5.239 ms/member
`

describe('times in the tables of benchmarks', () => {
  it.each([
    ['   250   2250     20 ms   1345 ms   5.382 ms/member', '250 2250', [20, 1345]],
    ['node -e 0        median 41.5 ms', 'node -e 0 median', [41.5]],
    ['took 1.5 s, once 1,417 ms', 'took', [1_500, 1_417]],
    ['  40 ms   one List', '40 ms one List', [40]],
  ])('are read from %j', (line, label, milliseconds) => {
    expect(rowsOf(line).map((row) => ({ ...row, label: row.label.replace(/\s+/g, ' ') }))).toEqual([{ label, milliseconds }])
  })

  it.each(['members  steps', 'ratio 1.42 (to hold: 2)', '3.8 ms/member'])('are not read from %j', (line) => {
    expect(rowsOf(line)).toEqual([])
  })

  it('are compared by the best of all rounds, with the spread of single rounds', () => {
    expect(compare([table(200, '10 ms'), table(120, '30 ms')], [table(100, '10 ms'), table(150, '10 ms')])).toEqual([
      {
        label: '250 2250',
        ratios: [
          { here: 120, there: 100, ratio: 1.2, lowest: 0.8, highest: 2 },
          { here: 10, there: 10, ratio: 1, lowest: 1, highest: 3 },
        ],
      },
    ])
  })

  it('are not compared between tables that differ in form', () => {
    expect(() => compare([table(1, '1 ms')], [table(1, 'none')])).toThrow('tables differ')
  })
})
