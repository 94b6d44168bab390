/** The JSON of `remove` and `uninstall`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Step } from '../model/planned.ts'
import type { Verdict } from '../model/proven.ts'
import type { Member } from '../model/wanted.ts'
import type { View } from './schemas.ts'
import { verdictsView } from './verify-view.ts'
import { documented } from './versioned.ts'

interface Ended {
  readonly target: { readonly member: Member }
  readonly state: 'ended' | 'undelivered' | 'left' | 'unknown'
  readonly left: readonly Manifest[] | undefined
  readonly verdicts: readonly Verdict[]
}

export function removeView({
  at,
  homes,
  done,
  findings,
}: {
  readonly at: Date
  readonly homes: readonly Ended[]
  readonly done: readonly Step[]
  readonly findings: readonly Finding[]
}): View<'Remove'> {
  return documented('Remove', {
    ...verdictsView(
      homes.flatMap(({ verdicts }) => verdicts),
      findings,
      at,
    ),
    homes: homes.map(({ target: { member }, state, left }) => ({
      member: member.name,
      context: member.home?.context ?? null,
      directory: member.home?.directory ?? null,
      state,
      objects: left?.length ?? null,
    })),
    done: done.map(({ id }) => id),
  })
}
