/**
 * Reads the JWK set of one trust domain as tolerantly as SPIFFE_Trust_Domain_and_Bundle §4 and X509-SVID §6.2 require.
 * An entry for another use is ignored with a finding. An entry that contradicts itself is rejected.
 */

import type { CodeOf } from '../diagnostics/codes.ts'
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { decodeBase64 } from '../x509/pem.ts'
import { privateKey } from '../x509/private-key.ts'
import { printable } from '../x509/syntax/printable.ts'
import { type Json, JsonNumber, JsonObject } from './json.ts'
import { malformedBundle, malformedCertificate } from './root-findings.ts'
import { MAX_SEQUENCE } from './sequence.ts'

/** One certificate in a file. */
export interface Entry {
  /** The operator's name for its place: `block 2`, `key 2`, `cluster-b.example key 2`. */
  readonly subject: string
  readonly der: Uint8Array
  /** The members of its JWK that identify the key, if present. */
  readonly jwk?: Readonly<Record<string, string>>
}

/** The contents of a file for one trust domain. */
export interface Part {
  /** The name in a bundle map, unchecked. */
  readonly trustDomain?: string
  readonly entries: readonly Entry[]
  readonly sequence?: bigint
  readonly refreshHintSeconds?: number
  readonly findings: readonly Finding[]
}

const KNOWN_KTY: ReadonlySet<Json | undefined> = new Set(['RSA', 'EC', 'OKP'])
/** The members that hold private or symmetric key material, RFC 7518 §6.2.2, §6.3.2, §6.4.1. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const PUBLISHER = 'tell the publisher'

/** @param prefix precedes every subject: the trust domain in a bundle map */
export function readKeys(root: JsonObject, prefix: string): Part {
  const findings: Finding[] = []
  const subject = prefix.trim() || 'file'
  for (const name of root.repeated) findings.push(repeated(subject, name))
  // A single JWK in the place of a set.
  if (root.members.has('kty')) findings.push(...secretsOf(root, subject))
  const keys = root.get('keys')
  if (!Array.isArray(keys)) {
    findings.push(malformedBundle(about.input(subject), '`keys` is not there or not an array', 'a bundle without roots has an empty array'))
  }
  const list: readonly Json[] = Array.isArray(keys) ? keys : []
  const entries = list.flatMap((key, i) => readKey(key, `${prefix}key ${i + 1}`, findings) ?? [])
  const sequence = readSequence(root.get('spiffe_sequence'), subject, findings)
  const hint = readHint(root.get('spiffe_refresh_hint'), subject, findings)
  return { entries, findings, ...(sequence !== undefined && { sequence }), ...(hint !== undefined && { refreshHintSeconds: hint }) }
}

function readKey(key: Json, subject: string, findings: Finding[]): Entry | undefined {
  if (!(key instanceof JsonObject)) {
    findings.push(malformedBundle(about.input(subject), 'is not an object'))
    return undefined
  }
  for (const name of key.repeated) findings.push(repeated(subject, name))
  findings.push(...secretsOf(key, subject))
  const ignored = ignoredBecause(key, subject)
  if (ignored) {
    findings.push(ignored)
    return undefined
  }
  if (key.members.has('kid'))
    findings.push(
      warning('kid-present', about.input(subject), 'has a `kid`, which an x509-svid key must not have (X509-SVID §6.1)', PUBLISHER),
    )
  return readX5c(key, subject, findings)
}

/** Reports a JWK with the members of a private or symmetric key. */
function secretsOf(key: JsonObject, subject: string): readonly Finding[] {
  const secret = SECRET_MEMBERS.find((name) => key.members.has(name))
  if (secret === undefined && key.get('kty') !== 'oct') return []
  return [privateKey(subject, `holds private key material (member \`${secret ?? 'kty'}\`)`)]
}

function ignoredBecause(key: JsonObject, subject: string): Finding | undefined {
  const [kty, use, x5c] = [key.get('kty'), key.get('use'), key.get('x5c')]
  const ignore = (code: CodeOf<'warning'>, message: string): Finding =>
    warning(code, about.input(subject), `is ignored: ${message}`, PUBLISHER)
  if (use === 'jwt-svid') return info('jwt-svid', about.input(subject), 'is for JWT-SVIDs and not looked at')
  if (use === undefined) return ignore('use-missing', 'it has no `use`')
  if (use !== 'x509-svid') return ignore('use-unknown', `its \`use\` is ${shown(use)}`)
  if (!KNOWN_KTY.has(kty)) return ignore('kty-unknown', `its \`kty\` is ${kty === undefined ? 'missing' : shown(kty)}`)
  if (!Array.isArray(x5c) || x5c.length === 0) return ignore('x5c-missing', 'it has no certificate in `x5c`')
  return undefined
}

const shown = (value: Json): string => (typeof value === 'string' ? JSON.stringify(printable(value, 40)) : 'not a string')

function readX5c(key: JsonObject, subject: string, findings: Finding[]): Entry | undefined {
  const x5c = key.get('x5c') as readonly Json[]
  if (x5c.length > 1)
    findings.push(
      warning('x5c-several', about.input(subject), `has ${x5c.length} values in \`x5c\`; the first counts (X509-SVID §6.2)`, PUBLISHER),
    )
  const [first] = x5c
  const der = typeof first === 'string' ? decodeBase64(Buffer.from(first)) : undefined
  if (der === undefined || der.length === 0) {
    findings.push(
      malformedCertificate(
        about.input(subject),
        'its `x5c` value is not base64',
        'want the certificate as base64 with + and /, not base64url',
      ),
    )
    return undefined
  }
  const jwk: Record<string, string> = {}
  for (const name of ['kty', 'crv', 'x', 'y', 'n', 'e']) {
    const member = key.get(name)
    if (member !== undefined) jwk[name] = typeof member === 'string' ? member : ''
  }
  return { subject, der, jwk }
}

function readSequence(value: Json | undefined, subject: string, findings: Finding[]): bigint | undefined {
  if (value === undefined || value === null) return undefined
  if (value instanceof JsonNumber && /^\d{1,20}$/.test(value.source) && BigInt(value.source) <= MAX_SEQUENCE) return BigInt(value.source)
  findings.push(error('sequence-invalid', about.input(subject), '`spiffe_sequence` is not a whole number of 64 bits', PUBLISHER))
  return undefined
}

function readHint(value: Json | undefined, subject: string, findings: Finding[]): number | undefined {
  if (value === undefined || value === null) return undefined
  const seconds = value instanceof JsonNumber && /^\d{1,15}$/.test(value.source) ? Number(value.source) : undefined
  if (seconds === undefined)
    findings.push(error('refresh-hint-invalid', about.input(subject), '`spiffe_refresh_hint` is not a whole number of seconds', PUBLISHER))
  if (seconds === 0)
    findings.push(warning('refresh-hint-zero', about.input(subject), '`spiffe_refresh_hint` is 0, which is taken as not set', PUBLISHER))
  return seconds === 0 ? undefined : seconds
}

export const repeated = (subject: string, member: string): Finding =>
  error(
    'duplicate-member',
    about.input(subject),
    `member ${JSON.stringify(printable(member, 40))} is there more than once; readers differ on which one counts`,
    'ask the publisher to mend the file',
  )
