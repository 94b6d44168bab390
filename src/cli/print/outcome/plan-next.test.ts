import { describe, expect, it } from 'vitest'
import { digest, federation, member, type Spec, spec } from '../../../../test/support/federations.ts'
import type { Step } from '../../../core/model/planned.ts'
import { planNextText } from './plan-next.ts'

const step = (of: string): Step => ({ id: digest(of), member: member(of), phase: 'open', changes: [], drains: 0, gates: [], reason: '' })
const both = [step('cluster-a'), step('cluster-b')]

const told = (steps: readonly Step[], homes: (spec: Spec) => void = () => {}, file = 'federation.yaml'): string =>
  planNextText({ steps }, federation(spec(homes)), file).join('\n')

const inDirectory = (which: number) => (s: Spec) =>
  void Object.assign(s.members[which] ?? {}, { cluster: { directory: `clusters/${s.members[which]?.name}` } })
const withoutHome = (s: Spec): void => {
  s.members = s.members.map((one) => (one.name === 'cluster-b' ? { name: one.name, trustDomain: one.trustDomain } : one))
  s.trust = s.trust.filter(({ truster }) => truster !== 'cluster-b')
}

describe('the next step of a plan', () => {
  it('is nothing without steps', () => expect(told([])).toBe(''))

  it('is apply for clusters', () => expect(told(both)).toBe('To carry it out: entente apply --reason "WHY"'))

  it('names the federation file unless it is the default', () =>
    expect(told(both, undefined, 'shop/federation.yaml')).toBe('To carry it out: entente apply -f shop/federation.yaml --reason "WHY"'))

  it('says of directories that apply only writes them', () =>
    expect(told([step('cluster-b')], inDirectory(1), 'shop/federation.yaml').split('\n')).toEqual([
      'To write it: entente apply -f shop/federation.yaml --reason "WHY"',
      'apply only writes files, NOT IN FORCE until it is committed and delivered: cluster-b',
    ]))

  it('names the members with a directory where others are clusters', () =>
    expect(told(both, inDirectory(0)).split('\n')).toEqual([
      'To carry it out: entente apply --reason "WHY"',
      'apply only writes files, NOT IN FORCE until it is committed and delivered: cluster-a',
    ]))

  it('leaves a member without a home to its owner', () =>
    expect(told([step('cluster-a')], withoutHome).split('\n')).toEqual([
      'To carry it out: entente apply --reason "WHY"',
      'cluster-b has no cluster and no directory here: its owner makes the changes there, with entente',
    ]))
})
