import { describe, expect, it } from 'vitest'
import { codes, linted, places } from '../../../test/support/lint.ts'

const policy = (lines: readonly string[]): string => `${lines.join('\n')}\n`
const POLICY = [
  'apiVersion: security.istio.io/v1',
  'kind: PeerAuthentication',
  'metadata:',
  '  name: x',
  '  namespace: y',
  'spec:',
  '  modes: STRICT',
  '  trustDomainAliases:',
  '    - b.example',
]
const withComment = (at: number, comment: string): string => policy([...POLICY.slice(0, at), comment, ...POLICY.slice(at)])
const REASON = 'kept until INC-7 is closed'

describe('a comment', () => {
  it.each([
    ['above the line', withComment(6, `  # entente-lint: ignore unknown-field -- ${REASON}`), ['inert-peer-aliases']],
    ['on the line', policy(POLICY.with(6, `  modes: STRICT # entente-lint: ignore unknown-field -- ${REASON}`)), ['inert-peer-aliases']],
    ['above the block around it', withComment(5, `# entente-lint: ignore unknown-field, inert-peer-aliases -- ${REASON}`), []],
    ['at the head of the document', withComment(0, `# entente-lint: ignore inert-peer-aliases -- ${REASON}`), ['unknown-field']],
    [
      'above another comment',
      withComment(6, `  # entente-lint: ignore unknown-field -- ${REASON}\n\n  # see the wiki`),
      ['inert-peer-aliases'],
    ],
    [
      'of another rule',
      withComment(6, `  # entente-lint: ignore foreign-alias -- ${REASON}`),
      ['suppression-unused', 'unknown-field', 'inert-peer-aliases'],
    ],
    [
      'of another line',
      withComment(3, `  # entente-lint: ignore unknown-field -- ${REASON}`),
      ['suppression-unused', 'unknown-field', 'inert-peer-aliases'],
    ],
    [
      'without a reason',
      withComment(6, '  # entente-lint: ignore unknown-field'),
      ['suppression-without-reason', 'unknown-field', 'inert-peer-aliases'],
    ],
    [
      'with an empty reason',
      withComment(6, '  # entente-lint: ignore unknown-field -- '),
      ['suppression-without-reason', 'unknown-field', 'inert-peer-aliases'],
    ],
    [
      'of no rule',
      withComment(6, `  # entente-lint: ignore nonsense -- ${REASON}`),
      ['suppression-unknown', 'unknown-field', 'inert-peer-aliases'],
    ],
    [
      'about itself',
      withComment(6, '  # entente-lint: ignore unknown-field, suppression-without-reason'),
      ['suppression-without-reason', 'suppression-without-reason', 'unknown-field', 'inert-peer-aliases'],
    ],
  ])('%s', (_, text, expected) => {
    expect(codes(linted(text))).toEqual(expected)
  })

  it('suppresses only within its document', () => {
    const text = `# entente-lint: ignore inert-peer-aliases -- ${REASON}\n${policy(POLICY.toSpliced(6, 1))}---\n${policy(POLICY.toSpliced(6, 1))}`
    expect(places(linted(text))).toEqual(['m.yaml:17:3 inert-peer-aliases'])
  })

  it('covers the items of a list that is not indented', () => {
    const text = 'meshConfig:\n  # entente-lint: ignore foreign-alias -- our own old name\n  trustDomainAliases:\n  - old.example\n'
    expect(codes(linted(text))).toEqual([])
  })

  it('records its reason next to the suppressed finding', () => {
    const { suppressed } = linted(withComment(6, `  # entente-lint: ignore unknown-field -- ${REASON}`))
    expect(suppressed).toMatchObject([{ code: 'unknown-field', line: 8, reason: REASON }])
  })
})

describe('an annotation', () => {
  const annotated = (reason: string): string =>
    policy([...POLICY.slice(0, 5), '  annotations:', `    lint.entente.dev/inert-peer-aliases: ${reason}`, ...POLICY.slice(5)])

  it('covers the finding on its object, whose other findings stay', () => {
    const result = linted(annotated(`"${REASON}"`))
    expect(codes(result)).toEqual(['unknown-field'])
    expect(result.suppressed).toMatchObject([{ code: 'inert-peer-aliases', reason: REASON }])
  })

  it('without a reason suppresses nothing', () => {
    expect(codes(linted(annotated('""')))).toEqual(['suppression-without-reason', 'unknown-field', 'inert-peer-aliases'])
    expect(codes(linted(annotated('true')))).toEqual(['suppression-without-reason', 'unknown-field', 'inert-peer-aliases'])
  })
})
