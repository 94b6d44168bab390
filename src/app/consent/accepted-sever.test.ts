import { beforeEach, describe, expect, it } from 'vitest'
import { A, authority, B, member, spec } from '../../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh } from '../../../test/support/meshes.ts'
import { type MemoryPorts, memoryPorts } from '../../../test/support/ports.ts'
import { outlookOf } from '../../core/diagnostics/expectations.ts'
import { finding } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { planFederation } from '../plan.ts'
import { applyPlan, succeeded } from './apply-plan.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])
const error = finding('cluster-unreachable', 'error', about.member('cluster-b'), 'does not answer')
const expected = { code: 'cluster-unreachable', member: 'cluster-b', reason: 'a partner runs it', until: '2099-12-31' } as const

let ports: MemoryPorts

beforeEach(() => {
  const unseen: MemoryMesh = {
    ...memoryMesh(member('cluster-b'), { own: b.bundle, objects: [] }),
    observe: async () => ({
      objects: { ok: false, error },
      own: { ok: false, error },
      istio: { ok: false, error },
      proxies: { ok: false, error },
    }),
  }
  const meshes = [memoryMesh(member('cluster-a'), { own: a.bundle, objects: [] }), unseen]
  ports = memoryPorts(
    spec((file) => {
      file.trust = []
      Object.assign(file, { expect: [expected] })
    }),
    meshes,
    a.bundle,
    b.bundle,
  )
})

describe('an accepted cluster that cannot be reached', () => {
  const outlook = async () => outlookOf((await planFederation(ports)).plan.findings)
  const applied = async () => succeeded(await applyPlan(ports, { reason: 'a test' }))

  it('leaves plan and apply in order', async () => {
    expect([await outlook(), await applied()]).toEqual(['fine', true])
  })

  it('does not, if a trust of it is severed: nothing shows that it is closed', async () => {
    ports.severed.push({ truster: member('cluster-b'), trusted: member('cluster-a'), at: ports.now(), reason: 'key lost' })
    expect([await outlook(), await applied()]).toEqual(['unseen', false])
  })
})
