/** `publish`: writes the objects that publish our bundle, and checks that the endpoint answers with it. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import { endpointOf, isPublication, publishedBundle, publishedSequence } from '../../core/exchange/publication.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import type { EndpointAddress } from '../../core/spiffe/endpoint.ts'
import { inspect } from '../../core/spiffe/inspect.ts'
import { type Applied, type ApplyInput, applyPlan } from '../consent/apply-plan.ts'
import type { CarryOutPorts } from '../consent/carry-out.ts'
import { memberOf, readDesired } from '../desired.ts'
import { type PlanPorts, planFederation } from '../plan.ts'
import { type Ports, rest } from '../use-case.ts'
import { isPublisher, type Publisher } from './invite.ts'

export interface Published {
  readonly member: Publisher
  readonly endpoint: EndpointAddress
  readonly sequence?: bigint
  readonly objects: readonly Manifest[]
  /** Absent if nothing had to be written. */
  readonly applied?: Applied
}

export interface PublishInput extends Pick<ApplyInput, 'reason' | 'forceConflicts'> {
  readonly member: string
}

/** The objects alone, for Git. @throws FederationError usage, bundle-refused */
export async function publication(ports: PlanPorts, name: string): Promise<Published> {
  const desired = await readDesired(ports)
  const member = memberOf(desired.federation, name)
  if (!isPublisher(member))
    throw new FederationError('usage', name, 'has no publish in the federation file', { hint: 'add publish: docs/exchange.md, Publish' })
  const intent = desired.intents.find((one) => one.member.name === member.name)
  const bundle = intent && publishedBundle(intent, desired.record)
  if (intent?.published === undefined || bundle === undefined)
    throw new FederationError(
      'bundle-refused',
      name,
      `bundles/${member.trustDomain}.json does not have exactly the roots that the record approves; nothing was published`,
      {
        hint: `entente approve ${name} --reason "WHY"`,
      },
    )
  const { sequence } = bundle
  return {
    member,
    endpoint: endpointOf(member, member.publish),
    objects: intent.published,
    ...(sequence === undefined ? {} : { sequence }),
  }
}

/** Carries out only the steps that publish. @throws FederationError as `publication` and `applyPlan` */
export async function publish(
  ports: PlanPorts & CarryOutPorts & Pick<Ports, 'agree'>,
  { member, ...leave }: PublishInput,
): Promise<Published> {
  const said = await publication(ports, member)
  const { plan } = await planFederation(ports)
  const steps = plan.steps.filter((step) => {
    const object = step.after ?? step.before
    return step.member === said.member.name && object !== undefined && isPublication(object)
  })
  if (steps.length === 0) return said
  return { ...said, applied: await applyPlan(ports, { ...leave, consent: steps.map(({ id }) => id) }) }
}

const WAIT_MS = 15_000
const EVERY_MS = 1_000

/**
 * Fetches our own endpoint as a partner does, until it serves the published sequence.
 * @returns why it does not, after 15 seconds; undefined if it does
 */
export async function answers(
  ports: PlanPorts & Pick<Ports, 'endpoints' | 'sleep'>,
  { member, endpoint, objects }: Published,
): Promise<Finding | undefined> {
  const wanted = objects.map(publishedSequence).find((sequence) => sequence !== undefined)
  const desired = await readDesired(ports)
  const own = desired.intents.find((intent) => intent.member.name === member.name)?.own
  let why: Finding | undefined
  for (let waited = 0; waited <= WAIT_MS && !ports.stopped(); waited += EVERY_MS) {
    try {
      const full =
        endpoint.profile === 'https_web'
          ? endpoint
          : { ...endpoint, endpointBundle: own ?? { trustDomain: member.trustDomain, anchors: [] } }
      const { body } = await ports.endpoints.fetch(full)
      const { sequence } = inspect(body, { format: 'spiffe', trustDomain: member.trustDomain, now: ports.now() })
      if (sequence === wanted) return undefined
      why = fromError(
        new FederationError('endpoint-refused', endpoint.url, `serves sequence ${sequence ?? 'none'}, and ${wanted} was published`),
      )
    } catch (thrown) {
      if (!(thrown instanceof FederationError)) throw thrown
      why = fromError(thrown)
    }
    await rest(EVERY_MS, ports)
  }
  return why
}
