/** Check of the certificates of the mesh's own workloads, which only `doctor --look` reads from their proxies. */

import { some } from '../basics/some.ts'
import { SEVERAL_NAMES_REMEDY, severalNames } from '../verify/own-certificate-names.ts'
import type { Check } from './check.ts'
import { type ObservedCluster, on } from './observed-cluster.ts'

export function ownCertificatesCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'own-certificate-names')
  const { mesh, leaves } = observed.seen
  if (leaves === undefined) return check.skipped('doctor reads workload certificates only with --look')
  if (leaves.size === 0) return check.skipped('the examined namespaces have no pod with a sidecar')
  const { declared } = observed.patient
  if (!mesh.ok && declared === undefined) return check.unknown(mesh.error)
  const own = [...(mesh.ok ? [mesh.value] : []), ...(declared ? [declared] : [])].flatMap((one) => [one.trustDomain, ...one.aliases])
  const answers = [...leaves]
  const shown = answers.flatMap(([, answer]) => (answer.ok ? [answer.value] : []))
  const silent = answers.flatMap(([proxy, answer]) => (answer.ok ? [] : [{ proxy, error: answer.error }]))
  const odd = shown.flatMap(({ proxy, chain }) => {
    const found = severalNames(chain[0], own)
    return found === undefined ? [] : [`${proxy} (${found.id}) also has ${found.others.join(', ')}`]
  })
  const unasked = silent.length === 0 ? '' : `; ${silent.length} of ${answers.length} proxies did not answer`
  if (odd.length > 0)
    return check.warn(
      `${some(odd)}: policies match every one of these names, and Entente's filter for names exempts the mesh's own certificates${unasked}`,
      SEVERAL_NAMES_REMEDY,
    )
  const [first] = silent
  if (first !== undefined) {
    const { message, hint, code } = first.error
    const right = code === 'forbidden' ? '; deploy/look.yaml grants the right' : ''
    return check.unknown({ ...first.error, message: `${first.proxy}: ${message}${unasked}`, hint: `${hint}${right}` })
  }
  return check.ok(`${shown.length} workload ${shown.length === 1 ? 'certificate' : 'certificates'}, one name in each`)
}
