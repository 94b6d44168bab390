/** A fleet as the benchmarks of the core know it: members with 5 trusts each, and what is seen of them. */

import type { Seens } from '../src/core/model/observed.ts'
import type { Federation, Intent, Member, MemberName, Trust } from '../src/core/model/wanted.ts'
import type { RecordView } from '../src/core/record/projection.ts'
import type { Bundle } from '../src/core/spiffe/bundle.ts'
import { render } from '../src/core/trust/render.ts'
import type { Anchor } from '../src/core/x509/anchor.ts'
import { domain, member, principal, recordOf } from '../test/support/federations.ts'
import { observation, pod, service } from '../test/support/observations.ts'

export const TRUSTS = 5

export interface Fleet {
  readonly federation: Federation
  readonly bundles: readonly Bundle[]
  readonly record: RecordView
}

/** A member for each root. Each accepts callers of three others and reaches services of three; one of them is both. */
export function fleet(anchors: readonly Anchor[]): Fleet {
  const size = anchors.length
  const members = anchors.map(
    (_, i): Member => ({
      name: member(`cluster-${i}`),
      trustDomain: domain(`cluster-${i}.example`),
      aliases: [],
      home: { context: `cluster-${i}` },
      istioNamespace: 'istio-system',
    }),
  )
  const trusts = members.flatMap(({ name }, i) =>
    [1, 2, Math.floor(size / 2), -1, -2].map((offset, k) => trust(name, members[(i + offset + size) % size] as Member, k)),
  )
  const bundles = members.map(({ trustDomain }, i): Bundle => ({ trustDomain, anchors: [anchors[i] as Anchor] }))
  const federation = { name: 'fleet', members: new Map(members.map((m) => [m.name, m])), trusts, severed: [] }
  return { federation, bundles, record: recordOf(...bundles) }
}

function trust(truster: MemberName, { name, trustDomain }: Member, k: number): Trust {
  const accept = {
    at: { namespace: 'shop', labels: { app: 'server' } },
    mtls: 'enforce',
    callers: [principal(`${trustDomain}/ns/shop/sa/client`)],
  } as const
  const reach = { from: { namespace: 'shop', labels: { app: 'client' } }, services: [{ host: `server-${k}.shop.svc.cluster.local` }] }
  return { truster, trusted: name, distribution: 'pinned', accept: k <= 2 ? [accept] : [], reach: k >= 2 ? [reach] : [] }
}

const around = [
  ...Array.from({ length: 10 }, (_, i) => pod(`shop/server-${i}`, { app: 'server' })),
  ...Array.from({ length: 10 }, (_, i) => pod(`shop/client-${i}`, { app: 'client' })),
  ...Array.from({ length: TRUSTS }, (_, k) => service(`shop/server-${k}`)),
]

/** As a cluster gives it back: new values every time, nothing shared with what was rendered. */
export const seen = (wanted: readonly Intent[], { bundles }: Fleet, inPlace: boolean): Seens =>
  new Map(
    wanted.map((intent, i) => {
      const objects = inPlace ? (JSON.parse(JSON.stringify(render(intent))) as ReturnType<typeof render>) : []
      return [intent.member.name, observation({ own: bundles[i] as Bundle, objects: [...around, ...objects] })]
    }),
  )
