/** Which trust domains and roots one TLS context of a proxy accepts: the answer that every way of carrying trust gives. */
import type { InboundChain, Pins, Upstream } from '../model/observed.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'

/** Why nobody can say yes or no. */
export type Doubt = 'unheard' | 'not-acknowledged' | 'rejected' | 'file-gone' | 'file-pending' | 'roots-unseen'

/** Whether peers with an identity of one trust domain are accepted, and by which roots. */
export interface Answer {
  readonly accepts: 'yes' | 'no' | 'unknown'
  /**
   * The context binds roots to the domain, whether or not it takes the domain's names now. A domain that is bound and not
   * accepted comes in as soon as somebody adds the name.
   */
  readonly bound: boolean
  /** Empty where the roots could not be read, and for Istio's own list, of which istiod shows nothing. */
  readonly roots: readonly Fingerprint[]
  /** Only where `accepts` is unknown. */
  readonly doubt?: Doubt
  /** Until when a file may be on its way. */
  readonly until?: Date
  /** The file that decides. */
  readonly file?: string
  /** The host whose servers are judged; absent: callers. */
  readonly host?: string
}

/** What Envoy judges the certificates of peers by: one filter chain of the inbound listener, or one cluster. */
export interface TlsContext {
  readonly side: 'inbound' | 'outbound'
  readonly host?: string
  /** It asks for a certificate of Istio mutual TLS. */
  readonly mutual: boolean
  /** What the validator binds; of one that reads a file, what that file holds now; empty or absent there: the file is gone. */
  readonly pins?: Pins
  readonly file?: string
  /** SPIFFE IDs that a peer may have, `…*` for a prefix; empty: any. */
  readonly names: readonly string[]
}

/** What else decides, and is not in the configuration of the proxy. */
export interface Surroundings {
  /** From when on the proxy has this file as it is now; undefined: it has it. */
  readonly awaited?: (file: string) => Date | undefined
  /** Whether Istio's own list may hold roots that are meant for the domain; undefined: not known. */
  readonly listed: (domain: TrustDomain) => boolean | undefined
}

/** A way of carrying trust to a proxy: how it decides whose certificates that proxy accepts. */
export interface Carrier {
  /** Whether the context judges in this way. Exactly one of the carriers says so of any context. */
  readonly carries: (context: TlsContext) => boolean
  /** As Envoy decides by what was pushed to it; whether it took that push is for the evidence to say. */
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

/** Whether the context takes some name of the domain: a matcher may be shorter than `spiffe://DOMAIN/`, or longer. */
export const takesNamesOf = ({ names }: TlsContext, domain: TrustDomain): boolean =>
  names.length === 0 ||
  names.some((name) => {
    const known = name.endsWith('*') ? name.slice(0, -1) : name
    return known.startsWith(prefixOf(domain)) || (name.endsWith('*') && prefixOf(domain).startsWith(known))
  })

/** Whether it takes all of them. */
export const takesEveryNameOf = ({ names }: TlsContext, domain: TrustDomain): boolean =>
  names.length === 0 || names.some((name) => name.endsWith('*') && prefixOf(domain).startsWith(name.slice(0, -1)))

/** The domains that the context names as a whole. */
export const domainsNamed = ({ names }: TlsContext): readonly string[] =>
  names.flatMap((name) => /^spiffe:\/\/([^/]+)\/\*$/.exec(name)?.[1] ?? [])

export const NOT_ACCEPTED: Answer = { accepts: 'no', bound: false, roots: [] }

/** Of contexts that a peer may choose among. */
export function anyOf(answers: readonly Answer[]): Answer {
  const found = answers.find(({ accepts }) => accepts === 'yes') ?? answers.find(({ accepts }) => accepts === 'unknown')
  const bound = answers.filter((answer) => answer.bound)
  const roots = [...new Set(answers.flatMap((answer) => answer.roots))]
  return { ...(found ?? bound[0] ?? NOT_ACCEPTED), bound: bound.length > 0, roots }
}

/** The only answer on which something may rest that keeps the domain out. */
export const isShutOut = ({ accepts, bound }: Answer): boolean => accepts === 'no' && !bound
