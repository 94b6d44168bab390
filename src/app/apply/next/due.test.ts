import { describe, expect, it } from 'vitest'
import { ALICE } from '../../../../test/support/federations.ts'
import type { Digest } from '../../../core/model/digest.ts'
import type { Gate, Phase, Step } from '../../../core/model/planned.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import type { Consent } from '../../world.ts'
import { dueIn, heldBack } from './due.ts'

const SHUT: Gate = { needs: 'unused', root: 'f' as Gate['root'], open: false, waitingFor: ['a workload certificate'] }
const OPEN: Gate = { ...SHUT, open: true, waitingFor: [] }

/** A write in a phase to the object of that name. */
const step = (phase: Phase, name: string, gates: readonly Gate[] = []): Step => ({
  id: `${phase} ${name}` as Digest,
  member: 'cluster-b' as MemberName,
  phase,
  after: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'sample', name } },
  changes: [],
  drains: 0,
  gates,
  reason: 'a test',
})
const consentTo = (steps: readonly Step[], more: Partial<Consent> = {}): Consent => ({
  steps: new Set(steps.map(({ id }) => id)),
  actor: ALICE,
  reason: 'a test',
  ...more,
})

interface Given {
  readonly name: string
  readonly phase: Phase
  readonly left: readonly Step[]
  readonly withheld?: readonly Step[]
  readonly override?: string
  readonly due: readonly string[]
}

describe('the writes that are due', () => {
  const cases: readonly Given[] = [
    {
      name: 'all of the phase',
      phase: 'guard',
      left: [step('guard', 'a'), step('guard', 'b'), step('open', 'c')],
      due: ['guard a', 'guard b'],
    },
    { name: 'nothing opens while a restricting step is left', phase: 'open', left: [step('guard', 'a'), step('open', 'b')], due: [] },
    { name: 'a policy stays while a removable filter is left', phase: 'clean', left: [step('close', 'a'), step('clean', 'b')], due: [] },
    {
      name: 'a policy goes while a filter waits at a gate',
      phase: 'clean',
      left: [step('close', 'a', [SHUT]), step('clean', 'b')],
      due: ['clean b'],
    },
    {
      name: 'one write for each object',
      phase: 'open',
      left: [step('open', 'a'), step('close', 'a'), step('open', 'b')],
      due: ['open a', 'open b'],
    },
    {
      name: 'no write to an object with an earlier write',
      phase: 'close',
      left: [step('open', 'a'), step('close', 'a'), step('close', 'b')],
      due: ['close b'],
    },
    {
      name: 'no write behind a closed gate',
      phase: 'close',
      left: [step('close', 'a', [OPEN, SHUT]), step('close', 'b', [OPEN])],
      due: ['close b'],
    },
    { name: 'writes that an override allows', phase: 'close', left: [step('close', 'a', [SHUT])], override: 'stolen', due: ['close a'] },
    {
      name: 'no write without consent',
      phase: 'guard',
      left: [step('guard', 'a'), step('guard', 'b')],
      withheld: [step('guard', 'a')],
      due: ['guard b'],
    },
  ]
  it.each(cases)('$name', ({ phase, left, withheld = [], override, due }) => {
    const not = new Set(withheld.map(({ id }) => id))
    const consent = consentTo(
      left.filter(({ id }) => !not.has(id)),
      override === undefined ? {} : { overrideGate: override },
    )
    expect(dueIn(phase, left, consent).map(({ id }) => id)).toEqual(due)
  })
})

describe('writes that are held back', () => {
  const gated = step('close', 'a', [SHUT, OPEN])
  const plain = step('clean', 'b')
  it.each([
    { name: 'name what the gate waits for', consent: consentTo([gated]), says: ['a test: waits for a workload certificate'] },
    {
      name: 'name the earlier step that needs consent',
      consent: consentTo([plain]),
      says: ['a test: waits for steps that you did not consent to'],
    },
    { name: 'omit steps without consent', consent: consentTo([]), says: [] },
  ])('$name', ({ consent, says }) => {
    expect(heldBack([gated, plain], consent).map(({ message }) => message)).toEqual(says)
  })
})
