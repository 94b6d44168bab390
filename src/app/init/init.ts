/** `init`: writes a federation of observed clusters, and of members that cannot be observed, in which nothing is open yet. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { hasErrors } from '../../core/diagnostics/finding.ts'
import { seal } from '../../core/record/record.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Found } from '../events.ts'
import { InputError } from '../input-error.ts'
import type { Ports } from '../use-case.ts'
import { judgeClusters } from './judge-clusters.ts'
import { memberName } from './member-name.ts'

export interface InitInput {
  /** One for each cluster. */
  readonly contexts: readonly string[]
  /** Members without a cluster here. Their roots are approved later, from a file. */
  readonly members: readonly NamedMember[]
  readonly istioNamespace: string
}

export interface NamedMember {
  readonly name: string
  readonly trustDomain: string
}

/** A member of the new federation. */
export type NewMember = Found | NamedMember

/** The path of the new federation. */
export interface NewPlace {
  /** @throws FederationError usage if a federation or a record exists there already */
  mustBeNew(): Promise<void>
  make(): Promise<void>
  /** The federation of these members, with no trust in it. */
  write(members: readonly NewMember[]): Promise<void>
}

type InitPorts = Pick<Ports, 'observeCluster' | 'bundles' | 'record' | 'publicRoots' | 'actor' | 'now' | 'report' | 'agree'>

/** @throws FederationError usage, bundle-refused, not-confirmed: then nothing was written */
export async function init(
  ports: InitPorts,
  place: NewPlace,
  { contexts, members, istioNamespace }: InitInput,
): Promise<readonly NewMember[]> {
  await place.mustBeNew()
  if (contexts.length + members.length === 0) throw new InputError('context', 'is missing, and so is --member: name the members')
  if (new Set(contexts).size !== contexts.length) throw new InputError('context', 'the same context is given twice')
  const found = contexts.length === 0 ? [] : await observeAll(ports, contexts, istioNamespace)
  const all = [...found, ...members]
  mustDiffer(all, members)
  if (found.length > 0) await ports.agree({ kind: 'begin' })
  // Another process may have written them while the user was asked.
  await place.mustBeNew()
  await place.make()
  await approveAll(ports, found)
  await place.write(all)
  return all
}

async function observeAll(ports: InitPorts, contexts: readonly string[], istioNamespace: string): Promise<readonly Found[]> {
  ports.report({ kind: 'looking', contexts })
  const found = await Promise.all(
    contexts.map(
      async (context): Promise<Found> => ({ name: memberName(context), ...(await ports.observeCluster(context, istioNamespace)) }),
    ),
  )
  const findings = judgeClusters(found, { istioNamespace, publicRoots: await ports.publicRoots(), now: ports.now() })
  ports.report({ kind: 'looked', found, findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', contexts.join(', '), 'cannot form a federation; nothing was written', {
      hint: 'correct what the findings above name, then run entente init again',
    })
  return found
}

/** @throws FederationError trust-domain-invalid; usage: two members have one name or trust domain */
function mustDiffer(all: readonly NewMember[], named: readonly NamedMember[]): void {
  for (const { name, trustDomain } of named) {
    parseTrustDomain(trustDomain)
    if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || name === 'istio-ca')
      throw new InputError('member', `${name} is no name of a member: a-z 0-9 -, at most 63 characters, and not istio-ca`)
    if (all.filter((one) => one.name === name).length > 1) throw new InputError('member', `two members are named ${name}`)
    if (all.filter((one) => domainOf(one) === trustDomain).length > 1)
      throw new InputError('member', `two members have trust domain ${trustDomain}`, {
        hint: 'give each mesh a unique trust domain (meshConfig.trustDomain)',
      })
  }
}

const domainOf = (member: NewMember): string => ('istio' in member ? member.istio.trustDomain : member.trustDomain)

async function approveAll({ record, bundles, actor, now, report }: InitPorts, found: readonly Found[]): Promise<void> {
  let { head } = await record.view()
  for (const { name, context, own } of found) {
    const entry = seal(head, {
      actor,
      at: now(),
      reason: 'init',
      action: 'approve' as const,
      trustDomain: own.trustDomain,
      roots: own.anchors.map((anchor) => anchor.fingerprint),
      source: `cluster ${context}`,
      sequence: '1',
    })
    await record.append(entry)
    head = entry
    await bundles.write({ ...own, sequence: 1n })
    report({ kind: 'root-recorded', member: name, trustDomain: own.trustDomain })
  }
}
