/**
 * Compares the server identities that a live proxy accepts for a host with the identities of the pods behind it.
 * Without `servedBy`, istiod lists the identities of the endpoints that it knows. With `servedBy`, Entente's filter
 * lists them, and the proxy calls no server with another identity.
 */

import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { type MeshView, viewOf } from '../mesh/mesh-view.ts'
import { proxyOf } from '../mesh/pods.ts'
import { serviceName } from '../mesh/services.ts'
import { at, strings, text } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { LiveProxies } from '../trust/live/live-proxies.ts'
import { covers } from '../trust/stage.ts'

type Trust = Intent['trusts'][number]
type Service = Trust['reach'][number]['services'][number]

/**
 * For hosts without `servedBy`: reports live clusters that accept no server identity of the trusted domain.
 * Skips hosts without endpoints.
 */
export function judgeServers({ member }: Intent, trust: Trust, live: LiveProxies): readonly Finding[] {
  return trust.reach.flatMap(({ from, services }) =>
    live.sidecarsIn(from).flatMap((pod) =>
      services.flatMap(({ host, servedBy }) => {
        if (servedBy !== undefined) return []
        const config = live.heard(proxyOf(pod))?.config
        const clusters = config === undefined ? [] : live.clustersOf(config, host)
        const upstreams = clusters.filter((upstream) => upstream.mutual && upstream.endpoints !== 0)
        const named = [...new Set(upstreams.flatMap(({ sans }) => sans))].map((san) => san.replace(/^spiffe:\/\//, ''))
        const theirs = named.filter((san) => san.startsWith(`${trust.trustDomain}/`))
        return named.length > 0 && theirs.length === 0 ? [refused(proxyOf(pod), host, named, trust, member.name)] : []
      }),
    ),
  )
}

/**
 * istiod builds the identity of a remote endpoint when it discovers the endpoint. It uses the remote mesh's trust
 * domain, or its own if it could not read that mesh's config at that time. It does not rebuild the identity later
 * (istio pkg/config/mesh/watchers.go restrictedConfigAdapter,
 * pilot/pkg/serviceregistry/kube/controller/endpoint_builder.go).
 */
const refused = (proxy: string, host: string, named: readonly string[], { trusted, trustDomain }: Trust, truster: string): Finding =>
  error(
    'servers-refused',
    about.proxy(proxy),
    `takes only ${named.join(', ')} for a server of ${host}, and so refuses every server of ${trustDomain}`,
    `name the servers of ${host} in federation.yaml (servedBy: [${trustDomain}/ns/…/sa/…]), then entente apply: the filter then names them, whatever istiod says. Does ${trusted} serve ${host}? If so, istiod of ${truster} learnt of its pods before it could read the mesh config there (ConfigMap istio), as after a restart: make sure that it may; restarting a pod behind ${host} makes istiod build its endpoint again`,
  )

/**
 * Reports pods of the trusted mesh behind a host whose service accounts `servedBy` does not name.
 * @param there the observation of the trusted mesh
 */
export function unnamedServers({ reach, trusted, trustDomain }: Trust, there: Observation | undefined): readonly Finding[] {
  if (there?.objects.ok !== true) return []
  const view = viewOf(there)
  return reach.flatMap(({ services }) =>
    services.flatMap((service) =>
      accountsBehind(service, view).flatMap(([pod, account]) => {
        const identity = `${trustDomain}/${account}` as Principal
        if (service.servedBy === undefined || service.servedBy.some((principal) => covers(principal, identity))) return []
        return [
          warning(
            'served-by-differs',
            about.proxy(pod, trusted),
            `is behind ${service.host} as ${identity}, which servedBy does not name: calls that come to it are refused`,
            `find out why ${trusted} serves ${service.host} under that identity; name it in servedBy if it may`,
          ),
        ]
      }),
    ),
  )
}

/** `POD.NAMESPACE` and `ns/NAMESPACE/sa/ACCOUNT` of every pod that the Service selects. */
function accountsBehind({ host }: Service, view: MeshView): readonly (readonly [string, string])[] {
  const id = serviceName(host)
  const labels = strings(at(id && view.named('Service', id.namespace, id.name), 'spec', 'selector'))
  if (id === undefined || Object.keys(labels).length === 0) return []
  return view
    .podsIn({ namespace: id.namespace, labels })
    .map((pod) => [proxyOf(pod), `ns/${id.namespace}/sa/${text(at(pod, 'spec', 'serviceAccountName')) || 'default'}`] as const)
}
