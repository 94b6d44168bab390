import { describe, expect, it } from 'vitest'
import { check } from '../../../demo/demo-step.ts'
import { stepText } from './demo-text.ts'

describe('a step as text', () => {
  it('is aligned, and has colour only if requested', () => {
    const step = {
      title: 'Title',
      commands: ['entente plan'],
      lines: [],
      checks: [check('a', 'x', 'x'), check('longer', 'x', 'x', 'a detail')],
      meaning: ['So it is.'],
    }
    expect(String(stepText(3, step, false))).toBe(
      '3. Title\n   $ entente plan\n   ✓ a        x\n   ✓ longer   x\n              a detail\n   So it is.\n',
    )
    expect(String(stepText(3, step, true))).toContain('\u001b[')
  })
})
