/** How long workload certificates live at most: what has to pass before a root that signed them is out of use. */
import { proxiesIn, settingOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import { readCertificate } from '../x509/certificate.ts'

export interface LeafLife {
  readonly milliseconds: number
  /** Who asks for it, for people. */
  readonly because: string
}

/** What pilot-agent asks for unless told otherwise (SECRET_TTL, istio pilot/cmd/pilot-agent/options/options.go, eed52ebb66ad). */
const DEFAULT: LeafLife = { milliseconds: 24 * 3_600_000, because: 'Istio’s default of 24h' }

/** istiod dates certificates back by this much (ClockSkewGracePeriod, istio security/pkg/pki/util/generate_cert.go, eed52ebb66ad). */
const DATED_BACK_MS = 2 * 60_000

/**
 * The longest life that any sidecar or gateway of a mesh asks for; one that is gone took its key with it. Where not all
 * of them can be seen, at least what those get who ask for nothing.
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

/** Undefined for a pod without a proxy of Istio's. */
function lifeIn(pod: Manifest): LeafLife | undefined {
  const [proxy] = proxiesIn(pod)
  if (proxy === undefined) return undefined
  return asked(settingOf(proxy, 'SECRET_TTL'), `${pod.metadata.namespace}/${pod.metadata.name}`) ?? DEFAULT
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** A duration as Go prints it: `24h0m0s`. */
function asked(duration: string | undefined, by: string): LeafLife | undefined {
  if (duration === undefined || !/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(duration)) return undefined
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/gy)]
  return {
    milliseconds: parts.reduce((sum, [, amount = '0', unit = 's']) => sum + Number(amount) * (UNITS[unit] ?? 0), 0),
    because: `${duration}, as ${by} asks for`,
  }
}

/**
 * When a certificate was issued, at the latest: a CA that presents it has signed under its root since then.
 * @param chain DER, leaf first
 */
export function issuedBy(chain: readonly Uint8Array[]): Date | undefined {
  const [leaf] = chain
  return leaf === undefined ? undefined : new Date(readCertificate(leaf).notBefore.getTime() + DATED_BACK_MS)
}
