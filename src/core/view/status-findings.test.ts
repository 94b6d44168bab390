import { describe, expect, it } from 'vitest'
import { member } from '../../../test/support/federations.ts'
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Verdict } from '../model/proven.ts'
import { statusFindings } from './status-findings.ts'

const verdict = (truster: string, trusted: string, ...findings: readonly Finding[]): Verdict => ({
  truster: member(truster),
  trusted: member(trusted),
  state: 'broken',
  roots: [],
  proxies: { total: 1, ready: 0, lagging: ['server.sample'], rejected: [], unheard: [] },
  findings,
})
const lacks = error('root-missing', about.proxy('server.sample'), 'lacks a root')
const told = (planned: readonly Finding[], ...verdicts: readonly Verdict[]) =>
  statusFindings(planned, verdicts).map(({ severity, subject, code }) => `${severity} ${subject}: ${code}`)

describe('the findings of status', () => {
  it('are two if two clusters have a pod of the same name and namespace, each with its own', () => {
    expect(told([], verdict('cluster-a', 'cluster-b', lacks), verdict('cluster-b', 'cluster-a', lacks))).toEqual([
      'error cluster-a: server.sample: root-missing',
      'error cluster-b: server.sample: root-missing',
    ])
  })

  it('are one if two trusts of one mesh report the same about a pod', () => {
    expect(told([], verdict('cluster-b', 'cluster-a', lacks), verdict('cluster-b', 'cluster-c', lacks))).toEqual([
      'error server.sample: root-missing',
    ])
  })

  it('are one if two trusters report the same about a third mesh', () => {
    const unseen = warning('chain-unseen', about.member('cluster-c'), 'could not be seen')
    expect(told([], verdict('cluster-a', 'cluster-c', unseen), verdict('cluster-b', 'cluster-c', unseen))).toEqual([
      'warning cluster-c: chain-unseen',
    ])
  })

  const ends = error('root-expired', about.member('cluster-b'), '')
  it('use the plan’s words for the same fact, and omit infos', () => {
    const [planned, proven] = [{ ...ends, severity: 'warning' as const }, ends]
    expect(told([planned], verdict('cluster-b', 'cluster-a', proven, info('roots-unseen', about.member('cluster-b'), '')))).toEqual([
      'warning cluster-b: root-expired',
    ])
  })
})
