/**
 * Builds the federation file with the effect that inert settings were meant to have, as far as the manifests name the
 * members. Missing facts become placeholders: they open no trust, and the result lists each of them.
 */

import { trimOf } from '../../basics/trim.ts'
import { list, strings, text } from '../../model/manifest.ts'
import type { Workloads } from '../../model/wanted.ts'
import { relation, selects, workloadsKey } from '../../model/workloads.ts'
import { parsePrincipal } from '../../spiffe/spiffe-id.ts'
import { anchorsIn } from '../cacerts.ts'
import { type Context, inNamespace, meshFor, trustDomainIn } from '../context.ts'
import { domainIn, namedIn } from '../domains.ts'
import { EXTRA_ROOTS, hasPeerAliases, meantMembers, peerAliasesOf } from '../inert.ts'
import { field, type Resource } from '../resource.ts'
import { walk } from '../source.ts'
import type { MeantMember, MeantTrust, Replacement } from './meant.ts'
import { printFederation } from './replacement-text.ts'

/** The maximum number of scopes, so that the file stays readable. */
const MAX_SCOPES = 500
const DOMAIN = /^[a-z0-9._-]{1,255}$/
const LABEL_KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export function replacementFor(context: Context): Replacement | undefined {
  const policies = context.resources.filter(hasPeerAliases)
  const meant = meantMembers(context)
  if (policies.length === 0 && meant.length === 0 && !mentionsRoots(context)) return undefined
  const members = new Members(context, policies.flatMap(peerAliasesOf).slice(0, MAX_SCOPES))
  const trusts = new Map<string, MeantTrust>()
  const trust = (truster: string, trusted: string): MeantTrust => {
    const key = `${truster} ${trusted}`
    const known = trusts.get(key) ?? { truster, trusted, accept: [], reach: [] }
    trusts.set(key, known)
    return known
  }
  for (const { name, resource } of meant) {
    const trusted = members.named(name)
    members.name(members.ownOf(resource, trusted))
    members.name(trusted)
  }
  const scopes = policies.flatMap((policy) => peerAliasesOf(policy).map((alias) => ({ policy, alias })))
  for (const { policy, alias } of scopes.slice(0, MAX_SCOPES)) addScope(policy, alias, context, members, trust)
  if (scopes.length > MAX_SCOPES) members.notes.push(`${scopes.length - MAX_SCOPES} more scopes were left out: lint fewer files at once`)
  if (members.all.length === 0) for (const domain of ['this-mesh.example', 'other-mesh.example']) members.name(domain)
  return printFederation(members.all, [...trusts.values()], members.notes)
}

const mentionsRoots = ({ resources }: Context): boolean =>
  resources.some((resource) => {
    let found = false
    walk(resource.value, (_, key, value) => {
      if (key === EXTRA_ROOTS || (typeof value === 'string' && value.includes(EXTRA_ROOTS))) found = true
    })
    return found
  })

function addScope(policy: Resource, alias: string, context: Context, members: Members, trust: (a: string, b: string) => MeantTrust): void {
  if (!DOMAIN.test(alias)) return
  if (alias === 'cluster.local') {
    members.notes.push(
      `${policy.title}: cluster.local is only Istio's default; give that mesh a trust domain of its own, then name it here`,
    )
    return
  }
  const own = members.ownOf(policy, alias)
  const [truster, trusted] = [members.name(own), members.name(alias)]
  const namespace = policy.namespace === '' ? 'default' : policy.namespace
  if (!LABEL.test(namespace) || namespace === meshFor(context, policy).rootNamespace) {
    members.notes.push(`${policy.title}: its namespace cannot be a scope; name the namespaces of the workloads`)
    return
  }
  const labels = strings(field(policy, 'spec', 'selector', 'matchLabels'))
  const at: Workloads = { namespace, ...(Object.keys(labels).length === 0 ? {} : { labels }) }
  if (!Object.entries(labels).every(([key, value]) => LABEL_KEY.test(key) && LABEL_VALUE.test(value))) {
    members.notes.push(`${policy.title}: its selector has labels that no workload can have`)
    return
  }
  const { accept } = trust(truster, trusted)
  // Merge equal scopes and drop overlapping ones: plan rejects scopes that overlap.
  if (accept.some((other) => relation(other.at, at) !== 'disjoint')) {
    if (!accept.some((other) => workloadsKey(other.at) === workloadsKey(at)))
      members.notes.push(`${policy.title}: its scope overlaps another one, so that it was left out; name the workloads apart`)
    return
  }
  const known = callersIn(namespace, alias, context)
  accept.push({ at, callers: known.length > 0 ? known : [`${alias}/ns/${namespace}/sa/change-me`], guessed: known.length === 0 })
  const host = hostOf(at, policy, context)
  if (host === undefined || known.length === 0) return
  const { reach } = trust(trusted, truster)
  for (const from of new Set(known.map((caller) => caller.split('/')[2] ?? ''))) {
    if (LABEL.test(from) && !reach.some((other) => other.namespace === from && other.host === host))
      reach.push({ namespace: from, host, servedBy: serversOf(at, own, policy, context) })
  }
}

/** Principals of the domain that policies of the namespace already name. */
function callersIn(namespace: string, domain: string, { namespaces }: Context): readonly string[] {
  const named = (namespaces.get(namespace) ?? [])
    .filter((r) => r.kind === 'AuthorizationPolicy' && field(r, 'spec', 'action') !== 'DENY')
    .flatMap((policy) => namedIn(policy).filter(({ path }) => !path.includes('notPrincipals') && !path.includes('notValues')))
    .filter((one) => one.of === 'principals' && domainIn(one)?.name === domain)
    .map(({ value }) => value)
  return [...new Set(named)].filter((value) => {
    try {
      return parsePrincipal(value) !== `${domain}/*`
    } catch {
      return false
    }
  })
}

function hostOf(at: Workloads, policy: Resource, context: Context): string | undefined {
  const service = inNamespace(context, at.namespace, policy.source.given).find((r) => {
    const selector = strings(field(r, 'spec', 'selector'))
    return (
      r.kind === 'Service' &&
      Object.keys(selector).length > 0 &&
      Object.entries(at.labels ?? {}).every(([key, value]) => selector[key] === value)
    )
  })
  const name = service?.manifest.metadata.name ?? ''
  return LABEL.test(name) ? `${name}.${at.namespace}.svc.cluster.local` : undefined
}

function serversOf(at: Workloads, domain: string, policy: Resource, context: Context): readonly string[] {
  const accounts = inNamespace(context, at.namespace, policy.source.given)
    .filter((r) => selects(at, r.namespace, strings(field(r, 'spec', 'template', 'metadata', 'labels'))))
    .map((r) => text(field(r, 'spec', 'template', 'spec', 'serviceAccountName')))
  return [...new Set(accounts)].filter((account) => LABEL.test(account)).map((account) => `${domain}/ns/${at.namespace}/sa/${account}`)
}

/** The members that the manifests mention: trust domains, with a name for each. */
class Members {
  private readonly context: Context
  /** Trust domains that somebody is sure of. */
  private readonly domains: readonly string[]
  private readonly found = new Map<string, MeantMember>()
  readonly notes: string[] = []

  constructor(context: Context, aliases: readonly string[]) {
    this.context = context
    const configured = context.settings.flatMap(trustDomainIn).filter((domain) => domain !== 'cluster.local')
    this.domains = [...new Set([...configured, ...aliases])].filter((domain) => DOMAIN.test(domain))
  }

  get all(): readonly MeantMember[] {
    return [...this.found.values()]
  }

  /** The trust domain of the mesh an object belongs to: as its mesh config says, or the only other one there is talk of. */
  ownOf(resource: Resource, foreign: string): string {
    const said = meshFor(this.context, resource).trustDomain
    if (said !== undefined && said !== foreign && said !== 'cluster.local') return said
    const others = this.domains.filter((domain) => domain !== foreign)
    return others.length === 1 && others[0] !== undefined ? others[0] : 'this-mesh.example'
  }

  /** The trust domain of whom a ConfigMap `NAME-root-cert` is named after. */
  named(name: string): string {
    const known = this.domains.find((domain) => domain.split('.')[0] === name)
    return known ?? (DOMAIN.test(`${name}.example`) ? `${name}.example` : 'other-mesh.example')
  }

  /** The member's name in the file. */
  name(domain: string): string {
    const known = this.found.get(domain)
    if (known !== undefined) return known.name
    const taken = (name: string): boolean => name === 'istio-ca' || [...this.found.values()].some((member) => member.name === name)
    const short = trimOf((domain.split('.')[0] ?? '').replace(/[^a-z0-9-]/g, '-'), '-')
    const long = trimOf(domain.replace(/[^a-z0-9-]/g, '-'), '-').slice(0, 63)
    const name =
      [short, long, `mesh-${this.found.size + 1}`].find((one) => LABEL.test(one) && !taken(one)) ?? `member-${this.found.size + 1}`
    this.found.set(domain, { name, trustDomain: domain, guessed: !this.domains.includes(domain), roots: this.rootsOf(name) })
    return name
  }

  /** In ConfigMap `NAME-root-cert`, key `NAME-root.pem`, as the walk-through makes it. */
  private rootsOf(name: string): readonly string[] {
    const maps = this.context.resources.filter((r) => r.kind === 'ConfigMap' && r.manifest.metadata.name === `${name}-root-cert`)
    const texts = maps.flatMap((map) => list(Object.values((field(map, 'data') as object | null | undefined) ?? {})).map(text))
    return [...new Set(texts.flatMap((pem) => anchorsIn(pem).map(({ fingerprint }) => fingerprint as string)))]
  }
}
