import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { document, type Part, painted, show } from '../screen.ts'
import { fitted } from './wrap.ts'

const PROSE = 'error cluster-unreachable: cluster-b: did not finish within 30 s, so Entente could not read the objects of this member there'

describe('prose on a terminal', () => {
  it.each([80, 100])('breaks between words at %d columns, and loses none', (columns) => {
    for (const indent of ['', '  ', '            ']) {
      const text = fitted(show`${show`${' '.repeat(indent.length)}`}${PROSE}\n${PROSE}`, columns)
      const lines = text.split('\n')
      expect(lines.length).toBeGreaterThan(2)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
      expect(text.split(/\s+/).filter(Boolean)).toEqual(`${PROSE} ${PROSE}`.split(' '))
    }
  })

  it('indents continued lines by two columns', () => {
    expect(fitted(`  next: ${'word '.repeat(12)}end`, 40)).toBe(
      ['  next: word word word word word word', '    word word word word word word end'].join('\n'),
    )
  })

  it('continues the last column of a table row at that column', () => {
    expect(fitted(`  WHAT   ${'word '.repeat(8)}end`, 40)).toBe(
      ['  WHAT   word word word word word word', '         word word end'].join('\n'),
    )
  })

  it('begins further left where a word would not fit', () => {
    const root = 'r'.repeat(30)
    expect(fitted(`WHAT           of ${root} and ${root}`, 40)).toBe(
      ['WHAT           of', `          ${root}`, `               and`, `          ${root}`].join('\n'),
    )
    expect(fitted(`${' '.repeat(20)}${root}`, 40)).toBe(`          ${root}`)
  })

  it.each(['', ', then commit it'])('keeps a command after a colon on one line%s', (rest) => {
    const command = 'entente sever cluster-a cluster-b --reason "WHY"'
    expect(fitted(`  next: to end the other direction too: ${command}${rest}`, 60)).toBe(
      [
        '  next: to end the other direction too:',
        `    ${command}${rest === '' ? '' : ', then'}`,
        ...(rest === '' ? [] : ['    commit it']),
      ].join('\n'),
    )
  })

  it('does not count styles, and counts wide characters twice', () => {
    const line = show`${painted('red', 'error')} ${'漢字 '.repeat(12)}`
    for (const one of fitted(line, 40).split('\n')) expect(stringWidth(one)).toBeLessThanOrEqual(40)
  })

  it.each<[string, Part, number | undefined]>([
    [
      'a command that can be pasted',
      `  next: entente approve cluster-b --bundle FILE ${'--fingerprint sha256:0 '.repeat(8)}`.trimEnd(),
      80,
    ],
    ['a document', document(`a: ${'word '.repeat(40)}`), 80],
    ['a text with a document in it', show`# values\n${document(`a: ${'word '.repeat(40)}`)}`, 80],
    ['a word that is longer than the line', `x${'y'.repeat(100)}`, 80],
    ['a pipe', PROSE.repeat(3), undefined],
    ['a terminal without a width', PROSE.repeat(3), 0],
  ])('leaves %s unchanged', (_, text, columns) => {
    expect(fitted(text, columns)).toBe(String(text))
  })
})
