/** The command tree: names, options, help and examples. What a command does is imported only when it runs. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { endOf } from '../core/basics/day.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { MAX_SEQUENCE } from '../core/spiffe/sequence.ts'
import type { Io, Output } from './io.ts'
import { errorText } from './print/error-text.ts'

type Run = (code: Promise<number>) => Promise<void>

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

const RFC_3339 = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** Date takes much else for a time, and the 31st of February for a day in March. */
function instant(value: string): Date {
  const [, day = ''] = RFC_3339.exec(value) ?? []
  if (endOf(day) === undefined) throw new InvalidArgumentError('want a time as RFC 3339: 2027-01-31T00:00:00Z')
  return new Date(value.toUpperCase())
}

const DAY_MS = 86_400_000

/** At most a day: a timer for more than 24 of them would go off at once. */
function milliseconds(value: string): number {
  const [, amount, unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(value) ?? []
  const duration = Number(amount) * ({ ms: 1, s: 1000, m: 60_000 }[unit] ?? 1000)
  if (amount === undefined || duration > DAY_MS) throw new InvalidArgumentError('want a duration of at most a day: 500ms, 5s, 1m')
  return duration
}

function someTime(value: string): number {
  const duration = milliseconds(value)
  if (duration < 1) throw new InvalidArgumentError('want more than no time: 500ms, 5s, 1m')
  return duration
}

/** Node takes no string of more than half a GiB. */
const MOST_BYTES = 512 * 1024 * 1024

function bytes(value: string): number {
  const [, amount, unit = ''] = /^(\d{1,12})(KiB|MiB|GiB)?$/.exec(value) ?? []
  const size = Number(amount) * ({ KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[unit] ?? 1)
  if (amount === undefined || size < 1 || size > MOST_BYTES)
    throw new InvalidArgumentError('want a size of at most 512MiB: 64MiB, 500KiB, 1000000')
  return size
}

function pages(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('want a whole number from 1 to 999999')
  return Number(value)
}

function wholeNumber(value: string): bigint {
  if (!/^\d{1,40}$/.test(value)) throw new InvalidArgumentError('want a whole number')
  return BigInt(value)
}

function sequenceNumber(value: string): bigint {
  const sequence = wholeNumber(value)
  if (sequence > MAX_SEQUENCE) throw new InvalidArgumentError(`want a number of 64 bits: ${MAX_SEQUENCE} at most`)
  return sequence
}

/** Nothing: workloads without labels. */
function labelPairs(value: string): Readonly<Record<string, string>> {
  if (value.trim() === '') return {}
  const pairs = value.split(',').map((pair) => /^([^=]+)=([^=]*)$/.exec(pair.trim()))
  if (pairs.some((pair) => pair === null)) throw new InvalidArgumentError('want labels: app=server,tier=back')
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']))
}

/** What is wrong with the words of a command line, told as every other error is. */
const usageErrors = (io: Io, command: string) => ({
  outputError: (text: string): void => {
    const [said = '', guess = ''] = text
      .trim()
      .replace(/^error: /, '')
      .split(/\n?\(Did you mean /)
    const help = command === 'entente' ? 'entente --help' : `entente ${command} --help`
    const hint = guess === '' ? help : `did you mean ${guess.replace(/\?\)$/, '')}?`
    io.tell(errorText(new FederationError('usage', command, said.replace(/\.$/, ''), { hint })))
  },
})

const fileOption = (): Option =>
  new Option('-f, --file <path>', 'the federation file; what stands beside it is found by it').default('federation.yaml')
const outputOption = (): Option => new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text')
const kubeconfigOption = (): Option => new Option('--kubeconfig <path>', 'instead of KUBECONFIG and ~/.kube/config')
const evidenceOption = (): Option =>
  new Option('--evidence <file>', 'what the owner of a member that is only a directory here saw: their verify -o evidence').argParser(
    collect,
  )
const istioOption = (): Option => new Option('--istio-namespace <name>', 'where istiod runs').default('istio-system')
const atOption = (): Option => new Option('--at <time>', 'judge as of this time (RFC 3339) instead of now').argParser(instant)

/** For what looks at members. @param command to which they are added */
function limited(command: Command): Command {
  const limit = (flags: string, about: string, parse: (value: string) => number): Option =>
    new Option(flags, about).argParser(parse).helpGroup('What one member may take:')
  return [
    limit('--look-timeout <duration>', 'for one look at it, all calls together (30s)', someTime),
    limit('--call-timeout <duration>', 'for one call (10s)', someTime),
    limit('--max-list-bytes <size>', 'of all lists of one look (64MiB)', bytes),
    limit('--max-list-pages <n>', 'of all lists of one look, 500 objects each (500)', pages),
    limit('--max-dump-bytes <size>', 'of one answer of istiod (64MiB)', bytes),
  ].reduce((to, option) => to.addOption(option), command)
}

/** @param run takes a command's exit code to the process */
export function program(io: Io, version: string, run: Run): Command {
  const root = new Command('entente')
    .description('Federate trust between Istio meshes that keep their own root CAs')
    .version(version)
    .option('--no-color', 'plain text; so does NO_COLOR in the environment')
    .exitOverride()
    .configureOutput(usageErrors(io, 'entente'))
    .addHelpText('after', '\nA first look, with nothing but Node: entente demo')
  const command = (parent: Command, signature: string, description: string, example: string): Command =>
    parent
      .command(signature)
      .configureOutput(usageErrors(io, `${parent === root ? '' : `${parent.name()} `}${signature.split(' ')[0]}`))
      .description(description)
      .addHelpText('after', `\nExample:\n  ${example.split('\n').join('\n  ')}`)
  const federated = (signature: string, description: string, example: string, parent = root): Command =>
    command(parent, signature, description, example).addOption(fileOption()).addOption(kubeconfigOption())
  const looking = (...of: Parameters<typeof federated>): Command => limited(federated(...of))
  const lookingAt = (...of: Parameters<typeof command>): Command => limited(command(...of))

  lookingAt(
    root,
    'init',
    'look at clusters and write a federation in which nothing is open yet',
    'entente init --context cluster-a --context cluster-b --out shop',
  )
    .requiredOption('--context <name>', 'a kubeconfig context; once for each cluster', collect)
    .option('--out <dir>', 'where to write', '.')
    .option('--yes', 'approve the roots as read, without asking')
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .action(async (options) => run((await import('./commands/federation/init.ts')).run(options, io)))

  lookingAt(root, 'export', 'print a mesh’s own roots, for the other side', 'entente export --context cluster-a > cluster-a.json')
    .option('--context <name>', 'read them from this cluster')
    .option('--pem <file>', 'read them from a PEM file (-: stdin)')
    .option('--trust-domain <name>', 'whose roots the PEM file holds')
    .addOption(new Option('--format <format>', 'spiffe or pem').choices(['spiffe', 'pem']).default('spiffe'))
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .action(async (options) => run((await import('./commands/roots/export.ts')).run(options, io)))

  looking(
    'approve <member>',
    'accept a member’s roots, by fingerprint',
    'entente approve cluster-b --bundle cluster-b.json --fingerprint sha256:9f2c…',
  )
    .option('--bundle <file>', 'from a file (-: stdin) instead of the member’s own cluster')
    .option('--fingerprint <sha256>', 'a root the bundle must hold; with --bundle, every one of them', collect)
    .option('--reset-sequence', 'spiffe_sequence begins again with this bundle, whatever was approved before; wants a reason')
    .option('--yes', 'do not ask')
    .option('--reason <text>', 'goes on the record', '')
    .action(async (member, options) => run((await import('./commands/roots/approve.ts')).run({ ...options, member }, io)))

  looking('plan', 'show what apply would change, and what that does to trust', 'entente plan')
    .addOption(evidenceOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/federation/plan.ts')).run(options, io)))

  federated('render', 'write the same as manifests for each member', 'entente render --out rendered')
    .requiredOption('--out <dir>', 'where to write; a folder for each member')
    .addOption(outputOption())
    .addOption(new Option('--values <format>', 'print what the owner of a mesh config must set').choices(['helm', 'sail']))
    .action(async (options) => run((await import('./commands/federation/render.ts')).run(options, io)))

  looking(
    'apply',
    'carry the plan out, phase by phase; safe to interrupt and to repeat',
    'entente apply --reason "TICKET-123: shop calls billing"',
  )
    .requiredOption('--reason <text>', 'goes on the record')
    .option('--yes', 'carry out the plan as it is now, without asking')
    .option('--consent <step...>', 'carry out these steps only, by id')
    .option('--override-gate <reason>', 'carry out steps whose gate is closed; goes on the record')
    .option('--force-conflicts', 'take fields over from other managers')
    .option('--accept-impact', 'go on where existing policies let in more than the callers (impact-past-callers)')
    .option('--no-canary', 'give what opens to all workloads of a scope at once, not to one of them first')
    .option('--nudge', 'mounted: annotate pods whose file changed, so that their kubelets bring it now')
    .option('--look', 'where a root is to go: ask every workload of its mesh for its certificate, and name those under it')
    .option('--watch', 'again every 15 seconds until ^C: puts back what drifts, closes what ends')
    .addOption(evidenceOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/federation/apply.ts')).run(options, io)))

  looking(
    'verify',
    'say by evidence from live proxies, for each trust, whether it holds',
    'entente verify -o json\nentente verify -o evidence --context cluster-b=prod-b > cluster-b.json\nentente verify --evidence cluster-b.json',
  )
    .option('--look', 'ask the proxies in scopes for their own certificates, by port-forward to their admin ports')
    .option('--context <member=name>', 'look at this member in that context of the kubeconfig, whatever the file says', collect)
    .addOption(evidenceOption())
    .addOption(
      new Option('-o, --output <format>', 'text, json, or evidence: for those who cannot reach these clusters')
        .choices(['text', 'json', 'evidence'])
        .default('text'),
    )
    .action(async (options) => run((await import('./commands/federation/verify.ts')).run(options, io)))

  looking('mount', 'mounted: which workloads lack the mount, and what one restart of each will do', 'entente mount')
    .option('--rollout', 'give it to them, one workload at a time, and wait until each is ready')
    .option('--yes', 'do not ask')
    .addOption(new Option('--timeout <duration>', 'for each workload to become ready').argParser(milliseconds).default(600_000, '10m'))
    .addOption(outputOption())
    .action(async ({ timeout, ...options }) =>
      run((await import('./commands/federation/mount.ts')).run({ ...options, timeoutMilliseconds: timeout }, io)),
    )

  looking('status', 'one line for each trust: proof, expiry, drift; never writes', 'entente status --watch')
    .addOption(evidenceOption())
    .addOption(outputOption())
    .option('--watch', 'again every 10 seconds, until ^C')
    .action(async (options) => run((await import('./commands/federation/status.ts')).run(options, io)))

  looking(
    'sever <truster> <trusted>',
    'end a trust now, and keep it ended',
    'entente sever cluster-b cluster-a --reason "INC-7: key of cluster-a lost"\nentente sever --lift cluster-b cluster-a --reason "INC-7 is over: cluster-a has a new CA"',
  )
    .requiredOption('--reason <text>', 'goes into the file and on the record')
    .option('--lift', 'take a sever back, on the record; opens nothing: that takes a new approval and an apply')
    .option('--yes', 'do not ask')
    .option('--emergency', 'shut that domain out first, before anything is looked at, and ask nobody')
    .option('--drain', 'wait until connections from before are gone, as long as their proxies were given (drainDuration, 45 s by default)')
    .option('--override-gate <reason>', 'remove policies without evidence that the filters are gone; goes on the record')
    .addOption(evidenceOption())
    .addOption(outputOption())
    .action(async (truster, trusted, { lift = false, ...options }) => {
      const command = lift ? await import('./commands/federation/lift.ts') : await import('./commands/federation/sever.ts')
      return run(command.run({ ...options, truster, trusted }, io))
    })

  looking(
    'impact',
    'what a change of trust lets in: for each AuthorizationPolicy the foreign identities newly accepted, and why',
    'entente impact\nentente impact --truster cluster-b --trusted cluster-a --as mesh\nentente impact --policies policies.yaml --mesh mesh.yaml --trusted cluster-a.example --as alias',
  )
    .option('--policies <path>', 'from files instead of clusters: AuthorizationPolicies (a directory; -: stdin); several times', collect)
    .option('--mesh <file>', 'with --policies: the mesh config as it is (alone, as ConfigMap, Helm values or IstioOperator)')
    .option('--mesh-after <file>', 'with --policies: the mesh config to be')
    .option('--truster <member>', 'only this member')
    .option('--trusted <name>', 'what if it trusted this member, or trust domain')
    .addOption(new Option('--as <how>', 'with --trusted: in a filter, in caCertificates, as an alias').choices(['pinned', 'mesh', 'alias']))
    .option('--namespace <name>', 'only workloads of this namespace')
    .addOption(new Option('--labels <pairs>', 'only workloads with exactly these labels: app=server,tier=back').argParser(labelPairs))
    .option('--identities <file>', 'SPIFFE IDs to give a verdict on, one a line (-: stdin); examples are taken from them')
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/inspect/impact.ts')).run(options, io)))

  lookingAt(
    root,
    'doctor',
    'look whether clusters are fit for federation, and say what to do where they are not',
    'entente doctor\nentente doctor --context cluster-a --context cluster-b --namespace sample',
  )
    .addOption(fileOption())
    .option('--context <name>', 'look at these clusters, without a federation file; once for each', collect)
    .option('--namespace <name>', 'with --context: look at its workloads too; once for each', collect)
    .option('--look', 'ask the sidecars there for their own certificates, by port-forward to their admin ports')
    .addOption(kubeconfigOption())
    .addOption(istioOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/inspect/doctor.ts')).run(options, io)))

  looking(
    'rotate <member>',
    'take a member’s root from old to new, step by step and by evidence',
    'entente rotate cluster-b --status\nentente rotate cluster-b --reason "yearly" --wait switch && ./switch-the-ca.sh',
  )
    .option('--status', 'only look: the phase, its gates, who lags')
    .option('--reason <text>', 'goes on the record', '')
    .addOption(
      new Option('--wait <phase>', 'go on until it has got there; ^C stops, and the next run goes on').choices([
        'introducing',
        'switch',
        'draining',
        'retire',
        'steady',
      ]),
    )
    .option('--look', 'ask every workload of the member for its certificate, instead of waiting for the time it may live')
    .option('--nudge', 'mounted: annotate pods whose file changed, so that their kubelets bring it now')
    .option('--abort', 'go back: what was to leave stays; possible until it is retired')
    .option('--override-gate <reason>', 'retire a root without evidence that it is out of use; goes on the record')
    .option('--override-names <reason>', 'introduce a root beside another of its name that chains do not tell it from; goes on the record')
    .addOption(evidenceOption())
    .option('--bundle <file>', 'the owner’s new bundle from a file (-: stdin) instead of the member’s own cluster')
    .option('--fingerprint <sha256>', 'a root the bundle must hold; with --bundle, every one of them', collect)
    .option('--yes', 'do not ask')
    .addOption(outputOption())
    .action(async (member, options) => run((await import('./commands/federation/rotate.ts')).run({ ...options, member }, io)))

  const audit = root.command('audit').configureOutput(usageErrors(io, 'audit')).description('the record: who trusted whom, when and why')
  federated(
    'log',
    'print the record, or who trusted one root from when to when',
    'entente audit log\nentente audit log --fingerprint sha256:9f2c…',
    audit,
  )
    .option('--fingerprint <sha256>', 'who trusted this root, from when to when, on whose word')
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/record/audit.ts')).log(options, io)))
  looking('verify', 'check that nothing was changed, cut or forked', 'entente audit verify', audit)
    .addOption(outputOption())
    .option('--offline', 'check the file alone, without asking the clusters for the head they remember')
    .action(async (options) => run((await import('./commands/record/audit.ts')).verify(options, io)))
  federated('export', 'print the entries as canonical JSON, one a line', 'entente audit export --fingerprint sha256:9f2c…', audit)
    .option('--fingerprint <sha256>', 'only entries that say who trusted this root, from when to when')
    .action(async (options) => run((await import('./commands/record/audit.ts')).exportRecord(options, io)))

  command(
    root,
    'lint <file...>',
    'find manifests that do not do what they seem to; directories, and - for stdin, too',
    'entente lint clusters/ -f federation.yaml\nhelm template istiod istio/istiod -f values.yaml | entente lint -',
  )
    .option('-f, --file <path>', 'the federation file: its scopes and trust domains are compared with the manifests')
    .option('--member <name>', 'whose manifests these are; told from their mesh config otherwise')
    .option('--known <file>', 'PEM: roots that the mesh has now; a cacerts Secret is compared with them', collect)
    .option('--replacement <file>', 'write the federation file that replaces inert settings here')
    .addOption(
      new Option('-o, --output <format>', 'text, json, sarif (2.1.0) or github (annotations)')
        .choices(['text', 'json', 'sarif', 'github'])
        .default('text'),
    )
    .action(async (files, options) => run((await import('./commands/inspect/lint.ts')).run({ ...options, files }, io)))

  const bundle = root.command('bundle').configureOutput(usageErrors(io, 'bundle')).description('look inside trust bundles')
  command(
    bundle,
    'inspect <file>',
    'judge a bundle: PEM, DER, SPIFFE (JWKS) or bundle map; - is stdin',
    'entente bundle inspect cluster-b.json',
  )
    .addOption(new Option('--format <format>', 'what the file is; told from its contents otherwise').choices(['pem', 'der', 'spiffe']))
    .option('--trust-domain <name>', 'whose bundle it is; of a bundle map, the one to take')
    .addOption(atOption())
    .addOption(outputOption())
    .action(async (file, options) => run((await import('./commands/roots/bundle-inspect.ts')).bundleInspect({ ...options, file }, io)))
  command(
    bundle,
    'convert <file>',
    'between PEM and SPIFFE; says what is lost',
    'entente bundle convert root.pem --to spiffe --sequence 1 > bundle.json',
  )
    .addOption(new Option('--to <format>', 'pem or spiffe').choices(['pem', 'spiffe']).makeOptionMandatory())
    .addOption(new Option('--from <format>', 'what the file is; told from its contents otherwise').choices(['pem', 'der', 'spiffe']))
    .option('--trust-domain <name>', 'of a bundle map, the one to take')
    .addOption(new Option('--sequence <n>', 'spiffe_sequence of the result, where the file has none').argParser(sequenceNumber))
    .addOption(
      new Option('--refresh-hint <seconds>', 'spiffe_refresh_hint of the result, where the file has none').argParser((value) =>
        Number(wholeNumber(value)),
      ),
    )
    .addOption(atOption())
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
    'fetch a bundle from a SPIFFE bundle endpoint and judge it; --out keeps the last good one',
    'entente bundle fetch --profile https_web --url https://trust.example/bundle --trust-domain cluster-b.example --out offer.json\nentente approve cluster-b --bundle offer.json --fingerprint sha256:9f2c…',
  )
    .addOption(
      new Option('--profile <profile>', 'how the endpoint proves who it is').choices(['https_web', 'https_spiffe']).makeOptionMandatory(),
    )
    .requiredOption('--url <url>', 'https only')
    .requiredOption('--trust-domain <name>', 'whose bundle it is')
    .option('--ca <file>', 'https_web: PEM roots instead of the public ones')
    .option('--endpoint-spiffe-id <id>', 'https_spiffe: the endpoint’s own SPIFFE ID')
    .option('--endpoint-bundle <file>', 'https_spiffe: the bundle to check the endpoint with')
    .option('--out <file>', 'write it there, for approve --bundle; what is there stays when the fetch fails or is refused')
    .addOption(new Option('--timeout <duration>', 'for the whole fetch').argParser(milliseconds).default(5000, '5s'))
    .addOption(outputOption())
    .action(async ({ timeout, ...options }) =>
      run((await import('./commands/roots/bundle-fetch.ts')).bundleFetch({ ...options, timeoutMilliseconds: timeout }, io)),
    )

  const chain = root.command('chain').configureOutput(usageErrors(io, 'chain')).description('look at certificate chains')
  command(
    chain,
    'verify',
    'say whether a chain is valid under given roots, and why not',
    'entente chain verify --trusted roots.pem --chain presented.pem',
  )
    .requiredOption('--trusted <file>', 'PEM: the roots')
    .requiredOption('--chain <file>', 'PEM: leaf first')
    .addOption(atOption())
    .addOption(outputOption())
    .action(async (options) => run((await import('./commands/roots/chain-verify.ts')).chainVerify(options, io)))

  command(root, 'completion', 'print completion for a shell: bash, zsh or fish', 'source <(entente completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      '\nFor kubectl entente: link kubectl_complete-entente into the PATH beside kubectl-entente; npm does so by itself.',
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => run((await import('./commands/tool/completion.ts')).run(shell, io)))
  root
    .command('__complete [words...]', { hidden: true })
    .action(async (words: string[]) => run((await import('./commands/tool/completion.ts')).complete(root, words, io)))

  command(root, 'demo', 'the main job with nothing but Node: two CAs, a federation, real TLS', 'entente demo --out entente-demo')
    .option('--out <dir>', 'where its files stay', 'entente-demo')
    .addOption(outputOption())
    .action(async (options: { out: string; output: Output }) => run((await import('./commands/tool/demo.ts')).run(options, io)))

  return root
}
