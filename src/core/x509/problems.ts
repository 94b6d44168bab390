/** The rules that reject a well-formed certificate as a trust anchor; docs/anchors.md explains each. */

import { type Finding, type FindingCode, finding, type Severity } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Certificate } from './certificate.ts'
import { keyUsageOf, OID } from './extensions.ts'
import { permitsNoSpiffeId, voidConstraintsOf } from './name-constraints.ts'
import { missingPurposesOf, PURPOSE_FINDING } from './purposes.ts'
import { unknownCritical } from './strict.ts'
import { printable } from './syntax/printable.ts'

interface Rule {
  readonly code: FindingCode
  /** Undefined: the certificate does not have this problem. */
  readonly severity: (certificate: Certificate, now: Date) => Severity | undefined
  readonly message: string | ((certificate: Certificate) => string)
  readonly hint: string
}

type Dated = Pick<Certificate, 'subject' | 'fingerprint' | 'notBefore' | 'notAfter'>
type DateRule = Omit<Rule, 'severity' | 'message'> & {
  readonly message: string
  readonly severity: (anchor: Dated, now: Date) => Severity | undefined
}

const errorIf = (wrong: boolean): Severity | undefined => (wrong ? 'error' : undefined)
const warningIf = (odd: boolean): Severity | undefined => (odd ? 'warning' : undefined)

/** UTCTime begins in 1950 (RFC 5280 §4.1.2.5.1), and no CA is older. */
const FIRST_DATE = Date.UTC(1950, 0)
const NEW_ROOT = 'ask its owner for a new root'

/** The two rules that depend on time. */
const DATE_PROBLEMS: readonly DateRule[] = [
  {
    code: 'expired',
    severity: ({ notAfter }, now) => errorIf(notAfter < now),
    message: 'has expired',
    hint: 'remove it, or ask its owner for the current root',
  },
  {
    code: 'not-yet-valid',
    severity: ({ notBefore }, now) => errorIf(notBefore > now),
    message: 'is not valid yet',
    hint: 'offer it again when it is valid, or check the clocks',
  },
]

const PROBLEMS: readonly Rule[] = [
  {
    code: 'v1',
    severity: ({ fields }) => errorIf(fields.version < 3),
    message: 'is an X.509 v1 or v2 certificate, which cannot say that it is a CA',
    hint: NEW_ROOT,
  },
  {
    code: 'not-ca',
    severity: ({ isCA }) => errorIf(!isCA),
    message: 'is not a CA certificate (basicConstraints CA is not true)',
    hint: 'remove workload and server certificates; give the root that signs them',
  },
  {
    code: 'no-cert-sign',
    severity: ({ isCA, fields }) => errorIf(isCA && keyUsageOf(fields)?.keyCertSign === false),
    message: 'is a CA whose key usage does not allow it to sign certificates',
    hint: NEW_ROOT,
  },
  ...DATE_PROBLEMS,
  {
    code: 'unusual-date',
    severity: ({ notBefore }) => warningIf(notBefore.getTime() < FIRST_DATE),
    message: ({ notBefore }) =>
      `is valid since ${notBefore.toISOString().slice(0, 10)}: its issuer set no date (year 1 is Go’s zero time). Go, Envoy and OpenSSL accept it`,
    hint: 'ask its owner whether this root is intended',
  },
  {
    code: 'serial-not-positive',
    severity: ({ fields: { serial } }) => errorIf((serial[0] ?? 0) >= 0x80),
    message: 'has a negative serial number: RFC 5280 forbids it, and istiod refuses it',
    hint: NEW_ROOT,
  },
  {
    code: 'serial-not-positive',
    severity: ({ fields: { serial } }) => warningIf(serial.every((byte) => byte === 0)),
    message: 'has the serial number zero: RFC 5280 forbids it; istiod, Envoy and OpenSSL accept it',
    hint: 'ask its owner for a new root at the next rotation',
  },
  {
    code: 'weak-signature',
    severity: (c) => (c.signing.weak ? (c.selfIssued ? 'warning' : 'error') : undefined),
    message: 'is signed with MD2, MD5 or SHA-1',
    hint: NEW_ROOT,
  },
  {
    code: 'weak-signature',
    severity: (c) => errorIf(!c.selfIssued && !c.signing.weak && c.signing.scheme === undefined),
    message: ({ signing }) => `is signed with ${signing.called}, which Go and Envoy do not verify`,
    hint: NEW_ROOT,
  },
  {
    code: 'weak-key',
    severity: ({ key }) => errorIf((key.algorithm === 'RSA' && key.bits < 2048) || (key.algorithm === 'ECDSA' && key.bits < 256)),
    message: 'has a key that is too small (RSA below 2048 bits, or a curve below P-256)',
    hint: NEW_ROOT,
  },
  ...(['weak-key', 'unsupported-key'] as const).map((code) => ({
    code,
    severity: ({ key }: Certificate) => errorIf(key.refused?.code === code),
    message: ({ key }: Certificate) => `has ${key.refused?.why}`,
    hint: `${NEW_ROOT}, with an RSA key of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519`,
  })),
  {
    code: 'unknown-critical-extension',
    severity: ({ fields }) => errorIf(unknownCritical(fields).length > 0),
    message: 'has a critical extension that nobody here understands, so nothing under it would verify',
    hint: NEW_ROOT,
  },
  {
    code: 'name-constraints',
    severity: ({ fields }) => warningIf(fields.extensions.has(OID.nameConstraints)),
    message: 'has name constraints, which Go, OpenSSL and Envoy read differently',
    hint: 'do not rely on them in place of pinning',
  },
  {
    code: 'void-constraint',
    severity: ({ fields }) => (permitsNoSpiffeId(fields) ? 'error' : warningIf(voidConstraintsOf(fields).length > 0)),
    message: ({ fields }) => {
      const [first = ''] = voidConstraintsOf(fields)
      const what = permitsNoSpiffeId(fields) ? 'no SPIFFE ID under it verifies' : 'it permits or excludes nothing'
      return `has the name constraint ${JSON.stringify(printable(first, 100))}, which is no domain name: ${what}`
    },
    hint: `${NEW_ROOT}: a URI constraint is a host or trust domain without a scheme, a DNS constraint has no asterisk`,
  },
  {
    code: PURPOSE_FINDING,
    severity: ({ fields }) => warningIf(missingPurposesOf(fields).length > 0),
    message: ({ fields }) =>
      `has an extended key usage without ${missingPurposesOf(fields).join(' and ')}: Go refuses what is under it in that role`,
    hint: `${NEW_ROOT}, without an extended key usage`,
  },
  {
    code: 'not-self-issued',
    severity: ({ selfIssued }) => warningIf(!selfIssued),
    message: 'is not self-issued: an intermediate, which Go, Envoy and OpenSSL treat differently as an anchor',
    hint: 'offer the root above it: Envoy’s SPIFFE validator ends no chain at an intermediate',
  },
]

const DATES: ReadonlySet<string> = new Set(DATE_PROBLEMS.map(({ code }) => code))

export interface Dates {
  /** The instant at which expiry is evaluated. */
  readonly now: Date
  /**
   * Reports `expired` and `not-yet-valid` as warnings. Use it for bundles that are already approved. An expired root
   * verifies no certificate, so it must not block reading the bundle when trust is to be reduced.
   */
  readonly tolerate?: 'dates'
}

/** All problems of a certificate as a trust anchor. */
export function problemsOf(certificate: Certificate, subject: string, dates: Dates): readonly Finding[] {
  const findings: Finding[] = []
  for (const rule of PROBLEMS) {
    const severity = rule.severity(certificate, dates.now)
    if (severity === undefined) continue
    const message = typeof rule.message === 'string' ? rule.message : rule.message(certificate)
    findings.push(...judge({ ...rule, message }, severity, certificate, subject, dates))
  }
  return findings
}

const NONE: readonly Finding[] = []

/** The date problems that may have appeared since the certificate was checked. */
export function dateProblemsOf(anchor: Dated, subject: string, dates: Dates): readonly Finding[] {
  const at = dates.now.getTime()
  if (anchor.notBefore.getTime() <= at && at <= anchor.notAfter.getTime()) return NONE
  return DATE_PROBLEMS.flatMap((rule) => judge(rule, rule.severity(anchor, dates.now), anchor, subject, dates))
}

function judge(rule: Omit<DateRule, 'severity'>, severity: Severity | undefined, of: Dated, subject: string, dates: Dates): Finding[] {
  if (severity === undefined) return []
  const { code, hint } = rule
  const reported = dates.tolerate === 'dates' && DATES.has(code) ? 'warning' : severity
  return [finding(code, reported, about.input(subject), `${of.subject || of.fingerprint} ${rule.message}`, hint)]
}
