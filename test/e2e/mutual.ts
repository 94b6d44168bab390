/** One workload accepts the other mesh's, and calls it: an entry of `spec.trust`. */
export function mutual(truster: 'a' | 'b', distribution: string, mine: string, theirs: string) {
  const trusted = truster === 'a' ? 'b' : 'a'
  const them = `cluster-${trusted}.example/ns/sample/sa/${theirs}`
  const here = { namespace: 'sample', selector: { app: mine } }
  return {
    truster: `cluster-${truster}`,
    trusted: `cluster-${trusted}`,
    distribution,
    accept: [{ ...here, mtls: 'enforce', callers: [them] }],
    reach: [{ ...here, services: [{ host: `${theirs}.sample.svc.cluster.local`, servedBy: [them] }] }],
  }
}
