/**
 * Types for one question: which trust domains and roots does a TLS context of a proxy accept? Every distribution of
 * roots answers it.
 */
import type { InboundChain, Pins, Upstream } from '../model/observed.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'

/** Reasons for an unknown answer. */
export type Doubt = 'unheard' | 'not-acknowledged' | 'rejected' | 'file-gone' | 'file-pending' | 'roots-unseen'

/** States whether a proxy accepts peers of one trust domain, and by which roots. */
export interface Answer {
  readonly accepts: 'yes' | 'no' | 'unknown'
  /**
   * The context binds roots to the domain, even if its SAN matchers reject the domain's names now. A domain that is
   * bound but not accepted becomes accepted as soon as a name is added.
   */
  readonly bound: boolean
  /** Empty if the roots could not be read, and for Istio's own list, which istiod does not show. */
  readonly roots: readonly Fingerprint[]
  /** Set only if `accepts` is unknown. */
  readonly doubt?: Doubt
  /** Latest time at which the kubelet has written a pending file. */
  readonly until?: Date
  /** The file with the roots. */
  readonly file?: string
  /** The host whose servers the context verifies; absent: it verifies callers. */
  readonly host?: string
}

/**
 * The settings by which Envoy verifies certificates of peers: one filter chain of the inbound listener, or one cluster.
 */
export interface TlsContext {
  readonly side: 'inbound' | 'outbound'
  readonly host?: string
  /** It uses Istio mutual TLS. */
  readonly mutual: boolean
  /**
   * The roots that the validator binds. For a validator that reads a file, these are the current content of the file;
   * empty or absent: the file is gone.
   */
  readonly pins?: Pins
  readonly file?: string
  /** SPIFFE IDs that the context accepts, `…*` for a prefix; empty: any. */
  readonly names: readonly string[]
}

/** Facts outside of the proxy's configuration that also decide. */
export interface Surroundings {
  /** Time from which the proxy has the current content of this file; undefined: it has it now. */
  readonly awaited?: (file: string) => Date | undefined
  /** States whether Istio's own list may contain roots meant for the domain; undefined: not known. */
  readonly listed: (domain: TrustDomain) => boolean | undefined
}

/** A distribution of roots to proxies, and its rule for which certificates a proxy accepts. */
export interface Carrier {
  /** True if the context uses this distribution. Exactly one carrier returns true for any context. */
  readonly carries: (context: TlsContext) => boolean
  /** Answers for the pushed configuration. The evidence shows whether Envoy acknowledged that push. */
  readonly accepts: (context: TlsContext, domain: TrustDomain, around: Surroundings) => Answer
}

export const inboundContext = ({ tls, pins, file, sanPrefixes }: InboundChain): TlsContext => ({
  side: 'inbound',
  mutual: tls === 'mutual',
  ...(pins && { pins }),
  ...(file !== undefined && { file }),
  names: sanPrefixes.map((prefix) => `${prefix}*`),
})

export const outboundContext = ({ host, mutual, pins, file, sans }: Upstream): TlsContext => ({
  side: 'outbound',
  host,
  mutual,
  ...(pins && { pins }),
  ...(file !== undefined && { file }),
  names: sans.map((name) => (name.startsWith('spiffe://') ? name : `spiffe://${name}`)),
})

const prefixOf = (domain: TrustDomain): string => `spiffe://${domain}/`

/**
 * Checks that the context accepts some name of the domain. A matcher may be shorter than `spiffe://DOMAIN/`, or longer.
 */
export const takesNamesOf = ({ names }: TlsContext, domain: TrustDomain): boolean =>
  names.length === 0 ||
  names.some((name) => {
    const known = name.endsWith('*') ? name.slice(0, -1) : name
    return known.startsWith(prefixOf(domain)) || (name.endsWith('*') && prefixOf(domain).startsWith(known))
  })

/** Checks that the context accepts every name of the domain. */
export const takesEveryNameOf = ({ names }: TlsContext, domain: TrustDomain): boolean =>
  names.length === 0 || names.some((name) => name.endsWith('*') && prefixOf(domain).startsWith(name.slice(0, -1)))

/** The domains of which the context accepts every name by a matcher of exactly that domain. */
export const domainsNamed = ({ names }: TlsContext): readonly string[] =>
  names.flatMap((name) => /^spiffe:\/\/([^/]+)\/\*$/.exec(name)?.[1] ?? [])

export const NOT_ACCEPTED: Answer = { accepts: 'no', bound: false, roots: [] }

/** Combines the answers of contexts among which a peer may choose. */
export function anyOf(answers: readonly Answer[]): Answer {
  const found = answers.find(({ accepts }) => accepts === 'yes') ?? answers.find(({ accepts }) => accepts === 'unknown')
  const bound = answers.filter((answer) => answer.bound)
  const roots = [...new Set(answers.flatMap((answer) => answer.roots))]
  return { ...(found ?? bound[0] ?? NOT_ACCEPTED), bound: bound.length > 0, roots }
}

/**
 * True if the context neither accepts the domain nor binds roots to it. Steps that rely on the domain being excluded
 * require this answer.
 */
export const isShutOut = ({ accepts, bound }: Answer): boolean => accepts === 'no' && !bound
