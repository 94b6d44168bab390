/** What docs/library.md shows of manifests and policies, from the package's own door. */
import { describe, expect, it } from 'vitest'
import { admissionOf, impact, lint, parseTrustDomain, readDocuments, readPolicies, trusting } from './index.ts'

const PEER_AUTHENTICATION = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec:
  mtls: { mode: STRICT }
  trustDomainAliases: [cluster-b.example]
`

describe('the library', () => {
  it('lints text', () => {
    const { findings } = lint([readDocuments('pa.yaml', 'pa.yaml', PEER_AUTHENTICATION)], { now: new Date('2026-06-01') })
    expect(findings.map(({ file, line, severity }) => [file, line, severity])).toContainEqual(['pa.yaml', 6, 'error'])
  })

  it('reports what a change of trust accepts in addition', () => {
    const now = admissionOf({ trustDomain: parseTrustDomain('cluster-b.example'), aliases: [], rootNamespace: 'istio-system' })
    const { policies } = readPolicies([
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'open', namespace: 'sample' },
        spec: { action: 'ALLOW', rules: [{ from: [{ source: { namespaces: ['foo'] } }] }] },
      },
    ])
    const made = impact({ admission: now, policies }, { admission: trusting(now, 'cluster-a.example', 'mesh'), policies })
    expect(made.policies.map(({ name, widenings }) => [name, widenings.map(({ path }) => path)])).toEqual([['open', ['ns/foo/*']]])
  })
})
