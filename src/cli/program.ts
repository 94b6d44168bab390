/** The command tree: names, options, help and examples. A command's module is imported only when the command runs. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { NamedMember } from '../app/init/init.ts'
import type { Pair } from '../app/ports-desired.ts'
import { DAY_MS, endOf } from '../core/basics/day.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { MAX_SEQUENCE } from '../core/spiffe/sequence.ts'
import type { Io, Output } from './io.ts'
import { report } from './print/error-text.ts'

type Run = (code: Promise<number>) => Promise<void>

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

const RFC_3339 = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** `Date` also parses other formats, and reads the 31st of February as a day in March. */
function instant(value: string): Date {
  const [, day = ''] = RFC_3339.exec(value) ?? []
  if (endOf(day) === undefined) throw new InvalidArgumentError('give a time as RFC 3339: 2027-01-31T00:00:00Z')
  return new Date(value.toUpperCase())
}

const DAY = /^\d{4}-\d\d-\d\d$/

/** A day is its 24:00 UTC. */
function ending(value: string): Date {
  const end = DAY.test(value) ? endOf(value) : undefined
  return end ?? dayOrInstant(value)
}

/** A day is its 00:00 UTC. */
function beginning(value: string): Date {
  const end = DAY.test(value) ? endOf(value) : undefined
  return end === undefined ? dayOrInstant(value) : new Date(end.getTime() - DAY_MS)
}

function dayOrInstant(value: string): Date {
  if (endOf(RFC_3339.exec(value)?.[1] ?? '') === undefined)
    throw new InvalidArgumentError('give a day, 2027-01-31, or a time as RFC 3339, 2027-01-31T00:00:00Z')
  return instant(value)
}

/** At most a day: Node fires a timer of more than 24 days at once. */
function milliseconds(value: string): number {
  const [, amount, unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(value) ?? []
  const duration = Number(amount) * ({ ms: 1, s: 1000, m: 60_000 }[unit] ?? 1000)
  if (amount === undefined || duration > DAY_MS) throw new InvalidArgumentError('give a duration of at most a day: 500ms, 5s, 1m')
  return duration
}

function someTime(value: string): number {
  const duration = milliseconds(value)
  if (duration < 1) throw new InvalidArgumentError('give more than no time: 500ms, 5s, 1m')
  return duration
}

/** Node cannot hold a string of more than half a GiB. */
const MOST_BYTES = 512 * 1024 * 1024

function bytes(value: string): number {
  const [, amount, unit = ''] = /^(\d{1,12})(KiB|MiB|GiB)?$/.exec(value) ?? []
  const size = Number(amount) * ({ KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[unit] ?? 1)
  if (amount === undefined || size < 1 || size > MOST_BYTES)
    throw new InvalidArgumentError('give a size of at most 512MiB: 64MiB, 500KiB, 1000000')
  return size
}

function pages(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('give a whole number from 1 to 999999')
  return Number(value)
}

function days(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError('give a whole number of days from 1 to 999')
  return Number(value)
}

function wholeNumber(value: string): bigint {
  if (!/^\d{1,40}$/.test(value)) throw new InvalidArgumentError('give a whole number')
  return BigInt(value)
}

function sequenceNumber(value: string): bigint {
  const sequence = wholeNumber(value)
  if (sequence > MAX_SEQUENCE) throw new InvalidArgumentError(`give a number of 64 bits: ${MAX_SEQUENCE} at most`)
  return sequence
}

function namedMember(value: string): NamedMember {
  const [, name = '', trustDomain = ''] = /^([^=]+)=([^=]+)$/.exec(value) ?? []
  if (name === '') throw new InvalidArgumentError('give NAME=TRUST-DOMAIN: cluster-a=cluster-a.example')
  return { name, trustDomain }
}

/** An empty value selects workloads without labels. */
function labelPairs(value: string): Readonly<Record<string, string>> {
  if (value.trim() === '') return {}
  const pairs = value.split(',').map((pair) => /^([^=]+)=([^=]*)$/.exec(pair.trim()))
  if (pairs.some((pair) => pair === null)) throw new InvalidArgumentError('give labels: app=server,tier=back')
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']))
}

/** Both names of a pair, or none. @throws FederationError usage */
function pairOf(truster: string | undefined, trusted: string | undefined): { readonly pair?: Pair } {
  if (truster === undefined) return {}
  if (trusted === undefined)
    throw new FederationError('usage', truster, 'is one member; a trust has two', {
      hint: `name both: ${truster} TRUSTED, or none for all trusts`,
    })
  return { pair: { truster: truster as Pair['truster'], trusted: trusted as Pair['trusted'] } }
}

/** What users of kubectl type, and what does it here. */
const KUBECTL_WORDS: Readonly<Record<string, string>> = {
  get: 'entente status',
  describe: 'entente verify',
  diff: 'entente plan',
  validate: 'entente lint FILE',
  delete: 'entente sever TRUSTER TRUSTED --reason "WHY" ends one trust; entente remove MEMBER ends all of one member',
  create: 'entente init',
}

/** Prints a usage error of commander in the form of every other error. */
const usageErrors = (io: Io, command: string) => ({
  outputError: (text: string): void => {
    const [said = '', guess = ''] = text
      .trim()
      .replace(/^error: /, '')
      .split(/\n?\(Did you mean /)
    const help = command === 'entente' ? 'entente --help' : `entente ${command} --help`
    const meant = guess === '' ? help : `did you mean ${guess.replace(/\?\)$/, '')}?`
    const hint = KUBECTL_WORDS[/^unknown command '(\w+)'/.exec(said)?.[1] ?? ''] ?? meant
    report(new FederationError('usage', command, said.replace(/\.$/, ''), { hint }), io)
  },
})

const fileOption = (): Option =>
  new Option('-f, --file <path>', 'the federation file; bundles/ and audit.jsonl are in the same folder')
    .env('ENTENTE_FILE')
    .default('federation.yaml')
const outputOption = (): Option => new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text')
const kubeconfigOption = (): Option => new Option('--kubeconfig <path>', 'the kubeconfig, instead of KUBECONFIG and ~/.kube/config')
const contextOption = (): Option =>
  new Option('--context <member=name>', 'observe this member in that context of the kubeconfig, instead of the one in the file').argParser(
    collect,
  )
const actorOption = (): Option =>
  new Option('--actor <name>', 'for whom a CI job acts; written to the record as claimed, in addition to the observed user').argParser(
    claimed,
  )

const MOST_OF_A_NAME = 200

function claimed(value: string): string {
  if (value.trim() === '' || value.length > MOST_OF_A_NAME)
    throw new InvalidArgumentError(`give a name of at most ${MOST_OF_A_NAME} characters`)
  return value.trim()
}

const acceptOption = (): Option =>
  new Option(
    '--accept <code>',
    'do not exit 1 or 3 for this code, which means only that Entente could not look, such as chain-unseen; once for each code',
  ).argParser(collect)
const evidenceOption = (): Option =>
  new Option(
    '--evidence <file>',
    'output of verify -o evidence, from the owner of a member that is only a directory here; once for each file',
  ).argParser(collect)
const istioOption = (): Option => new Option('--istio-namespace <name>', 'the namespace of istiod').default('istio-system')
const atOption = (): Option => new Option('--at <time>', 'check validity at this time (RFC 3339) instead of now').argParser(instant)

/** Adds the limits that every command needs which reads members. */
function limited(command: Command): Command {
  const limit = (flags: string, about: string, parse: (value: string) => number): Option =>
    new Option(flags, about).argParser(parse).helpGroup('Limits for each member:')
  return [
    limit('--look-timeout <duration>', 'time to read one member, all calls together (30s)', someTime),
    limit('--call-timeout <duration>', 'time for one call (10s)', someTime),
    limit('--max-list-bytes <size>', 'size of all lists from one member (64MiB)', bytes),
    limit('--max-list-pages <n>', 'pages of all lists from one member, 500 objects each (500)', pages),
    limit('--max-dump-bytes <size>', 'size of one answer from istiod (64MiB)', bytes),
  ].reduce((to, option) => to.addOption(option), command)
}

/** @param run sets the exit code of the process to that of the command */
export function program(io: Io, version: string, run: Run): Command {
  const root = new Command('entente')
    .description('Federate trust between Istio meshes that keep their own root CAs')
    .version(version)
    .option('--no-color', 'print without colour, as with NO_COLOR in the environment; FORCE_COLOR=1 prints it in a pipe, too')
    .option('-v, --verbose', 'print each finding, and fingerprints in full')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput(usageErrors(io, 'entente'))
    .addHelpText('after', '\nTo try Entente with Node only: entente demo')
  const command = (parent: Command, signature: string, description: string, example: string): Command =>
    parent
      .command(signature)
      .configureOutput(usageErrors(io, `${parent === root ? '' : `${parent.name()} `}${signature.split(' ')[0]}`))
      .description(description)
      .addHelpText('after', `\nExample:\n  ${example.split('\n').join('\n  ')}`)
  const federated = (signature: string, description: string, example: string, parent = root): Command =>
    command(parent, signature, description, example).addOption(fileOption()).addOption(kubeconfigOption())
  const looking = (...of: Parameters<typeof federated>): Command => limited(federated(...of)).addOption(contextOption())
  const lookingAt = (...of: Parameters<typeof command>): Command => limited(command(...of))

  lookingAt(
    root,
    'init',
    'read clusters, and write a federation file that accepts nothing yet',
    'entente init --context cluster-a --context cluster-b --out shop\nentente init --member cluster-a=cluster-a.example --member cluster-b=cluster-b.example',
  )
    .option('--context <name>', 'a context of the kubeconfig; once for each cluster', collect)
    .addOption(
      new Option('--member <name=trust-domain>', 'a member whose cluster is not reachable from here; once for each member').argParser(
        (value: string, before: readonly NamedMember[] | undefined) => [...(before ?? []), namedMember(value)],
      ),
    )
    .option('--out <dir>', 'the folder to write into', '.')
    .option('--yes', 'approve the roots as read from the clusters, without a question')
    .addOption(actorOption())
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/federation/init.ts')).run(options, io)))

  lookingAt(root, 'export', 'print the roots of your mesh, for a partner to approve', 'entente export --context cluster-a > cluster-a.json')
    .option('--context <name>', 'read the roots from this cluster')
    .option('--pem <file>', 'read the roots from a PEM file (-: stdin)')
    .option('--trust-domain <name>', 'the trust domain of the roots in the PEM file')
    .addOption(new Option('--format <format>', 'spiffe or pem').choices(['spiffe', 'pem']).default('spiffe'))
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/roots/export.ts')).run(options, io)))

  looking(
    'approve <member>',
    'approve the roots of a member, by fingerprint',
    'entente approve cluster-b --bundle cluster-b.json --fingerprint sha256:9f2c…',
  )
    .option('--bundle <file>', 'read the roots from a file (-: stdin) instead of the member’s own cluster')
    .option('--fingerprint <sha256>', 'a root that the bundle must hold; --bundle requires the fingerprint of every root', collect)
    .option('--reset-sequence', 'count spiffe_sequence from this bundle on, even if it is lower than before; requires --reason')
    .option('--yes', 'do not ask for confirmation')
    .option('--reason <text>', 'the reason; written to the record', '')
    .addOption(actorOption())
    .addOption(outputOption())
    .action(async (member, options) => run((await import('./commands/roots/approve.ts')).run({ ...options, member }, io)))

  const call = root
    .command('call')
    .configureOutput(usageErrors(io, 'call'))
    .description('edit the calls of the federation file: who may call whom')
  command(
    call,
    'add <from> <to>',
    'add a call to the federation file; FROM and TO are MEMBER/NAMESPACE/NAME',
    'entente call add cluster-a/sample/client cluster-b/sample/server\nentente call add cluster-a/web/front cluster-b/shop/api --hosts api.shop.svc.cluster.local',
  )
    .addOption(fileOption())
    .option('--hosts <host...>', 'the hosts that the callers use (default: NAME.NAMESPACE.svc.cluster.local of TO)')
    .addOption(
      new Option('--mtls <mode>', 'the mode of the called workloads (default: spec.defaults.mtls)').choices([
        'enforce',
        'require',
        'permissive',
      ]),
    )
    .addOption(outputOption())
    .action(async (from, to, options) => run((await import('./commands/federation/call-add.ts')).run({ ...options, from, to }, io)))

  looking('plan', 'show what apply would change, and the effect on trust', 'entente plan\nentente plan --expanded')
    .option('--expanded', 'only print the federation file with calls, groups, defaults and includes as entries of trust')
    .addOption(evidenceOption())
    .addOption(acceptOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/federation/plan.ts')).run(options, io)))

  federated('render', 'write the objects of the federation as manifests, for kubectl, Argo CD or Flux', 'entente render --out rendered')
    .requiredOption('--out <dir>', 'the folder to write into; each member gets a folder in it')
    .addOption(outputOption())
    .addOption(
      new Option('--values <format>', 'print the settings that the owner of a mesh config must add for distribution mesh').choices([
        'helm',
        'sail',
      ]),
    )
    .option('--remove <member>', 'remove the folder of this member: filters first, and the rest with a second run')
    .action(async (options) => run((await import('./commands/federation/render.ts')).run(options, io)))

  looking(
    'apply',
    'carry out the plan, phase by phase; safe to interrupt and to repeat',
    'entente apply --reason "TICKET-123: shop calls billing"',
  )
    .requiredOption('--reason <text>', 'the reason; written to the record')
    .addOption(actorOption())
    .option('--yes', 'carry out the current plan without a question')
    .option('--consent <step...>', 'carry out only these steps, by id')
    .option('--override-gate <reason>', 'also carry out steps whose gate is closed; the reason is written to the record')
    .option('--force-conflicts', 'take over fields of Entente’s objects that another field manager owns')
    .option('--accept-impact', 'continue although existing policies accept more identities than the callers (impact-past-callers)')
    .option('--no-canary', 'apply a filter to all workloads of a scope at once, instead of to one canary workload first')
    .option('--nudge', 'mounted: annotate pods whose file changed, so that their kubelets sync it now')
    .option('--look', 'before a root is removed: read the certificate of every workload of its mesh, and name those under it')
    .option('-w, --watch', 'repeat every 15 seconds until ^C: correct drift, close trusts that end')
    .addOption(evidenceOption())
    .addOption(acceptOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/federation/apply.ts')).run(options, io)))

  looking(
    'verify [truster] [trusted]',
    'prove each trust from the configuration of live proxies',
    'entente verify -o json\nentente verify -o evidence --context cluster-b=prod-b > cluster-b.json\nentente verify --evidence cluster-b.json',
  )
    .option('--look', 'read the certificates of the proxies in scopes, by port-forward to their admin ports')
    .addOption(evidenceOption())
    .addOption(acceptOption())
    .addOption(
      new Option('-o, --output <format>', 'text, json, or evidence (for --evidence of users who cannot reach these clusters)')
        .choices(['text', 'json', 'evidence'])
        .default('text'),
    )
    .action(async (truster, trusted, options) =>
      run((await import('./commands/federation/verify.ts')).run({ ...options, ...pairOf(truster, trusted) }, io)),
    )

  looking('mount', 'mounted: list workloads that lack the mount, and what one restart of each will do', 'entente mount')
    .option('--rollout', 'add the mount to them, one workload at a time, and wait until each is ready')
    .option('--yes', 'do not ask for confirmation')
    .addOption(new Option('--timeout <duration>', 'time for each workload to become ready').argParser(milliseconds).default(600_000, '10m'))
    .addOption(outputOption())
    .action(async ({ timeout, ...options }) =>
      run((await import('./commands/federation/mount.ts')).run({ ...options, timeoutMilliseconds: timeout }, io)),
    )

  looking('status [truster] [trusted]', 'print one line for each trust: proof, expiry, drift; writes nothing', 'entente status --watch')
    .addOption(evidenceOption())
    .addOption(acceptOption())
    .addOption(outputOption())
    .option('-w, --watch', 'repeat every 10 seconds until ^C')
    .action(async (truster, trusted, options) =>
      run((await import('./commands/federation/status.ts')).run({ ...options, ...pairOf(truster, trusted) }, io)),
    )

  looking(
    'sever <truster> <trusted>',
    'end a trust now, and keep it ended',
    'entente sever cluster-b cluster-a --reason "INC-7: key of cluster-a lost"\nentente sever --lift cluster-b cluster-a --reason "INC-7 is over: cluster-a has a new CA"',
  )
    .requiredOption('--reason <text>', 'written to the file and to the record')
    .addOption(actorOption())
    .option('--lift', 'lift a sever, on the record; opens nothing until a new approval and an apply')
    .option('--yes', 'do not ask for confirmation')
    .option('--emergency', 'deny that domain first, before reading anything and without a question')
    .option('--drain', 'wait until older connections are gone, at most the drainDuration of each proxy (45 s by default) and 15 s')
    .option('--override-gate <reason>', 'remove policies without evidence that the filters are gone; the reason is written to the record')
    .addOption(evidenceOption())
    .addOption(outputOption())
    .action(async (truster, trusted, { lift = false, ...options }) => {
      const command = lift ? await import('./commands/federation/lift.ts') : await import('./commands/federation/sever.ts')
      return run(command.run({ ...options, truster, trusted }, io))
    })

  const removing = (signature: string, description: string, example: string): Command =>
    limited(federated(signature, description, example))
      .requiredOption('--reason <text>', 'the reason; written to the record')
      .addOption(actorOption())
      .option('--override-gate <reason>', 'remove policies without evidence that the filters are gone; the reason is written to the record')
      .option('--yes', 'do not ask for confirmation')
      .addOption(evidenceOption())
      .addOption(outputOption())

  removing(
    'remove <member>',
    'end all trust in a home that the federation file no longer has: filters first, then policies; prove it',
    'entente remove cluster-b --reason "TICKET-9: cluster-b left"\nentente remove cluster-b --context old-b --reason "TICKET-9: cluster-b moved"',
  )
    .option('--context <name>', 'the cluster, if the member has several homes or the record does not name it')
    .option('--directory <dir>', 'the directory, likewise')
    .option('--gone', 'the home does not exist any more: look at nothing, and only write that to the record')
    .action(async (member, options) => run((await import('./commands/federation/remove.ts')).run({ ...options, member }, io)))

  removing(
    'uninstall',
    'end all trust of this federation, in every home: filters first, then policies; prove it',
    'entente uninstall --reason "TICKET-12: no federation any more"',
  )
    .addOption(contextOption())
    .action(async (options) => run((await import('./commands/federation/remove.ts')).run(options, io)))

  looking(
    'impact',
    'show for each AuthorizationPolicy which foreign identities a change of trust newly accepts, and why',
    'entente impact\nentente impact --truster cluster-b --trusted cluster-a --as mesh\nentente impact --policies policies.yaml --mesh mesh.yaml --trusted cluster-a.example --as alias',
  )
    .option(
      '--policies <path>',
      'read AuthorizationPolicies from files instead of clusters (file, directory, or -: stdin); repeatable',
      collect,
    )
    .option('--mesh <file>', 'with --policies: the current mesh config (plain, ConfigMap, Helm values or IstioOperator)')
    .option('--mesh-after <file>', 'with --policies: the mesh config after the change')
    .option('--truster <member>', 'only this member')
    .option('--trusted <name>', 'evaluate trust in this member or trust domain, instead of what the file says')
    .addOption(
      new Option('--as <how>', 'with --trusted: in a filter (pinned), in caCertificates (mesh), as trustDomainAlias (alias)').choices([
        'pinned',
        'mesh',
        'alias',
      ]),
    )
    .option('--namespace <name>', 'only workloads of this namespace')
    .addOption(new Option('--labels <pairs>', 'only workloads with exactly these labels: app=server,tier=back').argParser(labelPairs))
    .option('--identities <file>', 'SPIFFE IDs to evaluate, one on each line (-: stdin); examples come from this list')
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/inspect/impact.ts')).run(options, io)))

  lookingAt(
    root,
    'doctor',
    'check the prerequisites of clusters for federation, with a remedy for each failure',
    'entente doctor\nentente doctor --context cluster-a --context cluster-b --namespace sample',
  )
    .addOption(fileOption())
    .option('--context <name>', 'check this cluster, without a federation file; once for each cluster', collect)
    .option('--namespace <name>', 'with --context: also check the workloads of this namespace; once for each namespace', collect)
    .option('--look', 'read the certificates of the sidecars there, by port-forward to their admin ports')
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/inspect/doctor.ts')).run(options, io)))

  looking(
    'rotate <member>',
    'replace the root of a member in steps, each gated by evidence',
    'entente rotate cluster-b --status\nentente rotate cluster-b --reason "yearly" --wait switch && ./switch-the-ca.sh',
  )
    .option('--status', 'only print the phase, its gates and the proxies that lag')
    .option('--reason <text>', 'the reason; written to the record', '')
    .addOption(actorOption())
    .addOption(
      new Option('--wait <phase>', 'continue until this phase; ^C stops, and the next run resumes').choices([
        'introducing',
        'switch',
        'draining',
        'retire',
        'steady',
      ]),
    )
    .option('--look', 'read the certificate of every workload of the member, instead of waiting for the maximum lifetime')
    .option('--nudge', 'mounted: annotate pods whose file changed, so that their kubelets sync it now')
    .option('--abort', 'go back: keep the old root; possible until it is retired')
    .option('--override-gate <reason>', 'retire a root without evidence that it is unused; the reason is written to the record')
    .option(
      '--override-names <reason>',
      'accept a second root with the same name although chains do not distinguish the two; the reason is written to the record',
    )
    .addOption(evidenceOption())
    .option('--bundle <file>', 'read the new bundle from a file (-: stdin) instead of the member’s own cluster')
    .option('--fingerprint <sha256>', 'a root that the bundle must hold; --bundle requires the fingerprint of every root', collect)
    .option('--yes', 'do not ask for confirmation')
    .addOption(outputOption())
    .action(async (member, options) => run((await import('./commands/federation/rotate.ts')).run({ ...options, member }, io)))

  looking(
    'publish <member>',
    'publish the bundle of your mesh at a gateway, for partners to fetch',
    'entente publish cluster-a --reason "partners follow us"',
  )
    .option('--render', 'print the objects as YAML, for Git, and write nothing')
    .option('--reason <text>', 'the reason; written to the record', '')
    .option('--force-conflicts', 'take over fields of Entente’s objects that another field manager owns')
    .option('--yes', 'do not ask for confirmation')
    .addOption(outputOption())
    .action(async (member, options) => run((await import('./commands/exchange/publish.ts')).run({ ...options, member }, io)))

  federated(
    'follow [member...]',
    'fetch the bundle endpoints of partners, and approve what their policy allows',
    'entente follow\nentente follow --watch',
  )
    .option('--watch', 'repeat until ^C, for each partner after the refresh hint of its bundle')
    .addOption(new Option('--test-without-hold', 'for tests: AddOnly approves at once').hideHelp())
    .addOption(outputOption())
    .action(async (members, options) => run((await import('./commands/exchange/follow.ts')).run({ ...options, members }, io)))

  federated(
    'refuse <member>',
    'refuse a root that the bundle endpoint of a partner offers',
    'entente refuse cluster-b --reason "its owner did not announce it"',
  )
    .option('--fingerprint <sha256>', 'a root to refuse (default: every new root of the last offer)', collect)
    .requiredOption('--reason <text>', 'written to the record')
    .option('--yes', 'do not ask for confirmation')
    .addOption(outputOption())
    .action(async (member, options) => run((await import('./commands/exchange/refuse.ts')).run({ ...options, member }, io)))

  federated(
    'invite',
    'print an invitation for a partner: your roots and your bundle endpoint; it holds no secret',
    'entente invite --for cluster-b.example > invitation.json',
  )
    .requiredOption('--for <trust-domain>', 'the trust domain of the partner')
    .option('--member <name>', 'your member, if several publish')
    .addOption(new Option('--valid-days <n>', 'how long it may be accepted').argParser(days).default(7))
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/exchange/invite.ts')).run(options, io)))

  federated(
    'accept-invitation <file>',
    'approve the roots of a partner by its invitation, and print the answer; opens nothing',
    'entente accept-invitation invitation.json > answer.json\nentente accept-invitation invitation.json --comparison "41217 03341 88121 07734 90211 55310"',
  )
    .option('--as <name>', 'the name of the new member (default: the first label of its trust domain)')
    .option('--comparison <number>', 'the comparison number of the partner, as its owner read it out')
    .option('--fingerprint <sha256>', 'or every root of the invitation, as its owner named it', collect)
    .option('--reason <text>', 'the reason; written to the record', 'invitation accepted')
    .addOption(outputOption())
    .action(async (path, options) => run((await import('./commands/exchange/accept-invitation.ts')).run({ ...options, path }, io)))

  const audit = root
    .command('audit')
    .configureOutput(usageErrors(io, 'audit'))
    .description('print, check and export the record: who trusted whom, when and why')
  federated('log', 'print the record, or the history of one root', 'entente audit log\nentente audit log --fingerprint sha256:9f2c…', audit)
    .option('--fingerprint <sha256>', 'print who trusted this root, from when to when, and who approved it')
    .option('--truster <member>', 'only entries about trust of this member')
    .option('--trusted <name>', 'only entries about trust in this member or trust domain')
    .option('--by <name>', 'only entries of this actor, observed or claimed')
    .addOption(new Option('--since <date>', 'only entries from this day or instant on').argParser(beginning))
    .addOption(new Option('--until <date>', 'only entries before the end of this day, or before this instant').argParser(ending))
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/record/audit.ts')).log(options, io)))
  looking('verify', 'check that no entry of the record was changed, cut or forked', 'entente audit verify', audit)
    .addOption(outputOption())
    .option('--offline', 'check only the file; do not compare it with the head that each cluster holds')
    .action(async (options) => run((await import('./commands/record/audit.ts')).verify(options, io)))
  federated('report', 'print what the record says was approved, open and severed at a date', 'entente audit report --at 2026-11-30', audit)
    .addOption(new Option('--at <date>', 'the end of this day (UTC), or this instant; now by default').argParser(ending))
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/record/audit-at.ts')).report(options, io)))
  federated(
    'who <target>',
    'print which foreign identities could call these workloads at a date, by the record',
    'entente audit who cluster-b/sample/server --at 2026-11-30',
    audit,
  )
    .addOption(new Option('--at <date>', 'the end of this day (UTC), or this instant; now by default').argParser(ending))
    .addOption(outputOption())
    .action(async (target, options) => run((await import('./commands/record/audit-at.ts')).who({ ...options, target }, io)))
  federated('export', 'print the entries as canonical JSON, one on each line', 'entente audit export --fingerprint sha256:9f2c…', audit)
    .option('--fingerprint <sha256>', 'only entries about who trusted this root, and when')
    .action(async (options) => run((await import('./commands/record/audit.ts')).exportRecord(options, io)))

  command(
    root,
    'lint <file...>',
    'find manifests that do not have the effect they seem to have; FILE may be a directory, or - for stdin',
    'entente lint clusters/ -f federation.yaml\nhelm template istiod istio/istiod -f values.yaml | entente lint -',
  )
    .option('-f, --file <path>', 'the federation file; lint compares its scopes and trust domains with the manifests')
    .option('--member <name>', 'the member of these manifests (default: derived from their mesh config)')
    .option('--known <file>', 'PEM: the current roots of the mesh; lint compares a cacerts Secret with them', collect)
    .option('--replacement <file>', 'write the federation file that replaces inert settings to this path')
    .addOption(
      new Option('-o, --output <format>', 'text, json, sarif (2.1.0) or github (annotations)')
        .choices(['text', 'json', 'sarif', 'github'])
        .default('text'),
    )
    .action(async (files, options) => run((await import('./commands/inspect/lint.ts')).run({ ...options, files }, io)))

  const bundle = root.command('bundle').configureOutput(usageErrors(io, 'bundle')).description('inspect, convert and fetch trust bundles')
  command(
    bundle,
    'inspect <file>',
    'check a bundle: PEM, DER, SPIFFE (JWKS) or bundle map; - is stdin',
    'entente bundle inspect cluster-b.json',
  )
    .addOption(
      new Option('--format <format>', 'the format of the file (default: detected from its contents)').choices(['pem', 'der', 'spiffe']),
    )
    .option('--trust-domain <name>', 'the trust domain of the bundle; in a bundle map, the bundle to read')
    .addOption(atOption())
    .addOption(outputOption())
    .action(async (file, options) => run((await import('./commands/roots/bundle-inspect.ts')).bundleInspect({ ...options, file }, io)))
  command(
    bundle,
    'convert <file>',
    'convert a bundle between PEM and SPIFFE, and report what is lost',
    'entente bundle convert root.pem --to spiffe --sequence 1 > bundle.json',
  )
    .addOption(new Option('--to <format>', 'pem or spiffe').choices(['pem', 'spiffe']).makeOptionMandatory())
    .addOption(
      new Option('--from <format>', 'the format of the file (default: detected from its contents)').choices(['pem', 'der', 'spiffe']),
    )
    .option('--trust-domain <name>', 'in a bundle map, the bundle to read')
    .addOption(new Option('--sequence <n>', 'spiffe_sequence of the result if the file has none').argParser(sequenceNumber))
    .addOption(
      new Option('--refresh-hint <seconds>', 'spiffe_refresh_hint of the result if the file has none').argParser((value) =>
        Number(wholeNumber(value)),
      ),
    )
    .addOption(atOption())
    .addOption(outputOption())
    .action(async (file, { refreshHint, ...options }) =>
      run(
        (await import('./commands/roots/bundle-convert.ts')).bundleConvert(
          { ...options, file, ...(refreshHint === undefined ? {} : { refreshHintSeconds: refreshHint }) },
          io,
        ),
      ),
    )
  command(
    bundle,
    'fetch',
    'fetch a bundle from a SPIFFE bundle endpoint and check it; --out keeps the last good one',
    'entente bundle fetch --profile https_web --url https://trust.example/bundle --trust-domain cluster-b.example --out offer.json\nentente approve cluster-b --bundle offer.json --fingerprint sha256:9f2c…',
  )
    .addOption(
      new Option('--profile <profile>', 'how the endpoint authenticates').choices(['https_web', 'https_spiffe']).makeOptionMandatory(),
    )
    .requiredOption('--url <url>', 'the URL of the endpoint; https only')
    .requiredOption('--trust-domain <name>', 'the trust domain of the bundle')
    .option('--ca <file>', 'https_web: PEM roots that replace the public web roots')
    .option('--endpoint-spiffe-id <id>', 'https_spiffe: the endpoint’s own SPIFFE ID')
    .option('--endpoint-bundle <file>', 'https_spiffe: the bundle that verifies the endpoint’s certificate')
    .option(
      '--out <file>',
      'write the bundle here, for approve --bundle; an existing file stays if the fetch fails or the bundle is rejected',
    )
    .addOption(new Option('--timeout <duration>', 'time for the whole fetch').argParser(milliseconds).default(5000, '5s'))
    .addOption(outputOption())
    .action(async ({ timeout, ...options }) =>
      run((await import('./commands/roots/bundle-fetch.ts')).bundleFetch({ ...options, timeoutMilliseconds: timeout }, io)),
    )

  const chain = root.command('chain').configureOutput(usageErrors(io, 'chain')).description('verify certificate chains')
  command(
    chain,
    'verify',
    'check a chain under given roots, and say why it is not valid',
    'entente chain verify --trusted roots.pem --chain chain.pem',
  )
    .requiredOption('--trusted <file>', 'PEM: the roots')
    .requiredOption('--chain <file>', 'PEM: workload certificate first')
    .addOption(atOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/roots/chain-verify.ts')).chainVerify(options, io)))

  command(root, 'completion', 'print the completion script of a shell: bash, zsh or fish', 'source <(entente completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nFor kubectl entente: put kubectl_complete-entente into the PATH, next to kubectl-entente. npm link does this.')
    .action(async (shell: 'bash' | 'zsh' | 'fish') => run((await import('./commands/tool/completion.ts')).run(shell, io)))
  root
    .command('__complete [words...]', { hidden: true })
    .action(async (words: string[]) => run((await import('./commands/tool/completion.ts')).complete(root, words, io)))

  command(root, 'version', 'print the version, its commit, Node’s version, and the versions of Istio', 'entente version -o json')
    .addOption(outputOption())
    .action(async (options: { output: Output }) => run((await import('./commands/tool/version.ts')).run({ ...options, version }, io)))

  command(root, 'demo', 'run the main use case with Node only: two CAs, a federation, real TLS', 'entente demo --out entente-demo')
    .option('--out <dir>', 'the folder for its files', 'entente-demo')
    .addOption(outputOption())
    .action(async (options: { out: string; output: Output }) => run((await import('./commands/tool/demo.ts')).run(options, io)))

  return root
}
