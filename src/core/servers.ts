/**
 * Whom a live proxy takes for a server of a host: istiod names the identities of the endpoints it knows, and Envoy takes any
 * identity where it names none. `servedBy` says who should be there.
 */
import { sidecarsIn } from './acknowledged.ts'
import { error, type Finding } from './finding.ts'
import { proxyOf } from './istio/pods.ts'
import { covers } from './istio/transition.ts'
import type { Intent, Observation, Upstream } from './model.ts'
import type { Principal } from './spiffe/spiffe-id.ts'

type Trust = Intent['trusts'][number]
type Service = Trust['reach'][number]['services'][number]

/** What the live clusters of the hosts that a trust reaches say about their servers; hosts without endpoints say nothing. */
export function judgeServers({ member }: Intent, trust: Trust, observation: Observation): readonly Finding[] {
  if (!observation.objects.ok || !observation.proxies.ok) return []
  const objects = observation.objects.value
  const configs = new Map(observation.proxies.value.map(({ proxy, config }) => [proxy, config]))
  return trust.reach.flatMap(({ from, services }) =>
    sidecarsIn(objects, from).flatMap((pod) =>
      services.flatMap((service) => {
        const outbound = configs.get(proxyOf(pod))?.outbound ?? []
        const upstreams = outbound.filter(({ host, mutual, endpoints }) => host === service.host && mutual && endpoints !== 0)
        return upstreams.length === 0 ? [] : judge(proxyOf(pod), service, upstreams, trust, member.name)
      }),
    ),
  )
}

function judge(proxy: string, service: Service, upstreams: readonly Upstream[], trust: Trust, truster: string): readonly Finding[] {
  const { host, servedBy } = service
  const named = [...new Set(upstreams.flatMap(({ sans }) => sans))].map((san) => san.replace(/^spiffe:\/\//, ''))
  const theirs = named.filter((san) => san.startsWith(`${trust.trustDomain}/`))
  const others = theirs.filter((san) => !servedBy?.some((principal) => covers(principal, san as Principal)))
  if (servedBy !== undefined && upstreams.some(({ sans }) => sans.length === 0))
    return [
      error(
        'served-by-unchecked',
        proxy,
        `takes any identity of a domain that it trusts for a server of ${host}: istiod names none, so servedBy is not kept`,
        `wait: istiod names them a moment after the endpoints; if it stays, look for a DestinationRule or an endpoint of ${host} without a pod`,
      ),
    ]
  if (named.length > 0 && theirs.length === 0) return [refused(proxy, host, named, trust, truster)]
  if (servedBy === undefined || others.length === 0) return []
  return [
    error(
      'served-by-differs',
      proxy,
      `takes ${others.join(', ')} for a server of ${host}, which servedBy does not name`,
      `find out why ${trust.trusted} serves ${host} under that identity; name it in servedBy if it may`,
    ),
  ]
}

/**
 * istiod builds a remote endpoint's identity when it learns of it, with the remote mesh's trust domain, or with its own
 * where it could not read that mesh's config yet, or not at all; it is not built again once it could
 * (istio pkg/config/mesh/watchers.go restrictedConfigAdapter, pilot/pkg/serviceregistry/kube/controller/endpoint_builder.go).
 */
const refused = (proxy: string, host: string, named: readonly string[], { trusted, trustDomain }: Trust, truster: string): Finding =>
  error(
    'servers-refused',
    proxy,
    `takes only ${named.join(', ')} for a server of ${host}, and so refuses every server of ${trustDomain}`,
    `does ${trusted} serve ${host}? If so, istiod of ${truster} learnt of its pods before it could read the mesh config there (ConfigMap istio): make sure that it may, then kubectl -n istio-system rollout restart deployment/istiod`,
  )
