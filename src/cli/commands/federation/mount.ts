/** `mount`: which workloads of mounted sets lack the mount, and what one restart will do; with `--rollout`, does it. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeClient } from '../../../adapters/kubernetes/transport/client.ts'
import { groupBy } from '../../../core/basics/group-by.ts'
import { asFailureOf, FederationError } from '../../../core/diagnostics/errors.ts'
import { asWarning, type Finding, fromError, hasErrors } from '../../../core/diagnostics/finding.ts'
import { notChecked } from '../../../core/mesh/mesh-findings.ts'
import { at, type Manifest } from '../../../core/model/manifest.ts'
import type { Observation } from '../../../core/model/observed.ts'
import type { Intent } from '../../../core/model/wanted.ts'
import { course } from '../../../core/plan/course.ts'
import { type Carrier, carriers, filesStand } from '../../../core/plan/hazards/mounted-files.ts'
import { mountFor } from '../../../core/trust/mounted/mount.ts'
import { wantedState } from '../../../core/trust/wanted-state.ts'
import { goOn, overseer } from '../../input/limits.ts'
import { type FileOptions, meshesOf, openWorkspace, type Workspace } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { type Lacking, mountText } from '../../print/mount-text.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'
import { agree } from './apply.ts'

export interface MountOptions extends FileOptions {
  readonly output: Output
  readonly rollout?: boolean
  readonly yes?: boolean
  readonly timeoutMilliseconds: number
}

interface Looked {
  readonly carriers: readonly Lacking[]
  readonly findings: readonly Finding[]
  /** Members whose files do not stand yet. */
  readonly early: ReadonlySet<string>
}

export async function run(options: MountOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const clients = await clientsOf(workspace, io)
  try {
    const looked = await look(workspace, clients, io)
    if (options.rollout !== true) return tell(looked, options, io)
    const findings = await rollOut(looked, clients, options, io)
    return tell({ ...(await look(workspace, clients, io)), findings: [...looked.findings, ...findings] }, options, io)
  } finally {
    for (const client of clients.values()) client.close()
  }
}

async function clientsOf({ federation, kubeconfig, limits = {} }: Workspace, io: Io): Promise<ReadonlyMap<string, KubeClient>> {
  const [{ loadKubeconfig }, { kubeClient }] = await Promise.all([
    import('../../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../../adapters/kubernetes/transport/client.ts'),
  ])
  const config = await loadKubeconfig({ env: io.env, ...(kubeconfig === undefined ? {} : { path: kubeconfig }) })
  const members = [...federation.members.values()].filter((member) => member.home?.context !== undefined)
  const clients = members.flatMap(({ name, home }): [string, KubeClient][] => {
    try {
      return [[name, kubeClient(config.access(home?.context ?? ''), { subject: name, limits, ...overseer(io) })]]
    } catch (cause) {
      // The look at it says why, too.
      if (cause instanceof FederationError) return []
      throw cause
    }
  })
  return new Map(clients)
}

async function look(workspace: Workspace, clients: ReadonlyMap<string, KubeClient>, io: Io): Promise<Looked> {
  const { observe } = await import('../../../app/apply/apply.ts')
  const mounted = workspace.intents.filter(({ trusts }) => trusts.some((trust) => trust.distribution === 'mounted'))
  const seen = await observe(mounted, await meshesOf(workspace.federation, workspace, io))
  goOn(io)
  const parts = await Promise.all(mounted.map((intent) => lookAt(intent, seen.get(intent.member.name), clients.get(intent.member.name))))
  return {
    carriers: parts.flatMap((part) => part.carriers),
    findings: parts.flatMap((part) => part.findings),
    early: new Set(parts.flatMap((part) => [...part.early])),
  }
}

async function lookAt(intent: Intent, seen: Observation | undefined, client: KubeClient | undefined): Promise<Looked> {
  const { name, home } = intent.member
  const nothing = { carriers: [], early: new Set<string>() }
  if (seen?.objects.ok === false) return { ...nothing, findings: [seen.objects.error] }
  if (client === undefined || seen === undefined)
    return { ...nothing, findings: [notChecked('warning', name, 'there is no API server for it here: its pods cannot be seen')] }
  const going = course(intent, seen)
  if (going === undefined) return { ...nothing, findings: [] }
  const wanted = wantedState(going.intent, going.before, going.author.own)
  const objects = seen.objects.value
  const bare = carriers(intent, wanted, going.before, objects, [])
  const { templates, findings } = await templatesOf(client, [...new Set(bare.map(({ namespace }) => namespace))])
  const known = new Map(templates.map((of) => [`${of.kind} ${of.metadata.namespace}/${of.metadata.name}`, of]))
  const all = carriers(intent, wanted, going.before, objects, templates).map((carrier): Lacking => {
    const template = at(known.get(`${carrier.kind} ${carrier.namespace}/${carrier.name}`), 'spec', 'template')
    const patch = carrier.template === 'bare' ? mountFor(template) : undefined
    return { ...carrier, context: home?.context ?? '', ...(patch === undefined ? {} : { patch }) }
  })
  return { carriers: all, findings, early: filesStand(wanted, going.before) ? new Set() : new Set([name]) }
}

/** Rights to look at workloads are optional: pods alone say who lacks the mount. */
async function templatesOf(
  client: KubeClient,
  namespaces: readonly string[],
): Promise<{ templates: readonly Manifest[]; findings: readonly Finding[] }> {
  const { listTemplates } = await import('../../../adapters/kubernetes/read/templates.ts')
  try {
    return { templates: await listTemplates(client, namespaces), findings: [] }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { templates: [], findings: [asWarning(fromError(cause))] }
  }
}

/** In each member one after the other; the first that does not become ready is the last there. @returns what stopped it */
async function rollOut(
  { carriers: all, early }: Looked,
  clients: ReadonlyMap<string, KubeClient>,
  options: MountOptions,
  io: Io,
): Promise<readonly Finding[]> {
  const { rolls } = await import('../../../adapters/kubernetes/read/templates.ts')
  const lacking = all.filter(({ kind, lacking }) => lacking.length > 0 && rolls(kind))
  const due = lacking.filter(({ member }) => !early.has(member))
  const waiting = [...new Set(lacking.map(({ member }) => member))].filter((member) => early.has(member)).map(tooEarly)
  const [first] = waiting
  if (due.length === 0 && first !== undefined) throw first
  if (due.length === 0) return []
  io.tell(mountText(due, io.color))
  await agree(show`\nRestart the pods of these ${due.length} workloads, one workload after the other?`, options, io)
  const each = [...groupBy(due, ({ member }) => member)].map(async ([member, some]): Promise<readonly Finding[]> => {
    try {
      return await rollIn(some, clients.get(member) as KubeClient, options, io)
    } catch (thrown) {
      // Its API server's failure is no reason to leave the others without.
      return [fromError(asFailureOf(member, thrown))]
    }
  })
  return [...waiting.map(fromError), ...(await Promise.all(each)).flat()]
}

const tooEarly = (member: string): FederationError =>
  new FederationError('mount-too-early', member, 'its files do not stand in their ConfigMaps yet; no pod was restarted', {
    hint: 'entente apply first: it writes the ConfigMaps, and filters that select nobody before pods have the mount',
  })

async function rollIn(due: readonly Lacking[], client: KubeClient, options: MountOptions, io: Io): Promise<readonly Finding[]> {
  const { patchTemplate, rolloutOf } = await import('../../../adapters/kubernetes/read/templates.ts')
  for (const carrier of due) {
    const what = `${carrier.kind} ${carrier.namespace}/${carrier.name}`
    if (carrier.template === 'bare' && carrier.patch === undefined)
      return [stopped(carrier, 'the volumes in its annotations cannot be read', 'correct sidecar.istio.io/userVolume in its template')]
    if (carrier.patch !== undefined) await patchTemplate(client, carrier, carrier.patch)
    io.tell(`${carrier.member}: ${what} rolls its pods`)
    const begun = io.now().getTime()
    for (;;) {
      const { state, words } = await rolloutOf(client, carrier)
      if (state === 'done') break
      const late = io.now().getTime() - begun > options.timeoutMilliseconds
      if (state === 'stuck' || late || io.stopped())
        return [
          stopped(
            carrier,
            `did not become ready: ${words}`,
            `kubectl -n ${carrier.namespace} rollout status ${carrier.kind.toLowerCase()}/${carrier.name}; its old pods go on`,
          ),
        ]
      await sleep(500)
    }
    io.tell(`${carrier.member}: ${what} has the mount, after ${Math.round((io.now().getTime() - begun) / 1000)} s`)
  }
  return []
}

const stopped = ({ member, kind, namespace, name }: Carrier, message: string, hint: string): Finding => ({
  code: 'rollout-stopped',
  severity: 'error',
  subject: `${member}: ${kind} ${namespace}/${name}`,
  message: `${message}; no other workload of ${member} was touched after it`,
  hint,
})

function tell({ carriers: all, findings }: Looked, options: MountOptions, io: Io): number {
  if (options.output === 'json') io.print(json({ workloads: all.map(viewOf), findings }))
  else {
    io.print(all.length === 0 ? 'No running workload is in a mounted scope.' : mountText(all, io.color))
    if (findings.length > 0) io.tell(show`\n${findingsText(findings, io.color)}`)
  }
  if (hasErrors(findings)) return 1
  return all.some(({ lacking }) => lacking.length > 0) ? 2 : 0
}

const viewOf = ({ context: _, patch, template, ...carrier }: Lacking) => ({
  ...carrier,
  template: template ?? null,
  patch: patch === undefined ? null : { spec: { template: { metadata: patch } } },
})
