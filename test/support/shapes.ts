/** The shapes of chains and clusters in what istiod sent, for the table that src/core keeps of them. */
import type { Chain, Cluster, Socket, Tls } from '../../src/core/mesh/envoy/filter-merge.ts'
import { at, list, text } from '../../src/core/model/manifest.ts'

const part = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V }

const some = (value: unknown): readonly string[] | undefined => (list(value).length === 0 ? undefined : list(value).map(text))

/** @param chain of a listener in istiod's config dump */
export function readShape(chain: unknown): Chain {
  const match = at(chain, 'filterChainMatch')
  const protocol = text(at(match, 'transportProtocol'))
  return {
    ...part('transportProtocol', protocol === '' ? undefined : protocol),
    ...part('alpn', some(at(match, 'applicationProtocols'))),
    ...part('sni', some(at(match, 'serverNames'))),
    ...part('port', at(match, 'destinationPort') as number | undefined),
    ...part('socket', readSocket(at(chain, 'transportSocket'))),
  }
}

/** @param cluster of istiod's config dump */
export function readClusterShape(cluster: unknown): Cluster {
  const choices = list(at(cluster, 'transportSocketMatches')).map((choice): [string, Socket] => {
    const socket = readSocket(at(choice, 'transportSocket'))
    if (socket === undefined) throw new Error(`a choice without a transport socket: ${JSON.stringify(choice)}`)
    return [text(at(choice, 'name')), socket]
  })
  return {
    ...part('socket', readSocket(at(cluster, 'transportSocket'))),
    ...part('choices', choices.length === 0 ? undefined : Object.fromEntries(choices)),
  }
}

function readSocket(socket: unknown): Socket | undefined {
  if (socket === undefined) return undefined
  const config = at(socket, 'typedConfig')
  const raw = text(at(config, '@type')).endsWith('.RawBuffer')
  return { name: text(at(socket, 'name')), ...(config === undefined ? {} : { settings: raw ? ('raw' as const) : readTls(config) }) }
}

function readTls(config: unknown): Tls {
  const context = at(config, 'commonTlsContext')
  const validation = at(context, 'combinedValidationContext')
  const roots = text(at(validation, 'validationContextSdsSecretConfig', 'name'))
  const own = at(validation, 'defaultValidationContext')
  return {
    certificates: list(at(context, 'tlsCertificateSdsSecretConfigs')).map((secret) => text(at(secret, 'name'))),
    ...part('roots', roots === '' ? undefined : roots),
    validated: own !== undefined,
    ...(at(own, 'customValidatorConfig') === undefined ? {} : { validator: true }),
    sans: list(at(own, 'matchSubjectAltNames')).map((san) => (at(san, 'prefix') === undefined ? 'exact' : 'prefix')),
    client: at(config, 'requireClientCertificate') === true,
  }
}
