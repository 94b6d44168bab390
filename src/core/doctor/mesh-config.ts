/** Checks of the mesh config: its settings about trust, and its owner. */

import { some } from '../basics/some.ts'
import { configOwner, ownerText } from '../mesh/config-owner.ts'
import { about, type Check } from './check.ts'
import { nameOf, type ObservedCluster, on } from './observed-cluster.ts'
import type { MeshSeen } from './seen.ts'

/** @param others every other examined cluster, and the trust domains of the other members in the federation file */
export function meshConfigChecks(
  observed: ObservedCluster,
  others: readonly ObservedCluster[],
  foreign: readonly string[],
): readonly Check[] {
  const { mesh } = observed.seen
  const check = on(observed, 'mesh-config')
  if (!mesh.ok) {
    const { error } = mesh
    const wrong = error.code === 'mesh-config-unreadable' || error.code === 'mesh-config-refused'
    const meshConfig = wrong ? check.fail(error.message, error.hint) : check.unknown(error)
    const rest = (['mesh-config-owner', 'trust-domain', 'trust-domain-aliases', 'extra-roots', 'auto-mtls'] as const).map((name) =>
      on(observed, name).skipped('Entente could not read the mesh config'),
    )
    return [meshConfig, ...rest]
  }
  const domains = [...foreign, ...others.flatMap(({ seen }) => (seen.mesh.ok ? [seen.mesh.value.trustDomain] : []))]
  return [
    check.ok(`${some(mesh.value.sources.map(({ name }) => `ConfigMap ${name}`))}`),
    ownerCheck(observed, mesh.value),
    trustDomainCheck(observed, mesh.value),
    aliasCheck(observed, mesh.value, domains),
    extraRootsCheck(observed, mesh.value),
    autoMtlsCheck(observed, mesh.value),
  ]
}

function trustDomainCheck(observed: ObservedCluster, { trustDomain }: MeshSeen): Check {
  const check = on(observed, 'trust-domain')
  const declared = observed.patient.declared?.trustDomain
  if (declared !== undefined && declared !== trustDomain)
    return check.fail(
      `the mesh config sets ${trustDomain}; the federation file says ${declared}`,
      `correct trustDomain of member ${observed.patient.name} in the federation file`,
    )
  if (trustDomain === 'cluster.local') {
    return check.warn(
      'the trust domain is cluster.local, Istio’s default: two meshes with the default have the same identities',
      'set meshConfig.trustDomain to a unique name, and restart the workloads',
    )
  }
  return check.ok(trustDomain)
}

function aliasCheck(observed: ObservedCluster, { aliases, trustDomain }: MeshSeen, domains: readonly string[]): Check {
  const check = on(observed, 'trust-domain-aliases')
  const taken = aliases.filter((alias) => alias !== trustDomain && domains.includes(alias))
  if (taken.length > 0) {
    return check.fail(
      `trustDomainAliases contains ${taken.join(', ')}, the trust domain of another member: a policy that accepts a local workload also accepts the foreign workload of that name`,
      `remove ${taken.join(', ')} from trustDomainAliases; to accept its workloads, write a trust with callers`,
    )
  }
  const declared = observed.patient.declared?.aliases
  const unknown = aliases.filter((alias) => alias !== trustDomain && declared !== undefined && !declared.includes(alias))
  if (unknown.length > 0)
    return check.fail(
      `the mesh has the alias ${unknown.join(', ')}, which the federation file does not list: a pinned filter would reject workloads of that domain`,
      `add trustDomainAliases: [${unknown.join(', ')}] to member ${observed.patient.name}`,
    )
  return check.ok(aliases.length === 0 ? 'none' : `aliases: ${aliases.join(', ')}`)
}

function extraRootsCheck(observed: ObservedCluster, { extraRoots }: MeshSeen): Check {
  const check = on(observed, 'extra-roots')
  if (extraRoots === 0) return check.ok('no caCertificates')
  return check.fail(
    `the mesh config has ${extraRoots} caCertificates: each of those CAs can issue any identity of any trust domain, including this mesh’s own`,
    'federate those trust domains with distribution pinned, then remove caCertificates',
  )
}

function autoMtlsCheck(observed: ObservedCluster, { autoMtls }: MeshSeen): Check {
  const check = on(observed, 'auto-mtls')
  return autoMtls
    ? check.ok('enableAutoMtls is on')
    : check.warn(
        'enableAutoMtls is off: calls are plaintext unless a DestinationRule says ISTIO_MUTUAL',
        'set enableAutoMtls: true, or write a DestinationRule with ISTIO_MUTUAL for each called host',
      )
}

/** Field managers of commands that people run. */
const BY_HAND = /^(kubectl(-.*)?|Mozilla|lens|k9s|node-fetch)$/

function ownerCheck(observed: ObservedCluster, { sources }: MeshSeen): Check {
  const check = on(observed, 'mesh-config-owner')
  const owned = sources.map((source) => ({ ...configOwner(source), source }))
  const edited = owned.flatMap(({ owner, config, source }) => {
    const hands = source.managers.filter(({ name }) => BY_HAND.test(name))
    return owner === undefined || hands.length === 0 ? [] : [{ owner, config, hands }]
  })
  const [first] = edited
  if (first === undefined) return check.ok(owned.map((one) => `ConfigMap ${one.config}: ${ownerText(one)}`).join('; '))
  const hand = first.hands.map(({ name, at }) => `${name} at ${at}`)
  return check.warn(
    `${first.owner} owns ConfigMap ${first.config}, and ${hand.join(', ')} also wrote data.mesh: ${first.owner} will overwrite that change`,
    `make the change in the values that ${first.owner} applies`,
  )
}

/** One check over all meshes: their mesh IDs must be equal. */
export function meshIdCheck(all: readonly ObservedCluster[]): Check {
  const seen = all.flatMap((observed) => (observed.seen.mesh.ok ? [{ name: nameOf(observed), id: observed.seen.mesh.value.meshId }] : []))
  const names = seen.map(({ name }) => name)
  const check = about('mesh-id', names, names.join(', '))
  if (seen.length < 2) return check.skipped('Entente could read fewer than two mesh configs')
  if (new Set(seen.map(({ id }) => id)).size === 1) return check.ok(`${seen[0]?.id}`)
  return check.warn(
    seen.map(({ name, id }) => `${name} has ${id}`).join(', '),
    'set the same meshConfig.defaultConfig.meshId in each (its default is the trust domain), and restart the workloads',
  )
}
