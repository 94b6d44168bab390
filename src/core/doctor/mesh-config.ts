/** The mesh config: what it says about trust, and who owns it. */

import { some } from '../basics/some.ts'
import { configOwner, ownerText } from '../mesh/config-owner.ts'
import { about, type Check } from './check.ts'
import { type Looked, nameOf, on } from './looked.ts'
import type { MeshSeen } from './seen.ts'

/** @param others every other cluster that is looked at, and the trust domains that the federation file gives to others */
export function meshConfigChecks(looked: Looked, others: readonly Looked[], foreign: readonly string[]): readonly Check[] {
  const { mesh } = looked.seen
  const check = on(looked, 'mesh-config')
  if (!mesh.ok) {
    const { error } = mesh
    const wrong = error.code === 'mesh-config-unreadable' || error.code === 'mesh-config-refused'
    const told = wrong ? check.fail(error.message, error.hint) : check.unknown(error)
    const rest = (['mesh-config-owner', 'trust-domain', 'trust-domain-aliases', 'extra-roots', 'auto-mtls'] as const).map((name) =>
      on(looked, name).skipped('the mesh config could not be read'),
    )
    return [told, ...rest]
  }
  const domains = [...foreign, ...others.flatMap(({ seen }) => (seen.mesh.ok ? [seen.mesh.value.trustDomain] : []))]
  return [
    check.ok(`${some(mesh.value.sources.map(({ name }) => `ConfigMap ${name}`))}`),
    ownerCheck(looked, mesh.value),
    trustDomainCheck(looked, mesh.value),
    aliasCheck(looked, mesh.value, domains),
    extraRootsCheck(looked, mesh.value),
    autoMtlsCheck(looked, mesh.value),
  ]
}

function trustDomainCheck(looked: Looked, { trustDomain }: MeshSeen): Check {
  const check = on(looked, 'trust-domain')
  const declared = looked.patient.declared?.trustDomain
  if (declared !== undefined && declared !== trustDomain)
    return check.fail(
      `the mesh config says ${trustDomain}, the federation file ${declared}`,
      `correct trustDomain of member ${looked.patient.name}`,
    )
  if (trustDomain === 'cluster.local') {
    return check.warn(
      'it is cluster.local, which every mesh has that nobody named: two of them cannot be told apart',
      'set meshConfig.trustDomain to a name that only this mesh has, and restart the workloads',
    )
  }
  return check.ok(trustDomain)
}

function aliasCheck(looked: Looked, { aliases, trustDomain }: MeshSeen, domains: readonly string[]): Check {
  const check = on(looked, 'trust-domain-aliases')
  const taken = aliases.filter((alias) => alias !== trustDomain && domains.includes(alias))
  if (taken.length > 0) {
    return check.fail(
      `trustDomainAliases names ${taken.join(', ')}: every policy that lets a local workload in lets the foreign one of that name in as well`,
      `take ${taken.join(', ')} out of trustDomainAliases; a trust with callers does what is meant`,
    )
  }
  const declared = looked.patient.declared?.aliases
  const unknown = aliases.filter((alias) => alias !== trustDomain && declared !== undefined && !declared.includes(alias))
  if (unknown.length > 0)
    return check.fail(
      `the mesh accepts ${unknown.join(', ')} as its own, and the federation file does not say so: a pinned filter would cut those workloads off`,
      `add trustDomainAliases: [${unknown.join(', ')}] to member ${looked.patient.name}`,
    )
  return check.ok(aliases.length === 0 ? 'none' : `its own: ${aliases.join(', ')}`)
}

function extraRootsCheck(looked: Looked, { extraRoots }: MeshSeen): Check {
  const check = on(looked, 'extra-roots')
  if (extraRoots === 0) return check.ok('no caCertificates')
  return check.fail(
    `${extraRoots} caCertificates in the mesh config: each of those CAs may name any workload of any trust domain, this mesh’s own too`,
    'federate those trust domains with pinned, then remove caCertificates',
  )
}

function autoMtlsCheck(looked: Looked, { autoMtls }: MeshSeen): Check {
  const check = on(looked, 'auto-mtls')
  return autoMtls
    ? check.ok('enableAutoMtls is on')
    : check.warn(
        'enableAutoMtls is off: calls are plaintext unless a DestinationRule says ISTIO_MUTUAL',
        'a DestinationRule with ISTIO_MUTUAL for each host that is called',
      )
}

/** Field managers of people's hands. */
const BY_HAND = /^(kubectl(-.*)?|Mozilla|lens|k9s|node-fetch)$/

function ownerCheck(looked: Looked, { sources }: MeshSeen): Check {
  const check = on(looked, 'mesh-config-owner')
  const owned = sources.map((source) => ({ ...configOwner(source), source }))
  const edited = owned.flatMap(({ owner, config, source }) => {
    const hands = source.managers.filter(({ name }) => BY_HAND.test(name))
    return owner === undefined || hands.length === 0 ? [] : [{ owner, config, hands }]
  })
  const [first] = edited
  if (first === undefined) return check.ok(owned.map((one) => `ConfigMap ${one.config}: ${ownerText(one)}`).join('; '))
  const hand = first.hands.map(({ name, at }) => `${name} at ${at}`)
  return check.warn(
    `ConfigMap ${first.config} belongs to ${first.owner}, and ${hand.join(', ')} wrote data.mesh beside it: its owner will put its own back`,
    `bring the change to where ${first.owner} has its values`,
  )
}

/** One check over all meshes: equal where they should be. */
export function meshIdCheck(all: readonly Looked[]): Check {
  const seen = all.flatMap((looked) => (looked.seen.mesh.ok ? [{ name: nameOf(looked), id: looked.seen.mesh.value.meshId }] : []))
  const names = seen.map(({ name }) => name)
  const check = about('mesh-id', names, names.join(', '))
  if (seen.length < 2) return check.skipped('fewer than two mesh configs could be read')
  if (new Set(seen.map(({ id }) => id)).size === 1) return check.ok(`${seen[0]?.id}`)
  return check.warn(
    seen.map(({ name, id }) => `${name} says ${id}`).join(', '),
    'set meshConfig.defaultConfig.meshId alike (where it is not set it is the trust domain), and restart the workloads',
  )
}
