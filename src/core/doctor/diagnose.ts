/** Runs all checks over the observations, in the order of the report. Pure: the caller passes the time. */

import { differs } from '../model/clock.ts'
import { amongChecks } from './among.ts'
import { about, type Check, type CheckName } from './check.ts'
import { controlPlaneChecks } from './control-plane.ts'
import { meshConfigChecks, meshIdCheck } from './mesh-config.ts'
import { identityChecks } from './mesh-identity.ts'
import { bundleEndpointCheck, gatewayChecks, networkCheck } from './network.ts'
import { networkOf, type ObservedCluster, on } from './observed-cluster.ts'
import { ownCertificatesCheck } from './own-certificates.ts'
import type { Question } from './question.ts'
import { rightsCheck } from './rights.ts'
import { eitherDirection, type ObservedClusters, routeChecks } from './routes.ts'
import { scopeChecks } from './scope-checks.ts'
import type { Probed } from './seen.ts'

/** @param now the time of this machine, at which certificates are judged */
export function diagnose(question: Question, clusters: ObservedClusters, probed: readonly Probed[], now: Date): readonly Check[] {
  const all = [...clusters.values()]
  const up = all.filter(({ seen }) => seen.api.ok)
  const checks = [
    ...question.away.map((name) =>
      about('api-server', [name], name).skipped('this machine has no context for its API server; its owner can run entente doctor'),
    ),
    ...all.flatMap((observed) => clusterChecks(observed, all, question, now)),
    ...(up.length < 1 ? [] : [...amongChecks(up, now), meshIdCheck(up)]),
    ...question.routes.flatMap((route) => routeChecks(route, clusters, probed, now)),
  ]
  return question.patients.some(({ declared }) => declared !== undefined) ? checks : eitherDirection(checks)
}

/** Checks of one cluster that need its API server. */
const OF_CLUSTER: readonly CheckName[] = [
  'clock',
  'rights',
  'istiod',
  'istio-version',
  'istiod-flags',
  'certificate-authority',
  'mesh-config',
  'mesh-config-owner',
  'trust-domain',
  'trust-domain-aliases',
  'extra-roots',
  'auto-mtls',
  'root-expiry',
  'root-published',
  'ca-under-root',
  'ca-expiry',
  'own-certificate-names',
  'network',
  'gateway',
  'gateway-passthrough',
  'bundle-endpoint',
  'proxies',
  'data-plane',
  'mtls',
  'excluded-ports',
  'sidecar-ingress',
]

function clusterChecks(
  observed: ObservedCluster,
  all: readonly ObservedCluster[],
  { routes, foreign }: Question,
  now: Date,
): readonly Check[] {
  const { patient, seen } = observed
  const check = on(observed, 'api-server')
  if (!seen.api.ok)
    return [
      check.fail(seen.api.error.message, seen.api.error.hint),
      ...OF_CLUSTER.map((name) => on(observed, name).skipped(`${patient.name} did not answer`)),
    ]
  const others = all.filter((one) => one !== observed && one.seen.api.ok)
  const called = routes.some(({ to }) => to === patient.name)
  return [
    check.ok(seen.api.value.server),
    clockCheck(observed),
    rightsCheck(observed),
    ...controlPlaneChecks(observed),
    ...meshConfigChecks(observed, others, foreign.get(patient.name) ?? []),
    ...identityChecks(observed, now),
    ownCertificatesCheck(observed),
    networkCheck(
      observed,
      others.some((other) => (networkOf(other) ?? '') !== ''),
    ),
    ...(called
      ? gatewayChecks(observed)
      : (['gateway', 'gateway-passthrough'] as const).map((name) => on(observed, name).skipped('no other member calls it'))),
    bundleEndpointCheck(observed),
    ...scopeChecks(observed),
  ]
}

function clockCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'clock')
  const clock = observed.seen.api.ok ? observed.seen.api.value.clock : undefined
  if (clock === undefined) return check.skipped('its API server sends no Date header')
  const seconds = Math.round(Math.abs(clock.aheadMs) / 1000)
  if (differs(clock))
    return check.warn(
      `the clock of its API server is ${seconds} s ${clock.aheadMs > 0 ? 'ahead of' : 'behind'} the clock of this machine`,
      'correct the wrong clock (NTP): Entente judges expiry by this machine, Envoy by its node',
    )
  return check.ok(`within ${Math.ceil((Math.abs(clock.aheadMs) + clock.withinMs) / 1000)} s of the clock of this machine`)
}
