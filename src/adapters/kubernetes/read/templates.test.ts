import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube } from '../../../../test/support/fake-kube.ts'
import { MOUNT } from '../../../core/trust/mounted/mount.ts'
import { nudge } from '../write/nudge.ts'
import { listTemplates, patchTemplate, rolloutOf } from './templates.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
async function cluster(answers: Answers) {
  const kube = await fakeKube(answers)
  open.push(kube)
  return { kube, client: await kube.client() }
}

const server = (kind: string) => ({ kind, namespace: 'sample', name: 'server' })
const live = (spec: object, status: object, generation = 2) => ({
  metadata: { name: 'server', namespace: 'sample', generation },
  spec: { replicas: 2, ...spec },
  status: { observedGeneration: 2, ...status },
})

describe('the progress of a rollout', () => {
  const ready = { replicas: 2, updatedReplicas: 2, availableReplicas: 2, readyReplicas: 2 }
  it.each([
    { name: 'a Deployment with all new pods available is done', kind: 'Deployment', of: live({}, ready), state: 'done' },
    { name: 'one with an unobserved change is not', kind: 'Deployment', of: live({}, ready, 3), state: 'under way' },
    { name: 'one with old pods is not', kind: 'Deployment', of: live({}, { ...ready, replicas: 3 }), state: 'under way' },
    {
      name: 'one with a pod that is not ready is not',
      kind: 'Deployment',
      of: live({}, { ...ready, availableReplicas: 1 }),
      state: 'under way',
    },
    {
      name: 'one past its deadline is stuck',
      kind: 'Deployment',
      of: live({}, { ...ready, conditions: [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded', message: 'timed out' }] }),
      state: 'stuck',
    },
    { name: 'a Deployment of no pods is done', kind: 'Deployment', of: live({ replicas: 0 }, {}), state: 'done' },
    { name: 'a StatefulSet is done when all are new and ready', kind: 'StatefulSet', of: live({}, ready), state: 'done' },
    {
      name: 'a StatefulSet whose pods somebody must delete is stuck',
      kind: 'StatefulSet',
      of: live({ updateStrategy: { type: 'OnDelete' } }, ready),
      state: 'stuck',
    },
    {
      name: 'a DaemonSet is done when every node has a new pod',
      kind: 'DaemonSet',
      of: live({}, { updatedNumberScheduled: 3, numberAvailable: 3, desiredNumberScheduled: 3 }),
      state: 'done',
    },
    {
      name: 'a DaemonSet is not done while a node has an old pod',
      kind: 'DaemonSet',
      of: live({}, { updatedNumberScheduled: 2, numberAvailable: 3, desiredNumberScheduled: 3 }),
      state: 'under way',
    },
  ])('$name', async ({ kind, of, state }) => {
    const { client } = await cluster(() => ({ body: of }))
    expect(await rolloutOf(client, server(kind))).toMatchObject({ state })
  })
})

describe('pod templates', () => {
  it('are read by namespace, with only their labels and annotations', async () => {
    const { client, kube } = await cluster(({ path }) => ({
      body: {
        items: path.endsWith('deployments')
          ? [
              {
                metadata: { name: 'server', namespace: 'sample' },
                spec: { template: { metadata: { labels: { app: 'server' } }, spec: { secret: 'x' } } },
              },
            ]
          : [],
      },
    }))
    const found = await listTemplates(client, ['sample'])
    expect(found).toEqual([
      expect.objectContaining({ kind: 'Deployment', spec: { template: { metadata: { labels: { app: 'server' }, annotations: {} } } } }),
    ])
    expect(kube.requests.map(({ path }) => path.replace(/.*\//, '')).sort()).toEqual(['daemonsets', 'deployments', 'statefulsets'])
  })

  it('get the mount through a patch of labels and annotations only', async () => {
    const { client, kube } = await cluster(() => ({ body: {} }))
    await patchTemplate(client, server('Deployment'), MOUNT)
    expect(kube.requests).toMatchObject([
      {
        method: 'PATCH',
        path: '/apis/apps/v1/namespaces/sample/deployments/server',
        headers: { 'content-type': 'application/strategic-merge-patch+json' },
        body: { spec: { template: { metadata: MOUNT } } },
      },
    ])
  })
})

describe('a nudge to the kubelet', () => {
  const pods = ['one', 'two'].map((name) => ({ namespace: 'sample', name }))
  it('annotates each pod, and tolerates a deleted one', async () => {
    const { client, kube } = await cluster(({ path }) =>
      path.endsWith('two') ? { status: 404, body: { kind: 'Status', reason: 'NotFound' } } : { body: {} },
    )
    await nudge(client, pods, '2026-06-01T12:00:00Z')
    expect(kube.requests.map(({ method, body }) => [method, body])).toEqual(
      pods.map(() => ['PATCH', { metadata: { annotations: { 'entente.dev/nudged': '2026-06-01T12:00:00Z' } } }]),
    )
  })

  it('names the missing right if the API server forbids it', async () => {
    const { client } = await cluster(() => ({ status: 403, body: { kind: 'Status', reason: 'Forbidden', message: 'no' } }))
    await expect(nudge(client, pods, 'now')).rejects.toMatchObject({ code: 'forbidden' })
  })
})
