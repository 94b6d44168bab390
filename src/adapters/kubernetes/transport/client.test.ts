import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { makeCa } from '../../../../test/support/ca.ts'
import { type Answers, configFor, type FakeKube, fakeKube, type Said, status } from '../../../../test/support/fake-kube.ts'
import { CONFIG_MAP, ENVOY_FILTER, POD } from '../resources.ts'
import { kubeClient } from './client.ts'
import { loadKubeconfig } from './kubeconfig.ts'

const open: FakeKube[] = []
const kube = async (answers: Answers): Promise<FakeKube> => {
  const made = await fakeKube(answers)
  open.push(made)
  return made
}
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const map = (name: string) => ({ metadata: { name, namespace: 'sample', resourceVersion: '1' }, data: {} })

describe('an error from an API server', () => {
  const rbac =
    'envoyfilters.networking.istio.io is forbidden: User "eve" cannot list resource "envoyfilters" in API group "networking.istio.io"'
  it.each<{ name: string; said: Said; code: string; words: string[]; hint?: string }>([
    {
      name: 'missing rights name the user, verb, resource and namespace',
      said: status(403, 'Forbidden', rbac),
      code: 'forbidden',
      words: ['eve', 'list envoyfilters.networking.istio.io', 'namespace sample'],
      hint: 'kubectl --context test auth can-i list envoyfilters.networking.istio.io -n sample',
    },
    {
      name: 'credentials that are not accepted',
      said: status(401, 'Unauthorized', 'Unauthorized'),
      code: 'cluster-refused',
      words: ['test'],
    },
    {
      name: 'an unknown kind',
      said: status(404, 'NotFound', 'the server could not find the requested resource'),
      code: 'not-found',
      words: ['envoyfilters'],
    },
    {
      name: 'a write that came too late',
      said: status(409, 'Conflict', 'the object has been modified'),
      code: 'changed-meanwhile',
      words: ['modified'],
    },
    {
      name: 'fields of other managers',
      said: status(409, 'Conflict', 'Apply failed', {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "argocd-controller" using v1', field: '.spec.priority' }],
      }),
      code: 'conflict',
      words: ['.spec.priority', 'argocd-controller'],
      hint: '--force-conflicts',
    },
    {
      name: 'an invalid object',
      said: status(422, 'Invalid', 'spec.rules: Required value'),
      code: 'object-invalid',
      words: ['spec.rules: Required value'],
    },
    {
      name: 'admission',
      said: status(403, 'Forbidden', 'admission webhook "policy.example" denied the request: no filters here'),
      code: 'object-invalid',
      words: ['policy.example', 'no filters here'],
    },
    {
      name: 'an object that etcd rejects',
      said: status(500, 'InternalError', 'etcdserver: request is too large'),
      code: 'object-invalid',
      words: ['larger than'],
    },
    {
      name: 'an object that the API server rejects',
      said: { status: 413, raw: 'too large' },
      code: 'object-invalid',
      words: ['larger than'],
    },
    {
      name: 'a busy server',
      said: status(429, 'TooManyRequests', 'slow down'),
      code: 'cluster-refused',
      words: ['the API server limits requests'],
    },
    {
      name: 'a broken server',
      said: status(503, 'ServiceUnavailable', 'etcd is away'),
      code: 'cluster-refused',
      words: ['503', 'etcd is away'],
    },
    { name: 'a page that is not JSON', said: { raw: '<html>log in</html>' }, code: 'cluster-refused', words: ['not JSON', 'text/html'] },
    {
      name: 'JSON that is not a list',
      said: { body: { hello: 'world' } },
      code: 'cluster-refused',
      words: ['not a valid answer of an API server'],
    },
    {
      name: 'a list of things without names',
      said: { body: { items: [{ metadata: {} }] } },
      code: 'cluster-refused',
      words: ['not a valid answer'],
    },
  ])('$name', async ({ said, code, words, hint = '' }) => {
    const client = await (await kube(() => said)).client()
    const thrown = await client.list(ENVOY_FILTER, { namespace: 'sample' }).catch((e: unknown) => e)
    expect(thrown).toMatchObject({ name: 'FederationError', code, subject: 'cluster-b' })
    for (const word of words) expect((thrown as Error).message).toContain(word)
    expect((thrown as { hint: string }).hint).toContain(hint)
  })

  it('never contains the token', async () => {
    const client = await (await kube(() => status(403, 'Forbidden', 'no'))).client()
    const thrown = await client.get(POD, 'sample', 'x').catch((e: Error) => e)
    expect(JSON.stringify([thrown, (thrown as Error).message, (thrown as Error).stack])).not.toContain('a-token-for-tests')
  })
})

describe('a cluster that does not answer', () => {
  const closedPort = async (): Promise<number> => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  const clientOf = async (server: string, ca: string) => {
    const file = join(await mkdtemp(join(tmpdir(), 'kubeconfig-')), 'config')
    await writeFile(file, JSON.stringify(configFor(server, ca)))
    return kubeClient((await loadKubeconfig({ path: file, env: {} })).access('test'), { limits: { timeoutMs: 300 } })
  }

  it('is reported with its address if nothing listens', async () => {
    const port = await closedPort()
    const client = await clientOf(`https://127.0.0.1:${port}`, (await makeCa({ trustDomain: 'x' })).root.pem)
    await expect(client.list(POD)).rejects.toMatchObject({
      code: 'cluster-unreachable',
      message: expect.stringContaining(`127.0.0.1:${port}: connection refused`),
    })
  })

  it('is distinguished from one whose certificate is from another CA', async () => {
    const { url } = await kube(() => ({}))
    const client = await clientOf(url, (await makeCa({ trustDomain: 'other' })).root.pem)
    await expect(client.list(POD)).rejects.toMatchObject({
      code: 'cluster-unreachable',
      message: expect.stringContaining('does not verify under the CA'),
    })
  })

  it('is reported after the time limit', async () => {
    const client = await (await kube(() => undefined)).client({ timeoutMs: 100 })
    await expect(client.list(POD)).rejects.toMatchObject({
      code: 'cluster-unreachable',
      message: expect.stringContaining('no answer within'),
    })
  })

  it('is reported if it stops in the middle of an answer', async () => {
    const client = await (
      await kube((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{"items": [')
        return undefined
      })
    ).client({ timeoutMs: 100 })
    await expect(client.list(POD)).rejects.toMatchObject({ code: 'cluster-unreachable' })
  })
})

describe('reading from an API server', () => {
  it('reads all pages of a list, and adds the kind to every item', async () => {
    const server = await kube(({ query }) => {
      const page = Number(query.continue ?? 0)
      return { body: { metadata: page < 2 ? { continue: String(page + 1) } : {}, items: [map(`m-${page}`)] } }
    })
    const found = await (await server.client()).list(CONFIG_MAP, { namespace: 'sample', labels: 'a=b' })
    expect(found.map((o) => [o.apiVersion, o.kind, o.metadata.name])).toEqual([0, 1, 2].map((i) => ['v1', 'ConfigMap', `m-${i}`]))
    expect(server.requests.map((r) => [r.path, r.query.limit, r.query.labelSelector])).toEqual(
      Array(3).fill(['/api/v1/namespaces/sample/configmaps', '500', 'a=b']),
    )
  })

  it('rejects an answer beyond the limit', async () => {
    const client = await (await kube(() => ({ body: { items: [], padding: 'x'.repeat(3 << 20) } }))).client({ maxBytes: 2 << 20 })
    await expect(client.list(POD)).rejects.toMatchObject({ code: 'cluster-refused', message: expect.stringContaining('more than 2 MiB') })
  })

  it('makes one TLS handshake for fifty calls in a row', async () => {
    const server = await kube(() => ({ body: map('m') }))
    const client = await server.client()
    for (let i = 0; i < 50; i += 1) await client.get(CONFIG_MAP, 'sample', 'm')
    expect([server.requests.length, server.handshakes()]).toEqual([50, 1])
  })

  it('sends no more requests at once than the limit', async () => {
    const server = await kube(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return { body: map('m') }
    })
    const client = await server.client({ atOnce: 3 })
    await Promise.all(Array.from({ length: 20 }, () => client.get(CONFIG_MAP, 'sample', 'm')))
    expect(server.atOnce()).toBeLessThanOrEqual(3)
    expect(server.requests).toHaveLength(20)
  })

  it('distinguishes an absent object from a wrong server', async () => {
    const missing = await (await kube(() => status(404, 'NotFound', 'configmaps "m" not found'))).client()
    expect(await missing.find(CONFIG_MAP, 'sample', 'm')).toBeUndefined()
    const stranger = await (await kube(() => ({ status: 404, raw: 'nginx' }))).client()
    await expect(stranger.find(CONFIG_MAP, 'sample', 'm')).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('the clock of an API server', () => {
  const dated = (date: string) =>
    kube((_, response) => {
      response.setHeader('date', date)
      return { body: map('one') }
    })

  it.each([
    { what: '10 minutes behind ours', date: 'Mon, 01 Jun 2026 00:00:00 GMT', aheadMs: -599_500 },
    { what: '10 minutes ahead of ours', date: 'Mon, 01 Jun 2026 00:20:00 GMT', aheadMs: 600_500 },
    { what: 'that reports none', date: 'soon', aheadMs: undefined },
  ])('$what', async ({ date, aheadMs }) => {
    const { access } = await loadKubeconfig({ path: (await dated(date)).kubeconfig, env: {} })
    const client = kubeClient(access('test'), { now: () => new Date('2026-06-01T00:10:00Z') })
    expect(client.clock()).toBeUndefined()
    await client.get(CONFIG_MAP, 'sample', 'one')
    expect(client.clock()).toEqual(aheadMs === undefined ? undefined : { aheadMs, withinMs: 500 })
    client.close()
  })
})
