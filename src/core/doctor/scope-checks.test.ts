import { expect, it } from 'vitest'
import { member } from '../../../test/support/federations.ts'
import type { ObservedCluster } from './observed-cluster.ts'
import { scopeChecks } from './scope-checks.ts'

it('doctor leaves a scope of the whole mesh to plan, which checks every namespace', () => {
  const whole = { namespace: 'istio-system', everywhere: true } as const
  const patient = {
    name: member('cluster-b'),
    istioNamespace: 'istio-system',
    declared: {},
    namespaces: [],
    accepts: [{ at: whole, mtls: 'require' }],
    reaches: [],
  }
  const checks = scopeChecks({ patient, seen: {} } as unknown as ObservedCluster)
  expect(checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual(
    ['data-plane', 'mtls', 'excluded-ports', 'sidecar-ingress'].map((name) => `${name} skipped`),
  )
})
