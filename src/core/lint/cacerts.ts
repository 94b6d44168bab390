/**
 * Checks Secrets `cacerts` for a replaced root bundle. Live workloads present certificates under the old roots until
 * they renew. New roots therefore have to be added to the old ones first. Lint neither prints nor keeps key material.
 */
import { FederationError } from '../diagnostics/errors.ts'
import { text } from '../model/manifest.ts'
import { type Anchor, anchorFrom, parseAnchor } from '../x509/anchor.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import { splitPem } from '../x509/pem.ts'
import { holdsPrivateKey } from '../x509/private-key.ts'
import { isSameAuthority } from '../x509/roots-of-one-name.ts'
import { type Context, findingIn } from './context.ts'
import type { LintFinding } from './lint-rules.ts'
import { field, type Resource } from './resource.ts'
import type { Path } from './source.ts'

/**
 * The Secrets with istiod's CA: a plugged-in one, or one that istiod generated (istio security/pkg/pki/ca, CASecret).
 */
const SECRETS: ReadonlySet<string> = new Set(['cacerts', 'istio-ca-secret'])

export function cacerts(context: Context): readonly LintFinding[] {
  const secrets = context.resources.filter(({ kind, manifest }) => kind === 'Secret' && SECRETS.has(manifest.metadata.name))
  const held = [...(context.known ?? [])]
  return secrets.flatMap((secret, i) => {
    // Two Secrets in one directory are two versions; in two directories they most likely belong to two meshes.
    const before = secrets
      .slice(0, i)
      .findLast(
        (other) =>
          other.manifest.metadata.name === secret.manifest.metadata.name &&
          folderOf(other) === folderOf(secret) &&
          other.namespace === secret.namespace,
      )
    const live = [...held, ...liveRoots(context, secret)]
    const old = live.length > 0 ? live : before === undefined ? [] : rootsIn(before)
    const than = live.length > 0 ? 'the roots that the mesh has' : `${before?.title} in ${before?.source.file}`
    return [...(old.length === 0 ? [] : swap(secret, old, than, context.now)), ...unrooted(secret, context.now), ...keyIn(secret)]
  })
}

const folderOf = ({ source: { given, file } }: Resource): string =>
  `${given === '-' ? '-' : ''} ${file.slice(0, file.lastIndexOf('/') + 1)}`

/** istiod writes the roots that proxies trust now into a ConfigMap in every namespace. */
function liveRoots({ resources }: Context, secret: Resource): readonly Anchor[] {
  const map = resources.find(
    (r) => r.kind === 'ConfigMap' && r.manifest.metadata.name === 'istio-ca-root-cert' && r.source.given === secret.source.given,
  )
  return map === undefined ? [] : anchorsIn(text(field(map, 'data', 'root-cert.pem')))
}

/** The key names of istiod and of cert-manager (istio security/pkg/pki/ca, eed52ebb66ad). */
const ROOTS = ['root-cert.pem', 'ca.crt']
const KEYS = ['ca-key.pem', 'tls.key']

function entryOf(secret: Resource, names: readonly string[]): { readonly path: Path; readonly pem: string } | undefined {
  for (const name of names) {
    const plain = field(secret, 'stringData', name)
    if (typeof plain === 'string') return { path: ['stringData', name], pem: plain }
    const encoded = field(secret, 'data', name)
    if (typeof encoded === 'string') return { path: ['data', name], pem: Buffer.from(encoded, 'base64').toString('latin1') }
  }
  return undefined
}

const rootsIn = (secret: Resource): readonly Anchor[] => anchorsIn(entryOf(secret, ROOTS)?.pem ?? '')

/** The certificates in a PEM text that can be anchors; the others are skipped without a finding. */
export const anchorsIn = (pem: string): readonly Anchor[] =>
  splitPem(Buffer.from(pem, 'latin1')).blocks.flatMap(({ label, der }): Anchor[] => {
    if (label !== 'CERTIFICATE') return []
    try {
      return [parseAnchor(der)]
    } catch (cause) {
      if (cause instanceof FederationError) return []
      throw cause
    }
  })

const names = (anchors: readonly Anchor[]): string => anchors.map(({ fingerprint }) => fingerprint).join(', ')

function swap(secret: Resource, old: readonly Anchor[], than: string, now: Date): readonly LintFinding[] {
  const bundle = entryOf(secret, ROOTS)
  const next = rootsIn(secret)
  if (bundle === undefined || next.length === 0) return []
  const before = new Set(old.map(({ fingerprint }) => fingerprint))
  const hint =
    'first apply the old and the new roots together, with the old CA; switch the CA when every proxy has both; drop the old root when no certificate is under it'
  // A root reissued with the same key and subject verifies the same leaf certificates.
  if (!next.some((root) => before.has(root.fingerprint) || old.some((other) => isSameAuthority(root, other)))) {
    const message = `has no root in common with ${than}: ${names(next)} instead of ${names(old)}; workloads that renewed and workloads that did not refuse each other`
    return [findingIn('cacerts-swap', secret, bundle.path, message, { hint })]
  }
  const signer = entryOf(secret, SIGNERS)
  const chain = chainOf(secret)
  if (signer === undefined || chain.length === 0 || anchorOf(chain, old, now).anchor !== undefined) return []
  const message = `its CA signs under a root that is not among ${than}: workloads that have not got the new roots yet refuse what it signs`
  return [findingIn('cacerts-swap', secret, signer.path, message, { severity: 'warning', hint })]
}

/**
 * istiod checks before it starts that the CA's certificate is under its roots (istio security/pkg/pki/util, Verify).
 */
function unrooted(secret: Resource, now: Date): readonly LintFinding[] {
  const [signer, bundle] = [entryOf(secret, SIGNERS), entryOf(secret, ROOTS)]
  if (signer === undefined || bundle === undefined) return []
  const certificates = chainOf(secret)
  const roots = splitPem(Buffer.from(bundle.pem, 'latin1')).blocks.flatMap(({ der }) => certificateIn(der) ?? [])
  if (certificates.length === 0 || certificates.some((der) => certificateIn(der) === undefined) || roots.length === 0) return []
  const { anchor, reason } = anchorOf(certificates, roots.map(anchorFrom), now)
  if (anchor !== undefined) return []
  const message = `${bundle.path[1]} does not vouch for ${signer.path[1]}: ${reason}; istiod refuses such a CA and does not start`
  return [
    findingIn('cacerts-broken', secret, signer.path, message, {
      hint: `put the root that ${signer.path[1]} is under into ${bundle.path[1]}, and the intermediates between them into cert-chain.pem`,
    }),
  ]
}

const SIGNERS = ['ca-cert.pem', 'tls.crt']

/** The CA's certificate and the certificates above it, without the root. */
const chainOf = (secret: Resource): readonly Uint8Array[] =>
  distinct(
    [entryOf(secret, SIGNERS), entryOf(secret, ['cert-chain.pem'])].flatMap((entry) =>
      splitPem(Buffer.from(entry?.pem ?? '', 'latin1')).blocks.map(({ der }) => der),
    ),
  )

const distinct = (chain: readonly Uint8Array[]): readonly Uint8Array[] => [
  ...new Map(chain.map((der) => [Buffer.from(der).toString('latin1'), der])).values(),
]

function keyIn(secret: Resource): readonly LintFinding[] {
  const key = entryOf(secret, KEYS)
  if (key === undefined || !holdsPrivateKey(key.pem)) return []
  const message = `${key.path[1]}: the CA's private key stands in this manifest, for everybody who can read it`
  return [
    findingIn('ca-key-in-manifest', secret, key.path, message, {
      hint: 'keep it out of Git, or encrypted; whoever has it is every workload of the mesh',
    }),
  ]
}
