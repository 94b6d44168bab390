import { describe, expect, it } from 'vitest'
import { table } from './text.ts'

const ROWS = [
  ['MEMBER', 'ROOT', 'SUBJECT'],
  ['cluster-a', 'sha256:373b', 'CN=Root CA a'],
  ['日本', '', 'CN=根'],
]

describe('a table', () => {
  it('has columns three apart, also where a character is two wide', () => {
    expect(String(table(ROWS))).toBe(
      ['MEMBER      ROOT          SUBJECT', 'cluster-a   sha256:373b   CN=Root CA a', '日本                      CN=根'].join('\n'),
    )
  })

  it('becomes blocks where the terminal is too narrow, with nothing cut', () => {
    expect(String(table(ROWS, 30))).toBe(
      ['MEMBER    cluster-a', 'ROOT      sha256:373b', 'SUBJECT   CN=Root CA a', '', 'MEMBER    日本', 'SUBJECT   CN=根'].join('\n'),
    )
  })

  it('stays one where it just fits', () => {
    expect(String(table(ROWS, 38))).toBe(String(table(ROWS)))
    expect(String(table(ROWS, 37))).not.toBe(String(table(ROWS)))
  })

  it('keeps a cell on one line', () => {
    expect(
      String(
        table([
          ['A', 'B'],
          ['one\n  two', 'x'],
        ]),
      ),
    ).toContain('one two   x')
  })
})
