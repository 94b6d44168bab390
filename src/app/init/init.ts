/** `init`: observes clusters and writes a federation in which nothing is open yet. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { hasErrors } from '../../core/diagnostics/finding.ts'
import { seal } from '../../core/record/record.ts'
import type { Found } from '../events.ts'
import { InputError } from '../input-error.ts'
import type { Ports } from '../use-case.ts'
import { judgeClusters } from './judge-clusters.ts'
import { memberName } from './member-name.ts'

export interface InitInput {
  /** One for each cluster. */
  readonly contexts: readonly string[]
  readonly istioNamespace: string
}

/** The path of the new federation. */
export interface NewPlace {
  /** @throws FederationError usage if a federation or a record exists there already */
  mustBeNew(): Promise<void>
  make(): Promise<void>
  /** The federation of these members, with no trust in it. */
  write(members: readonly Found[]): Promise<void>
}

type InitPorts = Pick<Ports, 'lookAt' | 'bundles' | 'record' | 'publicRoots' | 'actor' | 'now' | 'tell' | 'agree'>

/** @throws FederationError usage, bundle-refused, not-confirmed: then nothing was written */
export async function init(ports: InitPorts, place: NewPlace, { contexts, istioNamespace }: InitInput): Promise<readonly Found[]> {
  await place.mustBeNew()
  if (new Set(contexts).size !== contexts.length) throw new InputError('context', 'the same context is given twice')
  ports.tell({ kind: 'looking', contexts })
  const found = await Promise.all(
    contexts.map(async (context): Promise<Found> => ({ name: memberName(context), ...(await ports.lookAt(context, istioNamespace)) })),
  )
  const findings = judgeClusters(found, { istioNamespace, publicRoots: await ports.publicRoots(), now: ports.now() })
  ports.tell({ kind: 'looked', found, findings })
  if (hasErrors(findings))
    throw new FederationError('bundle-refused', contexts.join(', '), 'cannot form a federation; nothing was written', {
      hint: 'correct what the findings above name, then run entente init again',
    })
  await ports.agree({ kind: 'begin' })
  // Another process may have written them while the user was asked.
  await place.mustBeNew()
  await place.make()
  await approveAll(ports, found)
  await place.write(found)
  return found
}

async function approveAll({ record, bundles, actor, now, tell }: InitPorts, found: readonly Found[]): Promise<void> {
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
    tell({ kind: 'root-recorded', member: name, trustDomain: own.trustDomain })
  }
}
