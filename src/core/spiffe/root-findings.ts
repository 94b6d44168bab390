/** Findings about the roots and the bundle of a trust domain. Only this file produces these codes. */
import { type HomeKind, remedyOf } from '../diagnostics/codes.ts'
import { error, type Finding, finding, type Severity, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { TrustDomain } from './trust-domain.ts'

/** The member that the roots belong to. */
export interface Holder {
  readonly name: string
  readonly trustDomain: TrustDomain
  readonly home: HomeKind
}

/** @param because why Entente can use none of its roots */
export const bundleMissing = ({ name, trustDomain, home }: Holder, because = 'none of its approved roots counts'): Finding =>
  error(
    'bundle-missing',
    about.member(name),
    `Entente can use no root of ${trustDomain}: ${because}`,
    remedyOf('bundle-missing', home, { MEMBER: name }),
  )

/**
 * @param root the expired root. Role `staying`: a rotation keeps this root. Role `last`: all roots expired, this one
 * last
 */
export function rootExpired(
  { name, trustDomain, home }: Holder,
  root: { readonly notAfter: Date; readonly fingerprint: Fingerprint; readonly role?: 'staying' | 'last' },
): Finding {
  const which = {
    one: `${root.fingerprint} of ${trustDomain} expired ${root.notAfter.toISOString()}`,
    staying: `${root.fingerprint} of ${trustDomain}, which is to stay, expired ${root.notAfter.toISOString()}`,
    last: `every approved root of ${trustDomain} expired, the last one, ${root.fingerprint}, ${root.notAfter.toISOString()}`,
  }[root.role ?? 'one']
  const hint =
    root.role === 'staying'
      ? `its owner announces another root, then: entente rotate ${name}; or entente rotate ${name} --abort`
      : remedyOf('ca-not-approved', home, { MEMBER: name })
  return error('root-expired', about.member(name), `${which}: proxies refuse every certificate that it signed`, hint)
}

/** @param what the root, its expiry time, and the connections that fail then */
export const rootExpires = (severity: Severity, subject: Subject, what: string, hint: string): Finding =>
  finding('root-expires', severity, subject, what, hint)

/**
 * A root must belong to one trust domain, but here it belongs to two.
 * @param where the holders of the root and their trust domains
 */
export const rootOfAnotherDomain = (subject: Subject, where: string, hint: string): Finding =>
  error('root-of-another-domain', subject, `${where}: a root vouches for one trust domain`, hint)

/** @param holder `pem`: the caller asked for a PEM file, which cannot express an empty bundle */
export const bundleEmpty = (subject: Subject, holder: 'offered' | 'approved' | 'pem'): Finding =>
  holder === 'pem'
    ? error('bundle-empty', subject, 'holds no root, which an empty PEM file cannot say', 'keep it as a SPIFFE bundle')
    : warning(
        'bundle-empty',
        subject,
        holder === 'offered'
          ? 'holds no root: its trust domain has revoked them all'
          : 'has no roots: proxies refuse every identity of its trust domain',
        holder === 'offered' ? 'once it is approved, proxies refuse every identity of that domain' : '',
      )

/** @param names the trust domains in the bundle map; undefined: the caller selected none of several */
export const trustDomainMissing = (subject: Subject, names?: string): Finding =>
  names === undefined
    ? error(
        'trust-domain-missing',
        subject,
        'holds several trust domains, whose bundles must not be merged',
        'choose one with --trust-domain',
      )
    : error('trust-domain-missing', subject, 'is not in this bundle map', `it has ${names}`)

export const malformedBundle = (subject: Subject, what: string, hint = ''): Finding => error('malformed-bundle', subject, what, hint)

export const malformedCertificate = (subject: Subject, what: string, hint: string): Finding =>
  error('malformed-certificate', subject, what, hint)
