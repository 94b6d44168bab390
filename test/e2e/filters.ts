/** Foreign EnvoyFilters on the same TLS contexts as ours. */
import type { KubeObject } from '../testbed/kube.ts'

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'

interface Target {
  readonly applyTo: string
  readonly match: object
  readonly context: string
}

/** Every TLS chain of a sidecar's inbound listener. */
const INBOUND: Target = {
  applyTo: 'FILTER_CHAIN',
  match: { context: 'SIDECAR_INBOUND', listener: { filterChain: { transportProtocol: 'tls' } } },
  context: 'DownstreamTlsContext',
}

/** A sidecar's clusters for one host. */
export const towards = (host: string): Target => ({
  applyTo: 'CLUSTER',
  match: { context: 'SIDECAR_OUTBOUND', cluster: { service: host } },
  context: 'UpstreamTlsContext',
})

export interface TlsFilter {
  readonly name?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Of the pods it selects; absent: all. */
  readonly app?: string
  readonly priority?: number
  readonly target?: Target
}

/** Merges a common TLS context into its target. */
export function tlsFilter(common_tls_context: object, options: TlsFilter): KubeObject {
  const { name = 'someone-elses', namespace = 'sample', labels, app, priority, target = INBOUND } = options
  const { applyTo, match, context } = target
  const typed_config = { '@type': `${TLS}.${context}`, common_tls_context }
  const value = { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } }
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name, namespace, ...(labels && { labels }) },
    spec: {
      ...(app !== undefined && { workloadSelector: { labels: { app } } }),
      ...(priority !== undefined && { priority }),
      configPatches: [{ applyTo, match, patch: { operation: 'MERGE', value } }],
    },
  }
}

/** Removes the validation context that our filter is merged into. Envoy accepts this alone, but not together with our filter. */
export const unfit = (options: TlsFilter): KubeObject => {
  const grpc_services = [{ envoy_grpc: { cluster_name: 'sds-grpc' } }]
  const api_config_source = { api_type: 'GRPC', grpc_services, transport_api_version: 'V3' }
  const sds_config = { api_config_source, initial_fetch_timeout: '0s', resource_api_version: 'V3' }
  return tlsFilter({ validation_context_sds_secret_config: { name: 'ROOTCA', sds_config } }, options)
}

/** Breaks every listener that accepts plaintext: chains without a transport socket get a TLS context without its secret. */
export const breaking = (options: TlsFilter): KubeObject =>
  tlsFilter(
    { combined_validation_context: { default_validation_context: { match_subject_alt_names: [{ prefix: 'spiffe://x/' }] } } },
    options,
  )

/** Later than ours: another validator in its place. */
export function overriding(domain: string, pem: string, options: TlsFilter): KubeObject {
  const trust_domains = [{ name: domain, trust_bundle: { inline_string: pem } }]
  const typed_config = { '@type': `${TLS}.SPIFFECertValidatorConfig`, trust_domains }
  const custom_validator_config = { name: 'envoy.tls.cert_validator.spiffe', typed_config }
  return tlsFilter(
    { combined_validation_context: { default_validation_context: { custom_validator_config } } },
    { priority: 2000, ...options },
  )
}
