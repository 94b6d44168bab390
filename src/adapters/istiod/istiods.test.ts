import { describe, expect, it } from 'vitest'
import { failed, ok } from '../../../test/support/observations.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import { presentedOf } from './istiods.ts'

const chain = (ca: string): Seen<readonly Uint8Array[]> => ok(['leaf', ca].map((text) => new TextEncoder().encode(text)))
const visit = (presented: Seen<readonly Uint8Array[]>, leaving = false) => ({ pod: { name: 'istiod', leaving } as IstiodPod, presented })
const silent = failed('istiod-unreachable')

describe('the chain that a mesh serves', () => {
  it.each([
    { what: 'is that of its only istiod', visits: [visit(chain('one'))], seen: true },
    { what: 'is that of all of them', visits: [visit(chain('one')), visit(chain('one'))], seen: true },
    {
      what: 'is unknown where they serve chains of different CAs',
      visits: [visit(chain('one')), visit(chain('two'))],
      code: 'presented-differs',
    },
    { what: 'is unknown where one of them could not be asked', visits: [visit(chain('one')), visit(silent)], code: 'istiod-unreachable' },
    { what: 'does not require an answer from a terminating one', visits: [visit(chain('one')), visit(silent, true)], seen: true },
    { what: 'is unknown where the only one is terminating and does not answer', visits: [visit(silent, true)], code: 'istiod-unreachable' },
  ])('$what', ({ visits, seen = false, code }) => {
    const presented = presentedOf(about.member('cluster-b'), visits)
    expect(presented.ok).toBe(seen)
    if (!presented.ok) expect(presented.error.code).toBe(code)
  })
})
