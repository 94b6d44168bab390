import { describe, expect, it } from 'vitest'
import { A, B, bundleOf, C, CLIENT, fakeRoot, federation, member, spec, wanted } from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { title } from '../../core/model/manifest.ts'
import type { Intent, Trust } from '../../core/model/wanted.ts'
import { readCallers } from '../../core/trust/callers/policies.ts'
import { authorOf, callersObject } from '../../core/trust/render.ts'
import { noInbound } from '../../core/trust/state.ts'
import { denyNow } from './emergency.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))]
const intent = wanted(federation(spec()), BUNDLE_A, BUNDLE_B).find(({ member: { name } }) => name === 'cluster-b') as Intent
const [trust] = intent.trusts
const at = trust?.accept[0]?.at
if (trust === undefined || at === undefined) throw new Error('no trust')
const OTHER = `${C}/ns/x/sa/x` as typeof CLIENT
const policy = (metadata: Partial<Manifest['metadata']> = {}): Manifest => {
  const made = callersObject(
    {
      ...noInbound(at),
      callers: new Map([
        [A, [CLIENT]],
        [C, [OTHER]],
      ]),
    },
    authorOf(intent),
  )
  return { ...made, metadata: { ...made.metadata, ...metadata } }
}
const run = async (...objects: readonly Manifest[]) => {
  const mesh = memoryMesh(member('cluster-b'), { own: BUNDLE_B, objects })
  const denied = await denyNow(intent, [trust], A, mesh)
  const live = mesh.objects.find((object) => object.kind === 'AuthorizationPolicy')
  return { ...denied, mesh, callers: live && Object.fromEntries(readCallers(live)) }
}

describe('an emergency sever', () => {
  it('denies every identity of the domain, and keeps the policy’s other rules', async () => {
    expect((await run(policy())).callers).toEqual({ [A]: [], [C]: [OTHER] })
  })

  it('creates the policy if there is none', async () => {
    expect((await run()).callers).toEqual({ [A]: [] })
  })

  it('denies the domain in the whole mesh if the whole mesh accepts it', async () => {
    const mesh = memoryMesh(member('cluster-b'), { own: BUNDLE_B })
    const trustOfMesh: Trust = { ...trust, distribution: 'mesh', accept: [], reach: [], meshWide: { mtls: 'require', callers: [CLIENT] } }
    await denyNow(intent, [trustOfMesh], A, mesh)
    expect(mesh.objects.map((object) => [title(object), Object.fromEntries(readCallers(object))])).toEqual([
      ['AuthorizationPolicy istio-system/entente-accept-mesh', { [A]: [] }],
    ])
  })

  it('writes nothing if every identity is already denied', async () => {
    const first = await run(policy())
    expect((await run(...first.policies)).mesh.writes).toEqual([])
  })

  it('does not change a foreign object, and says so', async () => {
    const { mesh, findings } = await run(policy({ labels: {} }))
    expect(mesh.writes).toEqual([])
    expect(findings.map((finding) => finding.code)).toEqual(['owned-by'])
  })

  it('says which command undoes it', async () => {
    const tracked = policy({ annotations: { 'argocd.argoproj.io/tracking-id': 'mesh:x' } })
    expect((await run(tracked)).findings).toContainEqual(
      expect.objectContaining({ code: 'gitops-tracked', message: expect.stringContaining('the Argo CD application mesh') }),
    )
  })

  it('reports what it could not write, and throws nothing: the sever continues', async () => {
    const mesh = memoryMesh(member('cluster-b'), { own: BUNDLE_B, objects: [policy()] })
    mesh.beforeWrite = () => {
      throw new FederationError('forbidden', 'cluster-b', 'may not patch')
    }
    expect((await denyNow(intent, [trust], A, mesh)).findings.map((finding) => finding.code)).toEqual(['forbidden'])
  })
})
