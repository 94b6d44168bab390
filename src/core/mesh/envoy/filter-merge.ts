/**
 * What becomes of filter chains and clusters when a filter is merged into them, as istiod does it, and whether Envoy
 * would take the result. The chains come from a table of what istiod really makes (shapes.table.ts), kept by an
 * end-to-end test (istio networking/core/envoyfilter/listener_patch.go, cluster_patch.go, eed52ebb66ad).
 */
import { NAMES } from '../../model/filter-names.ts'
import { at, list, text } from '../../model/manifest.ts'

/** TLS settings, as far as a merge and Envoy's validation look at them. */
export interface Tls {
  /** Names of the secrets with its own certificate. */
  readonly certificates: readonly string[]
  /** Name of the secret with the roots: the SDS half of a combined validation context. */
  readonly roots?: string
  /** The other half, `default_validation_context`, is there. */
  readonly validated: boolean
  readonly validator?: boolean
  readonly sans: readonly ('prefix' | 'exact')[]
  /** In a patch: what there is of validation goes first, as this is of another kind. */
  readonly anew?: true
  /** A client must show a certificate. */
  readonly client: boolean
}

/** `settings` undefined: a transport socket of that name without any. */
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
  /** Network filters that patches put in. */
  readonly filters?: ReadonlySet<string>
}

/** A cluster's transport socket, or the sockets its endpoints choose from, by the name of the match. */
export interface Cluster {
  readonly socket?: Socket
  readonly choices?: Readonly<Record<string, Socket>>
}

/** istiod drops every patch of a listener or cluster on which one of them panics. */
export const PANIC = 'istiod would panic over it and leave out all filters of the listener'

/** The patches of filter chains and their network filters that a filter has for one context, in order. */
export const chainPatches = (filter: unknown, context: 'SIDECAR_INBOUND' | 'GATEWAY'): readonly unknown[] =>
  list(at(filter, 'spec', 'configPatches')).filter(
    (p) => ['FILTER_CHAIN', 'NETWORK_FILTER'].includes(text(at(p, 'applyTo'))) && at(p, 'match', 'context') === context,
  )

/**
 * A chain after the patches.
 * @param listenerPort of a listener with a port of its own, as gateways have; the virtual inbound one has it in each chain
 */
export function patchChain(chain: Chain, patches: readonly unknown[], listenerPort?: number): Chain | typeof PANIC {
  let patched = chain
  for (const patch of patches.filter((p) => at(p, 'patch', 'operation') === 'MERGE')) {
    if (!matches(patched, at(patch, 'match', 'listener'), listenerPort)) continue
    const merged = mergeChain(patched, at(patch, 'patch', 'value'))
    if (merged === PANIC) return PANIC
    patched = merged
  }
  // istiod merges all chains first, and then puts filters in and takes them out.
  const filters = new Set<string>()
  for (const patch of patches.filter((p) => at(p, 'applyTo') === 'NETWORK_FILTER')) {
    if (!matches(patched, at(patch, 'match', 'listener'), listenerPort)) continue
    if (at(patch, 'patch', 'operation') === 'REMOVE') filters.delete(text(at(patch, 'match', 'listener', 'filterChain', 'filter', 'name')))
    else filters.add(text(at(patch, 'patch', 'value', 'name')))
  }
  return filters.size === 0 ? patched : { ...patched, filters }
}

function matches(chain: Chain, listener: unknown, listenerPort: number | undefined): boolean {
  const wants = (value: unknown, fits: (value: unknown) => boolean): boolean => value === undefined || fits(value)
  const match = at(listener, 'filterChain')
  return (
    wants(at(listener, 'portNumber'), (port) => port === (listenerPort ?? chain.port)) &&
    wants(at(match, 'transportProtocol'), (protocol) => protocol === chain.transportProtocol) &&
    wants(at(match, 'applicationProtocols'), (all) =>
      text(all)
        .split(',')
        .every((one) => chain.alpn?.includes(one) === true),
    ) &&
    wants(at(match, 'destinationPort'), (port) => port === chain.port) &&
    wants(at(match, 'sni'), (name) => chain.sni?.includes(text(name)) === true) &&
    wants(at(match, 'name'), (name) => name === chain.name)
  )
}

/** Where both have a transport socket of one name, that is merged and nothing else; everywhere else the value as a whole. */
function mergeChain(chain: Chain, value: unknown): Chain | typeof PANIC {
  const theirs = readSocket(at(value, 'transport_socket'))
  if (theirs !== undefined && chain.socket !== undefined && theirs.name === chain.socket.name) {
    const merged = mergeSettings(chain.socket.settings, theirs.settings)
    if (merged === PANIC) return PANIC
    return merged === undefined ? chain : { ...chain, socket: { ...chain.socket, settings: merged } }
  }
  const protocol = at(value, 'filter_chain_match', 'transport_protocol')
  const whole = theirs === undefined ? chain.socket : replaceSocket(chain.socket, theirs)
  return {
    ...chain,
    ...(typeof protocol === 'string' ? { transportProtocol: protocol } : {}),
    ...(text(at(value, 'name')) === '' ? {} : { name: text(at(value, 'name')) }),
    ...(whole === undefined ? {} : { socket: whole }),
  }
}

/** The name is overwritten, and the settings where there are new ones. */
const replaceSocket = (ours: Socket | undefined, theirs: Socket): Socket => ({ ...ours, ...theirs })

/** @returns undefined: nothing changes, as one of the two has no settings */
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

/** The cluster after a CLUSTER patch: of several transport sockets the first of the patch's name is merged, and no other. */
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

/** Why Envoy would refuse a transport socket; undefined: it takes it. */
export function refusal(socket: Socket | undefined, side: 'server' | 'client'): string | undefined {
  if (socket === undefined || socket.settings === 'raw') return undefined
  const { settings } = socket
  if (settings === undefined) return `a transport socket ${socket.name} without settings`
  if (settings.validated && settings.roots === undefined)
    return 'CombinedCertificateValidationContext.ValidationContextSdsSecretConfig: value is required'
  return side === 'server' && settings.certificates.length === 0 ? 'no TLS certificates found for server context' : undefined
}

/** TLS that Istio's own identities end: what a validator of ours may sit in. */
export const isMutual = ({ socket }: Pick<Chain, 'socket'>, side: 'server' | 'client'): boolean =>
  typeof socket?.settings === 'object' && socket.settings.certificates.includes('default') && (side === 'client' || socket.settings.client)

/**
 * What is wrong with a chain after the patches of a filter that is to judge callers; undefined: nothing. Where Istio's
 * mutual TLS ends, the validator must be in; every other chain must be as it was.
 */
export function misfit(chain: Chain, patches: readonly unknown[], listenerPort?: number): string | undefined {
  const patched = patchChain(chain, patches, listenerPort)
  if (patched === PANIC) return PANIC
  const refused = refusal(patched.socket, 'server')
  if (refused !== undefined) return `Envoy would refuse the listener: ${refused}`
  if (patched.transportProtocol !== chain.transportProtocol)
    return `no connection would match the chain for ${chain.transportProtocol} any more`
  const held = patched.socket?.settings
  const guarded = patched.filters?.has(NAMES) === true
  if (isMutual(chain, 'server') && !guarded && patches.some((p) => at(p, 'patch', 'value', 'name') === NAMES))
    return 'the names in its certificates would not be checked'
  if (!isMutual(chain, 'server') && guarded) return 'every connection would be closed: there is no certificate to check names in'
  if (isMutual(chain, 'server'))
    return typeof held === 'object' && held.validator === true ? undefined : 'its mutual TLS would not be judged by the filter'
  const was = chain.socket?.settings ?? 'raw'
  return JSON.stringify(held ?? 'raw') === JSON.stringify(was) ? undefined : 'the filter would change TLS that is not Istio’s mutual TLS'
}
