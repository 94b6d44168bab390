/**
 * Reports settings without effect. In istio eed52ebb66ad, no code and no chart reads ISTIO_META_EXTRA_ROOT_CERTS,
 * global.proxy.env, global.proxy.extraVolumeMounts or pilot.extraVolumes; PeerAuthentication has selector, mtls and
 * portLevelMtls only (istio.io/api v1.31.1).
 */
import { DEFAULT_TRUST_DOMAIN } from '../mesh/config/mesh-facts.ts'
import { at, text } from '../model/manifest.ts'
import { printable } from '../x509/syntax/printable.ts'
import { type Context, findingAt, findingIn } from './context.ts'
import type { LintFinding } from './lint-rules.ts'
import { field, type Resource } from './resource.ts'
import type { Settings } from './settings/settings.ts'
import { type Path, type View, walk, within } from './source.ts'

export const EXTRA_ROOTS = 'ISTIO_META_EXTRA_ROOT_CERTS'
const NEXT = 'remove it; the federation file that is printed with this does what it was meant to do'

export const inert = ({ resources, settings }: Context): readonly LintFinding[] => [
  ...resources.flatMap(extraRoots),
  ...settings.flatMap(({ values, resource }) => (values === undefined ? [] : extraVolumes(values, resource))),
  ...settings.flatMap(globalTrustDomain),
  ...resources.flatMap(peerAliases),
]

const aboutRoots = `${EXTRA_ROOTS}: nothing in Istio reads it, so no proxy trusts the roots it points to`

/**
 * Finds the setting as a key, as the name of a variable, or in a string that holds YAML (annotation
 * proxy.istio.io/config, data.mesh).
 */
function extraRoots(resource: Resource): readonly LintFinding[] {
  const found: LintFinding[] = []
  const look = (view: View): void =>
    walk(view.value, (path, key, value) => {
      if (key === EXTRA_ROOTS || (value === EXTRA_ROOTS && key === 'name'))
        found.push(findingAt('inert-extra-root-certs', view, [...path], resource.about, aboutRoots, { hint: NEXT }))
      else if (typeof value === 'string' && value.includes(EXTRA_ROOTS)) lookInto(view, [...path])
    })
  const lookInto = (view: View, path: Path): void => {
    const inner = view.source.embedded([...view.path, ...path])
    if (inner !== undefined && typeof inner.value === 'object') look({ source: inner, path: [], value: inner.value })
  }
  look(resource)
  return found
}

const VOLUMES: readonly { readonly path: Path; readonly instead: string }[] = [
  {
    path: ['global', 'proxy', 'extraVolumeMounts'],
    instead: 'a sidecar gets volumes by the pod annotations sidecar.istio.io/userVolume and userVolumeMount; for trust, none is needed',
  },
  { path: ['pilot', 'extraVolumes'], instead: "pilot.volumes and pilot.volumeMounts are istiod's own; no sidecar sees them" },
]

const extraVolumes = (values: View, resource: Resource): readonly LintFinding[] =>
  VOLUMES.filter(({ path }) => at(values.value, ...path) !== undefined).map(({ path, instead }) =>
    findingAt(
      'inert-extra-volumes',
      values,
      path,
      resource.about,
      `${path.join('.')}: no Istio chart has this value, so nothing is mounted`,
      {
        hint: `remove it; ${instead}`,
      },
    ),
  )

/**
 * istiod's chart used it as the trust domain up to 1.9; its templates prefer meshConfig.trustDomain, which has a
 * default.
 */
function globalTrustDomain({ values, mesh, written, resource }: Settings): readonly LintFinding[] {
  const path = ['global', 'trustDomain']
  const name = text(at(values?.value, ...path))
  if (values === undefined || name === '' || name === DEFAULT_TRUST_DOMAIN) return []
  const said = text(at(mesh?.value ?? written?.view.value, 'trustDomain'))
  if (said === name) return []
  const stays = said === '' ? 'the mesh is cluster.local, unless meshConfig.trustDomain is set elsewhere' : `the mesh is ${printable(said)}`
  const message = `global.trustDomain: no chart of Istio sets the trust domain by it any more; ${stays}`
  return [
    findingAt('inert-global-trust-domain', values, path, resource.about, message, {
      hint: `write meshConfig.trustDomain: ${printable(name)}`,
    }),
  ]
}

export const hasPeerAliases = (resource: Resource): boolean =>
  resource.kind === 'PeerAuthentication' && field(resource, 'spec', 'trustDomainAliases') !== undefined

function peerAliases(resource: Resource): readonly LintFinding[] {
  if (!hasPeerAliases(resource)) return []
  const message = `spec.trustDomainAliases: PeerAuthentication has no such field; the API server drops it without a word, and nobody of ${domains(resource)} is trusted`
  return [findingIn('inert-peer-aliases', resource, ['spec', 'trustDomainAliases'], message, { hint: NEXT })]
}

export const peerAliasesOf = (resource: Resource): readonly string[] => {
  const value = field(resource, 'spec', 'trustDomainAliases')
  return Array.isArray(value) ? value.map(text).filter((name) => name !== '') : []
}

const domains = (resource: Resource): string => peerAliasesOf(resource).join(', ') || 'another trust domain'

/** The members whose roots the walk-through's volumes mount: ConfigMap `NAME-root-cert`. */
export function meantMembers({
  settings,
}: Context): readonly { readonly name: string; readonly view: View; readonly resource: Resource }[] {
  return settings.flatMap(({ values, resource }) => {
    const volumes = values === undefined ? undefined : at(values.value, 'pilot', 'extraVolumes')
    if (values === undefined || !Array.isArray(volumes)) return []
    return volumes.flatMap((volume, i) => {
      const [, name] = /^(.+)-root-cert$/.exec(text(at(volume, 'configMap', 'name'))) ?? []
      return name === undefined || name === 'istio-ca' ? [] : [{ name, resource, view: within(values, 'pilot', 'extraVolumes', i) }]
    })
  })
}
