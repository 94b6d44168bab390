/** Checks trust domains: aliases that make foreign identities local, and policies that match no identity. */

import { isPlaceholder } from '../mesh/config/unfilled.ts'
import { at, list, text } from '../model/manifest.ts'
import { memberOfDomain } from '../model/wanted.ts'
import { inboundPrefixes } from '../trust/pinned/pinned-filter.ts'
import { printable } from '../x509/syntax/printable.ts'
import { type Context, findingAt, findingIn, meshFor, trustDomainIn } from './context.ts'
import type { LintFinding } from './lint-rules.ts'
import { field, isAuthorizationPolicy, type Resource } from './resource.ts'
import { hasIstioForm } from './rules/principal-form.ts'
import { shownPlaceholder } from './settings/placeholder.ts'
import type { Settings } from './settings/settings.ts'
import type { Path } from './source.ts'

export const aliases = (context: Context): readonly LintFinding[] => context.settings.flatMap((settings) => aliasesOf(settings, context))

function aliasesOf(settings: Settings, context: Context): readonly LintFinding[] {
  const { mesh, resource } = settings
  if (mesh === undefined) return []
  const own = text(at(mesh.value, 'trustDomain'))
  const declared = meshFor(context, resource).members.flatMap(({ member }) => member.aliases)
  return list(at(mesh.value, 'trustDomainAliases'))
    .map(text)
    .flatMap((alias, i) => {
      if (alias === '' || alias === own || isPlaceholder(alias) || declared.some((name) => name === alias)) return []
      const owner = ownerOf(alias, settings, context)
      const equal = `trustDomainAliases: every identity of ${printable(alias)} becomes equal to the local one of the same name, in every policy of the mesh`
      const path: Path = ['trustDomainAliases', i]
      return owner === undefined
        ? [
            findingAt('foreign-alias', mesh, path, resource.about, `${equal}; right only if it is an old name of this mesh`, {
              severity: 'warning',
              hint: 'if it is, suppress this and say so; if it is another mesh, federate it instead',
            }),
          ]
        : [
            findingAt('foreign-alias', mesh, path, resource.about, `${equal}, and it is ${owner}`, {
              hint: 'remove it, and federate that domain: entente init, entente plan',
            }),
          ]
    })
}

/** The source that shows that another mesh owns the alias; undefined: none does. */
function ownerOf(alias: string, { mesh, resource }: Settings, context: Context): string | undefined {
  for (const { federation } of context.federations) {
    const member = memberOfDomain(federation, alias)
    if (member !== undefined) return `the trust domain of member ${member.name}`
  }
  const other = context.settings.find((s) => s.resource.source.given !== resource.source.given && trustDomainIn(s).includes(alias))
  if (other !== undefined) return `the trust domain of the mesh in ${other.resource.source.file}`
  const root = list(at(mesh?.value, 'caCertificates')).findIndex((entry) => list(at(entry, 'trustDomains')).includes(alias))
  return root === -1 ? undefined : `under a root of its own (caCertificates[${root}])`
}

const domainsNamed = (mesh: unknown): readonly unknown[] => [
  at(mesh, 'trustDomain'),
  ...list(at(mesh, 'trustDomainAliases')),
  ...list(at(mesh, 'caCertificates')).flatMap((entry) => list(at(entry, 'trustDomains'))),
]

/** Names with placeholders that another tool fills in: lint cannot judge them. */
export function placeholdersIn({ settings, resources }: Context): string | undefined {
  const names = [
    ...settings.flatMap(({ mesh }) => domainsNamed(mesh?.value)),
    ...resources.filter(isAuthorizationPolicy).flatMap((policy) => namedIn(policy).map(({ value }) => value)),
  ]
  const open = [...new Set(names.filter(isPlaceholder).map(text))].map(shownPlaceholder)
  if (open.length === 0) return undefined
  const shown = `${open.slice(0, 3).join(', ')}${open.length > 3 ? ` and ${open.length - 3} more` : ''}`
  return `${shown}: a placeholder is no trust domain, so what it stands for is not judged; lint what is rendered`
}

/** Every trust domain of a member or mesh; undefined if no file names one, or a name is a placeholder. */
export function knownDomains({ federations, settings, resources }: Context): ReadonlySet<string> | undefined {
  const own = [
    ...federations.flatMap(({ federation }) => [...federation.members.values()].map((member) => member.trustDomain as string)),
    ...settings.flatMap(trustDomainIn),
  ]
  if (own.length === 0 || settings.some(({ mesh }) => domainsNamed(mesh?.value).some(isPlaceholder))) return undefined
  return new Set([
    ...own,
    ...federations.flatMap(({ federation }) => [...federation.members.values()].flatMap((member) => member.aliases as readonly string[])),
    ...settings.flatMap(({ mesh }) => list(at(mesh?.value, 'trustDomainAliases')).map(text)),
    ...settings.flatMap(({ mesh }) =>
      list(at(mesh?.value, 'caCertificates')).flatMap((entry) => list(at(entry, 'trustDomains')).map(text)),
    ),
    ...resources
      .flatMap((r) => (r.kind === 'EnvoyFilter' ? inboundPrefixes(r.manifest) : []))
      .map((prefix) => prefix.replace(/^spiffe:\/\/|\/$/g, '')),
    // In a policy, `cluster.local` means the mesh that reads the policy.
    'cluster.local',
  ])
}

export interface Named {
  readonly path: Path
  readonly value: string
  /** `principals`: `TD/ns/N/sa/S` patterns; `trustDomains`: patterns of domains. */
  readonly of: 'principals' | 'trustDomains'
}

const WHEN: Readonly<Record<string, Named['of']>> = { 'source.principal': 'principals', 'source.trustDomain': 'trustDomains' }

/** The places where an AuthorizationPolicy names identities by their trust domain. */
export function namedIn(policy: Resource): readonly Named[] {
  const found: Named[] = []
  const take = (values: unknown, path: Path, of: Named['of']): void => {
    for (const [i, value] of list(values).entries()) if (typeof value === 'string') found.push({ path: [...path, i], value, of })
  }
  for (const [r, rule] of list(field(policy, 'spec', 'rules')).entries()) {
    for (const [f, from] of list(at(rule, 'from')).entries()) {
      const path: Path = ['spec', 'rules', r, 'from', f, 'source']
      for (const key of ['principals', 'notPrincipals'] as const) take(at(from, 'source', key), [...path, key], 'principals')
      for (const key of ['trustDomains', 'notTrustDomains'] as const) take(at(from, 'source', key), [...path, key], 'trustDomains')
    }
    for (const [w, when] of list(at(rule, 'when')).entries()) {
      const of = WHEN[text(at(when, 'key'))]
      if (of === undefined) continue
      for (const key of ['values', 'notValues']) take(at(when, key), ['spec', 'rules', r, 'when', w, key], of)
    }
  }
  return found
}

/** The trust domain in a pattern; undefined if the pattern matches any domain. */
export function domainIn({ value, of }: Named): { readonly name: string; readonly prefix: boolean } | undefined {
  if (value.startsWith('*')) return undefined
  const [name = '', ...path] = value.split('/')
  if (of === 'principals' && path.length > 0) return { name, prefix: false }
  return value.endsWith('*') ? { name: value.slice(0, -1), prefix: true } : of === 'trustDomains' ? { name, prefix: false } : undefined
}

export function policies(context: Context): readonly LintFinding[] {
  const known = knownDomains(context)
  return context.resources.filter(isAuthorizationPolicy).flatMap((policy) =>
    namedIn(policy)
      .filter(({ value }) => !isPlaceholder(value))
      .flatMap((named) => neverMatches(policy, named) ?? [...notOfIstio(policy, named), ...nobody(policy, named, known)]),
  )
}

function neverMatches(policy: Resource, { path, value, of }: Named): readonly LintFinding[] | undefined {
  const inner = value.slice(1, -1).includes('*') || (value.length > 1 && value.startsWith('*') && value.endsWith('*'))
  const why = value.startsWith('spiffe://')
    ? 'a principal is written without spiffe://'
    : inner
      ? 'Istio knows * at the beginning or at the end only; elsewhere it is taken for the character'
      : of === 'principals' && value !== '' && !value.includes('/') && !value.includes('*')
        ? 'a principal is TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT'
        : undefined
  if (why === undefined) return undefined
  const negative = path.some((step) => String(step).startsWith('not'))
  const denies = field(policy, 'spec', 'action') === 'DENY'
  const then = negative ? (denies ? 'nobody is excepted' : 'it keeps nobody out') : denies ? 'it denies nobody' : 'it lets nobody in'
  return [
    findingIn('principal-never-matches', policy, path, `${JSON.stringify(printable(value))} matches no identity, so ${then}: ${why}`, {
      hint: 'write the principal as TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, or as a prefix or suffix of it',
    }),
  ]
}

function notOfIstio(policy: Resource, { path, value, of }: Named): readonly LintFinding[] {
  if (of !== 'principals' || value === '' || hasIstioForm(value)) return []
  const message = `${JSON.stringify(printable(value))} matches no identity that Istio issues: those are TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT; another issuer, such as SPIRE, may have such names`
  return [
    findingIn('principal-never-matches', policy, path, message, {
      severity: 'warning',
      hint: 'correct it; if another issuer has such names, suppress this and say so',
    }),
  ]
}

function nobody(policy: Resource, named: Named, known: ReadonlySet<string> | undefined): readonly LintFinding[] {
  const domain = domainIn(named)
  if (known === undefined || domain === undefined) return []
  const there = domain.prefix ? [...known].some((name) => name.startsWith(domain.name)) : known.has(domain.name)
  if (there) return []
  const message = `${JSON.stringify(printable(named.value))} names the trust domain ${printable(domain.name)}${domain.prefix ? '*' : ''}, which nobody has`
  return [
    findingIn('unknown-trust-domain', policy, named.path, message, {
      hint: `known are ${[...known].slice(0, 5).join(', ')}; correct the name, or give the federation that has it (-f)`,
    }),
  ]
}
