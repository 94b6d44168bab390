/** Writes a federation as a file to edit, with comments at the values that the reader has to fill in. */
import { API_VERSION } from '../../model/api-version.ts'
import { printable } from '../../x509/syntax/printable.ts'
import type { MeantAccept, MeantMember, MeantReach, MeantTrust, Replacement } from './meant.ts'

const SAFE = /^[A-Za-z][A-Za-z0-9./-]*$/
const RESERVED = /^(y|n|yes|no|on|off|true|false|null)$/i

const quote = (value: string): string => (SAFE.test(value) && !RESERVED.test(value) ? value : JSON.stringify(printable(value)))

export function printFederation(members: readonly MeantMember[], trusts: readonly MeantTrust[], notes: readonly string[]): Replacement {
  const placeholders = [...members.flatMap(unknownOf), ...trusts.flatMap(openIn), ...(trusts.length === 0 ? [NO_SCOPE] : []), ...notes]
  const text = [
    '# A federation that does what the settings that do nothing were meant to do. Made by entente lint.',
    '# What its manifests do not say is marked "change". Nothing opens by a placeholder. Then:',
    ...members.map(approve),
    '#   entente plan',
    `apiVersion: ${API_VERSION}`,
    'kind: Federation',
    'metadata: { name: federation }   # change: a name of your own',
    'spec:',
    '  members:',
    ...members.flatMap(memberLines),
    ...(trusts.length === 0
      ? ['  trust: []', ...example(members)]
      : ['  trust:', ...trusts.flatMap((trust) => trustLines(trust, trusts, members))]),
    '',
  ].join('\n')
  return { federation: text, placeholders }
}

const approve = ({ name, roots }: MeantMember): string =>
  `#   entente approve ${name} --bundle ROOTS-OF-${name}.pem ${roots.length === 0 ? '--fingerprint sha256:…' : roots.map((root) => `--fingerprint ${root}`).join(' ')}`

const memberLines = ({ name, trustDomain, guessed }: MeantMember): readonly string[] => [
  `    - name: ${quote(name)}`,
  `      trustDomain: ${quote(trustDomain)}${guessed ? '   # change: meshConfig.trustDomain of that mesh' : ''}`,
  `      cluster: { directory: ${quote(name)} }   # a folder for Git to deliver; or { context: NAME } of your kubeconfig`,
]

function trustLines(
  { truster, trusted, accept, reach }: MeantTrust,
  all: readonly MeantTrust[],
  members: readonly MeantMember[],
): readonly string[] {
  const back = all.find((other) => other.truster === trusted && other.trusted === truster)
  return [
    `    - truster: ${quote(truster)}`,
    `      trusted: ${quote(trusted)}`,
    '      distribution: pinned',
    ...(accept.length === 0 ? [] : ['      accept:', ...accept.flatMap(acceptLines)]),
    ...(reach.length === 0 ? reachExample(back, members) : ['      reach:', ...reach.flatMap(reachLines)]),
  ]
}

/** An example for `reach`: the manifests of a called workload seldom name the workloads that call it. */
function reachExample(back: MeantTrust | undefined, members: readonly MeantMember[]): readonly string[] {
  const [entry] = back?.accept ?? []
  if (back === undefined || entry === undefined) return []
  const app = entry.at.labels?.app ?? 'my-app'
  const host = `${app}.${entry.at.namespace}.svc.cluster.local`
  const domain = members.find(({ name }) => name === back.truster)?.trustDomain ?? 'change-me'
  const server = `${domain}/ns/${entry.at.namespace}/sa/${app}`
  return [
    `      # change: which workloads of ${back.trusted} call what in ${back.truster}`,
    '      # reach:',
    `      #   - { namespace: ${printable(entry.at.namespace)}, services: [{ host: ${printable(host)}, servedBy: [${printable(server)}] }] }`,
  ]
}

const acceptLines = ({ at, callers, guessed }: MeantAccept): readonly string[] => [
  `        - namespace: ${quote(at.namespace)}`,
  ...(at.labels === undefined
    ? []
    : [
        `          selector: { ${Object.entries(at.labels)
          .map(([key, value]) => `${quote(key)}: ${quote(value)}`)
          .join(', ')} }`,
      ]),
  '          mtls: enforce',
  `          callers: [${callers.map(quote).join(', ')}]${guessed ? '   # change: who may call; nobody else is let in' : ''}`,
]

const reachLines = ({ namespace, host, servedBy }: MeantReach): readonly string[] => [
  `        - namespace: ${quote(namespace)}`,
  '          services:',
  `            - { host: ${quote(host)}${servedBy.length === 0 ? '' : `, servedBy: [${servedBy.map(quote).join(', ')}]`} }`,
]

/** An example for manifests that name no workloads, such as Helm values. */
function example(members: readonly MeantMember[]): readonly string[] {
  const [own, other] = members
  if (own === undefined || other === undefined) return []
  return [
    '  # change: which workloads take callers of whom',
    `  #  - truster: ${own.name}`,
    `  #    trusted: ${other.name}`,
    '  #    distribution: pinned',
    '  #    accept:',
    `  #      - { namespace: default, selector: { app: my-app }, mtls: enforce, callers: [${other.trustDomain}/ns/default/sa/change-me] }`,
  ]
}

const NO_SCOPE = 'spec.trust: the manifests do not say which workloads take foreign callers'

const unknownOf = ({ name, trustDomain, guessed }: MeantMember): readonly string[] =>
  guessed ? [`member ${name}: its trust domain (${trustDomain} is made up)`] : []

function openIn({ truster, trusted, accept, reach }: MeantTrust, _: number, all: readonly MeantTrust[]): readonly string[] {
  const back = all.find((other) => other.truster === trusted && other.trusted === truster)
  const guessed = accept.filter((entry) => entry.guessed)
  return [
    ...guessed.map(({ at }) => `${truster} trusting ${trusted}, ${at.namespace}: callers (no policy in the manifests names any)`),
    ...(accept.length > 0 && (back?.reach.length ?? 0) === 0
      ? [`${trusted} trusting ${truster}: reach, that is which workloads of ${trusted} call which host; calls need both directions`]
      : []),
    ...(reach.some((entry) => entry.servedBy.length === 0)
      ? [`${truster} trusting ${trusted}: servedBy, the service account behind the host`]
      : []),
  ]
}
