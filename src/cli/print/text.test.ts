import { describe, expect, it } from 'vitest'
import { error, type Finding, warning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Look } from './layout/look.ts'
import { findingsText, table } from './text.ts'

const ROWS = [
  ['MEMBER', 'ROOT', 'SUBJECT'],
  ['cluster-a', 'sha256:373b', 'CN=Root CA a'],
  ['日本', '', 'CN=根'],
]

describe('a table', () => {
  it('has columns three apart, also with a character of width two', () => {
    expect(String(table(ROWS))).toBe(
      ['MEMBER      ROOT          SUBJECT', 'cluster-a   sha256:373b   CN=Root CA a', '日本                      CN=根'].join('\n'),
    )
  })

  it('becomes blocks if the terminal is too narrow, without truncation', () => {
    expect(String(table(ROWS, 30))).toBe(
      ['MEMBER    cluster-a', 'ROOT      sha256:373b', 'SUBJECT   CN=Root CA a', '', 'MEMBER    日本', 'SUBJECT   CN=根'].join('\n'),
    )
  })

  it('stays a table if it just fits', () => {
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

describe('findings with the same code', () => {
  const root = `sha256:${'4f'.repeat(32)}`
  const lagging = ['sample/server-0', 'sample/server-1', 'sample/server-2', 'sample/server-3', 'sample/server-4'].map((proxy) =>
    warning('no-workload', about.proxy(proxy), `waits for ${root}`, `entente approve x --fingerprint ${root}`),
  )
  const text = (findings: readonly Finding[], look: Look = {}): string => String(findingsText(findings, look))

  it('are one block that lists the subjects, with fingerprints shortened if nobody needs to copy them', () => {
    expect(text([...lagging, error('bundle-missing', about.member('cluster-a'), 'has no roots')])).toBe(
      [
        'error bundle-missing: cluster-a: has no roots',
        `warning no-workload: sample/server-0: waits for sha256:${'4f'.repeat(6)}…`,
        '  also: sample/server-1, sample/server-2, sample/server-3 and 1 more (-v shows each)',
        `  next: entente approve x --fingerprint ${root}`,
      ].join('\n'),
    )
  })

  it('are all shown in full if the user requests it', () => {
    const lines = text(lagging, { verbose: true }).split('\n')
    expect(lines.filter((line) => line.startsWith('warning no-workload: sample/server-'))).toHaveLength(5)
    expect(lines[0]).toBe(`warning no-workload: sample/server-0: waits for ${root}`)
  })

  it('about one subject are counted', () => {
    const twice = ['one', 'two'].map((fact) => error('bundle-missing', about.member('cluster-a'), fact))
    expect(text(twice)).toBe('error bundle-missing: cluster-a: one\n  also: 1 more of cluster-a (-v shows each)')
  })
})
