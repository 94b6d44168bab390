import { styleText } from 'node:util'
import { describe, expect, it } from 'vitest'
import { shown } from './screen.ts'
import { painter } from './text.ts'

const onTerminal = { color: true, terminal: true }

describe('what reaches a terminal', () => {
  it.each([
    { name: 'an escape sequence', text: 'CN=\u001b[2J\u001b]0;x\u0007', is: 'CN=\\u001b[2J\\u001b]0;x\\u0007' },
    { name: 'a line overwritten', text: 'bad\rgood', is: 'bad\\u000dgood' },
    { name: 'a C1 control', text: '\u009b2J', is: '\\u009b2J' },
    { name: 'text turned around', text: 'a\u202eb', is: 'a\\u202eb' },
    { name: 'lines and columns', text: 'a\n\tb ✓ …', is: 'a\n\tb ✓ …' },
    { name: 'a style that is not ours', text: '\u001b[8mhidden', is: '\\u001b[8mhidden' },
  ])('shows $name', ({ text, is }) => {
    expect(shown(text, onTerminal)).toBe(is)
  })

  it('keeps what we paint', () => {
    const text = (['red', 'yellow', 'green', 'bold', 'dim'] as const).map((style) => painter(true)(style, style)).join(' ')
    expect(text).toContain(styleText('red', 'red', { validateStream: false }))
    expect(shown(text, onTerminal)).toBe(text)
  })

  it('takes no style for ours where we do not paint', () => {
    expect(shown('\u001b[31mred', { color: false, terminal: true })).toBe('\\u001b[31mred')
  })

  it('leaves JSON in a file as it is: what may stand raw in it stays raw, and the value is the same everywhere', () => {
    const value = { reason: 'a\u001b[2J\u2028\u200d\u009b"' }
    const json = JSON.stringify(value)
    expect(shown(json, { color: false, terminal: false })).toBe(json)
    expect(JSON.parse(shown(json, onTerminal))).toEqual(value)
  })
})
