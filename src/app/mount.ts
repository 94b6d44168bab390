/** `mount`: lists the workloads that lack the mount, and what one restart of each does. With `rollout`, it restarts them. */

import { groupBy } from '../core/basics/group-by.ts'
import { asFailureOf, FederationError } from '../core/diagnostics/errors.ts'
import { asWarning, error, type Finding, fromError } from '../core/diagnostics/finding.ts'
import { about } from '../core/diagnostics/subject.ts'
import { notChecked } from '../core/mesh/mesh-findings.ts'
import type { Manifest } from '../core/model/manifest.ts'
import { at } from '../core/model/manifest.ts'
import type { Observation } from '../core/model/observed.ts'
import type { Intent, MemberName } from '../core/model/wanted.ts'
import { course } from '../core/plan/course.ts'
import { type Carrier, carriers, filesStand } from '../core/plan/hazards/mounted-files.ts'
import { mountFor } from '../core/trust/mounted/mount.ts'
import { wantedState } from '../core/trust/wanted-state.ts'
import { observe } from './apply/apply.ts'
import { readDesired } from './desired.ts'
import type { Lacking } from './events.ts'
import type { PlanPorts } from './plan.ts'
import type { Desired } from './ports-desired.ts'
import type { Templates } from './ports-templates.ts'
import { goOn, type Ports } from './use-case.ts'

export interface MountInput {
  readonly rollout?: boolean
  /** Time limit for each workload to become ready. */
  readonly timeoutMilliseconds: number
}

export interface Mounted {
  readonly workloads: readonly Lacking[]
  readonly findings: readonly Finding[]
}

export type MountPorts = PlanPorts & Pick<Ports, 'templates' | 'sleep' | 'report' | 'agree'>

interface MissingMounts extends Mounted {
  /** Members whose ConfigMaps of roots do not exist yet. */
  readonly early: ReadonlySet<MemberName>
}

type ByMember = ReadonlyMap<MemberName, Templates>

/** @throws FederationError mount-too-early, not-confirmed: then no pod was restarted */
export async function mount(ports: MountPorts, input: MountInput): Promise<Mounted> {
  const desired = await readDesired(ports)
  const templates = await ports.templates(desired.federation)
  try {
    const missing = await missingMounts(ports, desired, templates)
    if (input.rollout !== true) return missing
    const findings = await rollOut(ports, missing, templates, input)
    const after = await missingMounts(ports, desired, templates)
    return { ...after, findings: [...missing.findings, ...findings] }
  } finally {
    for (const one of templates.values()) one.close()
  }
}

async function missingMounts(ports: Pick<Ports, 'meshes' | 'stopped'>, desired: Desired, templates: ByMember): Promise<MissingMounts> {
  const mounted = desired.intents.filter(({ trusts }) => trusts.some((trust) => trust.distribution === 'mounted'))
  const seen = await observe(mounted, await ports.meshes(desired))
  goOn(ports)
  const parts = await Promise.all(
    mounted.map((intent) => missingMountsOf(intent, seen.get(intent.member.name), templates.get(intent.member.name))),
  )
  return {
    workloads: parts.flatMap((part) => part.workloads),
    findings: parts.flatMap((part) => part.findings),
    early: new Set(parts.flatMap((part) => [...part.early])),
  }
}

async function missingMountsOf(intent: Intent, seen: Observation | undefined, templates: Templates | undefined): Promise<MissingMounts> {
  const { name, home } = intent.member
  const nothing = { workloads: [], early: new Set<MemberName>() }
  if (seen?.objects.ok === false) return { ...nothing, findings: [seen.objects.error] }
  if (templates === undefined || seen === undefined)
    return {
      ...nothing,
      findings: [notChecked('warning', about.member(name), 'no API server for it is known here, so Entente cannot read its pods')],
    }
  const going = course(intent, seen)
  if (going === undefined) return { ...nothing, findings: [] }
  const wanted = wantedState(going.intent, going.before, going.author.own)
  const objects = seen.objects.value
  const bare = carriers(intent, wanted, going.before, objects, [])
  const { owners, findings } = await ownersOf(templates, [...new Set(bare.map(({ namespace }) => namespace))])
  const known = new Map(owners.map((of) => [`${of.kind} ${of.metadata.namespace}/${of.metadata.name}`, of]))
  const workloads = carriers(intent, wanted, going.before, objects, owners).map((carrier): Lacking => {
    const template = at(known.get(`${carrier.kind} ${carrier.namespace}/${carrier.name}`), 'spec', 'template')
    const patch = carrier.template === 'bare' ? mountFor(template) : undefined
    return { ...carrier, context: home?.context ?? '', ...(patch && { patch }) }
  })
  return { workloads, findings, early: filesStand(wanted, going.before) ? new Set() : new Set([name]) }
}

/** The right to read workloads is optional: the pods alone show which of them lack the mount. */
async function ownersOf(
  templates: Templates,
  namespaces: readonly string[],
): Promise<{ readonly owners: readonly Manifest[]; readonly findings: readonly Finding[] }> {
  try {
    return { owners: await templates.list(namespaces), findings: [] }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { owners: [], findings: [asWarning(fromError(cause))] }
  }
}

/**
 * Restarts the workloads of each member one after the other, and stops that member at the first that does not become
 * ready.
 * @returns what stopped it
 */
async function rollOut(
  ports: MountPorts,
  { workloads, early }: MissingMounts,
  templates: ByMember,
  input: MountInput,
): Promise<readonly Finding[]> {
  const lacking = workloads.filter(({ member, kind, lacking }) => lacking.length > 0 && templates.get(member)?.rolls(kind) === true)
  const due = lacking.filter(({ member }) => !early.has(member))
  const waiting = [...new Set(lacking.map(({ member }) => member))].filter((member) => early.has(member)).map(tooEarly)
  const [first] = waiting
  if (due.length === 0 && first !== undefined) throw first
  if (due.length === 0) return []
  ports.report({ kind: 'lacking', workloads: due })
  await ports.agree({ kind: 'roll-out', workloads: due.length })
  const each = [...groupBy(due, ({ member }) => member)].map(async ([member, some]): Promise<readonly Finding[]> => {
    const owners = templates.get(member)
    if (owners === undefined) return []
    try {
      return await rollIn(ports, some, owners, input)
    } catch (thrown) {
      // A failure of one member's API server does not stop the others.
      return [fromError(asFailureOf(about.member(member), thrown))]
    }
  })
  return [...waiting.map(fromError), ...(await Promise.all(each)).flat()]
}

const tooEarly = (member: string): FederationError =>
  new FederationError('mount-too-early', about.member(member), 'the ConfigMaps with its roots do not exist yet; no pod was restarted', {
    hint: 'entente apply: it writes the ConfigMaps, and filters that select no pod before it has the mount',
  })

async function rollIn(
  ports: Pick<Ports, 'now' | 'sleep' | 'stopped' | 'report'>,
  due: readonly Lacking[],
  templates: Templates,
  { timeoutMilliseconds }: MountInput,
): Promise<readonly Finding[]> {
  for (const workload of due) {
    const { kind, namespace, name, template, patch } = workload
    if (template === 'bare' && patch === undefined)
      return [
        stopped(
          workload,
          'the annotation sidecar.istio.io/userVolume of its template is not valid JSON',
          'correct sidecar.istio.io/userVolume in its pod template',
        ),
      ]
    if (patch !== undefined) await templates.patch(workload, patch)
    ports.report({ kind: 'rolling', workload })
    const begun = ports.now().getTime()
    for (;;) {
      const { state, words } = await templates.rollout(workload)
      if (state === 'done') break
      const late = ports.now().getTime() - begun > timeoutMilliseconds
      if (state === 'stuck' || late || ports.stopped()) {
        const hint = `kubectl -n ${namespace} rollout status ${kind.toLowerCase()}/${name}; its old pods keep running`
        return [stopped(workload, `did not become ready: ${words}`, hint)]
      }
      await ports.sleep(500)
    }
    ports.report({ kind: 'rolled', workload, milliseconds: ports.now().getTime() - begun })
  }
  return []
}

const stopped = ({ member, kind, namespace, name }: Carrier, message: string, hint: string): Finding =>
  error(
    'rollout-stopped',
    about.object({ kind, metadata: { namespace, name } }, member),
    `${message}; Entente restarted no other workload of ${member} after it`,
    hint,
  )
