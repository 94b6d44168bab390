/**
 * Applies name constraints, RFC 5280 §4.2.1.10, as OpenSSL does:
 * - A URI constraint without a leading dot names one host. Go would include its subdomains.
 * - Every name of a constrained kind must be inside the constraint.
 * - A name or constraint that cannot be evaluated fails.
 */
import type { Certificate } from './certificate.ts'
import { generalNamesOf, NAME, OID } from './extensions.ts'
import type { Fields } from './syntax/certificate-fields.ts'
import { childrenOf, contentsOf, DerFault, type Element, elementAt, expectTag, oidOf, TAG } from './syntax/der.ts'

/** A name, or the constraint on one. The kind is the tag of a GeneralName (§4.2.1.6). */
interface Name {
  readonly kind: number
  readonly value: Uint8Array
}

interface Subtree extends Name {
  /** The minimum or maximum distance differs from the only allowed one (§4.2.1.10). */
  readonly odd: boolean
}

/**
 * @param certificates a path: the leaf first, the root last
 * @returns why a name is outside the constraints of an issuer above it; undefined when all are inside
 */
export function namesOutside(certificates: readonly Certificate[]): string | undefined {
  try {
    return firstOutside(certificates)
  } catch (cause) {
    if (!(cause instanceof DerFault)) throw cause
    return `a name that cannot be read: ${cause.message}`
  }
}

function firstOutside(certificates: readonly Certificate[]): string | undefined {
  for (const [above, issuer] of certificates.entries()) {
    const { permitted, excluded } = constraintsOf(issuer.fields)
    if (permitted.length + excluded.length === 0) continue
    for (const [i, certificate] of certificates.slice(0, above).entries()) {
      if (i > 0 && certificate.selfIssued) continue
      const name = namesOf(certificate.fields).find((one) => isOutside(one, permitted, excluded))
      if (name) return `the name constraints of "${issuer.subject}" do not allow ${show(name)}`
    }
  }
  return undefined
}

const isOutside = (name: Name, permitted: readonly Subtree[], excluded: readonly Subtree[]): boolean => {
  const ofKind = (subtree: Subtree): boolean => subtree.kind === name.kind
  const [inside, not] = [permitted.filter(ofKind), excluded.filter(ofKind)]
  if ([...inside, ...not].some(({ odd }) => odd) || (inside.length + not.length > 0 && MATCH[name.kind] === undefined)) return true
  const under = (subtree: Subtree): boolean => MATCH[name.kind]?.(name.value, subtree.value) === true
  return not.some(under) || (inside.length > 0 && !inside.some(under)) || (inside.length + not.length > 0 && isUnreadable(name))
}

function constraintsOf(fields: Fields): { permitted: readonly Subtree[]; excluded: readonly Subtree[] } {
  const value = fields.extensions.get(OID.nameConstraints)?.value
  if (value === undefined) return { permitted: [], excluded: [] }
  const lists = childrenOf(value, elementAt(value, 0))
  const subtrees = (tag: number): Subtree[] =>
    lists.filter((list) => list.tag === tag).flatMap((list) => childrenOf(value, list).flatMap((one) => subtreeOf(value, one)))
  return { permitted: subtrees(0xa0), excluded: subtrees(0xa1) }
}

/**
 * True for a constraint that no name can match, because names cannot contain its characters: `spiffe://a.example` for
 * URIs, `*.a.example` for DNS names.
 */
const isVoid = ({ kind, value }: Subtree): boolean =>
  (kind === NAME.uri && !/^[\w.-]*$/.test(text(value))) || (kind === NAME.dns && text(value).includes('*'))

/** The constraints that no name can match, as written. The certificate must be well-formed. */
export function voidConstraintsOf(fields: Fields): readonly string[] {
  if (!fields.extensions.has(OID.nameConstraints)) return []
  const { permitted, excluded } = constraintsOf(fields)
  return [...permitted, ...excluded].filter(isVoid).map(({ value }) => Buffer.from(value).toString('latin1'))
}

/** True if the constraints permit URIs but no permitted subtree can match a SPIFFE ID. */
export function permitsNoSpiffeId(fields: Fields): boolean {
  if (!fields.extensions.has(OID.nameConstraints)) return false
  const uris = constraintsOf(fields).permitted.filter(({ kind }) => kind === NAME.uri)
  return uris.length > 0 && uris.every(isVoid)
}

function subtreeOf(bytes: Uint8Array, element: Element): Subtree[] {
  const [base, ...distances] = childrenOf(bytes, element)
  return base === undefined ? [] : [{ kind: base.tag, value: contentsOf(bytes, base), odd: distances.length > 0 }]
}

/** The alternative names and the subject. The subject counts as a directory name and may contain e-mail addresses. */
function namesOf(fields: Fields): readonly Name[] {
  const alternatives = generalNamesOf(fields)
  const subject = rdnsOf(fields.subject)
  const emails = alternatives.some(({ kind }) => kind === NAME.email)
    ? []
    : subject.flatMap((rdn) => rdn.filter(({ type }) => type === EMAIL).map(({ value }) => ({ kind: NAME.email, value })))
  return [...alternatives, ...(subject.length > 0 ? [{ kind: NAME.directory, value: fields.subject }] : []), ...emails]
}

const EMAIL = '1.2.840.113549.1.9.1'

const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1').toLowerCase()

const MATCH: Readonly<Record<number, (name: Uint8Array, constraint: Uint8Array) => boolean>> = {
  [NAME.email]: (name, constraint) => emailUnder(Buffer.from(name).toString('latin1'), Buffer.from(constraint).toString('latin1')),
  [NAME.dns]: (name, constraint) => dnsUnder(text(name), text(constraint)),
  [NAME.directory]: (name, constraint) => directoryUnder(name, constraint),
  [NAME.uri]: (name, constraint) => hostUnder(hostOf(name) ?? '', text(constraint)),
  [NAME.ip]: addressUnder,
}

const isUnreadable = (name: Name): boolean => name.kind === NAME.uri && hostOf(name.value) === undefined

/** The host of a URI that has an authority, in lower case. */
const hostOf = (uri: Uint8Array): string | undefined =>
  /^[^:/?#]+:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/.exec(text(uri))?.[1]

/** A constraint matches one host exactly. With a leading dot it matches every host below the domain. */
const hostUnder = (host: string, constraint: string): boolean =>
  constraint.startsWith('.') ? host.length > constraint.length && host.endsWith(constraint) : host === constraint

const dnsUnder = (name: string, constraint: string): boolean =>
  constraint === '' ||
  name === constraint ||
  (name.length > constraint.length && name.endsWith(constraint.startsWith('.') ? constraint : `.${constraint}`))

function emailUnder(address: string, constraint: string): boolean {
  const [local, host] = [address.slice(0, address.lastIndexOf('@')), address.slice(address.lastIndexOf('@') + 1).toLowerCase()]
  const at = constraint.lastIndexOf('@')
  if (at === -1) return hostUnder(host, constraint.toLowerCase())
  return local === constraint.slice(0, at) && host === constraint.slice(at + 1).toLowerCase()
}

function addressUnder(address: Uint8Array, range: Uint8Array): boolean {
  const size = address.length
  return range.length === 2 * size && address.every((byte, i) => ((byte ^ (range[i] ?? 0)) & (range[size + i] ?? 0)) === 0)
}

/** A directory name is under another when it starts with all of its RDNs. Case and white space do not count (§7.1). */
function directoryUnder(name: Uint8Array, constraint: Uint8Array): boolean {
  const normal = (encoding: Uint8Array): string[] =>
    rdnsOf(encoding).map((rdn) =>
      rdn
        .map(({ type, value }) => `${type}=${text(value).trim().replace(/\s+/g, ' ')}`)
        .sort()
        .join('+'),
    )
  const [names, prefix] = [normal(name), normal(constraint)]
  return prefix.every((rdn, i) => rdn === names[i])
}

interface Attribute {
  readonly type: string
  readonly value: Uint8Array
}

function rdnsOf(name: Uint8Array): readonly (readonly Attribute[])[] {
  return childrenOf(name, elementAt(name, 0)).map((set) =>
    childrenOf(name, set).map((attribute) => {
      const [type, value] = childrenOf(name, attribute)
      return {
        type: oidOf(name, expectTag(type, TAG.oid, "an attribute's type")),
        value: value === undefined ? new Uint8Array() : contentsOf(name, value),
      }
    }),
  )
}

const show = ({ kind, value }: Name): string =>
  kind === NAME.uri || kind === NAME.dns || kind === NAME.email
    ? JSON.stringify(text(value))
    : kind === NAME.ip
      ? `address ${[...value].join('.')}`
      : 'its subject or another of its names'
