import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { confirm } from './confirm.ts'

describe('a question', () => {
  it.each([
    ['y\n', true],
    [' YES \n', true],
    ['n\n', false],
    ['\n', false],
    ['yo\n', false],
  ])('with the answer %j counts as %s', async (typed, agreed) => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    input.write(typed)
    expect(await confirm(input, output, 'Go on?')).toBe(agreed)
    expect(String(output.read())).toContain('Go on? [y/N] ')
  })

  it('without an answer because the input ended is no consent', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    input.end()
    expect(await confirm(input, output, 'Go on?')).toBe(false)
  })

  it('interrupted with ^C is no consent, and no internal error', async () => {
    const [input, output] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true })]
    input.write('\x03')
    expect(await confirm(input, output, 'Go on?')).toBe(false)
  })
})
