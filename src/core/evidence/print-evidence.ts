/** Prints the observation of a mesh as JSON, which its owner gives to people who cannot reach the mesh. */
import type { Finding } from '../diagnostics/finding.ts'
import { proxiesIn, runsProxy } from '../mesh/pods.ts'
import type { Digest } from '../model/digest.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, list } from '../model/manifest.ts'
import type { Evidence, IstioFacts, Observation, Pins, Seen } from '../model/observed.ts'
import type { Verdict } from '../model/proven.ts'
import type { Member } from '../model/wanted.ts'
import { type Bundle, printBundle } from '../spiffe/bundle.ts'
import type { View } from '../view/schemas.ts'
import { verdictsView } from '../view/verify-view.ts'
import { documented } from '../view/versioned.ts'
import { masked } from './masked.ts'

/** One mesh as its owner observed it. */
export interface ObservedMember {
  readonly member: Member
  /** The namespaces whose pods were read. Nothing is known about other namespaces. */
  readonly namespaces: readonly string[]
  readonly observation: Observation
}

export interface EvidenceInput {
  readonly federation: string
  /** The hash of the last entry in the owner's record. */
  readonly record: Digest | undefined
  readonly at: Date
  readonly observed: readonly ObservedMember[]
  readonly verdicts: readonly Verdict[]
  readonly findings: readonly Finding[]
}

/** The JSON of `verify`, with the observations that it was judged by. read-evidence.ts is the inverse. */
export function evidenceView({ federation, record, at: when, observed, verdicts, findings }: EvidenceInput): View<'Evidence'> {
  return documented('Evidence', {
    ...verdictsView(verdicts, findings, when),
    federation,
    record: record ?? null,
    evidence: observed.map(memberView),
  })
}

function memberView({ member, namespaces, observation: { objects, own, ownSince, istio, pods, proxies } }: ObservedMember) {
  const configs = new Map<string, number>()
  return {
    member: member.name,
    trustDomain: member.trustDomain,
    namespaces,
    objects: mapped(objects, (all) => all.map(masked)),
    own: mapped(own, ({ trustDomain, anchors }: Bundle) => JSON.parse(printBundle({ trustDomain, anchors })) as object),
    ownSince: ownSince?.toISOString() ?? null,
    istio: mapped(istio, istioView),
    pods: pods === undefined ? null : mapped(pods, (all) => all.filter(runsProxy).map(bareProxy)),
    proxies: mapped(proxies, (all) => all.map((one) => proxyView(one, configs))),
    // Proxies of one workload have equal configurations, so each is printed once.
    configs: [...configs.keys()].map((text) => JSON.parse(text) as unknown),
  }
}

const mapped = <T, U>(seen: Seen<T>, view: (value: T) => U): Seen<U> => (seen.ok ? { ok: true, value: view(seen.value) } : seen)

const istioView = ({ presented, ...facts }: IstioFacts) => ({
  ...facts,
  presented: mapped(presented, (chain) => chain.map((der) => Buffer.from(der).toString('base64'))),
})

function proxyView({ config, ...evidence }: Evidence, configs: Map<string, number>) {
  if (config === undefined) return evidence
  const text = JSON.stringify(config, (_, value: unknown) => (value instanceof Map ? Object.fromEntries(value as Pins) : value))
  const index = configs.get(text) ?? configs.size
  configs.set(text, index)
  return { ...evidence, config: index }
}

/** The fields of other pods that show their certificate lifetime and whether their agents request the mesh's roots. */
const bareProxy = (pod: Manifest): Manifest =>
  masked({
    apiVersion: pod.apiVersion,
    kind: pod.kind,
    metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '', ...also(pod.metadata, 'ownerReferences') },
    spec: { containers: proxiesIn(pod).map((proxy) => ({ name: at(proxy, 'name'), ...also(proxy, 'args'), env: list(at(proxy, 'env')) })) },
  })

const also = (of: unknown, field: string): object => (at(of, field) === undefined ? {} : { [field]: at(of, field) })
