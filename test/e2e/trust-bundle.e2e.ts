/**
 * An istiod with ENABLE_CLUSTER_TRUST_BUNDLE_API: it keeps the mesh's roots in a ClusterTrustBundle, and the ConfigMaps
 * istio-ca-root-cert stay as they were. All commands run with exactly the rights of deploy/rbac.yaml.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { at, text } from '../../src/core/model/manifest.ts'
import type { DoctorView } from '../../src/core/view/doctor-view.ts'
import type { Ran } from '../support/cli.ts'
import { Bed } from '../testbed/bed.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { ISTIO_NAMESPACE, runFile } from '../testbed/layout.ts'
import { namespaceObject } from '../testbed/objects.ts'
import type { MeshCa } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'
import { rootOf } from './rotations.ts'
import { BOTH, codes, expectCode, Shop } from './shop.ts'

const RBAC = path.resolve(import.meta.dirname, '../../deploy/rbac.yaml')
const BUNDLE = { apiVersion: 'certificates.k8s.io/v1beta1', kind: 'ClusterTrustBundle', name: 'istio.io:istiod-ca:root-cert' }
const OBSERVE = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'entente-observe' }
const CONTEXTS = ['--context', 'cluster-a', '--context', 'cluster-b']

let bed: Bed
let shop: Shop
let first: MeshCa

beforeAll(async () => {
  bed = await Bed.shared({ trustBundles: true, progress: (line) => console.log(line) })
  first = bed.b.istiod.ca
  for (const cluster of bed.clusters) {
    await cluster.kube.apply(namespaceObject('sample'))
    await cluster.kubectl(['apply', '--server-side', '-f', RBAC])
  }
  const operator = runFile('operator.kubeconfig')
  writeFileSync(operator, kubeconfig({ a: bed.a.api.operator, b: bed.b.api.operator }), { mode: 0o600 })
  shop = new Shop(operator)
  await until('istiod to write its ConfigMaps', async () => (await inConfigMap('sample')).trim() === first.root.certificate.trim())
  await bed.b.istiod.setEnv({ ENABLE_CLUSTER_TRUST_BUNDLE_API: 'true' })
  await until('istiod to keep a ClusterTrustBundle', async () => (await inBundle()).trim() === first.root.certificate.trim())
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const inBundle = async (): Promise<string> => text(at(await bed.b.kube.get(BUNDLE), 'spec', 'trustBundle'))
const configMap = (namespace: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'istio-ca-root-cert' })
const inConfigMap = async (namespace: string): Promise<string> =>
  text(at(await bed.b.kube.get(configMap(namespace)), 'data', 'root-cert.pem'))

/** Begins a federation in a directory of its own. */
const init = (name: string): Promise<Ran> => shop.run('init', ...CONTEXTS, '--out', name, '--yes')
const begun = (name: string): boolean => existsSync(shop.file(`${name}/federation.yaml`)) || existsSync(shop.file(`${name}/audit.jsonl`))

/** doctor's result of this check for cluster-b. */
async function doctor(check: string): Promise<DoctorView['checks'][number] | undefined> {
  const { json, stderr } = await shop.run('doctor', ...CONTEXTS, '-o', 'json')
  if (json === undefined) throw new Error(stderr)
  return (json as DoctorView).checks.find(({ name, subject }) => name === check && subject === 'cluster-b')
}

describe('a mesh whose ClusterTrustBundle and ConfigMaps agree', () => {
  it('is accepted by init and by doctor', async () => {
    expectCode(await init('agreed'), 0)
    expect(shop.read('agreed/audit.jsonl')).toContain(rootOf(first))
    expect(await doctor('root-published')).toMatchObject({
      verdict: 'ok',
      evidence: expect.stringMatching(/^ClusterTrustBundle istio\.io:istiod-ca:root-cert, and \d+ ConfigMaps that say the same$/),
    })
  })

  it('needs the right to get that one object, which deploy/rbac.yaml grants and doctor checks', async () => {
    const role = parseAllDocuments(readFileSync(RBAC, 'utf8'))
      .map((document) => document.toJS() as KubeObject & { readonly rules: readonly { readonly resources: readonly string[] }[] })
      .find(({ kind, metadata }) => kind === OBSERVE.kind && metadata.name === OBSERVE.name)
    const [rights, others] = [true, false].map((one) =>
      role?.rules.filter(({ resources }) => resources.includes('clustertrustbundles') === one),
    )
    expect(rights).toEqual([
      { apiGroups: ['certificates.k8s.io'], resources: ['clustertrustbundles'], resourceNames: [BUNDLE.name], verbs: ['get'] },
    ])
    const missing = async () => /clustertrustbundles/.test(JSON.stringify(await doctor('rights')))
    expect(await missing()).toBe(false)
    await bed.b.kube.patch(OBSERVE, { rules: others })
    try {
      await until('doctor to miss the right', missing)
      expect(await doctor('rights')).toMatchObject({ remedy: expect.stringContaining(`resourceNames: [${BUNDLE.name}], verbs: [get]`) })
      const { stderr } = expectCode(await init('unread'), 1)
      expect(stderr).toMatch(/error forbidden: .*clustertrustbundles/)
      expect(begun('unread')).toBe(false)
    } finally {
      await bed.b.kube.patch(OBSERVE, { rules: role?.rules })
      await until('doctor to miss nothing', async () => !(await missing()))
    }
  })
})

describe('a mesh whose CA got another root since', () => {
  let next: MeshCa

  beforeAll(async () => {
    expectCode(await shop.run('init', ...CONTEXTS, '--yes'), 0)
    shop.write(BOTH)
    next = await bed.b.istiod.nextCa()
    await bed.b.istiod.useCa(next)
    await bed.b.istiod.restart()
    await until('istiod to publish the new root', async () => (await inBundle()).trim() === next.root.certificate.trim())
  })

  it('has the old root in its ConfigMaps, which istiod no longer writes', async () => {
    for (const namespace of [ISTIO_NAMESPACE, 'sample']) expect((await inConfigMap(namespace)).trim()).toBe(first.root.certificate.trim())
  })

  it('is rejected by init, which approves neither', async () => {
    const { stderr } = expectCode(await init('stale'), 1)
    expect(stderr).toMatch(/error own-roots-differ: [\s\S]*next: .*kubectl -n istio-system delete configmap istio-ca-root-cert/)
    expect(begun('stale')).toBe(false)
  })

  it('is reported by doctor, with the namespaces', async () => {
    expect(await doctor('root-published')).toMatchObject({
      verdict: 'fail',
      evidence: expect.stringMatching(
        /^namespaces default, istio-system, .* have other roots in ConfigMap istio-ca-root-cert than ClusterTrustBundle/,
      ),
    })
  })

  it('opens nothing: plan and apply report it', async () => {
    const { code, steps, findings } = await shop.plan()
    expect([code, codes(findings).includes('own-roots-differ')]).toEqual([1, true])
    expect(steps.filter(({ changes }) => changes.some(({ effect }) => effect === 'widens'))).toEqual([])
    expectCode(await shop.apply(), 1)
  })

  it('is approved under the live root once no pod mounts the ConfigMaps, and they are deleted', async () => {
    const { remedy = '' } = (await doctor('root-published')) ?? {}
    const [, command = ''] = /then: kubectl --context cluster-b (.*)$/.exec(remedy) ?? []
    await bed.b.kubectl(command.split(' '))
    expectCode(await init('live'), 0)
    const record = shop.read('live/audit.jsonl')
    expect([record.includes(rootOf(next)), record.includes(rootOf(first))]).toEqual([true, false])
    expect(await doctor('root-published')).toMatchObject({ verdict: 'ok' })
  })
})
