/** Parses the federation file into a Federation, or reports every problem with its path. */

import type { z } from 'zod'
import { endOf } from '../basics/day.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { API_VERSION } from '../model/api-version.ts'
import type { Accept, Federation, Member, MemberName, Reach, Severed, Trust, Wide, Workloads } from '../model/wanted.ts'
import { describeWorkloads, relation, workloadsKey } from '../model/workloads.ts'
import { type Principal, parsePrincipal, trustDomainOf } from '../spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../spiffe/trust-domain.ts'
import { type Document, schema, type TrustEntry } from './schema.ts'
import { reportSharedHomes } from './shared-homes.ts'

/** A problem in a federation file. `path` is the position in the document. */
export interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string
}

/**
 * @param doc the parsed YAML
 * @returns the federation, or every problem
 */
export function parseFederation(doc: unknown): { readonly federation: Federation } | { readonly problems: readonly Problem[] } {
  const parsed = schema.safeParse(doc)
  const problems: Problem[] = protoKeys(doc, [])
  if (!parsed.success) return { problems: [...problems, ...parsed.error.issues.flatMap(problemsOf)] }
  const report: Report = (path, message, hint = '') => void problems.push({ path, message, hint })

  const read = readMembers(parsed.data, report)
  const members = { read, names: parsed.data.spec.members.map(({ name }) => name) }
  const trusts = (parsed.data.spec.trust ?? []).flatMap((entry, i) => readTrust(entry, ['spec', 'trust', i], members, report))
  const severed = (parsed.data.spec.severed ?? []).flatMap((entry, i): Severed[] => {
    const pair = readPair(entry, ['spec', 'severed', i], members, report)
    return pair === undefined
      ? []
      : [{ truster: pair.truster.name, trusted: pair.trusted.name, at: new Date(entry.at), reason: entry.reason }]
  })
  reportSharedHomes(
    parsed.data.spec.members.map(({ name, cluster }, i) => ({ name, ...cluster, path: ['spec', 'members', i, 'cluster'] })),
    report,
  )
  reportRepeatedPairs(parsed.data.spec.trust ?? [], report)
  reportOverlaps(parsed.data.spec.trust ?? [], report)
  reportModes(trusts, report)
  if (problems.length > 0) return { problems }
  return { federation: { name: parsed.data.metadata.name, members: read, trusts, severed } }
}

type Report = (path: readonly (string | number)[], message: string, hint?: string) => void

const HINTS: Readonly<Record<string, string>> = {
  apiVersion: `write apiVersion: ${API_VERSION}`,
  kind: 'write kind: Federation',
  mtls: 'enforce writes a STRICT PeerAuthentication; require checks that one exists; permissive also allows plaintext',
  distribution: 'write pinned (no restart), or mounted (one restart per pod, then root changes drain no connection)',
  callers: 'list principals such as cluster-a.example/ns/NAMESPACE/sa/ACCOUNT',
}

/** zod drops a key `__proto__` silently. A selector that loses a label selects more workloads, so such a key is a problem. */
function protoKeys(value: unknown, path: readonly (string | number)[]): Problem[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => protoKeys(item, [...path, i]))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) =>
    key === '__proto__'
      ? [{ path: [...path, key], message: 'unknown field "__proto__"', hint: 'remove it' }]
      : protoKeys(item, [...path, key]),
  )
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.filter((step): step is string | number => typeof step !== 'symbol')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `unknown field "${key}"`,
      hint: 'remove it; docs/federation-file.md lists the fields',
    }))
  }
  return [{ path, message: worded(issue.message), hint: HINTS[String(path.at(-1))] ?? '' }]
}

/** Rewords zod's `Invalid input: expected array, received null`. */
function worded(message: string): string {
  const [, want, got] = /^Invalid input: expected (\w+), received (\w+)$/.exec(message) ?? []
  if (want === undefined) return message
  const noun: Readonly<Record<string, string>> = {
    object: 'a mapping',
    array: 'a list',
    string: 'text; if YAML reads it as another type, quote it',
  }
  return got === 'undefined' ? 'is required' : got === 'null' ? 'is empty' : `must be ${noun[want] ?? want}`
}

function attempt<T>(read: () => T, path: readonly (string | number)[], report: Report): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    report(path, thrown.message, thrown.hint)
    return undefined
  }
}

/** A trusted member's roots go into ConfigMap NAME-root-cert. Istio itself writes istio-ca-root-cert. */
const RESERVED: ReadonlySet<string> = new Set(['istio-ca'])

function readMembers(doc: Document, report: Report): ReadonlyMap<MemberName, Member> {
  const members = new Map<MemberName, Member>()
  const domains = new Map<string, string>()
  doc.spec.members.forEach((entry, i) => {
    const path = ['spec', 'members', i]
    const name = entry.name as MemberName
    const trustDomain = attempt(() => parseTrustDomain(entry.trustDomain), [...path, 'trustDomain'], report)
    const aliases = (entry.trustDomainAliases ?? []).flatMap(
      (alias, j) => attempt(() => parseTrustDomain(alias), [...path, 'trustDomainAliases', j], report) ?? [],
    )
    if (RESERVED.has(name)) report([...path, 'name'], `Istio owns the ConfigMap ${name}-root-cert`, 'choose another name')
    if (members.has(name)) report([...path, 'name'], `a second member is named ${name}`, 'give each member a unique name')
    const places = [
      [entry.trustDomain, [...path, 'trustDomain']] as const,
      ...aliases.map((alias, j) => [alias, [...path, 'trustDomainAliases', j]] as const),
    ]
    for (const [domain, where] of places) {
      const other = domains.get(domain)
      if (other !== undefined) {
        report(
          where,
          `trust domain ${domain} already belongs to member ${other}`,
          domain === 'cluster.local'
            ? 'cluster.local is Istio’s default: give each mesh a unique trust domain (meshConfig.trustDomain)'
            : 'two meshes with one trust domain have the same identities: give each mesh a unique trust domain',
        )
      }
      domains.set(domain, entry.name)
    }
    if (entry.cluster !== undefined && entry.cluster.context === undefined && entry.cluster.directory === undefined) {
      report([...path, 'cluster'], 'names neither a context nor a directory', 'add one; for a member that is only trusted, remove cluster')
    }
    if (trustDomain === undefined) return
    members.set(name, {
      name,
      trustDomain,
      aliases,
      ...(entry.network === undefined ? {} : { network: entry.network }),
      ...(entry.cluster === undefined
        ? {}
        : {
            home: {
              ...(entry.cluster.context === undefined ? {} : { context: entry.cluster.context }),
              ...(entry.cluster.directory === undefined ? {} : { directory: entry.cluster.directory }),
            },
          }),
      istioNamespace: entry.istio?.namespace ?? 'istio-system',
      ...(entry.istio?.crl === undefined ? {} : { ignoresCrl: true as const }),
      ...(entry.kubeletSync === undefined ? {} : { kubeletSyncSeconds: Number.parseInt(entry.kubeletSync, 10) }),
    })
  })
  return members
}

/** `names` has every member in the document, including those with problems. */
interface Members {
  readonly read: ReadonlyMap<MemberName, Member>
  readonly names: readonly string[]
}

function readPair(entry: { truster: string; trusted: string }, path: readonly (string | number)[], members: Members, report: Report) {
  const find = (side: 'truster' | 'trusted'): Member | undefined => {
    const member = members.read.get(entry[side] as MemberName)
    if (member === undefined && !members.names.includes(entry[side]))
      report([...path, side], `no member is named ${JSON.stringify(entry[side])}`, `members: ${members.names.join(', ')}`)
    return member
  }
  const truster = find('truster')
  const trusted = find('trusted')
  if (truster !== undefined && truster === trusted)
    report([...path, 'trusted'], 'truster and trusted are the same member', 'name another member: a mesh always trusts itself')
  return truster === undefined || trusted === undefined ? undefined : { truster, trusted }
}

const LATER: Readonly<Record<string, string>> = {
  anchors: 'distribution anchors is not implemented',
}

function readTrust(entry: TrustEntry, path: readonly (string | number)[], members: Members, report: Report): Trust[] {
  const pair = readPair(entry, path, members, report)
  const later = LATER[entry.distribution]
  if (later !== undefined) report([...path, 'distribution'], later, 'write pinned or mounted')
  if ((entry.accept ?? []).length + (entry.reach ?? []).length === 0) {
    report(path, 'has neither accept nor reach', 'add accept (inbound) or reach (outbound), or remove the trust')
  }
  if (pair === undefined) return []
  const { truster, trusted } = pair
  if (truster.home === undefined) {
    report(
      [...path, 'truster'],
      `member ${truster.name} has no cluster, so Entente cannot plan for it`,
      'give the member a cluster with a context or directory',
    )
  }
  if (trusted.trustDomain === 'cluster.local' && (entry.accept ?? []).some((item) => item.callers !== 'all')) {
    report(
      [...path, 'accept'],
      'callers from cluster.local cannot be named: in a policy Istio reads cluster.local as the trust domain of its own mesh',
      `give ${trusted.name} a unique trust domain (meshConfig.trustDomain)`,
    )
  }
  const until = entry.until === undefined ? undefined : endOf(entry.until)
  const pairing = {
    truster: truster.name,
    trusted: trusted.name,
    distribution: entry.distribution,
    ...(until === undefined ? {} : { until }),
  }
  if (entry.distribution === 'mesh') {
    const wide = readWide(entry, path, trusted.trustDomain, report)
    return wide === undefined ? [] : [{ ...pairing, accept: [], reach: [], wide }]
  }
  const accept = (entry.accept ?? []).flatMap((item, i): Accept[] => {
    const here = [...path, 'accept', i]
    const at = isEverywhere(item, entry) ? readEverywhere(item, here, truster, report) : readWorkloads(item, here, truster, report)
    const ports = readPorts(item, here, report)
    const gateway = readGateway(item, entry.distribution, here, report)
    const callers = item.callers === 'all' ? 'all' : readPrincipals(item.callers, [...here, 'callers'], trusted.trustDomain, report)
    return at === undefined
      ? []
      : [{ at, mtls: item.mtls, ...(ports === undefined ? {} : { ports }), ...(gateway === undefined ? {} : { gateway }), callers }]
  })
  const reach = (entry.reach ?? []).flatMap((item, i): Reach[] => {
    const here = [...path, 'reach', i]
    const from = readWorkloads(item, here, truster, report)
    const services = item.services.map((service, j) => {
      if (!/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(service.host)) {
        report(
          [...here, 'services', j, 'host'],
          `${JSON.stringify(service.host)} is not a full host name`,
          'write it as SERVICE.NAMESPACE.svc.cluster.local',
        )
      }
      const servedBy = readServedBy(service.servedBy, [...here, 'services', j, 'servedBy'], trusted.trustDomain, truster, report)
      return { host: service.host, ...(servedBy === undefined ? {} : { servedBy }) }
    })
    return from === undefined ? [] : [{ from, services }]
  })
  return [{ ...pairing, accept, reach }]
}

/** Distribution mesh accepts in both directions at every workload, so one accept entry names its callers. */
function readWide(entry: TrustEntry, path: readonly (string | number)[], domain: TrustDomain, report: Report): Wide | undefined {
  const [item, ...more] = entry.accept ?? []
  const where = [...path, 'accept']
  if (item === undefined || more.length > 0) {
    report(
      where,
      'distribution mesh needs exactly one accept entry, for the whole mesh',
      'write accept: [{ mtls: require, callers: [...] }]',
    )
    return undefined
  }
  for (const place of ['namespace', 'selector'] as const) {
    if (item[place] !== undefined)
      report(
        [...where, 0, place],
        'distribution mesh applies to every workload of the mesh',
        'remove it; for some workloads only, write distribution pinned or mounted',
      )
  }
  for (const [i, reach] of (entry.reach ?? []).entries()) {
    if (reach.namespace !== undefined || reach.selector !== undefined || reach.services.length > 0)
      report([...path, 'reach', i], 'with distribution mesh every workload of the mesh can call the trusted member', 'remove reach')
  }
  if (item.mtls === 'enforce') {
    report([...where, 0, 'mtls'], 'Entente does not write STRICT for a whole mesh', 'write require or permissive')
    return undefined
  }
  const callers = item.callers === 'all' ? 'all' : readPrincipals(item.callers, [...where, 0, 'callers'], domain, report)
  return { mtls: item.mtls, callers }
}

/** An entry without namespace is for the whole mesh. A mounted file exists per namespace, so this needs distribution pinned. */
const isEverywhere = (
  { namespace }: { readonly namespace?: string | undefined },
  { distribution }: Pick<TrustEntry, 'distribution'>,
): boolean => namespace === undefined && distribution === 'pinned'

/** Every sidecar of the mesh. `plan` checks which namespaces allow it. */
function readEverywhere(
  { mtls, selector, gateway }: Pick<NonNullable<TrustEntry['accept']>[number], 'mtls' | 'selector' | 'gateway'>,
  path: readonly (string | number)[],
  truster: Member,
  report: Report,
): Workloads | undefined {
  const partly = selector !== undefined || gateway !== undefined
  if (partly)
    report(
      path,
      'names no namespace: without one, an entry is for every sidecar of the mesh and cannot have selector or gateway',
      'add namespace:',
    )
  if (mtls === 'enforce') report([...path, 'mtls'], 'Entente does not write STRICT for a whole mesh', 'write require or permissive')
  return partly || mtls === 'enforce' ? undefined : { namespace: truster.istioNamespace, everywhere: true }
}

function readWorkloads(
  item: { namespace?: string | undefined; selector?: Record<string, string> | undefined },
  path: readonly (string | number)[],
  truster: Member,
  report: Report,
): Workloads | undefined {
  if (item.namespace === undefined) {
    report(path, 'names no namespace; only accept with distribution pinned can be for the whole mesh', 'add namespace:, one entry for each')
    return undefined
  }
  if (item.namespace === truster.istioNamespace) {
    report(
      [...path, 'namespace'],
      `${item.namespace} is the mesh's root namespace: Istio applies objects there to every namespace`,
      'name the namespace of the workloads; for the whole mesh, write accept without namespace and distribution pinned',
    )
    return undefined
  }
  const labels = item.selector !== undefined && Object.keys(item.selector).length > 0 ? item.selector : undefined
  if (item.selector !== undefined && labels === undefined)
    report([...path, 'selector'], 'is empty', 'remove it to select the whole namespace')
  return { namespace: item.namespace, ...(labels === undefined ? {} : { labels }) }
}

function readPorts(
  { mtls, ports, selector }: Pick<NonNullable<TrustEntry['accept']>[number], 'mtls' | 'ports' | 'selector'>,
  path: readonly (string | number)[],
  report: Report,
): Accept['ports'] {
  if (ports === undefined) return undefined
  if (mtls === 'permissive') report([...path, 'ports'], 'mtls: permissive already allows plaintext on every port', 'remove ports')
  if (mtls === 'enforce' && selector === undefined)
    report([...path, 'ports'], 'Istio applies the mode of a port only from a PeerAuthentication with a selector', 'add a selector')
  const named = Object.entries(ports)
  for (const [port] of named.filter(([port]) => !/^[1-9]\d{0,4}$/.test(port)))
    report(
      [...path, 'ports', port],
      `${JSON.stringify(port)} is not a port number`,
      'write the number of the port that the workload listens on',
    )
  return new Map(named.map(([port, mode]) => [Number(port), mode]))
}

/** The Gateway decides whether a server requires a certificate, so Entente writes no mode there. */
function readGateway(
  { mtls, ports, gateway }: Pick<NonNullable<TrustEntry['accept']>[number], 'mtls' | 'ports' | 'gateway'>,
  distribution: string,
  path: readonly (string | number)[],
  report: Report,
): Accept['gateway'] {
  if (gateway === undefined) return undefined
  if (mtls !== 'require')
    report([...path, 'mtls'], 'only its Gateway (mode ISTIO_MUTUAL) can make a gateway require certificates', 'write mtls: require')
  if (ports !== undefined) report([...path, 'ports'], 'apply only to workloads with a sidecar', 'remove ports')
  if (distribution !== 'pinned') report([...path, 'gateway'], 'needs distribution pinned', 'write distribution: pinned')
  return gateway.map(({ port, host }) => ({ port, ...(host === undefined || host === '*' ? {} : { host }) }))
}

/** Principals of the trusted domain, and principals of the truster's own workloads that also serve the host. */
function readServedBy(
  texts: readonly string[] | undefined,
  path: readonly (string | number)[],
  domain: TrustDomain,
  { trustDomain, aliases }: Member,
  report: Report,
): readonly Principal[] | undefined {
  if (texts === undefined) return undefined
  const own = (text: string): boolean => [trustDomain, ...aliases].some((ours) => text.startsWith(`${ours}/`))
  if (texts.every(own)) report(path, `names no principal of the trusted domain ${domain}`, `add one that begins with ${domain}/`)
  return texts.flatMap((text, i) =>
    own(text)
      ? (attempt(() => parsePrincipal(text), [...path, i], report) ?? [])
      : readPrincipals([text], path, domain, (at, ...problem) => report([...at.slice(0, -1), i], ...problem)),
  )
}

function readPrincipals(
  texts: readonly string[],
  path: readonly (string | number)[],
  domain: TrustDomain,
  report: Report,
): readonly Principal[] {
  return texts.flatMap((text, i) => {
    const principal = attempt(() => parsePrincipal(text), [...path, i], report)
    if (principal === undefined) return []
    if (trustDomainOf(principal) !== domain) {
      report([...path, i], `${text} is not in the trusted domain ${domain}`, `write a principal that begins with ${domain}/`)
    }
    return [principal]
  })
}

function reportRepeatedPairs(entries: readonly TrustEntry[], report: Report): void {
  const seen = new Set<string>()
  entries.forEach((entry, i) => {
    // A pair may have distribution pinned in addition to mesh, to restrict some workloads further.
    const pair = `${entry.truster} ${entry.trusted}${entry.distribution === 'mesh' ? ' mesh' : ''}`
    if (seen.has(pair))
      report(['spec', 'trust', i], `a second entry for ${entry.truster} trusting ${entry.trusted}`, 'merge the two entries into one')
    seen.add(pair)
  })
}

/** Two accept entries (or two reach entries) of one namespace must select the same workloads, or provably disjoint ones. */
function reportOverlaps(entries: readonly TrustEntry[], report: Report): void {
  for (const side of ['accept', 'reach'] as const) {
    const seen = new Map<string, Workloads[]>()
    const firsts = new Map<string, Workloads>()
    const travels = new Map<string, string>()
    entries.forEach((entry, i) => {
      ;(entry[side] ?? []).forEach((item, j) => {
        const everywhere = side === 'accept' && isEverywhere(item, entry)
        if (item.namespace === undefined && !everywhere) return
        const at: Workloads = {
          namespace: item.namespace ?? '',
          ...(everywhere ? { everywhere } : {}),
          ...(item.selector === undefined ? {} : { labels: item.selector }),
        }
        const way = travels.get(`${entry.truster} ${workloadsKey(at)}`) ?? entry.distribution
        if (way !== entry.distribution) {
          report(
            ['spec', 'trust', i, 'distribution'],
            `another entry already gives ${describeWorkloads(at)} distribution ${way}`,
            `a set of workloads has one distribution: write ${way} here, or ${entry.distribution} in the other entry`,
          )
        }
        travels.set(`${entry.truster} ${workloadsKey(at)}`, way)
        const key = `${entry.truster} ${item.namespace ?? '*'}`
        const others = seen.get(key) ?? []
        // The whole mesh overlaps every other set of the same truster.
        const beyond = everywhere ? firsts.get(entry.truster) : seen.get(`${entry.truster} *`)?.[0]
        const other = [...others, ...(beyond === undefined ? [] : [beyond])].find((known) => relation(at, known) === 'overlapping')
        if (!everywhere && !firsts.has(entry.truster)) firsts.set(entry.truster, at)
        if (other !== undefined) {
          report(
            ['spec', 'trust', i, side, j],
            `scope-overlap: ${describeWorkloads(at)} and ${describeWorkloads(other)} may select the same workload`,
            everywhere || other.everywhere
              ? 'for this truster, write every accept entry without a namespace, or every one with a namespace'
              : 'use equal selectors (Entente merges them), or selectors with different values of one label',
          )
        }
        seen.set(key, [...others, at])
      })
    })
  }
}

/** Entries of one set of workloads become one policy, so they must agree. */
function reportModes(trusts: readonly Trust[], report: Report): void {
  const seen = new Map<string, string>()
  for (const [i, trust] of trusts.entries()) {
    for (const [j, { at, mtls, ports, gateway }] of trust.accept.entries()) {
      const key = `${trust.truster} ${workloadsKey(at)}`
      const says = JSON.stringify([gateway !== undefined, mtls === 'permissive', [...(ports ?? [])].sort(([a], [b]) => a - b)])
      const other = seen.get(key)
      if (other !== undefined && other !== says) {
        report(
          ['spec', 'trust', i, 'accept', j],
          `mtls, ports or gateway of ${describeWorkloads(at)} differ from another entry for the same workloads`,
          'write the same values in both entries',
        )
      }
      seen.set(key, other ?? says)
    }
  }
}
