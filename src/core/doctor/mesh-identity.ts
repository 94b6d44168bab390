/** Checks of the mesh's own roots: their expiry, their copies in every namespace, and whether the CA signs under them. */

import { some } from '../basics/some.ts'
import { NOT_ASKED } from '../diagnostics/codes.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { error, type Finding, fromError } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { TRUST_BUNDLE } from '../mesh/istiod-flags.ts'
import type { Seen } from '../model/observed.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { parseBundle } from '../spiffe/parse-bundle.ts'
import { parseTrustDomain } from '../spiffe/trust-domain.ts'
import type { Anchor } from '../x509/anchor.ts'
import { readCertificate } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import { sameRoots } from '../x509/pem.ts'
import type { About, Check } from './check.ts'
import { type ObservedCluster, on } from './observed-cluster.ts'

const DAY_MS = 24 * 3600 * 1000
const ROOT_DAYS = 60
const CA_DAYS = 30

export function identityChecks(observed: ObservedCluster, now: Date): readonly Check[] {
  const own = ownRootsOf(observed, now)
  return [expiryCheck(observed, own, now), publishedCheck(observed, now), ...authorityChecks(observed, own, now)]
}

/** The roots in istiod's ClusterTrustBundle; if there is none, those in ConfigMap istio-ca-root-cert of the Istio namespace. */
export function ownRootsOf({ seen, patient }: ObservedCluster, now: Date): Seen<readonly Anchor[]> {
  const { roots, trustBundle } = seen
  if (trustBundle?.ok === false) return trustBundle
  if (!roots.ok) return roots
  const pem = trustBundle?.value ?? roots.value.get(patient.istioNamespace)
  if (pem === undefined) return { ok: false, error: missing(patient.name, patient.istioNamespace) }
  try {
    return { ok: true, value: parse(pem, now).anchors }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { ok: false, error: fromError(cause) }
  }
}

const missing = (member: string, namespace: string): Finding =>
  error('not-found', about.member(member), `ConfigMap ${namespace}/istio-ca-root-cert does not exist`, 'is istiod running there?')

// The trust domain has no effect here: these roots are not compared with approved ones.
const parse = (pem: string, now: Date): Bundle =>
  parseBundle(parseTrustDomain('own'), Buffer.from(pem), { now, format: 'pem', tolerate: 'dates' })

const day = (date: Date): string => date.toISOString().slice(0, 10)

function expiryCheck(observed: ObservedCluster, own: Seen<readonly Anchor[]>, now: Date): Check {
  const check = on(observed, 'root-expiry')
  if (!own.ok) return NOT_ASKED.has(own.error.code) ? check.unknown(own.error) : check.fail(own.error.message, own.error.hint)
  const soonest = [...own.value].sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime())[0]
  if (soonest === undefined)
    return check.fail('istio-ca-root-cert contains no root', 'check that istiod runs there: it writes this ConfigMap')
  const evidence = `${soonest.fingerprint} until ${day(soonest.notAfter)}`
  const days = Math.floor((soonest.notAfter.getTime() - now.getTime()) / DAY_MS)
  const remedy = 'announce a new root in addition to this one, have every mesh that trusts this one approve it, then sign with it'
  if (days < 0) return check.fail(`${evidence}: it has expired, and so has every certificate under it`, remedy)
  return days < ROOT_DAYS ? check.warn(`${evidence}: ${days} days are left`, remedy) : check.ok(evidence)
}

const fingerprints = (pem: string, now: Date): string => {
  try {
    return parse(pem, now)
      .anchors.map(({ fingerprint }) => fingerprint)
      .sort()
      .join(' ')
  } catch {
    return `unreadable ${pem.trim()}`
  }
}

function publishedCheck(observed: ObservedCluster, now: Date): Check {
  const check = on(observed, 'root-published')
  const { roots } = observed.seen
  const { istioNamespace, namespaces, context } = observed.patient
  if (!roots.ok) return check.unknown(roots.error)
  const { trustBundle } = observed.seen
  if (trustBundle?.ok === false) return check.unknown(trustBundle.error)
  if (trustBundle !== undefined) return bundleCheck(check, trustBundle.value, roots.value, context)
  const reference = roots.value.get(istioNamespace)
  if (reference === undefined)
    return check.fail(
      `ConfigMap ${istioNamespace}/istio-ca-root-cert does not exist`,
      'check that istiod runs there: it writes this ConfigMap',
    )
  const remedy = `kubectl --context ${context} -n NAMESPACE get configmap istio-ca-root-cert -o yaml shows which field manager wrote it; delete it there, and istiod recreates it`
  const lacking = namespaces.filter((namespace) => !roots.value.has(namespace))
  if (lacking.length > 0)
    return check.fail(
      `namespace ${some(lacking)} has no istio-ca-root-cert: sidecars there do not start`,
      'check that the namespace exists and that the discoverySelectors of istiod select it',
    )
  const [wanted, normal] = [reference.trim(), fingerprints(reference, now)]
  const differing = [...roots.value]
    .filter(([, pem]) => pem.trim() !== wanted && fingerprints(pem, now) !== normal)
    .map(([namespace]) => namespace)
    .sort()
  if (differing.length > 0)
    return check.fail(`namespace ${some(differing)} has other roots than ${istioNamespace}: workloads there trust a different CA`, remedy)
  return check.ok(`the same roots in ${roots.value.size} namespaces`)
}

/** With ENABLE_CLUSTER_TRUST_BUNDLE_API istiod writes the ClusterTrustBundle, and the ConfigMaps stay as they were. */
function bundleCheck(check: About, bundle: string, roots: ReadonlyMap<string, string>, context: string): Check {
  const stale = [...roots].filter(([, pem]) => !sameRoots(pem, bundle)).map(([namespace]) => namespace)
  const named = stale.length === 1 ? `namespace ${stale[0]} has` : `namespaces ${some(stale.sort())} have`
  if (stale.length === 0) return check.ok(`ClusterTrustBundle ${TRUST_BUNDLE}, and ${roots.size} ConfigMaps that say the same`)
  return check.fail(
    `${named} other roots in ConfigMap istio-ca-root-cert than ClusterTrustBundle ${TRUST_BUNDLE}: with ENABLE_CLUSTER_TRUST_BUNDLE_API istiod keeps the latter only`,
    `restart the workloads that still mount these ConfigMaps, then: kubectl --context ${context} delete configmaps -A --field-selector metadata.name=istio-ca-root-cert`,
  )
}

function authorityChecks(observed: ObservedCluster, own: Seen<readonly Anchor[]>, now: Date): readonly Check[] {
  const [under, expiry] = [on(observed, 'ca-under-root'), on(observed, 'ca-expiry')]
  const { istiods } = observed.seen
  if (!istiods.ok) return [under.unknown(istiods.error), expiry.unknown(istiods.error)]
  const chains = istiods.value.flatMap(({ pod, presented }) => (presented.ok ? [{ pod, chain: presented.value }] : []))
  const unseen = istiods.value.flatMap(({ presented }) => (presented.ok ? [] : [presented.error]))[0]
  if (chains.length === 0) {
    const none = (check: typeof under): Check => (unseen === undefined ? check.skipped('no istiod runs') : check.unknown(unseen))
    return [none(under), none(expiry)]
  }
  // Each istiod presents its own chain, so each chain gets a check.
  const whole = (made: Check, check: typeof under): Check => (made.verdict === 'ok' && unseen !== undefined ? check.unknown(unseen) : made)
  return [
    own.ok ? whole(underCheck(observed, chains, own.value, now), under) : under.skipped('Entente could not read the roots of the mesh'),
    whole(caExpiryCheck(observed, chains, now), expiry),
  ]
}

interface Presented {
  readonly pod: string
  readonly chain: readonly Uint8Array[]
}

function underCheck(observed: ObservedCluster, chains: readonly Presented[], anchors: readonly Anchor[], now: Date): Check {
  const check = on(observed, 'ca-under-root')
  const vouched = chains.map(({ pod, chain }) => ({ pod, ...anchorOf(chain, anchors, now) }))
  const orphan = vouched.find(({ anchor }) => anchor === undefined)
  if (orphan !== undefined) {
    return check.fail(
      `${orphan.pod} presents a chain that no root in istio-ca-root-cert vouches for: ${orphan.reason ?? 'another root signed it'}`,
      'after a change of Secret cacerts restart istiod; publish a new root before the CA signs with it',
    )
  }
  return check.ok(`${[...new Set(vouched.map(({ anchor }) => anchor?.fingerprint))].join(', ')}`)
}

function caExpiryCheck(observed: ObservedCluster, chains: readonly Presented[], now: Date): Check {
  const check = on(observed, 'ca-expiry')
  const issuers = chains.flatMap(({ chain }) => chain.slice(1).flatMap(readable)).filter(({ selfIssued }) => !selfIssued)
  const soonest = issuers.sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime())[0]
  if (soonest === undefined) return check.ok('the root signs workload certificates directly')
  const days = Math.floor((soonest.notAfter.getTime() - now.getTime()) / DAY_MS)
  const evidence = `${soonest.subject} until ${day(soonest.notAfter)}`
  const remedy = 'give istiod a new intermediate under the same root (Secret cacerts); partners need not approve it'
  if (days < 0) return check.fail(`${evidence}: it has expired`, remedy)
  return days < CA_DAYS ? check.warn(`${evidence}: ${days} days are left`, remedy) : check.ok(evidence)
}

function readable(der: Uint8Array): readonly { readonly subject: string; readonly notAfter: Date; readonly selfIssued: boolean }[] {
  try {
    return [readCertificate(der)]
  } catch {
    return []
  }
}
