/** What proxies should hold, derived from the objects and from the state that the apply found. */

import type { Plaintext } from '../../../core/mesh/plaintext.ts'
import { ownerOf } from '../../../core/model/manifest.ts'
import type { Observation } from '../../../core/model/observed.ts'
import type { Course } from '../../../core/plan/course.ts'
import { readState } from '../../../core/trust/render.ts'
import { type Inbound, type MeshState, noInbound } from '../../../core/trust/state.ts'
import { vacatedMeshWide } from '../../../core/verify/mesh-wide-acceptance.ts'
import type { Start } from './position.ts'

export function startOf({ before, after, author }: Course): Start {
  return {
    own: [...author.own],
    inbound: [...before.inbound].map(([key, scope]) => [key, scope.at] as const),
    meshWide: before.meshWide?.at,
    plaintext: [...after.inbound].flatMap(([key, { plaintext }]) =>
      plaintext === undefined ? [] : [[key, plaintext === 'all' ? plaintext : [...plaintext]] as const],
    ),
  }
}

/** What the objects say now. Scopes that the apply has emptied are included, and accept no foreign identity. */
export function expected(start: Start, { objects }: Observation, owner: string): MeshState {
  const now = readState((objects.ok ? objects.value : []).filter((object) => ownerOf(object) === owner))
  const emptied = start.inbound.map(([key, at]) => [key, noInbound(at)] as const)
  const allowed = new Map(start.plaintext.map(([key, plaintext]) => [key, plaintextOf(plaintext)] as const))
  // If no Entente policy says which ports may accept plaintext, the federation file does.
  const withPlaintext = ([key, scope]: readonly [string, Inbound]): readonly [string, Inbound] => {
    const plaintext = scope.strict ? undefined : allowed.get(key)
    return [key, plaintext === undefined ? scope : { ...scope, plaintext }]
  }
  const meshWide = vacatedMeshWide(start.meshWide === undefined ? undefined : noInbound(start.meshWide))
  return { ...meshWide, ...now, inbound: new Map([...emptied, ...[...now.inbound].map(withPlaintext)]) }
}

const plaintextOf = (said: Start['plaintext'][number][1]): Plaintext => (said === 'all' ? said : new Map(said))
