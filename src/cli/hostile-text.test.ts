/** Every text that a command prints, with a hostile string in each field that comes from outside. */

import { describe, expect, it } from 'vitest'
import { FederationError } from '../core/diagnostics/errors.ts'
import { error } from '../core/diagnostics/finding.ts'
import { about as subjects } from '../core/diagnostics/subject.ts'
import { about } from '../core/doctor/check.ts'
import type { Plan } from '../core/model/planned.ts'
import type { Verdict } from '../core/model/proven.ts'
import { bundleView } from '../core/view/bundle-view.ts'
import { lintView } from '../core/view/lint-view.ts'
import { doctorText } from './print/doctor-text.ts'
import { errorText } from './print/error-text.ts'
import { impactText } from './print/impact-text.ts'
import { lintGithub } from './print/lint/lint-github.ts'
import { lintText } from './print/lint/lint-text.ts'
import { mountText } from './print/mount-text.ts'
import { planText } from './print/plan-text.ts'
import { bundleText } from './print/roots/bundle-text.ts'
import { rotationText } from './print/rotation-text.ts'
import { document, json, type Part, plain } from './print/screen.ts'
import { connectionsText } from './print/sever-text.ts'
import { findingsText, leavesText, statusText, table, verdictText } from './print/text.ts'

const PROVEN = 'cluster-b trusting cluster-a: proven'
const HOSTILE = `x\r\n${PROVEN}\n\u001b[2J\u009b1A\u202e\u2066\u200b\u{e0041}\ufeff\u2028${PROVEN}\u0007\ud800`
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
/** The styles of painter. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const OURS = /\u001b\[(?:1|2|22|31|32|33|39)m/g

/** A value of any shape in which every field that is asked for is hostile. */
const hostile = <T>(given: object = {}): T =>
  new Proxy(given as Record<string, unknown>, {
    get: (target, key) => (key in target ? target[key as string] : typeof key === 'string' ? HOSTILE : undefined),
  }) as T
const finding = { ...error('file-unreadable', subjects.other(HOSTILE), HOSTILE, HOSTILE) }
const lintFinding = { ...finding, code: 'yaml-invalid', file: HOSTILE, line: 1, column: 1 }
const result = hostile<Parameters<typeof lintText>[0]>({
  findings: [lintFinding],
  suppressed: [],
  notChecked: [{ rule: HOSTILE, because: HOSTILE }],
  replacement: { federation: `a: "${HOSTILE.replaceAll('\n', ' ')}"\n`, placeholders: [HOSTILE] },
  files: 1,
  objects: 1,
})
const step = {
  id: 'sha256:1',
  member: HOSTILE,
  phase: 'open',
  before: undefined,
  after: { apiVersion: 'v1', kind: HOSTILE, metadata: { name: HOSTILE, namespace: HOSTILE } },
  drains: 1,
  changes: (['root', 'caller', 'workloads', 'server', 'names', 'host'] as const).map((of) => ({
    effect: 'widens',
    of,
    trusted: HOSTILE,
    what: HOSTILE,
  })),
  gates: [{ needs: 'held', root: HOSTILE, open: false, waitingFor: [HOSTILE] }],
}
const plan = { name: HOSTILE, digest: 'sha256:1', steps: [step], findings: [finding] } as unknown as Plan
const verdict = {
  truster: HOSTILE,
  trusted: HOSTILE,
  state: 'broken',
  roots: [],
  proxies: { total: 1, ready: 0, lagging: [HOSTILE], rejected: [HOSTILE], unheard: [HOSTILE] },
  findings: [finding],
} as unknown as Verdict
const inspection = {
  verdict: 'reject',
  format: 'pem',
  trustDomain: HOSTILE,
  certificates: [
    {
      subject: HOSTILE,
      problems: [HOSTILE],
      certificate: hostile({ notBefore: new Date(0), notAfter: new Date(0), key: { algorithm: HOSTILE, bits: 0 }, uriSANs: [HOSTILE] }),
    },
  ],
  findings: [finding],
} as unknown as Parameters<typeof bundleText>[0]
const impact = {
  policies: [hostile({ newlyAccepted: [HOSTILE], maybe: [], except: [HOSTILE], at: [HOSTILE], closedBy: [HOSTILE], examples: [HOSTILE] })],
  identities: [{ id: HOSTILE, before: 'deny', after: 'allow' }],
  findings: [finding],
} as unknown as Parameters<typeof impactText>[1]
const rotation = hostile<Parameters<typeof rotationText>[0]>({
  phase: 'retire',
  staying: [HOSTILE],
  leaving: [HOSTILE],
  gates: [{ needs: 'unused', root: HOSTILE, open: false, waitingFor: [HOSTILE] }],
  findings: [],
})
const lacking = hostile<Parameters<typeof mountText>[0][number]>({
  pods: [HOSTILE],
  lacking: [HOSTILE],
  sets: [HOSTILE],
  patch: undefined,
  kind: HOSTILE,
})

const TEXTS: readonly (readonly [string, (color: boolean) => Part])[] = [
  ['one line', () => HOSTILE],
  ['an error', () => errorText(new FederationError('cluster-refused', HOSTILE, HOSTILE, { hint: HOSTILE }))],
  [
    'an error of several causes',
    () =>
      errorText(new FederationError('federation-invalid', HOSTILE, '', { hint: HOSTILE, faults: [{ message: HOSTILE, hint: HOSTILE }] })),
  ],
  ['findings', (color) => findingsText([finding], { color })],
  [
    'a table',
    () =>
      table([
        ['A', 'B'],
        [HOSTILE, HOSTILE],
      ]),
  ],
  [
    'a table on a narrow terminal',
    () =>
      table(
        [
          ['A', 'B'],
          [HOSTILE, HOSTILE],
        ],
        20,
      ),
  ],
  ['plan', (color) => planText(plan, { color })],
  ['verify', (color) => verdictText(verdict, { color })],
  ['status', (color) => statusText([{ verdict, pending: 1, severed: false }], color)],
  ['certificates of proxies', () => leavesText([hostile({ holds: [HOSTILE], until: HOSTILE, root: HOSTILE })])],
  ['connections', () => connectionsText([hostile({ open: 1, until: HOSTILE })])],
  [
    'doctor',
    (color) =>
      doctorText(
        [about('istiod', [HOSTILE as never], HOSTILE).warn(HOSTILE, HOSTILE), about('mtls', [HOSTILE as never], HOSTILE).skipped(HOSTILE)],
        color,
      ),
  ],
  ['bundle inspect', (color) => bundleText(inspection, { color })],
  ['bundle inspect -o json', () => json(bundleView(inspection))],
  ['impact', (color) => impactText(HOSTILE, impact, { color })],
  ['rotate', (color) => rotationText(rotation, [finding], { color })],
  ['mount', (color) => mountText([lacking], color)],
  ['lint', (color) => lintText(result, color)],
  ['lint -o json', () => json(lintView(result))],
  ['lint -o github', () => document(lintGithub(result))],
  ['JSON', () => json({ plan, verdict, finding })],
]

describe('a hostile text', () => {
  it.each(TEXTS)('begins no line and hides nothing in %s', (_, make) => {
    for (const color of [false, true]) {
      const printed = plain(make(color))
      expect(printed).toContain(PROVEN)
      for (const line of printed.split('\n')) {
        const seen = line.replaceAll(OURS, '')
        expect(HIDDEN.test(seen), JSON.stringify(seen)).toBe(false)
        expect(seen.trimStart().startsWith(PROVEN), seen).toBe(false)
      }
    }
  })
})
