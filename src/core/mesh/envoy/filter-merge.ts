/**
 * Merges the patches of an EnvoyFilter into filter chains and clusters as istiod does, and predicts whether Envoy
 * accepts the result. The chains come from filter-merge.table.ts, a record of istiod's output that an end-to-end test
 * compares with the current one (istio networking/core/envoyfilter/listener_patch.go, cluster_patch.go, eed52ebb66ad).
 */
import { NAMES } from '../../model/filter-names.ts'
import { at, list, text } from '../../model/manifest.ts'

/** The TLS settings that a merge and Envoy's validation use. */
export interface Tls {
  /** Names of the secrets that hold the certificates of this side. */
  readonly certificates: readonly string[]
  /** Name of the secret that holds the roots: the SDS half of a combined validation context. */
  readonly roots?: string
  /** The other half of the combined validation context, `default_validation_context`, is set. */
  readonly validated: boolean
  readonly validator?: boolean
  readonly sans: readonly ('prefix' | 'exact')[]
  /** In a patch: it sets another kind of validation context, so the merge drops the existing one. */
  readonly anew?: true
  /** Requires a client certificate. */
  readonly client: boolean
}

/** A transport socket. `settings` undefined: it has a name only. */
export interface Socket {
  readonly name: string
  readonly settings?: Tls | 'raw'
}

/** One filter chain; `transportProtocol`, `alpn`, `sni` and `port` are its match. */
export interface Chain {
  readonly transportProtocol?: string
  readonly alpn?: readonly string[]
  readonly sni?: readonly string[]
  readonly port?: number
  readonly socket?: Socket
  readonly name?: string
  /** Network filters that patches insert. */
  readonly filters?: ReadonlySet<string>
}

/** The transport socket of a cluster, or the sockets among which its endpoints choose, by name of the match. */
export interface Cluster {
  readonly socket?: Socket
  readonly choices?: Readonly<Record<string, Socket>>
}

/** If one patch panics, istiod drops all patches of that listener or cluster. */
export const PANIC = 'istiod would panic over it and leave out all filters of the listener'

/** The parts of a filter chain or network filter patch that a merge uses. */
export interface ChainPatch {
  readonly of: 'chain' | 'filters'
  readonly operation: unknown
  /** The match; an undefined part matches anything. */
  readonly port: unknown
  readonly transportProtocol: unknown
  readonly alpn: readonly string[] | undefined
  readonly destinationPort: unknown
  readonly sni: string | undefined
  readonly chain: unknown
  /** The network filter named in the match. */
  readonly filter: string
  /** Parts of the patch's value. */
  readonly socket: Socket | undefined
  readonly protocol: unknown
  readonly name: string
}

/** Reads the filter chain and network filter patches of an EnvoyFilter for one context, in order. */
export const chainPatches = (filter: unknown, context: 'SIDECAR_INBOUND' | 'GATEWAY'): readonly ChainPatch[] =>
  readPatches(list(at(filter, 'spec', 'configPatches')).filter((p) => at(p, 'match', 'context') === context))

/** Selects and reads the patches of filter chains and network filters. */
export const readPatches = (patches: readonly unknown[]): readonly ChainPatch[] =>
  patches.filter((p) => ['FILTER_CHAIN', 'NETWORK_FILTER'].includes(text(at(p, 'applyTo')))).map(readPatch)

function readPatch(patch: unknown): ChainPatch {
  const listener = at(patch, 'match', 'listener')
  const match = at(listener, 'filterChain')
  const value = at(patch, 'patch', 'value')
  const [alpn, sni] = [at(match, 'applicationProtocols'), at(match, 'sni')]
  return {
    of: at(patch, 'applyTo') === 'NETWORK_FILTER' ? 'filters' : 'chain',
    operation: at(patch, 'patch', 'operation'),
    port: at(listener, 'portNumber'),
    transportProtocol: at(match, 'transportProtocol'),
    alpn: alpn === undefined ? undefined : text(alpn).split(','),
    destinationPort: at(match, 'destinationPort'),
    sni: sni === undefined ? undefined : text(sni),
    chain: at(match, 'name'),
    filter: text(at(match, 'filter', 'name')),
    socket: readSocket(at(value, 'transport_socket')),
    protocol: at(value, 'filter_chain_match', 'transport_protocol'),
    name: text(at(value, 'name')),
  }
}

/**
 * Applies the patches to a chain.
 * @param listenerPort port of the listener, for gateways; the virtual inbound listener has its ports in the chains
 */
export function patchChain(chain: Chain, patches: readonly ChainPatch[], listenerPort?: number): Chain | typeof PANIC {
  let patched = chain
  for (const patch of patches) {
    if (patch.operation !== 'MERGE' || !matches(patched, patch, listenerPort)) continue
    const merged = mergeChain(patched, patch)
    if (merged === PANIC) return PANIC
    patched = merged
  }
  // istiod merges all chains first. Then it inserts and removes filters.
  const filters = new Set<string>()
  for (const patch of patches) {
    if (patch.of !== 'filters' || !matches(patched, patch, listenerPort)) continue
    if (patch.operation === 'REMOVE') filters.delete(patch.filter)
    else filters.add(patch.name)
  }
  return filters.size === 0 ? patched : { ...patched, filters }
}

function matches(chain: Chain, patch: ChainPatch, listenerPort: number | undefined): boolean {
  const { port, transportProtocol, alpn, destinationPort, sni, chain: name } = patch
  return (
    (port === undefined || port === (listenerPort ?? chain.port)) &&
    (transportProtocol === undefined || transportProtocol === chain.transportProtocol) &&
    (alpn === undefined || alpn.every((one) => chain.alpn?.includes(one) === true)) &&
    (destinationPort === undefined || destinationPort === chain.port) &&
    (sni === undefined || chain.sni?.includes(sni) === true) &&
    (name === undefined || name === chain.name)
  )
}

/**
 * If both have a transport socket of the same name, istiod merges the two sockets and nothing else. Otherwise it merges
 * the whole value.
 */
function mergeChain(chain: Chain, { socket: theirs, protocol, name }: ChainPatch): Chain | typeof PANIC {
  if (theirs !== undefined && chain.socket !== undefined && theirs.name === chain.socket.name) {
    const merged = mergeSettings(chain.socket.settings, theirs.settings)
    if (merged === PANIC) return PANIC
    return merged === undefined ? chain : { ...chain, socket: { ...chain.socket, settings: merged } }
  }
  const whole = theirs === undefined ? chain.socket : replaceSocket(chain.socket, theirs)
  return {
    ...chain,
    ...(typeof protocol === 'string' ? { transportProtocol: protocol } : {}),
    ...(name === '' ? {} : { name }),
    ...(whole === undefined ? {} : { socket: whole }),
  }
}

/** The patch overwrites the name, and the settings if it has any. */
const replaceSocket = (ours: Socket | undefined, theirs: Socket): Socket => ({ ...ours, ...theirs })

/** @returns undefined if nothing changes, because one of the two has no settings */
function mergeSettings(ours: Socket['settings'], theirs: Socket['settings']): Tls | 'raw' | typeof PANIC | undefined {
  if (ours === undefined || theirs === undefined) return undefined
  if (ours === 'raw' || theirs === 'raw') return ours === theirs ? ours : PANIC
  const {
    roots: known,
    validator,
    ...held
  } = theirs.anew ? { ...ours, roots: undefined, validator: false, validated: false, sans: [] } : ours
  const roots = theirs.roots ?? known
  return {
    certificates: [...held.certificates, ...theirs.certificates],
    ...(roots === undefined ? {} : { roots }),
    validated: held.validated || theirs.validated,
    ...(validator || theirs.validator ? { validator: true } : {}),
    sans: [...held.sans, ...theirs.sans],
    client: held.client || theirs.client,
  }
}

function readSocket(socket: unknown): Socket | undefined {
  if (socket === undefined) return undefined
  const config = at(socket, 'typed_config')
  const base = { name: text(at(socket, 'name')) }
  if (config === undefined) return base
  if (text(at(config, '@type')).endsWith('.RawBuffer')) return { ...base, settings: 'raw' }
  const combined = at(config, 'common_tls_context', 'combined_validation_context')
  const validation = at(combined, 'default_validation_context')
  const roots = text(at(combined, 'validation_context_sds_secret_config', 'name'))
  return {
    ...base,
    settings: {
      certificates: [],
      ...(roots === '' ? {} : { roots }),
      ...(at(config, 'common_tls_context', 'validation_context') === undefined ? {} : { anew: true }),
      validated: validation !== undefined,
      ...(at(validation, 'custom_validator_config') === undefined ? {} : { validator: true }),
      sans: list(at(validation, 'match_subject_alt_names')).map((san) => (at(san, 'prefix') === undefined ? 'exact' : 'prefix')),
      client: at(config, 'require_client_certificate') === true,
    },
  }
}

/**
 * Applies a CLUSTER patch. Of several transport sockets, istiod merges the first with the patch's name and no other.
 */
export function patchCluster(cluster: Cluster, patch: unknown): Cluster | typeof PANIC {
  const theirs = readSocket(at(patch, 'patch', 'value', 'transport_socket'))
  if (theirs === undefined) return cluster
  const choice = Object.entries(cluster.choices ?? {}).find(([, socket]) => socket.name === theirs.name)
  if (cluster.choices !== undefined && choice === undefined) return cluster
  const [name, ours] = choice ?? [undefined, cluster.socket?.name === theirs.name ? cluster.socket : undefined]
  if (ours === undefined) return { ...cluster, socket: theirs }
  const merged = mergeSettings(ours.settings, theirs.settings)
  if (merged === PANIC) return PANIC
  const socket: Socket = merged === undefined ? ours : { ...ours, settings: merged }
  return name === undefined ? { ...cluster, socket } : { ...cluster, choices: { ...cluster.choices, [name]: socket } }
}

/** Returns the error with which Envoy rejects a transport socket; undefined if it accepts it. */
export function refusal(socket: Socket | undefined, side: 'server' | 'client'): string | undefined {
  if (socket === undefined || socket.settings === 'raw') return undefined
  const { settings } = socket
  if (settings === undefined) return `a transport socket ${socket.name} without settings`
  if (settings.validated && settings.roots === undefined)
    return 'CombinedCertificateValidationContext.ValidationContextSdsSecretConfig: value is required'
  return side === 'server' && settings.certificates.length === 0 ? 'no TLS certificates found for server context' : undefined
}

/** Checks for Istio mutual TLS, which uses workload certificates. Only here may Entente install a validator. */
export const isMutual = ({ socket }: Pick<Chain, 'socket'>, side: 'server' | 'client'): boolean =>
  typeof socket?.settings === 'object' && socket.settings.certificates.includes('default') && (side === 'client' || socket.settings.client)

/**
 * Returns the fault of a chain after the patches of a filter that verifies callers; undefined if there is none. A chain
 * with Istio mutual TLS must have the validator. Every other chain must be unchanged.
 */
export function misfit(chain: Chain, patches: readonly ChainPatch[], listenerPort?: number): string | undefined {
  const patched = patchChain(chain, patches, listenerPort)
  if (patched === PANIC) return PANIC
  const refused = refusal(patched.socket, 'server')
  if (refused !== undefined) return `Envoy would refuse the listener: ${refused}`
  if (patched.transportProtocol !== chain.transportProtocol)
    return `no connection would match the chain for ${chain.transportProtocol} any more`
  const held = patched.socket?.settings
  const guarded = patched.filters?.has(NAMES) === true
  if (isMutual(chain, 'server') && !guarded && patches.some(({ name }) => name === NAMES))
    return 'the names in its certificates would not be checked'
  if (!isMutual(chain, 'server') && guarded) return 'every connection would be closed: there is no certificate to check names in'
  if (isMutual(chain, 'server'))
    return typeof held === 'object' && held.validator === true ? undefined : 'its mutual TLS would not be judged by the filter'
  const was = chain.socket?.settings ?? 'raw'
  return JSON.stringify(held ?? 'raw') === JSON.stringify(was) ? undefined : 'the filter would change TLS that is not Istio’s mutual TLS'
}
