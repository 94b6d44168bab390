/** `impact`: what a change of trust lets in, policy by policy. Reads only. */

import { readDesired } from '../../../app/desired.ts'
import { planFor } from '../../../app/plan.ts'
import type { Desired } from '../../../app/ports-desired.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { distinct, type Finding, hasErrors } from '../../../core/diagnostics/finding.ts'
import { type Impact, impact } from '../../../core/impact/impact.ts'
import { accountsOf, situationsOf } from '../../../core/impact/planned-impact.ts'
import { ANYWHERE, setsOf, type WorkloadSet } from '../../../core/impact/policy/workload-set.ts'
import { factsOf, identitiesIn, readPolicies, workloadsIn } from '../../../core/impact/read-policies.ts'
import { type Admission, type Distributed, type Situation, trusting } from '../../../core/impact/situation.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import type { Intent, Workloads } from '../../../core/model/wanted.ts'
import { course } from '../../../core/plan/course.ts'
import { simulate } from '../../../core/plan/plan.ts'
import { parseTrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { type ImpactView, impactView } from '../../../core/view/impact-view.ts'
import { documented } from '../../../core/view/versioned.ts'
import { readAdmission, readIdentities, readObjects, type WrittenIdentity } from '../../input/impact-files.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { impactText } from '../../print/impact-text.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface ImpactArgs extends FileOptions {
  readonly output: Output
  readonly policies?: readonly string[]
  readonly mesh?: string
  readonly meshAfter?: string
  readonly truster?: string
  readonly trusted?: string
  readonly as?: Distributed
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly identities?: string
}

interface Answer {
  readonly title: string
  readonly view: ImpactView
}

/** @throws FederationError usage, file-unreadable, mesh-config-unreadable, federation-invalid, … */
export async function run(args: ImpactArgs, io: Io): Promise<number> {
  const fromFiles = args.policies !== undefined || args.mesh !== undefined || args.meshAfter !== undefined
  const { answers, findings } = fromFiles ? await ofFiles(args, io) : await ofFederation(args, io)
  const all = distinct([...findings, ...answers.flatMap(({ view }) => view.findings)])
  if (args.output === 'json') {
    const view = documented('Impact', {
      policies: answers.flatMap((a) => a.view.policies),
      identities: answers.flatMap((a) => a.view.identities),
      findings: all,
    })
    io.print(json(view))
  } else {
    for (const { title, view } of answers) io.print(show`${impactText(title, view, io.color)}\n`)
    if (findings.length > 0) io.tell(findingsText(findings, io.color))
  }
  return hasErrors(all) ? 1 : 0
}

interface Answers {
  readonly answers: readonly Answer[]
  /** Findings that belong to no single mesh. */
  readonly findings: readonly Finding[]
}

const usage = (subject: string, message: string, hint: string): FederationError => new FederationError('usage', subject, message, { hint })

async function ofFiles(args: ImpactArgs, io: Io): Promise<Answers> {
  const { policies: paths, mesh, meshAfter } = args
  if (paths === undefined)
    throw usage('--policies', 'is missing: pass the policies to evaluate', 'kubectl get authorizationpolicies -A -o yaml > policies.yaml')
  if (mesh === undefined)
    throw usage('--mesh', 'is missing: pass the current mesh config', 'kubectl -n istio-system get configmap istio -o yaml > mesh.yaml')
  if ((meshAfter === undefined) === (args.trusted === undefined)) {
    throw usage(
      '--mesh-after',
      'requires a change: the future mesh config, or --trusted DOMAIN with --as pinned, mesh or alias',
      'entente impact --policies policies.yaml --mesh mesh.yaml --trusted cluster-a.example --as mesh',
    )
  }
  const objects = await readObjects(paths, io)
  const { policies, findings } = readPolicies(objects.map((object) => placed(object, args.namespace)))
  const before = { admission: await readAdmission(mesh, io), policies }
  const after = { admission: meshAfter === undefined ? whatIf(before.admission, args) : await readAdmission(meshAfter, io), policies }
  const identities = args.identities === undefined ? [] : await readIdentities(args.identities, io)
  const ids = identities.map(({ id }) => id)
  const options = { sets: setsFor(args, before, after, objects), identities: ids, accounts: ids }
  return {
    answers: [
      {
        title: titleOf(args, after.admission.trustDomain),
        view: withFindings(asWritten(impact(before, after, options), identities), findings),
      },
    ],
    findings: [],
  }
}

/** As kubectl does: an object without a namespace gets the given one. */
const placed = (object: Manifest, namespace = 'default'): Manifest =>
  object.metadata.namespace === undefined ? { ...object, metadata: { ...object.metadata, namespace } } : object

/** In the order and spelling of the file. */
const asWritten = (made: Impact, written: readonly WrittenIdentity[]): Impact => ({
  ...made,
  identities: made.identities.map((identity, i) => ({ ...identity, id: written[i]?.written ?? identity.id })),
})

const withFindings = (made: Impact, findings: readonly Finding[], member?: string): ImpactView => {
  const view = impactView(made, member)
  return { ...view, findings: [...findings, ...view.findings] }
}

const titleOf = ({ trusted, as, meshAfter }: ImpactArgs, mesh: string): string =>
  trusted === undefined ? `${mesh}, from one mesh config to the other (${meshAfter})` : `${mesh}, once it trusts ${trusted} (${as})`

/** @throws FederationError usage, trust-domain-invalid */
function whatIf(admission: Admission, { as, namespace, labels, trusted = '' }: ImpactArgs, at?: readonly Workloads[]): Admission {
  if (as === undefined)
    throw usage(
      '--as',
      `is missing: it says how ${trusted} is trusted`,
      'add --as pinned, --as mesh (caCertificates) or --as alias (trustDomainAliases)',
    )
  const domain = parseTrustDomain(trusted)
  const given = namespace === undefined ? [] : [{ namespace, ...(labels === undefined ? {} : { labels }) }]
  const where = given.length > 0 ? given : (at ?? [])
  if (as === 'pinned' && where.length === 0)
    throw usage('--as pinned', 'requires the selected workloads', '--namespace sample --labels app=server')
  return trusting(admission, domain, as, where)
}

/** The requested workloads: exactly those of --namespace and --labels, or all that policies distinguish. */
function setsFor(
  { namespace, labels }: ImpactArgs,
  before: Situation,
  after: Situation,
  objects: readonly Manifest[],
): readonly WorkloadSet[] {
  const { rootNamespace } = after.admission
  const policies = [...new Set([...before.policies, ...after.policies])]
  if (labels !== undefined) return [{ namespace: namespace ?? onlyNamespace(policies, rootNamespace), labels }]
  const sets = setsOf(policies, rootNamespace, workloadsIn(objects))
  if (namespace === undefined) return sets
  const here = sets.filter((set) => set.namespace === namespace)
  const elsewhere = sets.filter((set) => set.namespace === ANYWHERE).map((set) => ({ ...set, namespace }))
  return here.length > 0 ? here : elsewhere.length > 0 ? elsewhere : [{ namespace, labels: {} }]
}

/** @throws FederationError usage */
function onlyNamespace(policies: readonly { readonly namespace: string }[], rootNamespace: string): string {
  const own = [...new Set(policies.map(({ namespace }) => namespace).filter((namespace) => namespace !== rootNamespace))]
  const [only] = own
  if (only !== undefined && own.length === 1) return only
  throw usage('--labels', 'require --namespace', `--namespace ${own[0] ?? 'sample'}`)
}

async function ofFederation(args: ImpactArgs, io: Io): Promise<Answers> {
  const ports = portsOf(args, io)
  const desired = await readDesired(ports)
  if ((args.trusted === undefined) !== (args.as === undefined))
    throw usage(
      args.as === undefined ? '--trusted' : '--as',
      args.as === undefined ? 'requires --as pinned, mesh or alias' : 'requires --trusted',
      'entente impact --truster cluster-b --trusted cluster-a --as mesh',
    )
  const wanted = args.truster === undefined ? desired.intents : desired.intents.filter(({ member }) => member.name === args.truster)
  if (wanted.length === 0)
    throw usage('--truster', `${args.truster ?? ''} is not a member with a cluster`, 'entente status lists the members')
  if (args.trusted !== undefined && wanted.length > 1)
    throw usage('--trusted', 'requires --truster', 'add --truster MEMBER, the member that would trust it')
  const { plan, seen } = await planFor(ports, desired)
  const identities = args.identities === undefined ? [] : await readIdentities(args.identities, io)
  const findings: Finding[] = [...desired.findings]
  const answers = wanted.flatMap((intent): readonly Answer[] => {
    const { name } = intent.member
    const observation = seen.get(name)
    const facts = observation === undefined ? undefined : factsOf(intent.member, observation.istio)
    const going = observation === undefined ? undefined : course(intent, observation)
    if (observation === undefined || facts === undefined || going === undefined || !observation.objects.ok) {
      findings.push(...[observation?.objects, observation?.istio].flatMap((part) => (part?.ok === false ? [part.error] : [])))
      return []
    }
    if (!observation.istio.ok) findings.push(observation.istio.error)
    const done = plan.steps.filter((step) => step.member === name).reduce(simulate, observation).objects
    const objects = { before: observation.objects.value, after: done.ok ? done.value : [] }
    const planned = situationsOf({ facts, states: going, objects })
    const { title, before, after } =
      args.trusted === undefined
        ? { title: `${name}, from the live state to the federation file`, ...planned }
        : supposed(args, intent, planned.before, desired)
    const accounts = [...accountsOf(intent, seen), ...otherAccounts(args, desired, seen)]
    const made = impact(before, after, {
      sets: setsFor(args, before, after, objects.after),
      identities: identities.map(({ id }) => id),
      accounts,
    })
    return [{ title, view: withFindings(asWritten(made, identities), readPolicies(objects.after).findings, name) }]
  })
  return { answers, findings }
}

/** The impact if the mesh in its current state trusted one more member of the federation, or one more trust domain. */
function supposed(
  args: ImpactArgs,
  intent: Intent,
  before: Situation,
  { federation }: Desired,
): { readonly title: string; readonly before: Situation; readonly after: Situation } {
  const member = [...federation.members.values()].find(({ name }) => name === args.trusted)
  const trusted = member?.trustDomain ?? args.trusted ?? ''
  const scopes = intent.trusts.filter((trust) => trust.trusted === args.trusted).flatMap(({ accept }) => accept.map(({ at }) => at))
  const admission = whatIf(before.admission, { ...args, trusted }, scopes)
  return {
    title: `${intent.member.name}, if it trusted ${trusted} (${args.as}) in its current state`,
    before,
    after: { ...before, admission },
  }
}

function otherAccounts({ trusted }: ImpactArgs, { federation }: Desired, seen: Parameters<typeof accountsOf>[1]): readonly string[] {
  const member = [...federation.members.values()].find(({ name, trustDomain }) => name === trusted || trustDomain === trusted)
  const objects = member === undefined ? undefined : seen.get(member.name)?.objects
  return objects?.ok === true && member !== undefined ? identitiesIn(objects.value, member.trustDomain) : []
}
