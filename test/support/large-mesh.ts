/** One mesh with many sets of workloads, to test that the work is linear in them. */
import type { Manifest } from '../../src/core/model/manifest.ts'
import type { Seens } from '../../src/core/model/observed.ts'
import type { Federation, Intent, Member, Trust } from '../../src/core/model/wanted.ts'
import type { RecordView } from '../../src/core/record/projection.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import { render } from '../../src/core/trust/render.ts'
import { bundleOf, domain, fakeRoot, member, principal, recordOf } from './federations.ts'
import { destinationRule, observation, peerAuthentication, pod, service } from './observations.ts'

const PODS = 10
const SETS_OF_A_NAMESPACE = 10

export interface LargeMesh {
  readonly federation: Federation
  readonly bundles: readonly Bundle[]
  readonly record: RecordView
  /** A new observation of the mesh: it shares no object with the rendered ones, or with another observation. */
  readonly seen: (wanted: readonly Intent[], inPlace: boolean) => Seens
}

/** @param size how many sets of workloads: half of them accept callers, the others call a host */
export function largeMesh(size: number): LargeMesh {
  const members = ['large', 'other'].map(
    (name): Member => ({
      name: member(name),
      trustDomain: domain(`${name}.example`),
      aliases: [],
      home: { context: name },
      istioNamespace: 'istio-system',
    }),
  ) as [Member, Member]
  const [mesh, other] = members
  const sets = Array.from({ length: size }, (_, i) => ({
    namespace: `team-${Math.floor(i / SETS_OF_A_NAMESPACE)}`,
    labels: { app: `app-${i}` },
  }))
  const trust: Trust = {
    truster: mesh.name,
    trusted: other.name,
    distribution: 'pinned',
    accept: sets
      .filter((_, i) => i % 2 === 0)
      .map((at) => ({ at, mtls: 'enforce', callers: [principal(`${other.trustDomain}/ns/shop/sa/client`)] })),
    reach: sets
      .filter((_, i) => i % 2 === 1)
      .map((from) => ({ from, services: [{ host: `${from.labels.app}.${from.namespace}.svc.cluster.local` }] })),
  }
  const bundles = members.map(({ trustDomain }) => bundleOf(trustDomain, fakeRoot(trustDomain)))
  return {
    federation: { name: 'large', members: new Map(members.map((one) => [one.name, one])), trusts: [trust], severed: [] },
    bundles,
    record: recordOf(...bundles),
    seen: (wanted, inPlace) => {
      const ours = inPlace ? wanted.flatMap((intent) => JSON.parse(JSON.stringify(render(intent))) as readonly Manifest[]) : []
      return new Map([[mesh.name, observation({ own: bundles[0] as Bundle, objects: [...around(sets), ...ours] })]])
    },
  }
}

const around = (sets: readonly { readonly namespace: string; readonly labels: { readonly app: string } }[]): readonly Manifest[] => [
  ...[...new Set(sets.map(({ namespace }) => namespace))].flatMap((namespace) => [
    peerAuthentication(`${namespace}/default`, 'PERMISSIVE'),
    destinationRule(`${namespace}/default`, { host: `*.${namespace}.svc.cluster.local`, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }),
  ]),
  ...sets.flatMap(({ namespace, labels }) => [
    service(`${namespace}/${labels.app}`),
    ...Array.from({ length: PODS }, (_, n) => pod(`${namespace}/${labels.app}-${n}`, { ...labels, 'pod-template-hash': labels.app })),
  ]),
]
