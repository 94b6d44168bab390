/**
 * Syntax checks for the extensions that Entente does not evaluate, but that Go's parser reads and may reject
 * (crypto/x509/parser.go, processExtensions, Go 1.26).
 */

import { generalNamesOf, isDomain, NAME, OID } from '../extensions.ts'
import type { Fields } from './certificate-fields.ts'
import { childrenOf, contentsOf, DerFault, type Element, elementAt, expectTag, integerOf, oidOf, partsOf, TAG } from './der.ts'

/** @throws DerFault */
export function checkExtensionSyntax(fields: Fields): void {
  for (const [oid, check] of CHECKS) {
    const value = fields.extensions.get(oid)?.value
    if (value !== undefined) check(value)
  }
}

const listOf = (value: Uint8Array, what: string): Element[] => partsOf(value, elementAt(value, 0), what)

const PERMITTED = 0xa0
const EXCLUDED = 0xa1

const reading =
  (valid: (text: string) => boolean) =>
  (contents: Uint8Array): boolean =>
    valid(Buffer.from(contents).toString('latin1'))

/** The syntax of a name constraint, by the number of the GeneralName's kind. */
const CONSTRAINTS: Readonly<Record<number, (contents: Uint8Array) => boolean>> = {
  1: reading((text) => isMailboxes(text)),
  2: reading((text) => isDomainRange(text)),
  6: reading((text) => isUriHosts(text)),
  7: isAddressRange,
}
const CONTEXT = 0x80

/** RFC 5280 §4.2.1.10: at least one subtree, each list at most once, and addresses with a mask. */
function checkNameConstraints(value: Uint8Array): void {
  const outer = expectTag(elementAt(value, 0), TAG.sequence, 'the name constraints')
  const lists = childrenOf(value, outer)
  const subtrees = lists.flatMap((list) => childrenOf(value, list))
  const known = /^(permitted)?(excluded)?$/.test(lists.map(({ tag }) => LISTS[tag] ?? '?').join(''))
  if (outer.end !== value.length || subtrees.length === 0 || !known) throw new DerFault('name constraints that are empty or malformed')
  for (const subtree of subtrees) {
    const [base] = partsOf(value, subtree, 'a name constraint')
    if (base === undefined) throw new DerFault('a name constraint without a name')
    const kind = base.tag - CONTEXT
    if (CONSTRAINTS[kind]?.(contentsOf(value, base)) === false) throw new DerFault(`a name constraint that is none: ${kind}`)
  }
}
const LISTS: Readonly<Record<number, string>> = { [PERMITTED]: 'permitted', [EXCLUDED]: 'excluded' }

/**
 * Go's domainNameValid: non-empty labels of visible ASCII, and no trailing dot. It accepts `*.a.example` and
 * `spiffe://a`.
 */
const isDomainRange = (host: string): boolean => host === '' || /^\.?[!-\-/-~]+(\.[!-\-/-~]+)*$/.test(host)
/** Go rejects an IP address. This check also rejects text that only resembles one. */
const isUriHosts = (host: string): boolean => isDomainRange(host) && !/^\d+(\.\d+){3}$|^[\da-f.]*:[\da-f.]*:[\da-f:.]*$/i.test(host)
/** One mailbox, or all mailboxes of a domain. */
const isMailboxes = (text: string): boolean =>
  text.includes('@') ? MAILBOX.test(text) && isDomain(text.slice(text.lastIndexOf('@') + 1)) : isDomainRange(text)
const MAILBOX = /^[\w!#$%&'*+\-/=?^`{|}~]+(\.[\w!#$%&'*+\-/=?^`{|}~]+)*@[^@]+$/

function isAddressRange(contents: Uint8Array): boolean {
  if (contents.length !== 8 && contents.length !== 32) return false
  const mask = [...contents.subarray(contents.length / 2)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(mask)
}

/** §4.2.1.4. */
function checkPolicies(value: Uint8Array): void {
  const seen = new Set<string>()
  for (const policy of listOf(value, 'the policies')) {
    const oid = oidOf(value, expectTag(partsOf(value, policy, 'a policy')[0], TAG.oid, 'a policy'))
    if (seen.has(oid)) throw new DerFault(`policy ${oid} is there twice`)
    seen.add(oid)
  }
}

/** §4.2.1.5. */
function checkPolicyMappings(value: Uint8Array): void {
  for (const mapping of listOf(value, 'the policy mappings')) {
    const [issuer, subject] = partsOf(value, mapping, 'a policy mapping')
    expectTag(issuer, TAG.oid, 'a mapped policy')
    expectTag(subject, TAG.oid, 'a mapped policy')
  }
}

/** §4.2.1.11: [0] and [1] count the certificates that may follow before the constraint applies. */
function checkPolicyConstraints(value: Uint8Array): void {
  for (const part of listOf(value, 'the policy constraints')) {
    if (part.tag !== CONTEXT && part.tag !== CONTEXT + 1) throw new DerFault('policy constraints of an unknown kind')
    if (integerOf(value, { ...part, tag: TAG.integer }, 'a policy constraint').length > 8)
      throw new DerFault('a policy constraint out of range')
  }
}

/** §4.2.1.14. */
function checkInhibitAnyPolicy(value: Uint8Array): void {
  if (integerOf(value, elementAt(value, 0), 'inhibitAnyPolicy').length > 8) throw new DerFault('inhibitAnyPolicy out of range')
}

const POINT_NAME = 0xa0
const FULL_NAME = 0xa0

/** §4.2.1.13. Go accepts full names only. */
function checkDistributionPoints(value: Uint8Array): void {
  for (const point of listOf(value, 'the CRL distribution points')) {
    const [name] = partsOf(value, point, 'a CRL distribution point')
    if (name?.tag === POINT_NAME)
      childrenOf(value, expectTag(childrenOf(value, name)[0], FULL_NAME, 'the full name of a CRL distribution point'))
  }
}

/** §4.2.2.1. */
function checkAuthorityInfoAccess(value: Uint8Array): void {
  for (const access of listOf(value, 'the authority information access')) {
    const [method] = partsOf(value, access, 'an access description')
    oidOf(value, expectTag(method, TAG.oid, 'an access method'))
  }
}

const CHECKS: readonly (readonly [string, (value: Uint8Array) => void])[] = [
  [OID.nameConstraints, checkNameConstraints],
  [OID.policies, checkPolicies],
  [OID.policyMappings, checkPolicyMappings],
  [OID.policyConstraints, checkPolicyConstraints],
  [OID.inhibitAnyPolicy, checkInhibitAnyPolicy],
  [OID.crlDistributionPoints, checkDistributionPoints],
  [OID.authorityInfoAccess, checkAuthorityInfoAccess],
]

const ALTERNATIVES: ReadonlySet<number> = new Set([NAME.email, NAME.dns, NAME.uri, NAME.ip])

/**
 * True if Go handles the contents of this extension: at least one alternative name of a kind that Go supports, or
 * constraints on supported kinds only.
 */
export function isHandledNames(fields: Fields, oid: string): boolean {
  if (oid === OID.subjectAltName) return generalNamesOf(fields).some(({ kind }) => ALTERNATIVES.has(kind))
  const value = oid === OID.nameConstraints ? fields.extensions.get(oid)?.value : undefined
  if (value === undefined) return true
  const subtrees = listOf(value, 'the name constraints').flatMap((list) => childrenOf(value, list))
  return subtrees.every((subtree) => CONSTRAINTS[(childrenOf(value, subtree)[0]?.tag ?? 0) - CONTEXT] !== undefined)
}
