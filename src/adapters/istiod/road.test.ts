import { describe, expect, it } from 'vitest'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { IstiodPod } from '../kubernetes/read/pods.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { type Road, roads } from './road.ts'

const pod: IstiodPod = {
  name: 'istiod-1',
  namespace: 'istio-system',
  ip: '10.0.0.7',
  env: {},
  revision: 'default',
  leaving: false,
  ready: true,
}
const forbidden = new FederationError('forbidden', 'cluster-b', 'may not open pods/portforward istiod-1', { hint: 'kubectl auth can-i' })

/** Roads whose direct one is there or not, as `up` says when it is asked; port-forward is forbidden. */
function onlyDirect(up: () => boolean) {
  const client = { subject: about.member('cluster-b') } as KubeClient
  const ways = roads(
    client,
    { get: async () => 'token' },
    () => 'PEM',
    async () => up(),
  )
  const work = async (road: Road): Promise<string> => {
    if (road.kind === 'forward') throw forbidden
    if (!up()) throw new FederationError('istiod-unreachable', 'cluster-b', 'connection refused', { hint: 'check that istiod runs' })
    return 'answer'
  }
  return () => ways.to(pod, work)
}

describe('an istiod that only the direct connection reaches', () => {
  it('is reachable again after a restart during which neither connection worked', async () => {
    let up = true
    const ask = onlyDirect(() => up)
    expect(await ask()).toBe('answer')
    up = false
    await expect(ask()).rejects.toMatchObject({ code: 'forbidden' })
    up = true
    expect(await ask()).toBe('answer')
  })

  it('is reachable although it was starting at the first request; until then the error names both connections', async () => {
    let up = false
    const ask = onlyDirect(() => up)
    await expect(ask()).rejects.toMatchObject({
      message: expect.stringMatching(
        /by port-forward: may not open .*; directly: istio-system\/istiod-1 at 10\.0\.0\.7 does not answer as an istiod/,
      ),
    })
    up = true
    expect(await ask()).toBe('answer')
  })
})
