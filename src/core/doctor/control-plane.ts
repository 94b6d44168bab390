/** Checks of istiod: whether it runs, its version, its settings, its CA, and whether its proxies acknowledge what it sends. */

import { some } from '../basics/some.ts'
import { isOff, isOn, WEAKENING } from '../mesh/istiod-flags.ts'
import { minorOf, OLDEST_MINOR } from '../mesh/version.ts'
import type { Check } from './check.ts'
import { failedOrUnknown, type ObservedCluster, on, saidBy } from './observed-cluster.ts'
import type { IstiodSeen } from './seen.ts'

/** Istio supports proxies that are up to two minor versions older than istiod. */
const PROXY_LAG = 2

export const controlPlaneChecks = (observed: ObservedCluster): readonly Check[] => [
  istiodCheck(observed),
  versionCheck(observed),
  flagsCheck(observed),
  authorityCheck(observed),
  proxiesCheck(observed),
]

function istiodCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'istiod')
  const { istiods } = observed.seen
  if (!istiods.ok) return check.unknown(istiods.error)
  const { istioNamespace, context } = observed.patient
  const look = `kubectl --context ${context} -n ${istioNamespace} get pods -l app=istiod`
  if (istiods.value.length === 0) return check.fail(`namespace ${istioNamespace} has no running pod with label app=istiod`, look)
  const silent = istiods.value.find(({ said }) => !said.ok)
  if (silent?.said.ok === false) return failedOrUnknown(check, silent.said.error)
  const unready = istiods.value.filter(({ ready }) => !ready)
  if (unready.length > 0) return check.warn(`${some(unready.map(({ pod }) => pod))} is not ready`, look)
  return check.ok(istiods.value.map(({ pod, revision }) => `${pod} (revision ${revision})`).join(', '))
}

function versionCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'istio-version')
  const said = saidBy(observed.seen.istiods)
  if (!said.ok) return check.unknown(said.error)
  const versions = [...new Set(said.value.map(({ version }) => version))]
  const minors = versions.flatMap((version) => minorOf(version) ?? [])
  if (minors.length === 0)
    return check.skipped(versions.length === 0 ? 'no istiod runs' : `the build of istiod names no version: ${versions.join(', ')}`)
  const oldest = Math.min(...minors)
  if (oldest < OLDEST_MINOR)
    return check.fail(
      `istiod ${versions.join(', ')} does not serve networking.istio.io/v1, which came with 1.${OLDEST_MINOR}`,
      `upgrade Istio to 1.${OLDEST_MINOR} or newer`,
    )
  const behind = said.value
    .flatMap(({ proxies }) => proxies)
    .filter(({ version }) => (minorOf(version) ?? oldest) < oldest - PROXY_LAG)
    .map(({ proxy, version }) => `${proxy} (${version})`)
  if (behind.length > 0)
    return check.warn(
      `istiod ${versions.join(', ')}, and proxies more than ${PROXY_LAG} minor versions behind: ${some(behind)}`,
      'restart those workloads: the injector then gives them the proxy version of their revision',
    )
  if (new Set(minors).size > 1)
    return check.warn(
      `istiods of several minor versions run: ${versions.join(', ')}`,
      'finish the upgrade: each istiod renders Entente’s filters in its own way',
    )
  return check.ok(`istiod ${versions.join(', ')}`)
}

function flagsCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'istiod-flags')
  const { istiods } = observed.seen
  if (!istiods.ok) return check.unknown(istiods.error)
  if (istiods.value.length === 0) return check.skipped('no istiod runs')
  const found = istiods.value.flatMap(({ pod, env }) =>
    WEAKENING.filter(({ flag, when }) => when(env[flag])).map(({ flag, means }) => ({
      flag,
      evidence: `${pod}: ${flag}=${env[flag]}: ${means}`,
    })),
  )
  if (found.length > 0)
    return check.warn(
      found.map(({ evidence }) => evidence).join('; '),
      `remove ${[...new Set(found.map(({ flag }) => flag))].join(', ')} from the environment of istiod`,
    )
  const multiroot = istiods.value.some(({ env }) => isOn(env.ISTIO_MULTIROOT_MESH))
  return check.ok(`ISTIO_MULTIROOT_MESH is ${multiroot ? 'on' : 'off'} (distribution pinned works with both)`)
}

function externalCa({ env }: IstiodSeen): string | undefined {
  if (env.EXTERNAL_CA) return `EXTERNAL_CA=${env.EXTERNAL_CA}`
  if (env.K8S_SIGNER) return `K8S_SIGNER=${env.K8S_SIGNER}`
  return isOff(env.ENABLE_CA_SERVER) ? `ENABLE_CA_SERVER=${env.ENABLE_CA_SERVER}` : undefined
}

function authorityCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'certificate-authority')
  const { istiods } = observed.seen
  if (!istiods.ok) return check.unknown(istiods.error)
  if (istiods.value.length === 0) return check.skipped('no istiod runs')
  const found = istiods.value.flatMap((istiod) => externalCa(istiod) ?? [])[0]
  if (found === undefined) return check.ok('istiod signs workload certificates')
  return check.warn(
    `${found}: another CA signs workload certificates (istio-csr, or a Kubernetes signer); the certificate of istiod does not prove that this CA’s roots are in istio-ca-root-cert`,
    'before you pin roots, check the chain of a workload: entente chain verify --trusted ROOTS --chain CHAIN. Rotate roots at that CA',
  )
}

function proxiesCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'proxies')
  const said = saidBy(observed.seen.istiods)
  if (!said.ok) return check.unknown(said.error)
  const proxies = said.value.flatMap((one) => one.proxies)
  const refusing = proxies.filter(({ rejected }) => rejected !== undefined)
  const [first] = refusing
  if (first !== undefined) {
    return check.fail(
      `${some(refusing.map(({ proxy }) => proxy))} rejects the configuration from istiod, so no later change takes effect there, policies included: ${first.rejected}`,
      'correct or remove the EnvoyFilter that Envoy names in its error',
    )
  }
  return proxies.length === 0
    ? check.warn('no proxy is connected to istiod', 'inject sidecars, and check that their revision label names a running istiod')
    : check.ok(`${proxies.length} proxies connected; none rejects its configuration`)
}
