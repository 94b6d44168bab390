import { describe, expect, it } from 'vitest'
import { A, ALICE, B, digest, member, NOW, viewOf } from '../../../test/support/federations.ts'
import type { AuditDraft, RecordedHome } from '../model/recorded.ts'
import { seal } from './record.ts'

const said = { actor: ALICE, at: NOW, reason: 'a test' }
const FILTER = 'EnvoyFilter sample/entente-x'
const POLICY = 'AuthorizationPolicy sample/entente-x'

interface Did {
  readonly object: string
  readonly undone?: boolean
  readonly removed?: boolean
}

const at = (home: Partial<RecordedHome>): RecordedHome => ({
  member: member('cluster-b'),
  trustDomain: B,
  istioNamespace: 'istio-system',
  ...home,
})
const HOME = at({ context: 'b' })

/** An apply of these steps; `undone` ones are not in its `end`. No home: an older version of Entente. */
function apply(
  before: readonly AuditDraft[],
  steps: readonly Did[],
  home: RecordedHome | 'unrecorded' = HOME,
  ended = true,
): readonly AuditDraft[] {
  const begin: AuditDraft = {
    ...said,
    action: 'begin',
    plan: digest('plan'),
    steps: steps.map(({ object, removed = false }) => ({
      id: digest(`${object} ${removed}`),
      member: member('cluster-b'),
      object,
      changes: removed ? [] : [{ effect: 'widens', of: 'root', trusted: A, what: 'x' }],
      before: removed ? digest(object) : null,
      after: removed ? null : digest(object),
    })),
    ...(home === 'unrecorded' ? {} : { homes: [home] }),
  }
  const sealed = before.reduce<ReturnType<typeof seal> | undefined>((last, draft) => seal(last, draft), undefined)
  const done = steps.filter(({ undone }) => undone !== true).map(({ object, removed = false }) => digest(`${object} ${removed}`))
  return [...before, begin, ...(ended ? [{ ...said, action: 'end', begin: seal(sealed, begin).hash, done } as const] : [])]
}

const held = (drafts: readonly AuditDraft[]) => [...viewOf(drafts).homes].map(([key, { objects }]) => [key, [...objects].sort()])
const OPENED = apply([], [{ object: POLICY }, { object: FILTER }])

describe('the objects that a cluster holds, by the record', () => {
  const table: readonly {
    readonly what: string
    readonly drafts: readonly AuditDraft[]
    readonly homes: readonly (readonly [string, readonly string[]])[]
  }[] = [
    { what: 'those that an apply wrote', drafts: OPENED, homes: [['context:b', [POLICY, FILTER]]] },
    {
      what: 'not those that a later apply removed',
      drafts: apply(OPENED, [{ object: FILTER, removed: true }]),
      homes: [['context:b', [POLICY]]],
    },
    {
      what: 'those whose removal was not carried out',
      drafts: apply(OPENED, [
        { object: FILTER, removed: true, undone: true },
        { object: POLICY, removed: true },
      ]),
      homes: [['context:b', [FILTER]]],
    },
    {
      what: 'not those whose creation was not carried out',
      drafts: apply([], [{ object: FILTER, undone: true }, { object: POLICY }]),
      homes: [['context:b', [POLICY]]],
    },
    {
      what: 'those that one apply removed and created again',
      drafts: apply(OPENED, [{ object: FILTER, removed: true }, { object: FILTER }]),
      homes: [['context:b', [POLICY, FILTER]]],
    },
    {
      what: 'those that one apply was to remove and create again, if it did neither',
      drafts: apply(OPENED, [{ object: FILTER, removed: true, undone: true }, { object: FILTER, undone: true }, { object: POLICY }]),
      homes: [['context:b', [POLICY, FILTER]]],
    },
    {
      what: 'not those that one apply removed and did not create again',
      drafts: apply(OPENED, [
        { object: FILTER, removed: true },
        { object: FILTER, undone: true },
      ]),
      homes: [['context:b', [POLICY]]],
    },
    { what: 'those of an interrupted apply', drafts: apply([], [{ object: FILTER }], HOME, false), homes: [['context:b', [FILTER]]] },
    {
      what: 'those that an interrupted apply was to remove',
      drafts: apply(OPENED, [{ object: FILTER, removed: true }], HOME, false),
      homes: [['context:b', [POLICY, FILTER]]],
    },
    {
      what: 'nothing after a remove',
      drafts: [...OPENED, { ...said, action: 'remove', member: member('cluster-b'), context: 'b' }],
      homes: [['context:b', []]],
    },
    {
      what: 'those of another home, after a remove of one',
      drafts: [
        ...apply(OPENED, [{ object: FILTER }], at({ context: 'c' })),
        { ...said, action: 'remove', member: member('cluster-b'), context: 'b' },
      ],
      homes: [
        ['context:b', []],
        ['context:c', [FILTER]],
      ],
    },
    {
      what: 'under the same directory, however it is spelled',
      drafts: apply(
        apply([], [{ object: POLICY }], at({ directory: 'clusters/b' })),
        [{ object: FILTER }],
        at({ directory: './clusters//b/' }),
      ),
      homes: [['directory:clusters/b', [POLICY, FILTER]]],
    },
    {
      what: 'of the cluster, under the directory by which Git delivers to it now',
      drafts: apply(OPENED, [{ object: FILTER, removed: true }], at({ context: 'b', directory: 'clusters/b' })),
      homes: [['directory:clusters/b', [POLICY]]],
    },
    {
      what: 'under the new name of a context that holds the record’s head',
      drafts: apply(OPENED, [{ object: FILTER, removed: true }], at({ context: 'new', continues: true })),
      homes: [['context:new', [POLICY]]],
    },
    {
      what: 'in each of two clusters, if the new one held no head',
      drafts: apply(OPENED, [{ object: FILTER }], at({ context: 'new' })),
      homes: [
        ['context:b', [POLICY, FILTER]],
        ['context:new', [FILTER]],
      ],
    },
    {
      what: 'of a record without homes, under its member',
      drafts: apply([], [{ object: FILTER }], 'unrecorded'),
      homes: [['member:cluster-b', [FILTER]]],
    },
    {
      what: 'of a record without homes, once an apply records the home',
      drafts: apply(apply([], [{ object: FILTER }], 'unrecorded'), [{ object: POLICY }]),
      homes: [['context:b', [POLICY, FILTER]]],
    },
  ]
  it.each(table)('$what', ({ drafts, homes }) => {
    expect(held(drafts)).toEqual(homes.map(([key, objects]) => [key, [...objects].sort()]))
  })
})
