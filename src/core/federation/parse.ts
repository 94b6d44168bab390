/** Parses the federation file into a Federation, or reports every problem with its path. */

import type * as z from 'zod'
import { endOf } from '../basics/day.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { API_VERSION } from '../model/api-version.ts'
import type { Accept, Federation, Member, MemberName, MeshWideTrust, Reach, Severed, Trust, Workloads } from '../model/wanted.ts'
import { type Principal, parsePrincipal, trustDomainOf } from '../spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../spiffe/trust-domain.ts'
import { isEverywhere, reportModes, reportOverlaps, reportRepeatedPairs } from './entry-conflicts.ts'
import { readExchange } from './exchange-fields.ts'
import { DISTRIBUTION_HINT, expand, type IncludedCalls, MTLS_HINT } from './expand/expand.ts'
import { type Included, outside } from './expand/included.ts'
import type { AcceptEntry, LongDocument, TrustEntry } from './expand/long-form.ts'
import type { Path, Place, Report, Tell } from './expand/places.ts'
import { readExpected } from './expected.ts'
import { nearField } from './near-field.ts'
import { includedSchema, schema, type WrittenDocument } from './schema.ts'
import { reportSharedHomes } from './shared-homes.ts'

/** A problem in a federation file, or in one that it includes, where its owner wrote it. */
export interface Problem extends Place {
  readonly message: string
  readonly hint: string
  /** The entry that it conflicts with. */
  readonly other?: Place
}

export interface ParsedFederation {
  readonly federation: Federation
  /** The same federation without short forms (`plan --expanded`). */
  readonly expanded: LongDocument
  /** The place that a path of `expanded` comes from. */
  readonly placeOf: (path: Path) => Place
}

/**
 * @param doc the parsed YAML
 * @param included the files of `spec.include`, by the paths there
 * @returns the federation, or every problem
 */
export function parseFederation(
  doc: unknown,
  included: ReadonlyMap<string, Included> = new Map(),
): ParsedFederation | { readonly problems: readonly Problem[] } {
  const parsed = schema.safeParse(doc)
  const problems: Problem[] = protoKeys(doc, [])
  if (!parsed.success) return { problems: [...problems, ...parsed.error.issues.flatMap(problemsOf)] }
  const tell: Tell = (place, message, hint) => void problems.push({ ...place, message, hint })
  const calls = readIncluded(parsed.data, included, tell, problems)
  const { document, origins } = expand(parsed.data, calls, tell)
  const placeOf = (path: Path): Place => origins.placeOf(document, path)
  const report: Report = (path, message, hint = '', other) =>
    void problems.push({ ...placeOf(path), message, hint, ...(other === undefined ? {} : { other: placeOf(other) }) })

  const read = readMembers(document, report)
  const members = { read, names: document.spec.members.map(({ name }) => name) }
  const trusts = document.spec.trust.flatMap((entry, i) => readTrust(entry, ['spec', 'trust', i], members, report))
  const severed = document.spec.severed.flatMap((entry, i): Severed[] => {
    const pair = readPair(entry, ['spec', 'severed', i], members, report)
    return pair === undefined
      ? []
      : [{ truster: pair.truster.name, trusted: pair.trusted.name, at: new Date(entry.at), reason: entry.reason }]
  })
  const expect = readExpected(document.spec.expect ?? [], members.names, report)
  reportSharedHomes(
    document.spec.members.map(({ name, cluster }, i) => ({ name, ...cluster, path: ['spec', 'members', i, 'cluster'] })),
    report,
  )
  reportRepeatedPairs(document.spec.trust, report)
  reportOverlaps(document.spec.trust, report)
  reportModes(trusts, report)
  if (problems.length > 0) return { problems: distinctProblems(problems) }
  return {
    federation: { name: document.metadata.name, members: read, trusts, severed, ...(expect.length === 0 ? {} : { expect }) },
    expanded: document,
    placeOf,
  }
}

/** A group or a call becomes several entries, and each of them has the mistake. */
const distinctProblems = (problems: readonly Problem[]): readonly Problem[] => [
  ...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values(),
]

/** The calls of the included files that could be read. */
function readIncluded(
  { spec }: WrittenDocument,
  included: ReadonlyMap<string, Included>,
  tell: Tell,
  problems: Problem[],
): readonly IncludedCalls[] {
  const seen = new Map<string, number>()
  return (spec.include ?? []).flatMap(({ path: file, namespaces }, i): IncludedCalls[] => {
    const place = { path: ['spec', 'include', i, 'path'] }
    const why = outside(file)
    const twice = seen.has(file)
    seen.set(file, i)
    const found = included.get(file)
    if (why !== undefined) tell(place, `${file} ${why}`, 'write a path inside the folder of the federation file')
    else if (twice) tell(place, `${file} is included twice`, 'merge the two entries into one')
    else if (found === undefined) tell(place, `${file} was not read`, 'read it together with the federation file')
    else if ('fault' in found) tell(place, `${file} ${found.fault}`, found.hint)
    if (why !== undefined || twice || found === undefined || 'fault' in found) return []
    const parsed = includedSchema.safeParse(found.value)
    problems.push(...protoKeys(found.value, []).map((problem) => ({ ...problem, file })))
    if (parsed.success) return [{ file, namespaces, calls: parsed.data.spec.calls ?? [] }]
    problems.push(...parsed.error.issues.flatMap(problemsOf).map((problem) => ({ ...inIncluded(problem), file })))
    return []
  })
}

function inIncluded(problem: Problem): Problem {
  const [first, field] = problem.path
  if (first === 'kind') return { ...problem, hint: 'an included file begins with apiVersion: entente.dev/v1alpha1 and kind: Calls' }
  if (first !== 'spec' || problem.path.length !== 2 || field === 'calls') return problem
  return { ...problem, message: `${problem.message}: an included file holds only calls`, hint: 'write it in the federation file' }
}

const HINTS: Readonly<Record<string, string>> = {
  apiVersion: `write apiVersion: ${API_VERSION}`,
  kind: 'write kind: Federation',
  mtls: MTLS_HINT,
  distribution: DISTRIBUTION_HINT,
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
  if (issue.code === 'invalid_union') {
    // The form that the owner meant has the right type, and problems of its own.
    const meant = issue.errors.find((issues) => !issues.some(({ path, code }) => path.length === 0 && isOtherType(code)))
    if (meant !== undefined && meant.length > 0)
      return meant.flatMap(problemsOf).map((problem) => ({ ...problem, path: [...path, ...problem.path] }))
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `unknown field "${key}"`,
      hint: nearField(key) === undefined ? 'remove it; docs/federation-file.md lists the fields' : `did you mean ${nearField(key)}?`,
    }))
  }
  return [{ path, message: worded(issue.message), hint: HINTS[String(path.at(-1))] ?? '' }]
}

const isOtherType = (code: string): boolean => code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union'

/** Rewords zod's `Invalid input: expected array, received null`. */
function worded(message: string): string {
  const [, options] = /^Invalid option: expected one of (.*)$/.exec(message) ?? []
  if (options !== undefined) return `must be one of ${options.replaceAll('"', '').replaceAll('|', ', ')}`
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

function readMembers(doc: Pick<LongDocument, 'spec'>, report: Report): ReadonlyMap<MemberName, Member> {
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
      ...readExchange(entry, trustDomain, path, report),
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
    const meshWide = readMeshWide(entry, path, trusted.trustDomain, report)
    return meshWide === undefined ? [] : [{ ...pairing, accept: [], reach: [], meshWide }]
  }
  const accept = (entry.accept ?? []).flatMap((item, i): Accept[] => {
    const here = [...path, 'accept', i]
    const at = isEverywhere(item, entry) ? readEverywhere(item, here, truster, report) : readWorkloads(item, here, truster, report)
    const ports = readPorts(item, here, report)
    const gateway = readGateway(item, entry.distribution, here, report)
    const callers = item.callers === 'all' ? 'all' : readPrincipals(item.callers, [...here, 'callers'], trusted.trustDomain, report)
    return at === undefined
      ? []
      : [
          {
            at,
            mtls: item.mtls,
            ...accountOf(item),
            ...(ports === undefined ? {} : { ports }),
            ...(gateway === undefined ? {} : { gateway }),
            callers,
          },
        ]
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
    return from === undefined ? [] : [{ from, ...accountOf(item), services }]
  })
  return [{ ...pairing, accept, reach }]
}

const accountOf = ({ serviceAccount }: { readonly serviceAccount?: string | undefined }): Pick<Accept, 'serviceAccount'> =>
  serviceAccount === undefined ? {} : { serviceAccount }

/** Distribution mesh accepts in both directions at every workload, so one accept entry names its callers. */
function readMeshWide(
  entry: TrustEntry,
  path: readonly (string | number)[],
  domain: TrustDomain,
  report: Report,
): MeshWideTrust | undefined {
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

/** Every sidecar of the mesh. `plan` checks which namespaces allow it. */
function readEverywhere(
  { mtls, selector, gateway }: Pick<AcceptEntry, 'mtls' | 'selector' | 'gateway'>,
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
  { mtls, ports, selector }: Pick<AcceptEntry, 'mtls' | 'ports' | 'selector'>,
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
  { mtls, ports, gateway }: Pick<AcceptEntry, 'mtls' | 'ports' | 'gateway'>,
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
