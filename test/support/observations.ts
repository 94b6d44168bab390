/** Observations of meshes, as values for tests. */

import type { CodeOf } from '../../src/core/diagnostics/codes.ts'
import { error } from '../../src/core/diagnostics/finding.ts'
import { about } from '../../src/core/diagnostics/subject.ts'
import { proxyOf } from '../../src/core/mesh/pods.ts'
import type { Manifest } from '../../src/core/model/manifest.ts'
import type { Evidence, IstioFacts, Observation, ProxyConfig, Seen } from '../../src/core/model/observed.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'

export const ok = <T>(value: T): Seen<T> => ({ ok: true, value })
export const failed = (code: CodeOf<'error'> = 'cluster-unreachable', subject = 'cluster-b'): Seen<never> => ({
  ok: false,
  error: error(code, about.member(subject), 'cannot be reached', 'kubectl --context cluster-b version'),
})

/** @param where NAMESPACE/NAME */
export function object(apiVersion: string, kind: string, where: string, fields: object = {}, metadata: object = {}): Manifest {
  const [namespace = '', name = ''] = where.split('/')
  return { apiVersion, kind, metadata: { name, namespace, ...metadata }, ...fields }
}

/** A pod with the label of the mount also has the volume. */
const proxyIn = (labels: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) => ({
  name: 'istio-proxy',
  env: Object.entries(env).map(([name, value]) => ({ name, value })),
  ...('entente.dev/mounted' in labels ? { volumeMounts: [{ mountPath: '/etc/entente/trust' }] } : {}),
})

/** A running pod with a sidecar, unless said otherwise. @param where NAMESPACE/NAME @param more `env` of its proxy; `of`: its ReplicaSet */
export const pod = (
  where: string,
  labels: Readonly<Record<string, string>>,
  more: { sidecar?: boolean; phase?: string; env?: Readonly<Record<string, string>>; of?: string } = {},
): Manifest =>
  object(
    'v1',
    'Pod',
    where,
    {
      spec: { containers: [{ name: 'app' }, ...(more.sidecar === false ? [] : [proxyIn(labels, more.env)])] },
      status: { phase: more.phase ?? 'Running' },
    },
    {
      labels,
      ...(more.of === undefined ? {} : { ownerReferences: [{ kind: 'ReplicaSet', name: more.of, controller: true }] }),
    },
  )

export const service = (where: string, specOf: object = {}): Manifest =>
  object('v1', 'Service', where, { spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], ...specOf } })

/** @param labels of its selector; undefined: the whole namespace */
export const peerAuthentication = (
  where: string,
  mode: string | undefined,
  more: { labels?: Readonly<Record<string, string>>; ports?: Readonly<Record<string, string>>; born?: string } = {},
): Manifest =>
  object(
    'security.istio.io/v1',
    'PeerAuthentication',
    where,
    {
      spec: {
        ...(more.labels === undefined ? {} : { selector: { matchLabels: more.labels } }),
        ...(mode === undefined ? {} : { mtls: { mode } }),
        ...(more.ports === undefined
          ? {}
          : { portLevelMtls: Object.fromEntries(Object.entries(more.ports).map(([port, set]) => [port, { mode: set }])) }),
      },
    },
    { creationTimestamp: more.born ?? '2026-01-01T00:00:00Z' },
  )

export const destinationRule = (where: string, specOf: object): Manifest =>
  object('networking.istio.io/v1', 'DestinationRule', where, { spec: specOf })

/** A mesh in which nothing speaks against anything. */
export const facts = (own: Bundle, more: Partial<IstioFacts> = {}): IstioFacts => ({
  trustDomain: own.trustDomain,
  aliases: [],
  extraRoots: 0,
  autoMtls: true,
  rootNamespace: 'istio-system',
  istiods: [],
  presented: failed('istiod-unreachable'),
  ...more,
})

export interface Parts {
  readonly own: Bundle
  readonly objects?: readonly Manifest[]
  readonly istio?: Partial<IstioFacts>
  readonly proxies?: readonly Evidence[]
}

export const observation = ({ own, objects = [], istio = {}, proxies = [] }: Parts): Observation => ({
  objects: ok(objects),
  own: ok(own),
  istio: ok(facts(own, istio)),
  proxies: ok(proxies),
})

/** A proxy that acknowledged the last push. */
export const evidence = (of: Manifest, config: ProxyConfig, more: Partial<Evidence> = {}): Evidence => ({
  proxy: proxyOf(of),
  namespace: of.metadata.namespace ?? '',
  pod: of.metadata.name,
  version: '1.31.0',
  heard: true,
  acknowledged: true,
  sent: { listeners: '1', clusters: '1' },
  config,
  ...more,
})
