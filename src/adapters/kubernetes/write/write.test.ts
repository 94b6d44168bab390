import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, type ReceivedRequest, status } from '../../../../test/support/fake-kube.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import type { Step } from '../../../core/model/planned.ts'
import { write } from './write.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const policy = (action: string, spec: object = {}): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'entente-x', namespace: 'sample', labels: { 'app.kubernetes.io/managed-by': 'entente' } },
  spec: { action, ...spec },
})
const owned = (manager: string, fields: object) => ({ manager, operation: 'Update', fieldsV1: fields })
const live = (object: Manifest, managedFields: object[] = []) => ({
  ...object,
  metadata: { ...object.metadata, uid: 'u-1', resourceVersion: '7', managedFields },
})
const step = (before: Manifest | undefined, after: Manifest | undefined): Step =>
  ({
    id: 'sha256:0',
    member: 'b',
    phase: 'guard',
    changes: [],
    drains: 0,
    gates: [],
    reason: '',
    ...(before && { before }),
    ...(after && { after }),
  }) as unknown as Step

/** What was asked beside the GET in front, and what came of it. */
async function run(
  answers: Answers,
  wanted: Step,
  forceConflicts = false,
): Promise<{ writes: readonly ReceivedRequest[]; thrown: unknown }> {
  const server = await fakeKube(answers)
  open.push(server)
  const thrown = await write(await server.client(), wanted, { forceConflicts }).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  return { writes: server.requests.filter((r) => r.method !== 'GET'), thrown }
}

const missing = status(404, 'NotFound', 'not found')
const conflictWith = (...managers: string[]) =>
  status(409, 'Conflict', 'Apply failed', {
    causes: managers.map((m) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with "${m}" using security.istio.io/v1`,
      field: '.spec.action',
    })),
  })

describe('a write compares before it sets', () => {
  it.each([
    {
      name: 'an object that was created meanwhile',
      there: live(policy('DENY')),
      wanted: step(undefined, policy('DENY')),
      word: 'was created',
    },
    { name: 'an object that was deleted meanwhile', there: undefined, wanted: step(policy('DENY'), policy('ALLOW')), word: 'was deleted' },
    {
      name: 'an object that was changed meanwhile',
      there: live(policy('AUDIT')),
      wanted: step(policy('DENY'), policy('ALLOW')),
      word: 'was changed',
    },
    {
      name: 'a changed object that would be deleted',
      there: live(policy('AUDIT')),
      wanted: step(policy('DENY'), undefined),
      word: 'was changed',
    },
  ])('refuses $name', async ({ there, wanted, word }) => {
    const { writes, thrown } = await run(() => (there === undefined ? missing : { body: there }), wanted)
    expect(writes).toEqual([])
    expect(thrown).toMatchObject({ code: 'changed-meanwhile', message: expect.stringContaining(word) })
  })

  it('sends the version that it read, with strict validation, as field manager entente, without force', async () => {
    const { writes, thrown } = await run(
      ({ method }) => ({ body: live(policy(method === 'GET' ? 'DENY' : 'ALLOW')) }),
      step(policy('DENY'), policy('ALLOW')),
    )
    expect(thrown).toBeUndefined()
    expect(writes).toMatchObject([
      {
        method: 'PATCH',
        path: '/apis/security.istio.io/v1/namespaces/sample/authorizationpolicies/entente-x',
        query: { fieldManager: 'entente', fieldValidation: 'Strict', force: 'false' },
        headers: { 'content-type': 'application/apply-patch+yaml' },
        body: { metadata: { resourceVersion: '7' }, spec: { action: 'ALLOW' } },
      },
    ])
  })

  it('deletes exactly the object that it read', async () => {
    const { writes } = await run(() => ({ body: live(policy('DENY')) }), step(policy('DENY'), undefined))
    expect(writes).toMatchObject([{ method: 'DELETE', body: { preconditions: { uid: 'u-1', resourceVersion: '7' } } }])
  })

  it('counts an object that was already deleted as deleted', async () => {
    expect(await run(() => missing, step(policy('DENY'), undefined))).toEqual({ writes: [], thrown: undefined })
  })

  it('detects that another client created the object at the same moment', async () => {
    const { thrown } = await run(
      ({ method }) => (method === 'GET' ? missing : { status: 200, body: live(policy('DENY')) }),
      step(undefined, policy('DENY')),
    )
    expect(thrown).toMatchObject({ code: 'changed-meanwhile' })
  })

  it.each([
    { name: 'is not read again', answer: { body: live(policy('ALLOW')) }, code: undefined },
    { name: 'was changed since', answer: status(409, 'Conflict', 'the object has been modified'), code: 'changed-meanwhile' },
  ])('an object that the apply just found $name', async ({ answer, code }) => {
    const server = await fakeKube(() => answer)
    open.push(server)
    const wrote = write(await server.client(), step(live(policy('DENY')), policy('ALLOW')), { forceConflicts: true, found: true })
    expect(await wrote.catch((cause: unknown) => (cause as { readonly code: string }).code)).toBe(code)
    expect(server.requests).toMatchObject([{ method: 'PATCH', body: { metadata: { resourceVersion: '7' } } }])
  })

  it('writes only the kinds that Entente manages', async () => {
    const secret = { ...policy('DENY'), apiVersion: 'v1', kind: 'Secret' }
    const { writes, thrown } = await run(() => missing, step(undefined, secret))
    expect([writes, (thrown as { code: string }).code]).toEqual([[], 'object-invalid'])
  })
})

describe('conflicts with other field managers', () => {
  const answer =
    (managers: string[], fields: object[] = []): Answers =>
    ({ method, query }) => {
      if (method === 'GET') return { body: live(policy('DENY'), fields) }
      return query.force === 'true' ? { body: live(policy('ALLOW')) } : conflictWith(...managers)
    }
  const forces = (writes: readonly ReceivedRequest[]) => writes.map((w) => w.query.force)
  const change = step(policy('DENY'), policy('ALLOW'))

  it.each([
    {
      name: 'a hand edit by kubectl is reverted',
      managers: ['kubectl-edit', 'kubectl-client-side-apply'],
      force: false,
      sent: ['false', 'true'],
      code: undefined,
    },
    {
      name: 'another tool’s field is not overwritten by default',
      managers: ['kubectl-edit', 'helm'],
      force: false,
      sent: ['false'],
      code: 'conflict',
    },
    { name: 'another tool’s field is overwritten on request', managers: ['helm'], force: true, sent: ['true'], code: undefined },
  ])('$name', async ({ managers, force, sent, code }) => {
    const { writes, thrown } = await run(answer(managers), change, force)
    expect([forces(writes), (thrown as { code?: string } | undefined)?.code]).toEqual([sent, code])
  })

  it.each([
    {
      name: 'a field that another tool added stops the write in advance',
      manager: 'argocd-controller',
      fields: { 'f:spec': { 'f:selector': {} } },
      code: 'conflict',
    },
    {
      name: 'a tracking label does not stop the write',
      manager: 'argocd-controller',
      fields: { 'f:metadata': { 'f:labels': {} } },
      code: undefined,
    },
    {
      name: 'a status does not stop the write',
      manager: 'pilot-discovery',
      fields: { 'f:status': { 'f:conditions': {} } },
      code: undefined,
    },
    {
      name: 'a field that kubectl added does not stop the write',
      manager: 'kubectl-patch',
      fields: { 'f:spec': { 'f:selector': {} } },
      code: undefined,
    },
  ])('$name', async ({ manager, fields, code }) => {
    const { writes, thrown } = await run(
      ({ method }) => ({ body: live(policy(method === 'GET' ? 'DENY' : 'ALLOW'), [owned(manager, fields)]) }),
      change,
    )
    expect([(thrown as { code?: string } | undefined)?.code, writes.length]).toEqual([code, code === undefined ? 1 : 0])
    if (code !== undefined) expect((thrown as Error).message).toContain('.spec.selector by argocd-controller')
  })

  it('replaces the whole object if a field that somebody added by hand stays, and keeps other tools’ labels', async () => {
    const edited = policy('ALLOW', { selector: { matchLabels: { a: 'b' } } })
    const tracked = {
      ...live(edited),
      metadata: {
        ...live(edited).metadata,
        resourceVersion: '8',
        labels: { ...edited.metadata.labels, 'argocd.argoproj.io/instance': 'x' },
      },
    }
    const { writes, thrown } = await run(
      ({ method }) => {
        if (method === 'GET') return { body: live(policy('DENY', { selector: { matchLabels: { a: 'b' } } })) }
        return { body: method === 'PUT' ? live(policy('ALLOW')) : tracked }
      },
      step(policy('DENY', { selector: { matchLabels: { a: 'b' } } }), policy('ALLOW')),
    )
    expect(thrown).toBeUndefined()
    expect(writes[1]).toMatchObject({
      method: 'PUT',
      body: {
        metadata: { resourceVersion: '8', labels: { 'argocd.argoproj.io/instance': 'x', 'app.kubernetes.io/managed-by': 'entente' } },
        spec: { action: 'ALLOW' },
      },
    })
    expect(writes[1]?.body).not.toHaveProperty('spec.selector')
  })

  it('reports that the cluster stored something other than what was written', async () => {
    const { thrown } = await run(() => ({ body: live(policy('DENY')) }), change)
    expect(thrown).toMatchObject({ code: 'object-invalid', message: expect.stringContaining('something else') })
  })
})
