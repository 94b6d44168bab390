/** Inspects a file that may contain roots: its certificates, its problems, and the bundle if it is accepted. */

import { FederationError } from '../diagnostics/errors.ts'
import { error, type Finding, fromError, hasErrors, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { type Anchor, anchorFrom } from '../x509/anchor.ts'
import { type Certificate, readCertificate } from '../x509/certificate.ts'
import { type Fingerprint, fingerprintOf } from '../x509/fingerprint.ts'
import { DAMAGED_KEY, isKeyDer, privateKey } from '../x509/private-key.ts'
import { type Dates, dateProblemsOf, problemsOf } from '../x509/problems.ts'
import { jwkOf } from '../x509/public-key.ts'
import type { Bundle } from './bundle.ts'
import { type Document, type Format, readDocument } from './document.ts'
import type { Entry, Part } from './jwks.ts'
import { bundleEmpty, malformedCertificate, trustDomainMissing } from './root-findings.ts'
import { parseTrustDomain, type TrustDomain } from './trust-domain.ts'

export interface InspectOptions extends Dates {
  /** Detected from the contents if absent. */
  readonly format?: Format
  /** The trust domain of the bundle; in a bundle map, the trust domain to read. */
  readonly trustDomain?: TrustDomain
}

/** A certificate and the codes of its findings. */
export interface Inspected {
  readonly certificate: Certificate
  readonly subject: string
  readonly problems: readonly string[]
}

export interface Inspection {
  readonly verdict: 'accept' | 'reject'
  readonly format: Format
  /** The given trust domain, or the only one of a bundle map. */
  readonly trustDomain?: TrustDomain
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
  /** The readable certificates, each fingerprint once, even if the file is rejected. */
  readonly certificates: readonly Inspected[]
  readonly findings: readonly Finding[]
  /** Present when the file is accepted and the trust domain is known. */
  readonly bundle?: Bundle
}

/** Checks a file as a bundle by docs/anchors.md. Never throws: the findings contain the problems. */
export function inspect(file: Uint8Array, options: InspectOptions): Inspection {
  const { certificates, ...rest } = readBundle(file, { ...options, list: true })
  return { verdict: hasErrors(rest.findings) ? 'reject' : 'accept', certificates, ...rest }
}

type Reading = Omit<Inspection, 'verdict'>
interface ReadOptions extends InspectOptions {
  readonly known?: ReadonlyMap<Fingerprint, Anchor>
  /** True: keep the certificates. They use far more memory than the anchors made from them. */
  readonly list?: boolean
}

/** The common part of `inspect` and `parseBundle`. */
export function readBundle(file: Uint8Array, options: ReadOptions): Reading {
  const document = readDocument(file, options.format)
  const findings: Finding[] = [...document.findings]
  const { parts, trustDomain } = choose(document, options.trustDomain, findings)
  const judged = parts.map((part) => judgePart(part, options))
  for (const one of judged) for (const finding of one.findings) findings.push(finding)
  const [part, result] = [parts[0], judged[0]]
  const single = parts.length === 1 && part !== undefined && result !== undefined
  if (single && document.format === 'spiffe' && result.anchors.length === 0 && !hasErrors(findings)) {
    findings.push(bundleEmpty(trustDomain === undefined ? about.input('file') : about.trustDomain(trustDomain), 'offered'))
  }
  const numbers = single ? numbersOf(part) : {}
  const accepted = single && trustDomain !== undefined && !hasErrors(findings)
  return {
    format: document.format,
    ...(trustDomain !== undefined && { trustDomain }),
    ...numbers,
    certificates: judged.flatMap((one) => one.certificates),
    findings,
    ...(accepted && { bundle: { trustDomain, anchors: result.anchors, ...numbers } }),
  }
}

function numbersOf({ sequence, refreshHintSeconds }: Part): Pick<Part, 'sequence' | 'refreshHintSeconds'> {
  return { ...(sequence !== undefined && { sequence }), ...(refreshHintSeconds !== undefined && { refreshHintSeconds }) }
}

/**
 * Selects one trust domain of a bundle map. Bundles of different trust domains are never merged (SPIFFE_Federation
 * §4.2).
 */
function choose(
  document: Document,
  wanted: TrustDomain | undefined,
  findings: Finding[],
): { parts: readonly Part[]; trustDomain?: TrustDomain } {
  if (!document.isMap) return { parts: document.parts, ...(wanted !== undefined && { trustDomain: wanted }) }
  const names = document.parts.flatMap(({ trustDomain }) => checkName(trustDomain ?? '', findings) ?? [])
  if (wanted !== undefined) {
    const parts = document.parts.filter(({ trustDomain }) => trustDomain === wanted)
    if (parts.length === 0) findings.push(trustDomainMissing(about.trustDomain(wanted), shortList(names)))
    return { parts, trustDomain: wanted }
  }
  const [only, ...others] = names
  if (only !== undefined && others.length === 0) return { parts: document.parts, trustDomain: only }
  findings.push(
    info(
      'bundle-map',
      about.input('file'),
      `is a map of ${names.length} trust domains: ${shortList(names)}`,
      'give a trust domain to take one of them',
    ),
  )
  return { parts: document.parts }
}

function checkName(name: string, findings: Finding[]): TrustDomain | undefined {
  try {
    return parseTrustDomain(name)
  } catch (cause) {
    findings.push(fromError(cause as FederationError))
    return undefined
  }
}

const shortList = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : [...names.slice(0, 5), ...(names.length > 5 ? [`${names.length - 5} more`] : [])].join(', ')

interface Judged {
  readonly anchors: readonly Anchor[]
  readonly certificates: readonly Inspected[]
  readonly findings: readonly Finding[]
}

function judgePart(part: Part, options: ReadOptions): Judged {
  const anchors: Anchor[] = []
  const certificates: Inspected[] = []
  const findings: Finding[] = [...part.findings]
  const seen = new Map<Fingerprint, string>()
  const copies = new Map<Fingerprint, string[]>()
  for (const entry of part.entries) {
    const fingerprint = fingerprintOf(entry.der)
    const before = seen.get(fingerprint)
    const known = options.known?.get(fingerprint)
    if (before !== undefined) {
      copies
        .set(fingerprint, copies.get(fingerprint) ?? [])
        .get(fingerprint)
        ?.push(entry.subject)
      continue
    }
    seen.set(fingerprint, entry.subject)
    const one = known ? judgeKnown(known, entry, options) : judgeUnseen(entry, options)
    for (const finding of one.findings) findings.push(finding)
    if (one.anchor) anchors.push(one.anchor)
    if (one.inspected && options.list) certificates.push(one.inspected)
  }
  for (const [fingerprint, subjects] of copies) findings.push(duplicate(subjects, seen.get(fingerprint) ?? ''))
  return { anchors, certificates, findings }
}

/** One finding for all copies of a certificate. */
function duplicate(subjects: readonly string[], first: string): Finding {
  const [subject = '', ...others] = subjects
  const more = others.length === 0 ? '' : `, and so ${others.length === 1 ? 'is 1 more' : `are ${others.length} more`}`
  return warning('duplicate', about.input(subject), `is the same certificate as ${first}${more}`, 'Entente keeps one copy')
}

interface One {
  readonly anchor?: Anchor
  readonly inspected?: Inspected
  readonly findings: readonly Finding[]
}

function judgeKnown(anchor: Anchor, entry: Entry, dates: Dates): One {
  const findings = dateProblemsOf(anchor, entry.subject, dates)
  return { anchor, findings: entry.jwk === undefined ? findings : [...findings, ...keyMismatch(entry, jwkOf(anchor))] }
}

function judgeUnseen(entry: Entry, dates: Dates): One {
  try {
    const certificate = readCertificate(entry.der, entry.subject)
    const problems = problemsOf(certificate, entry.subject, dates)
    const findings = entry.jwk === undefined ? problems : [...problems, ...keyMismatch(entry, jwkOf(certificate))]
    return {
      anchor: anchorFrom(certificate),
      inspected: { certificate, subject: entry.subject, problems: findings.map(({ code }) => code) },
      findings,
    }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    const key = isKeyDer(entry.der) && entry.subject !== 'file' ? [privateKey(entry.subject, DAMAGED_KEY)] : []
    return { findings: [...key, malformedCertificate(cause.about, cause.reason, cause.hint)] }
  }
}

/**
 * RFC 7517 §4.7: the certificate's key must match the key members of the JWK. go-jose, and so SPIRE and Istio, rejects
 * a mismatch.
 */
function keyMismatch({ jwk, subject }: Entry, own: Readonly<Record<string, string>>): readonly Finding[] {
  if (jwk === undefined) return []
  const wrong: string[] = []
  for (const name in jwk) if (own[name] !== jwk[name]) wrong.push(`\`${name}\``)
  if (wrong.length > 0) {
    return [
      error(
        'key-mismatch',
        about.input(subject),
        `${wrong.join(', ')} and the certificate in \`x5c\` name different keys`,
        'ask the publisher which one is meant',
      ),
    ]
  }
  const missing: string[] = []
  for (const name in own) if (jwk[name] === undefined) missing.push(`\`${name}\``)
  if (missing.length === 0) return []
  return [
    warning(
      'key-members-missing',
      about.input(subject),
      `lacks ${missing.join(', ')}; SPIRE and Istio refuse such a bundle`,
      'the certificate counts',
    ),
  ]
}
