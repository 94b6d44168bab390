/**
 * Checks meshConfig.caCertificates as istiod reads them. istio pilot/pkg/trustbundle/trustbundle.go and
 * pilot/pkg/features/pilot.go (ISTIO_MULTIROOT_MESH), pilot/cmd/pilot-agent/options (PROXY_CONFIG_XDS_AGENT),
 * eed52ebb66ad.
 */

import { ISTIOD_REJECTS, REPAIRED_PEM } from '../diagnostics/codes.ts'
import type { Subject } from '../diagnostics/subject.ts'
import { isPlaceholder } from '../mesh/config/unfilled.ts'
import { at, list, text } from '../model/manifest.ts'
import { inspect } from '../spiffe/inspect.ts'
import { type Context, findingAt, meshFor } from './context.ts'
import type { LintFinding } from './lint-rules.ts'
import type { Settings } from './settings/settings.ts'
import { type View, within } from './source.ts'

/** As Go's strconv.ParseBool. */
const isTrue = (value: unknown): boolean => /^(1|t|true)$/i.test(String(value ?? ''))

export function roots(context: Context): readonly LintFinding[] {
  return context.settings.flatMap((settings) => {
    const { mesh } = settings
    const entries = mesh === undefined ? [] : list(at(mesh.value, 'caCertificates'))
    if (mesh === undefined || entries.length === 0) return []
    return [
      ...withoutMultiroot(settings, mesh, context),
      ...withoutAgent(settings, mesh, context),
      ...entries.flatMap((_, i) => entry(settings, within(mesh, 'caCertificates', i), context)),
    ]
  })
}

function withoutMultiroot(settings: Settings, mesh: View, context: Context): readonly LintFinding[] {
  const istiods = meshFor(context, settings.resource).settings.flatMap(({ env }) => env ?? [])
  if (istiods.some((env) => isTrue(env.get('ISTIO_MULTIROOT_MESH')))) return []
  const { about } = settings.resource
  const hint = 'set ISTIO_MULTIROOT_MESH=true in pilot.env; or federate with distribution pinned, which needs no flag'
  return [
    istiods.length > 0
      ? findingAt(
          'ca-without-multiroot',
          mesh,
          ['caCertificates'],
          about,
          'caCertificates: istiod ignores them without ISTIO_MULTIROOT_MESH=true',
          { hint },
        )
      : findingAt(
          'ca-without-multiroot',
          mesh,
          ['caCertificates'],
          about,
          'caCertificates: istiod ignores them without ISTIO_MULTIROOT_MESH=true, and its Deployment is not among the files, so that nobody can tell',
          { severity: 'warning', hint: 'lint istiod’s Deployment, or its Helm values, with this' },
        ),
  ]
}

function withoutAgent(settings: Settings, mesh: View, context: Context): readonly LintFinding[] {
  const set = meshFor(context, settings.resource).settings.some((other) =>
    isTrue(at(other.mesh?.value, 'defaultConfig', 'proxyMetadata', 'PROXY_CONFIG_XDS_AGENT')),
  )
  if (set) return []
  return [
    findingAt(
      'ca-without-xds-agent',
      mesh,
      ['caCertificates'],
      settings.resource.about,
      'caCertificates: proxies are sent them only with PROXY_CONFIG_XDS_AGENT=true in defaultConfig.proxyMetadata',
      { hint: 'set it, and restart the workloads' },
    ),
  ]
}

function entry(settings: Settings, view: View, context: Context): readonly LintFinding[] {
  const { about } = settings.resource
  const path = view.path.slice(-2)
  const where = `${path[0]}[${path[1]}]`
  const found: LintFinding[] = []
  const pem = text(at(view.value, 'pem'))
  const url = text(at(view.value, 'spiffeBundleUrl'))
  if (pem !== '' && !isPlaceholder(pem)) found.push(...judge(pem, where, view, about, context))
  if (url !== '') {
    const why =
      pem === ''
        ? 'is asked every 30 minutes; one fetch that fails takes its roots away, and calls with them'
        : 'is ignored: the entry has a pem, too'
    found.push(
      findingAt('spiffe-bundle-url', view, ['spiffeBundleUrl'], about, `${where}.spiffeBundleUrl ${why}`, {
        hint: 'put the roots in as pem, an entry for each',
      }),
    )
  }
  if (pem === '' && url === '')
    found.push(
      findingAt('ca-refused', view, [], about, `${where} has neither pem nor spiffeBundleUrl: istiod passes over it`, {
        hint: 'remove it, or give it a root',
      }),
    )
  const domains = list(at(view.value, 'trustDomains')).map(text)
  if (domains.length === 0 && pem !== '' && list(at(settings.mesh?.value, 'trustDomainAliases')).length === 0)
    found.push(
      findingAt(
        'ca-without-domains',
        view,
        [],
        about,
        `${where} names no trustDomains: proxies then accept it for this mesh's own trust domain only, and nobody of another one`,
        { hint: 'right for a second root of this mesh; to let another mesh in, federate it with distribution pinned' },
      ),
    )
  if (domains.length > 0) {
    const names = domains.join(', ')
    found.push(
      findingAt(
        'ca-not-bound',
        view,
        ['trustDomains'],
        about,
        `${where}.trustDomains does not bind this root to ${names}: all roots make one flat list, so whoever holds its key can name any workload of any domain, yours included`,
        { hint: 'federate with distribution pinned, which binds each root to its trust domain at the proxy' },
      ),
    )
  }
  return found
}

/** istiod's check reads only the first block. */
const FIRST = /^(file|block 1|before block 1)$/

function judge(pem: string, where: string, view: View, about: Subject, { now }: Context): readonly LintFinding[] {
  const { findings, certificates } = inspect(Buffer.from(pem), { now, format: 'pem' })
  const errors = findings.filter(({ severity, code }) => severity === 'error' || REPAIRED_PEM.has(code))
  const told = errors.slice(0, 5).map(({ code, subject, message, hint }) => {
    const unparsed =
      code === 'unsupported-key' && certificates.some((one) => one.subject === subject && one.certificate.key.refused?.unparsed === true)
    const fatal = (ISTIOD_REJECTS.has(code) || unparsed) && FIRST.test(subject)
    const then = fatal
      ? 'istiod keeps its old list, so that removals do not happen either, and does not start again after its next restart'
      : 'istiod passes it on, and proxies may refuse it'
    return findingAt('ca-refused', view, ['pem'], about, `${where}.pem: ${subject} ${message} (${code}); ${then}`, { hint })
  })
  const roots = pem.split('-----BEGIN CERTIFICATE-----').length - 1
  if (roots < 2) return told
  const message = `${where}.pem holds ${roots} certificates (${certificates.length} of them readable); istiod checks the first only, and a bad one behind it breaks the proxies`
  return [...told, findingAt('ca-several-roots', view, ['pem'], about, message, { hint: 'make an entry for each root' })]
}
