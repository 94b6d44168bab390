import { describe, expect, it } from 'vitest'
import { error, warning } from '../../../core/diagnostics/finding.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import type { Change, Plan, Step } from '../../../core/model/planned.ts'
import { planObstacles, planSummary } from './plan-summary.ts'

type Changes = readonly (readonly [Change['effect'], Change['of'], string])[]

const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'sample' } }
const FILTER = 'sample (app=server)'

const selecting = (kind: string): Manifest => ({
  ...object,
  kind,
  spec: kind === 'EnvoyFilter' ? { workloadSelector: { labels: { app: 'server' } } } : { selector: { matchLabels: { app: 'server' } } },
})

/** A step in cluster-b about cluster-a, or the other way round. */
function step(changes: Changes, more: Partial<Step> = {}): Step {
  const member = more.member ?? ('cluster-b' as Step['member'])
  const trusted = (member === 'cluster-b' ? 'cluster-a.example' : 'cluster-b.example') as Change['trusted']
  return {
    id: 'sha256:0' as Step['id'],
    member,
    phase: 'open',
    after: object,
    changes: changes.map(([effect, of, what]) => ({ effect, of, trusted, what })),
    drains: 0,
    gates: [],
    reason: '',
    ...more,
  }
}

const members = ['cluster-a', 'cluster-b'].map((name) => ({ name, trustDomain: `${name}.example` })) as unknown as NonNullable<
  Plan['members']
>
const plan = (steps: readonly Step[], findings: Plan['findings'] = []): Plan => ({
  name: 'shop',
  digest: 'sha256:1' as Plan['digest'],
  members,
  steps,
  findings,
})

const CLIENT = 'cluster-a.example/ns/sample/sa/client'
const opened = step(
  [
    ['widens', 'workloads', FILTER],
    ['widens', 'root', 'sha256:2'],
    ['widens', 'caller', CLIENT],
  ],
  { drains: 1 },
)
const reached = step([['widens', 'host', 'server.sample.svc.cluster.local from sample (app=client)']], {
  member: 'cluster-a' as Step['member'],
})

describe('the first lines of a plan', () => {
  it.each<[string, readonly Step[], string]>([
    ['state a call once for both meshes', [reached, opened], 'cluster-a/sample/client may call cluster-b/sample/server. 1 proxy drains.'],
    [
      'state the end date of a call',
      [
        step([
          ['narrows', 'workloads', FILTER],
          ['narrows', 'caller', CLIENT],
        ]),
      ],
      'cluster-a/sample/client may no longer call cluster-b/sample/server.',
    ],
    [
      'state every identity of a mesh',
      [
        step([
          ['widens', 'workloads', 'sample (all workloads)'],
          ['widens', 'caller', 'cluster-a.example/*'],
        ]),
      ],
      'every identity of cluster-a may call sample (all workloads) of cluster-b.',
    ],
    [
      'state every account of a namespace',
      [
        step([
          ['widens', 'workloads', FILTER],
          ['widens', 'caller', 'cluster-a.example/ns/shop/*'],
        ]),
      ],
      'every account in shop of cluster-a may call cluster-b/sample/server.',
    ],
    ['state only the side that changes', [reached], 'cluster-a/sample/client may call server.sample.svc.cluster.local in cluster-b.'],
    ['state an additional root', [step([['widens', 'root', 'sha256:3']])], 'cluster-b accepts another root of cluster-a.'],
    [
      'state no call if one object replaces another',
      [
        step([
          ['widens', 'workloads', FILTER],
          ['widens', 'caller', CLIENT],
        ]),
        step([
          ['narrows', 'workloads', FILTER],
          ['narrows', 'caller', CLIENT],
        ]),
      ],
      'No caller gains or loses access.',
    ],
    [
      'state the same proxies once, however many objects make them drain',
      ['EnvoyFilter', 'PeerAuthentication', 'AuthorizationPolicy'].map((kind) => step([], { drains: 1, after: selecting(kind) })),
      'What proxies accept stays the same. 1 proxy drains.',
    ],
    ['state that nothing changes for proxies', [step([])], 'What proxies accept stays the same.'],
    ['are empty without a step', [], ''],
  ])('%s', (_, steps, sentence) => {
    expect(planSummary(plan(steps))).toBe(sentence)
  })

  it('show a few calls, and how many more there are', () => {
    const many = Array.from({ length: 6 }, (_, i) => ['widens', 'caller', `cluster-a.example/ns/sample/sa/c${i}`] as const)
    expect(planSummary(plan([step([['widens', 'workloads', FILTER], ...many])]))).toMatch(
      /c3 may call cluster-b\/sample\/server\. 2 further changes below\.$/,
    )
  })
})

describe('the lines before the steps of a plan', () => {
  const closed = { needs: 'unused', root: 'sha256:4', open: false, waitingFor: ['cluster-a'] } as unknown as Step['gates'][number]
  it.each<[string, Plan, readonly RegExp[]]>([
    ['are empty if everything can be carried out', plan([opened]), []],
    [
      'say that errors block a part',
      plan([opened], [error('bundle-missing', about.member('cluster-a'), 'x')]),
      [/the errors below stop the rest/],
    ],
    ['say that all steps wait', plan([step([], { gates: [closed] })]), [/every step waits/]],
    ['say how many steps wait', plan([opened, step([], { gates: [closed] })]), [/1 of 2 steps wait/]],
    [
      'say that apply needs another consent',
      plan([opened], [warning('impact-past-callers', about.member('cluster-b'), 'x')]),
      [/until you accept the impact/],
    ],
    ['omit consent if nothing opens', plan([step([])], [warning('impact-past-callers', about.member('cluster-b'), 'x')]), []],
  ])('%s', (_, made, says) => {
    expect(planObstacles(made)).toEqual(says.map((words) => expect.stringMatching(words)))
  })
})
