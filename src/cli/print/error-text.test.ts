import { describe, expect, it } from 'vitest'
import { InputError } from '../../app/input-error.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { errorText, report, reportBug } from './error-text.ts'

const text = (error: FederationError): string => String(errorText(error))

describe('an error about an input', () => {
  it('names its flag', () => {
    expect(text(new InputError('resetSequence', 'requires a reason'))).toBe('error usage: --reset-sequence: requires a reason')
  })

  it('names the flag that would allow what was rejected', () => {
    const refused = { code: 'not-consented', subject: 'cluster-b' } as const
    const head = 'error not-consented: cluster-b: accepts more\n  next: '
    expect(text(new InputError('acceptImpact', 'accepts more', refused))).toBe(`${head}add --accept-impact`)
    expect(text(new InputError('acceptImpact', 'accepts more', { ...refused, hint: 'narrow those' }))).toBe(
      `${head}narrow those, or add --accept-impact`,
    )
  })
})

it('stays unchanged if it has another code', () => {
  expect(text(new FederationError('usage', 'resetSequence', 'is odd'))).toBe('error usage: resetSequence: is odd')
})

describe('an error of a command', () => {
  const told = (thrown: FederationError | Error, json: boolean) => {
    const [printed, said]: [string[], string[]] = [[], []]
    const io = { json, print: (part: unknown) => void printed.push(String(part)), report: (part: unknown) => void said.push(String(part)) }
    if (thrown instanceof FederationError) report(thrown, io)
    else reportBug(thrown, io)
    return { printed: printed.map((text) => JSON.parse(text)), said }
  }

  it('is text on stderr', () => {
    expect(told(new FederationError('file-unreadable', 'x.yaml', 'is empty'), false)).toEqual({
      printed: [],
      said: ['error file-unreadable: x.yaml: is empty'],
    })
  })

  it('is one document on stdout, too, if the user asks for JSON', () => {
    const { printed, said } = told(new InputError('abort', 'has no rotation', { hint: 'entente approve b' }), true)
    const hint = 'entente approve b'
    expect(printed).toEqual([
      {
        apiVersion: 'entente.dev/v1alpha1',
        kind: 'Error',
        code: 'usage',
        subject: '--abort',
        message: 'has no rotation',
        hint,
        faults: [],
      },
    ])
    expect(said).toHaveLength(1)
  })

  it('is a document even for an unexpected exception', () => {
    expect(told(new TypeError('x is not iterable'), true).printed).toMatchObject([
      { kind: 'Error', code: 'internal', message: 'x is not iterable' },
    ])
  })
})
