import { describe, expect, it } from 'vitest'
import {
  A,
  acceptEntry,
  B,
  bundleOf,
  fakeRoot,
  federation,
  reachEntry,
  type Spec,
  spec,
  wanted,
} from '../../../../test/support/federations.ts'
import { observation, pod, service } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Intent } from '../../model/wanted.ts'
import { wantedState } from '../../trust/wanted-state.ts'
import { check } from './checks.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))]
const runs = (name: string, app: string, serviceAccountName?: string): Manifest => {
  const made = pod(`sample/${name}`, { app }) as Manifest & { spec: object }
  return { ...made, spec: { ...made.spec, ...(serviceAccountName === undefined ? {} : { serviceAccountName }) } } as Manifest
}

function checked(member: 'cluster-a' | 'cluster-b', objects: readonly Manifest[], change: (s: Spec) => void = () => {}) {
  const of = spec((s) => {
    Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ serviceAccount: 'server' })] })
    Object.assign(s.trust[1] ?? {}, { reach: [reachEntry({ serviceAccount: 'client' })] })
    change(s)
  })
  const intent = wanted(federation(of), BUNDLE_A, BUNDLE_B).find((i) => i.member.name === member) as Intent
  const own = member === 'cluster-a' ? BUNDLE_A : BUNDLE_B
  return check(intent, wantedState(intent), observation({ own, objects: [...objects, service('sample/server')] }))
}
const others = ({ findings }: ReturnType<typeof check>) => findings.filter(({ code }) => code === 'call-selects-other')

describe('an entry that names a service account', () => {
  it('is accepted if its labels select only pods of that account', () => {
    const { blockedInbound } = checked('cluster-b', [runs('server-1', 'server', 'server'), runs('other', 'other', 'x')])
    expect([...blockedInbound]).toEqual([])
    expect(others(checked('cluster-b', [runs('server-1', 'server', 'server'), runs('other', 'other', 'x')]))).toEqual([])
  })

  it('opens nothing at servers of another account, and names them', () => {
    const made = checked('cluster-b', [
      runs('server-1', 'server', 'server'),
      runs('server-2', 'server', 'legacy'),
      runs('server-3', 'server'),
    ])
    expect(others(made)).toMatchObject([
      {
        severity: 'error',
        subject: 'cluster-b: sample (app=server)',
        message: expect.stringMatching(
          /service account server, .*server-2 \(legacy\), server-3 \(default\); callers of the entry could call them/,
        ),
        hint: expect.stringContaining('set serviceAccountName: server'),
      },
    ])
    expect([...made.blockedInbound]).toEqual(['sample/app=server'])
  })

  it('opens nothing at callers of another account', () => {
    const made = checked('cluster-a', [runs('client-1', 'client', 'web')])
    expect(others(made)).toMatchObject([
      { subject: 'cluster-a: sample (app=client)', message: expect.stringMatching(/client-1 \(web\); .*their calls fail/) },
    ])
    expect([...made.blockedOutbound]).toEqual(['sample/app=client'])
  })

  it('names a few of many pods', () => {
    const many = Array.from({ length: 9 }, (_, i) => runs(`server-${i}`, 'server', 'x'))
    expect(others(checked('cluster-b', many))[0]?.message).toContain('server-2 (x) and 6 more')
  })

  it('is rejected if two entries name different accounts for one set of workloads', () => {
    const two = checked('cluster-b', [runs('server-1', 'server', 'server')], (s) =>
      Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ serviceAccount: 'server' }), acceptEntry({ serviceAccount: 'web' })] }),
    )
    expect(others(two).map(({ message }) => message)).toEqual([expect.stringContaining('service account web')])
  })
})

it('a call without a service account is not checked for it', () => {
  const bare = (s: Spec): void => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry()] })
  expect(others(checked('cluster-b', [runs('server-1', 'server', 'legacy')], bare))).toEqual([])
})
