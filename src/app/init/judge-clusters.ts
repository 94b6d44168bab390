/** Checks whether clusters can be members of one federation. */

import { error, type Finding, warning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { clockDiffers } from '../../core/model/clock.ts'
import { judge } from '../../core/record/judge-offer.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { signsElsewhere } from '../../core/verify/own-ca-chain.ts'
import type { Fingerprint } from '../../core/x509/anchor.ts'
import type { Found } from '../events.ts'

interface Judging {
  readonly istioNamespace: string
  readonly publicRoots: ReadonlySet<Fingerprint>
  readonly now: Date
}

export function judgeClusters(found: readonly Found[], { istioNamespace, publicRoots, now }: Judging): readonly Finding[] {
  const findings: Finding[] = []
  const domains = new Map<string, Found>()
  const approved = new Map<Bundle['trustDomain'], Bundle>()
  for (const cluster of found) {
    const { trustDomain } = cluster.istio
    const other = domains.get(trustDomain)
    if (other !== undefined) findings.push(sharedDomain(cluster, other))
    if (found.some((one) => one !== cluster && one.name === cluster.name)) findings.push(sharedName(cluster))
    domains.set(trustDomain, cluster)
    findings.push(...judge(cluster.own, { approved, publicRoots }))
    findings.push(
      ...clockDiffers(cluster.name, cluster),
      ...signsElsewhere(cluster.name, cluster.own, cluster.istio, { now, clock: cluster.clock }),
    )
    approved.set(cluster.own.trustDomain, cluster.own)
  }
  return [...findings, ...meshIds(found), ...networks(found, istioNamespace)]
}

function sharedDomain({ name, istio: { trustDomain } }: Found, other: Found): Finding {
  const isDefault = trustDomain === 'cluster.local' ? ' (cluster.local is only Istio’s default)' : ''
  const message = `has trust domain ${trustDomain}, as ${other.name} does${isDefault}`
  return error('trust-domain-shared', about.member(name), message, 'set meshConfig.trustDomain to a different value in each mesh')
}

const sharedName = ({ name, context }: Found): Finding =>
  error(
    'usage',
    about.other(context),
    `yields member name ${name}, as another context does`,
    `kubectl config rename-context ${context} NEW`,
  )

function meshIds(found: readonly Found[]): readonly Finding[] {
  const ids = new Set(found.map((cluster) => cluster.istio.meshId))
  if (ids.size < 2) return []
  const message = 'the clusters have different mesh IDs; multi-primary requires one'
  return [
    warning(
      'mesh-id-differs',
      about.other([...ids].join(', ')),
      message,
      'set meshConfig.defaultConfig.meshId to the same value in all clusters',
    ),
  ]
}

const networks = (found: readonly Found[], istioNamespace: string): readonly Finding[] =>
  found
    .filter(({ istio }) => istio.network === undefined)
    .map(({ name, context }) =>
      warning(
        'network-unset',
        about.member(name),
        'its Istio namespace has no network label',
        `kubectl --context ${context} label namespace ${istioNamespace} topology.istio.io/network=NETWORK`,
      ),
    )
