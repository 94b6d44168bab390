/** `init`: looks at the clusters and writes a federation in which nothing is open yet. */
import { access, mkdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { bundlePath, writeBundle } from '../../../adapters/files/bundle-files.ts'
import { writeAtomically } from '../../../adapters/files/write-files.ts'
import { trimEndOf } from '../../../core/basics/trim.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { type Finding, hasErrors, warning } from '../../../core/diagnostics/finding.ts'
import { clockDiffers } from '../../../core/model/clock.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import { seal } from '../../../core/record/record.ts'
import type { Bundle } from '../../../core/spiffe/bundle.ts'
import { signsElsewhere } from '../../../core/verify/own-ca-chain.ts'
import { type Cluster, lookAt, memberName } from '../../input/cluster.ts'
import type { LimitOptions } from '../../input/limits.ts'
import { actor, openRecord } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { judgeOffer } from '../../offer.ts'
import { type Shown, show } from '../../print/screen.ts'
import { findingsText, table } from '../../print/text.ts'
import { agree } from './apply.ts'

export interface InitOptions extends LimitOptions {
  readonly context: readonly string[]
  readonly out: string
  readonly yes?: boolean
  readonly kubeconfig?: string
  readonly istioNamespace: string
}

interface Found extends Cluster {
  readonly name: MemberName
}

export async function run(options: InitOptions, io: Io): Promise<number> {
  const directory = resolve(options.out)
  const file = join(directory, 'federation.yaml')
  await mustBeNew(file)
  await mustBeNew(join(directory, 'audit.jsonl'))
  if (new Set(options.context).size !== options.context.length)
    throw new FederationError('usage', '--context', 'the same context is named twice')
  io.tell(`Looking at ${options.context.join(', ')} …`)
  const found = await Promise.all(
    options.context.map(async (context): Promise<Found> => ({ name: memberName(context), ...(await lookAt(context, options, io)) })),
  )
  const findings = judgeAll(found, options.istioNamespace, io.now())
  io.tell(show`\n${summary(found, io.columns)}\n`)
  if (findings.length > 0) io.tell(show`${findingsText(findings, io.color)}\n`)
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', options.context.join(', '), 'cannot be federated as they are; nothing was written', {
      hint: 'see the findings above',
    })
  await agree('Are these the roots of your meshes? They are approved as read from their own API servers.', options, io)
  // Somebody may have written them while the question stood.
  await mustBeNew(file)
  await mustBeNew(join(directory, 'audit.jsonl'))

  await mkdir(directory, { recursive: true })
  const record = openRecord(directory)
  let { head } = await record.view()
  for (const { name, context, own } of found) {
    const draft = {
      actor: actor(io),
      at: io.now(),
      reason: 'init',
      action: 'approve' as const,
      trustDomain: own.trustDomain,
      roots: own.anchors.map((anchor) => anchor.fingerprint),
      source: `cluster ${context}`,
      sequence: '1',
    }
    const entry = seal(head, draft)
    await record.append(entry)
    head = entry
    await writeBundle(directory, { ...own, sequence: 1n })
    io.tell(`wrote ${join(options.out, 'bundles', basename(bundlePath(directory, own.trustDomain)))}  (roots of ${name})`)
  }
  await writeAtomically(file, federationText(found, options.istioNamespace))
  io.tell(
    show`wrote ${join(options.out, 'audit.jsonl')}\nwrote ${join(options.out, 'federation.yaml')}\n\nNothing is open yet: say in federation.yaml who may call whom, then: entente plan -f ${join(options.out, 'federation.yaml')}`,
  )
  return 0
}

async function mustBeNew(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (exists)
    throw new FederationError('usage', path, 'is there already; init never overwrites', {
      hint: 'choose another --out, or go on with entente plan',
    })
}

function judgeAll(found: readonly Found[], istioNamespace: string, now: Date): readonly Finding[] {
  const findings: Finding[] = []
  const domains = new Map<string, Found>()
  const approved = new Map<Bundle['trustDomain'], Bundle>()
  for (const cluster of found) {
    const { trustDomain } = cluster.istio
    const other = domains.get(trustDomain)
    if (other !== undefined) {
      const isDefault = trustDomain === 'cluster.local' ? ' (cluster.local is only Istio’s default)' : ''
      findings.push({
        code: 'trust-domain-shared',
        severity: 'error',
        subject: cluster.name,
        message: `has trust domain ${trustDomain}, and so has ${other.name}${isDefault}`,
        hint: 'give each mesh a trust domain of its own: meshConfig.trustDomain',
      })
    }
    if (found.some((f) => f !== cluster && f.name === cluster.name)) {
      findings.push({
        code: 'usage',
        severity: 'error',
        subject: cluster.context,
        message: `becomes the member name ${cluster.name}, as another context does`,
        hint: 'rename one of the contexts: kubectl config rename-context',
      })
    }
    domains.set(trustDomain, cluster)
    findings.push(...judgeOffer(cluster.own, approved))
    findings.push(
      ...clockDiffers(cluster.name, cluster),
      ...signsElsewhere(cluster.name, cluster.own, cluster.istio, { now, clock: cluster.clock }),
    )
    approved.set(cluster.own.trustDomain, cluster.own)
  }
  const meshIds = new Set(found.map((cluster) => cluster.istio.meshId))
  if (meshIds.size > 1)
    findings.push(
      warning(
        'mesh-id-differs',
        [...meshIds].join(', '),
        'the clusters name different mesh ids; multi-primary wants one',
        'set meshConfig.defaultConfig.meshId alike',
      ),
    )
  for (const cluster of found.filter((f) => f.istio.network === undefined)) {
    findings.push(
      warning(
        'network-unset',
        cluster.name,
        'its Istio namespace has no network label',
        `kubectl --context ${cluster.context} label namespace ${istioNamespace} topology.istio.io/network=NETWORK`,
      ),
    )
  }
  return findings
}

function summary(found: readonly Found[], columns?: number): Shown {
  const rows = found.map(({ name, istio }) => [
    name,
    istio.trustDomain,
    istio.meshId ?? '-',
    istio.network ?? '-',
    [...new Set(istio.istiods.map((istiod) => istiod.revision))].join(', ') || '-',
  ])
  const roots = found.flatMap(({ name, own }) =>
    own.anchors.map((anchor) => [
      name,
      anchor.fingerprint,
      anchor.notAfter.toISOString().slice(0, 10),
      anchor.subject.replaceAll('\n', ', '),
    ]),
  )
  return show`${table([['MEMBER', 'TRUST DOMAIN', 'MESH', 'NETWORK', 'REVISIONS'], ...rows], columns)}\n\n${table([['MEMBER', 'ROOT', 'UNTIL', 'SUBJECT'], ...roots], columns)}`
}

/** A name as YAML reads it: some names look like numbers. */
const scalar = (name: string): string => stringify(name).trimEnd()

function federationText(found: readonly Found[], istioNamespace: string): string {
  const members = found.map(
    ({ name, context, istio }) => `    - name: ${scalar(name)}
      trustDomain: ${scalar(istio.trustDomain)}${istio.aliases.length === 0 ? '' : `\n      trustDomainAliases: [${istio.aliases.map(scalar).join(', ')}]`}${istio.network === undefined ? '' : `\n      network: ${JSON.stringify(istio.network)}`}
      cluster: { context: ${JSON.stringify(context)} }${istioNamespace === 'istio-system' ? '' : `\n      istio: { namespace: ${istioNamespace} }`}`,
  )
  const examples = found.flatMap((truster) => found.filter((other) => other !== truster).map((trusted) => example(truster, trusted)))
  return `# Who trusts whom, in one direction at a time. Nothing is open that is not written here.
# What each field means: docs/federation-file.md. Show what it would change: entente plan
apiVersion: entente.dev/v1alpha1
kind: Federation
metadata: { name: ${trimEndOf(
    found
      .map((f) => f.name)
      .join('-')
      .slice(0, 60),
    '-',
  )} }
spec:
  members:
${members.join('\n')}
  trust: []
  # Replace the line above by "trust:" and the entries you want. A call needs both directions: the server's mesh
  # accepts the caller, and the caller's mesh reaches the server. Leave out what you do not need.
  #
${examples.join('\n')}
  severed: []
`
}

/** All that one mesh can say about another, ready to be uncommented. */
function example(truster: Found, trusted: Found): string {
  return `  # ${truster.name} trusts ${trusted.name}:
  #  - truster: ${truster.name}
  #    trusted: ${trusted.name}
  #    distribution: pinned # to begin with: nothing to restart. Where roots change often: mounted (docs/mounted.md)
  #    accept: # callers of ${trusted.name} that come in
  #      - { namespace: sample, selector: { app: server }, mtls: enforce, callers: [${trusted.istio.trustDomain}/ns/sample/sa/client] }
  #    reach: # services of ${trusted.name} that our workloads call
  #      - { namespace: sample, selector: { app: client }, services: [{ host: server.sample.svc.cluster.local, servedBy: [${trusted.istio.trustDomain}/ns/sample/sa/server] }] }`
}
