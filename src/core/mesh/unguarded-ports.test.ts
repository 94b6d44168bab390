import { describe, expect, it } from 'vitest'
import { A, acceptEntry, authority, B, federation, NOW, spec, wanted } from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { ok, pod, service } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import { plan } from '../plan/plan.ts'
import { render } from '../trust/render.ts'
import { verify } from '../verify/verdict.ts'
import { unguarded } from './unguarded-ports.ts'

const SIDECAR = 'traffic.sidecar.istio.io'
const SERVER = pod('sample/server', { app: 'server' })
const annotated = (annotations: Readonly<Record<string, string>>): Manifest => ({
  ...SERVER,
  metadata: { ...SERVER.metadata, annotations },
})
const having = (fields: object, of: Manifest = SERVER): Manifest => ({ ...of, spec: { ...(of.spec as object), ...fields } }) as Manifest
const init = (...args: readonly string[]): Manifest => having({ initContainers: [{ name: 'istio-init', args }] })

describe('a pod', () => {
  it.each([
    { name: 'as it is injected', of: SERVER, is: undefined },
    { name: 'with an excluded port', of: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '9000' }), is: { whole: false, why: /9000/ } },
    {
      name: 'with the agent’s own ports excluded, as by the CNI plugin',
      of: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '15020, 15090' }),
      is: undefined,
    },
    {
      name: 'with one more excluded port than those',
      of: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '15020,9000' }),
      is: { whole: false, why: /: 9000$/ },
    },
    {
      name: 'with the status port moved',
      of: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '15999', 'status.sidecar.istio.io/port': '15999' }),
      is: undefined,
    },
    { name: 'with no port redirected', of: annotated({ [`${SIDECAR}/includeInboundPorts`]: '' }), is: { whole: true, why: /none/ } },
    { name: 'with blanks for ports', of: annotated({ [`${SIDECAR}/includeInboundPorts`]: ' , ' }), is: { whole: true, why: /none/ } },
    { name: 'with some ports redirected', of: annotated({ [`${SIDECAR}/includeInboundPorts`]: '80' }), is: { whole: false, why: /80/ } },
    { name: 'with every port redirected', of: annotated({ [`${SIDECAR}/includeInboundPorts`]: '*' }), is: undefined },
    { name: 'without redirection', of: annotated({ 'sidecar.istio.io/interceptionMode': 'NONE' }), is: { whole: true, why: /NONE/ } },
    { name: 'in the host’s network', of: having({ hostNetwork: true }), is: { whole: true, why: /hostNetwork/ } },
    {
      name: 'in the host’s network, without a sidecar',
      of: having({ hostNetwork: true, containers: [{ name: 'app' }] }),
      is: { whole: true, why: /hostNetwork/ },
    },
    { name: 'by a default of the mesh', of: init('-b', '*', '-d', '15090,15021,15020,9000'), is: { whole: false, why: /: 9000$/ } },
    {
      name: 'redirected entirely, whatever was annotated later',
      of: { ...init('-b', '*', '-d', '15090'), metadata: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '9000' }).metadata },
      is: undefined,
    },
    { name: 'redirected nowhere by a default', of: init('-b', '', '-d', ''), is: { whole: true, why: /none/ } },
  ])('$name', ({ of, is }) => {
    const found = unguarded(of)
    expect(found?.whole).toBe(is?.whole)
    if (is !== undefined) expect(found?.why).toMatch(is.why)
  })
})

describe('a scope that accepts callers', async () => {
  const [caA, caB] = await Promise.all([authority(A), authority(B)])
  const of = federation(
    spec((it) => {
      for (const trust of it.trust) if ('accept' in trust) trust.accept = [acceptEntry()]
    }),
  )
  const intents = wanted(of, caA.bundle, caB.bundle)
  const seen = async (server: Manifest): Promise<ReadonlyMap<MemberName, Observation>> => {
    const looks = intents.map(async (intent) => {
      const [own, ca] = intent.member.trustDomain === A ? [caA.bundle, caA] : [caB.bundle, caB]
      const istiod = await ca.leaf(`spiffe://${own.trustDomain}/ns/istio-system/sa/istiod`)
      const objects = [...render(intent), pod('sample/client', { app: 'client' }), server, service('sample/server')]
      const mesh = memoryMesh(intent.member.name, { own, objects, istio: { presented: ok(istiod.chainDer) } })
      await mesh.proxies()
      return [intent.member.name, await mesh.observe({ namespaces: ['sample'] })] as const
    })
    return new Map(await Promise.all(looks))
  }
  const told = async (server: Manifest) => {
    const all = await seen(server)
    const verdict = verify(of, intents, all, NOW).find(({ truster }) => truster === 'cluster-b')
    const named = (findings: readonly { code: string; severity: string; message: string }[] = []) =>
      findings.filter(({ code }) => code === 'ports-unguarded' || code === 'no-sidecar').map(({ code, severity }) => `${severity} ${code}`)
    return { state: verdict?.state, verify: named(verdict?.findings), plan: named(plan(intents, all, NOW).findings) }
  }

  it.each([
    { name: 'fully guarded', server: SERVER, is: { state: 'proven', verify: [], plan: [] } },
    {
      name: 'with an excluded port: proven for the others, with a note',
      server: annotated({ [`${SIDECAR}/excludeInboundPorts`]: '9000' }),
      is: { state: 'proven', verify: ['warning ports-unguarded'], plan: ['warning ports-unguarded'] },
    },
    {
      name: 'with no port guarded: not proven',
      server: annotated({ [`${SIDECAR}/includeInboundPorts`]: '' }),
      is: { state: 'broken', verify: ['error ports-unguarded'], plan: ['warning ports-unguarded'] },
    },
    {
      name: 'in the host’s network: not proven',
      server: having({ hostNetwork: true }),
      is: { state: 'broken', verify: ['error ports-unguarded'], plan: ['warning ports-unguarded'] },
    },
  ])('is $name', async ({ server, is }) => {
    expect(await told(server)).toEqual(is)
  })
})
