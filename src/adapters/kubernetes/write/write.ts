/**
 * One step: server-side apply or delete, each comparing before it sets.
 *
 * Entente owns its objects completely. Server-side apply alone would keep fields that others added, and would refuse to
 * change fields that kubectl edited. The plan showed that edit as `before`, so the user consented to reverting it.
 */
import type { WriteOptions } from '../../../app/ports.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { at, content, list, sameContent, text, title } from '../../../core/model/manifest.ts'
import type { Step } from '../../../core/model/planned.ts'
import { pathOf, type Resource, writableResource } from '../resources.ts'
import { type KubeClient, type Live, parseLive } from '../transport/client.ts'
import { type Answer, asked, fieldConflicts, refusal } from '../transport/errors.ts'

const FIELD_MANAGER = 'entente'

/** @throws FederationError changed-meanwhile, conflict, forbidden, cluster-unreachable, cluster-refused, object-invalid */
export async function write(client: KubeClient, step: Step, options: Pick<WriteOptions, 'forceConflicts' | 'found'>): Promise<void> {
  const object = step.after ?? step.before
  if (object === undefined) return
  const resource = resourceFor(client, object)
  if (options.found === true && options.forceConflicts && step.after !== undefined)
    return overwrite(client, resource, step.before, step.after)
  const found = await client.raw(resource, object.metadata.namespace, object.metadata.name)
  const live = found === undefined ? undefined : parseLive(client.subject, found, resource)
  if (step.after === undefined) return remove(client, resource, live, object)
  expectBefore(client, live, step.before, object)
  if (live === undefined) return create(client, resource, step.after)
  if (!options.forceConflicts) expectSoleOwner(client, found, step.after)
  return update(client, resource, live, step.after, options.forceConflicts)
}

/** The API server compares: another client's object answers 200 to the creation, and another resourceVersion is a 409. */
const overwrite = (client: KubeClient, resource: Resource, found: Live | undefined, after: Manifest): Promise<void> =>
  found === undefined ? create(client, resource, after) : update(client, resource, found, after, true)

function resourceFor(client: KubeClient, object: Manifest): Resource {
  const found = writableResource(object.apiVersion, object.kind)
  if (found !== undefined) return found
  throw new FederationError('object-invalid', client.subject, `${title(object)} (${object.apiVersion}) is not a kind that Entente writes`)
}

function expectBefore(client: KubeClient, live: Live | undefined, before: Manifest | undefined, object: Manifest): void {
  if (live === undefined && before === undefined) return
  if (live !== undefined && before !== undefined && sameContent(live, before)) return
  const how = before === undefined ? 'was created' : live === undefined ? 'was deleted' : 'was changed'
  throw changed(client, `${title(object)} ${how} since the plan was made`)
}

const changed = (client: KubeClient, message: string): FederationError =>
  new FederationError('changed-meanwhile', client.subject, message, { hint: 'run the command again: it plans again' })

/** An object that is deleted already is as intended: a step that closes never stops at that. */
async function remove(client: KubeClient, resource: Resource, live: Live | undefined, before: Manifest): Promise<void> {
  if (live === undefined) return
  expectBefore(client, live, before, before)
  const { namespace, name, uid, resourceVersion } = live.metadata
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } }
  const gone = (answer: Answer): boolean => answer.status === 404
  await client.call({ method: 'DELETE', path: pathOf(resource, namespace, name), body }, asked('delete', resource, namespace, name), gone)
}

async function create(client: KubeClient, resource: Resource, after: Manifest): Promise<void> {
  const answer = await apply(client, resource, after, { force: false })
  // 201: created. 200: another client created it meanwhile, and it is now a mixture of both.
  if (answer.status !== 201) throw changed(client, `${title(after)} was created by another client at the same moment`)
}

async function update(client: KubeClient, resource: Resource, live: Live, after: Manifest, forceConflicts: boolean): Promise<void> {
  const { resourceVersion } = live.metadata
  const first = await apply(client, resource, after, { force: forceConflicts, resourceVersion }, (answer) =>
    fieldConflicts(answer).every(byHand),
  )
  const answer = first.status === 409 ? await apply(client, resource, after, { force: true, resourceVersion }) : first
  const written = parseLive(client.subject, answer.body, resource)
  if (!sameContent(written, after)) await replace(client, resource, written, after)
}

/**
 * Checked before anything is written: a field of another manager would stay and change the meaning of the object (for
 * example a selector of a policy). Other managers may own labels, annotations and status.
 */
function expectSoleOwner(client: KubeClient, live: unknown, after: Manifest): void {
  const others = list(at(live, 'metadata', 'managedFields')).flatMap((entry) => {
    const manager = text(at(entry, 'manager'))
    const fields = contentFields(at(entry, 'fieldsV1'))
    return byHand({ manager }) || fields.length === 0 ? [] : [`${fields.join(', ')} by ${manager}`]
  })
  if (others.length === 0) return
  throw new FederationError('conflict', client.subject, `${title(after)}: other managers own fields of it: ${others.join('; ')}`, {
    hint: 'stop the other manager from writing this object, or take it over with --force-conflicts',
  })
}

/** `.spec.action`: two levels are enough. fieldsV1 names a field `f:NAME`. */
function contentFields(fields: unknown): readonly string[] {
  const names = (value: unknown): string[] => Object.keys(Object(value)).flatMap((key) => (key.startsWith('f:') ? [key.slice(2)] : []))
  const top = names(fields).filter((name) => name !== 'metadata' && name !== 'status')
  return top.flatMap((name) => {
    const below = names(at(fields, `f:${name}`))
    return below.length === 0 ? [`.${name}`] : below.map((field) => `.${name}.${field}`)
  })
}

/** Edits by kubectl, and remains of an update by Entente. */
const byHand = ({ manager }: { readonly manager: string }): boolean => manager.startsWith('kubectl') || manager === FIELD_MANAGER

interface ApplyOptions {
  readonly force: boolean
  readonly resourceVersion?: string | undefined
}

async function apply(
  client: KubeClient,
  resource: Resource,
  after: Manifest,
  { force, resourceVersion }: ApplyOptions,
  mayForce: (answer: Answer) => boolean = () => false,
): Promise<Answer> {
  const { namespace, name } = after.metadata
  const query = { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', force: String(force) }
  return client.call(
    {
      method: 'PATCH',
      path: pathOf(resource, namespace, name),
      query,
      body: bare(after, resourceVersion),
      contentType: 'application/apply-patch+yaml',
    },
    asked('patch', resource, namespace, name),
    (answer) => fieldConflicts(answer).length > 0 && mayForce(answer),
  )
}

/**
 * Server-side apply removes only fields that Entente alone owns; a field that another client added stays. If the result
 * has more than intended, the whole object is replaced, still comparing the resourceVersion.
 */
async function replace(client: KubeClient, resource: Resource, written: Live, after: Manifest): Promise<void> {
  const { namespace, name, resourceVersion } = written.metadata
  const bareBody = bare(after, resourceVersion)
  const body = { ...bareBody, metadata: { ...bareBody.metadata, ...besideOurs(written, after) } }
  const query = { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict' }
  const what = asked('update', resource, namespace, name)
  const answer = await client.call({ method: 'PUT', path: pathOf(resource, namespace, name), query, body }, what)
  if (sameContent(parseLive(client.subject, answer.body, resource), after)) return
  throw refusal(client.subject, client.access.context, what, {
    status: 422,
    body: { message: 'the cluster stored something else than Entente wrote: a mutating webhook changed it, or the CRD lacks a field' },
  })
}

/** Labels and annotations of other tools (for example tracking labels of a GitOps tool) stay. */
function besideOurs(written: Manifest, after: Manifest): Pick<Manifest['metadata'], 'labels' | 'annotations'> {
  const ours = content(written).metadata
  const join = (key: 'labels' | 'annotations'): Record<string, string> => {
    const theirs = Object.entries(written.metadata[key] ?? {}).filter(([name]) => ours[key]?.[name] === undefined)
    return { ...Object.fromEntries(theirs), ...after.metadata[key] }
  }
  return { labels: join('labels'), annotations: join('annotations') }
}

/** The part that Entente sends, without the fields that the API server manages. */
function bare(after: Manifest, resourceVersion: string | undefined): Manifest {
  const { namespace, name, labels, annotations } = after.metadata
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  }
  return { ...after, metadata }
}
