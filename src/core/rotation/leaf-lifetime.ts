/** The longest lifetime of workload certificates: after a CA switch, that time must pass before the old root can be removed. */
import { proxiesIn, settingOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import { readCertificate } from '../x509/certificate.ts'

export interface LeafLife {
  readonly milliseconds: number
  /** The source of this lifetime, for people. */
  readonly because: string
}

/** The lifetime that pilot-agent requests by default (SECRET_TTL, istio pilot/cmd/pilot-agent/options/options.go, eed52ebb66ad). */
const DEFAULT: LeafLife = { milliseconds: 24 * 3_600_000, because: 'Istio’s default of 24h' }

/** istiod dates certificates back by this much (ClockSkewGracePeriod, istio security/pkg/pki/util/generate_cert.go, eed52ebb66ad). */
const DATED_BACK_MS = 2 * 60_000

/**
 * The longest lifetime that any sidecar or gateway of a mesh requests. Deleted pods do not count: their keys are gone. If
 * not all pods were observed, it is at least the lifetime that istiod gives to a request without one.
 */
export function longestLeaf(seen: Observation | undefined): LeafLife {
  const pods = seen?.pods?.ok === true ? seen.pods.value : undefined
  const near = seen?.objects.ok === true ? seen.objects.value.filter((object) => object.kind === 'Pod') : []
  const lives = (pods ?? near).flatMap((pod) => lifeIn(pod) ?? [])
  const unasked = pods === undefined || lives.length === 0 ? givenUnasked(seen) : []
  return [...lives, ...unasked].reduce((longest, life) => (life.milliseconds > longest.milliseconds ? life : longest))
}

function givenUnasked(seen: Observation | undefined): readonly LeafLife[] {
  const istiods = seen?.istio.ok === true ? seen.istio.value.istiods : []
  const given = istiods.flatMap(({ pod, env }) => asked(env.DEFAULT_WORKLOAD_CERT_TTL, pod) ?? [])
  return given.length > 0 ? given : [DEFAULT]
}

/** Undefined for a pod without an Istio proxy. */
function lifeIn(pod: Manifest): LeafLife | undefined {
  const [proxy] = proxiesIn(pod)
  if (proxy === undefined) return undefined
  return asked(settingOf(proxy, 'SECRET_TTL'), `${pod.metadata.namespace}/${pod.metadata.name}`) ?? DEFAULT
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** Parses a duration as Go prints it: `24h0m0s`. */
function asked(duration: string | undefined, by: string): LeafLife | undefined {
  if (duration === undefined || !/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(duration)) return undefined
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/gy)]
  return {
    milliseconds: parts.reduce((sum, [, amount = '0', unit = 's']) => sum + Number(amount) * (UNITS[unit] ?? 0), 0),
    because: `${duration}, requested by ${by}`,
  }
}

/**
 * The latest time at which a certificate was issued. A CA that presents it has signed under its root since then.
 * @param chain DER, leaf first
 */
export function issuedBy(chain: readonly Uint8Array[]): Date | undefined {
  const [leaf] = chain
  return leaf === undefined ? undefined : new Date(readCertificate(leaf).notBefore.getTime() + DATED_BACK_MS)
}
