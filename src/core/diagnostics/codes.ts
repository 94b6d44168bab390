/**
 * Every code of a finding or an error: its severity, what it means, and what to do. docs/findings.md is generated from this
 * table (`npx tsx scripts/findings.ts`), and `Finding.code` and `FederationError.code` are its keys.
 */

export type Severity = 'error' | 'warning' | 'info'

/**
 * What Entente can reach of a member: the API server of its cluster; a directory only, which a GitOps tool delivers; or nothing
 * but its bundle.
 */
export type HomeKind = 'cluster' | 'directory' | 'none'

export interface CodeEntry {
  /** One severity; or each that the code may have, the usual one first, with its condition. */
  readonly severity: Severity | { readonly [S in Severity]?: string }
  /** A command may end with it, as a FederationError. If it concerns one of several members, it is a finding. */
  readonly thrown?: true
  /**
   * It means only that Entente could not look: `spec.expect` of the federation file and `--accept` may name it. Never set on
   * a code about own roots, the record or a sever.
   */
  readonly accept?: true
  readonly meaning: string
  /** Empty if there is nothing to do. MEMBER and similar words are placeholders. */
  readonly remedy: string | Readonly<Record<HomeKind, string>>
}

type Table = Readonly<Record<string, CodeEntry>>

const APPLY = {
  cluster: '`entente apply`',
  directory: '`entente apply`, then commit what it wrote and let the GitOps tool sync',
  none: 'its owner runs `entente apply`',
} as const

const APPLY_OR_FILTER = {
  cluster: `${APPLY.cluster}; if it stays, look for another EnvoyFilter on these workloads`,
  directory: `${APPLY.directory}; if it stays, look for another EnvoyFilter on these workloads`,
  none: `${APPLY.none}; if it stays, the owner looks for another EnvoyFilter on these workloads`,
} as const

/** Roots come from the member's own cluster, or from a file and the fingerprints that its owner names over another channel. */
const APPROVE = {
  cluster: '`entente approve MEMBER --reason "WHY"`',
  directory: '`entente approve MEMBER --bundle FILE --fingerprint sha256:… --reason "WHY"`',
  none: '`entente approve MEMBER --bundle FILE --fingerprint sha256:… --reason "WHY"`',
} as const

const APPROVE_AND_APPLY = {
  cluster: `${APPROVE.cluster}, then \`entente apply\``,
  directory: `${APPROVE.directory}, then \`entente apply\` and commit what it wrote`,
  none: `${APPROVE.none}, then \`entente apply\``,
} as const

const NEW_ROOT = 'ask its owner for a new root'
const PUBLISHER = 'report it to the publisher of the bundle'
const WITH_DRAIN = 'with `sever --drain`: the sever is not proven'

const FILES = {
  usage: {
    severity: 'error',
    thrown: true,
    meaning: 'The command line asks for something that the command cannot do. The exit code is 64.',
    remedy: 'read the message, or run the command with `--help`',
  },
  'evidence-malformed': {
    severity: 'error',
    thrown: true,
    meaning: 'A file given with `--evidence` is not evidence, or it is about another federation or member.',
    remedy: 'ask its owner to make it: `entente verify -o evidence`',
  },
  'federation-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'The federation file has problems. Entente lists each with its line. `lint` reports this code, too.',
    remedy: 'correct them; [federation-file.md](federation-file.md) describes every field',
  },
  'trust-domain-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'A trust domain is not 1 to 255 characters of `a-z 0-9 . - _`.',
    remedy: 'correct the name',
  },
  'spiffe-id-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'A SPIFFE ID is not `spiffe://TRUST-DOMAIN/PATH`.',
    remedy: 'correct the ID',
  },
  'principal-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'A principal is not `TD/ns/NAMESPACE/sa/ACCOUNT`, `TD/ns/NAMESPACE/*` or `TD/*`.',
    remedy: 'write it in one of these forms, without `spiffe://`',
  },
  'fingerprint-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'A fingerprint is not a SHA-256 in hexadecimal.',
    remedy: 'copy it again; colons and capitals are fine',
  },
  'file-unreadable': {
    severity: 'error',
    thrown: true,
    meaning:
      'A file or folder is missing, empty, too large, not YAML, not UTF-8, or leads out of its tree. The message names which and why.',
    remedy: 'correct the path or the file',
  },
  'file-unwritable': {
    severity: 'error',
    thrown: true,
    meaning: 'Entente could not write a file.',
    remedy: 'check permissions and free space',
  },
  'bundle-missing': {
    severity: 'error',
    meaning: 'Entente can use no approved root of that trust domain: `bundles/` has no file for it, or none of its roots counts.',
    remedy: APPROVE,
  },
  'unrecorded-root': {
    severity: 'error',
    meaning:
      'A root in `bundles/` is not approved on the record: no entry approves it, or the newest approval does not name it. Entente leaves it out.',
    remedy: APPROVE,
  },
  'root-expired': {
    severity: 'error',
    meaning:
      'An approved root has expired: proxies refuse every certificate that it signed. In a rotation it is the root that is to stay, and no CA may switch to it.',
    remedy: {
      cluster: `${APPROVE_AND_APPLY.cluster}; in a rotation its owner announces another root, or \`entente rotate MEMBER --abort\``,
      directory: `${APPROVE_AND_APPLY.directory}; in a rotation its owner announces another root, or \`entente rotate MEMBER --abort\``,
      none: APPROVE_AND_APPLY.none,
    },
  },
  'root-expires': {
    severity: {
      warning: 'within 30 days, and in every command that asks no cluster',
      info: 'within 60 days, or its CA signs under another approved root already',
      error: 'within 7 days',
    },
    meaning: 'An approved root expires soon. The message names its fingerprint and the calls that will fail.',
    remedy: {
      cluster: '`entente rotate MEMBER`',
      directory: '`entente rotate MEMBER`',
      none: 'ask its owner for the next root; then `entente approve MEMBER --bundle FILE --fingerprint sha256:…` and `entente apply`',
    },
  },
  'intermediate-expires': {
    severity: { warning: 'within 30 days', info: 'within 60 days', error: 'within 7 days, or it has expired' },
    meaning: 'The CA certificate that signs the workload certificates of a mesh expires soon.',
    remedy: 'its owner gives istiod a new one under the same root (Secret `cacerts`)',
  },
  'root-not-yet-valid': { severity: 'warning', meaning: 'An approved root is not valid yet.', remedy: '' },
  'trust-ends': {
    severity: 'warning',
    meaning: 'A trust ends within 30 days.',
    remedy: 'give it a later `until` if it is to continue',
  },
  'trust-ended': {
    severity: 'info',
    meaning: 'A trust has ended, and `plan` removes it from the mesh.',
    remedy: 'remove it from the file, or give it a later `until`',
  },
  'any-caller': {
    severity: 'warning',
    meaning: 'Every identity of a trust domain may call: `callers` is `all` or `TRUST-DOMAIN/*`.',
    remedy: 'name the callers',
  },
  'any-server': {
    severity: { info: 'usually', warning: '`entente rotate`, before the CA switches' },
    meaning:
      'A host has no `servedBy`: any server that istiod learns of behind the host may serve it. After a restart of istiod, as at a switch of its CA, calls to the host may fail for minutes.',
    remedy: 'name who may serve it with `servedBy`',
  },
  'roots-share-name': {
    severity: { error: 'usually', warning: 'no chain was seen, or `--override-names` was given' },
    meaning:
      'Two roots in one list of Envoy have the same subject and different keys, and the chain that the CA presents has no authority key identifier that tells them apart. Envoy tries the first root only, and rejects what the other one signed.',
    remedy:
      'let the CA sign with an intermediate that has a key identifier, or give the new root another subject; `entente rotate MEMBER --override-names REASON` continues, on the record',
  },
  'one-way': {
    severity: { warning: 'usually', error: 'in `verify`' },
    meaning: 'A call requires trust in both directions, and one direction is missing.',
    remedy: 'add the other trust',
  },
  'sever-lifted': {
    severity: 'error',
    meaning:
      'The record severs that trust, and `spec.severed` of the file does not. Entente opens nothing of it, and what is in place stays.',
    remedy: '`entente sever TRUSTER TRUSTED` ends the trust; `entente sever --lift TRUSTER TRUSTED` lifts the sever',
  },
  'member-left-behind': {
    severity: 'error',
    meaning:
      'By the record, a home holds objects of Entente, and the federation file no longer has it: the member was taken out, or has another `context` or `directory`. Its proxies go on trusting. With `render`: the folder of such a member is still delivered.',
    remedy:
      '`entente remove MEMBER` ends its trust ([uninstall.md](uninstall.md)); with `render`: `entente render --out DIR --remove MEMBER`',
  },
  'lift-unapproved': {
    severity: 'error',
    meaning:
      'A sever was lifted, and no one has approved the roots of the trusted domain since. Entente opens nothing of it, and what is in place stays.',
    remedy: APPROVE_AND_APPLY,
  },
  'not-checked': {
    accept: true,
    severity: { info: 'usually', warning: '`mount` cannot see the pods', error: 'a part of the evidence was not asked for' },
    meaning: 'Entente could not make a check, such as any check of a live proxy in a member that is a directory only.',
    remedy: {
      cluster: '`entente verify`',
      directory: 'run `entente verify` where the cluster can be asked, or give its evidence with `--evidence FILE`',
      none: 'ask its owner for evidence, and give it with `--evidence FILE`',
    },
  },
  'evidence-file': {
    severity: 'info',
    meaning: 'Entente evaluates a member that is a directory only, by a file of its owner. The message says how old that evidence is.',
    remedy: '',
  },
  'expect-ended': {
    severity: 'warning',
    meaning: 'An entry of `spec.expect` has ended, so what it accepted counts again.',
    remedy: 'look at what it accepted; then remove the entry, or give it a new `until`',
  },
  'evidence-stale': {
    accept: true,
    severity: 'warning',
    meaning:
      'An evidence file is older than an hour, or it was made before an apply, or when the cluster did not have what Git says. Entente does not use it.',
    remedy: 'ask its owner to make it again: `entente verify -o evidence`',
  },
  'evidence-unused': {
    severity: 'info',
    meaning: 'An evidence file is about a member that Entente can ask itself, or that has no home here.',
    remedy: '',
  },
} as const satisfies Table

const BUNDLES = {
  'bundle-malformed': { severity: 'error', thrown: true, meaning: 'The file is not a bundle.', remedy: '`entente bundle inspect FILE`' },
  'bundle-refused': {
    severity: 'error',
    thrown: true,
    meaning: 'The bundle is well formed and must not be trusted, or the command cannot continue while findings of severity `error` stand.',
    remedy: 'read the findings that Entente prints with it',
  },
  'certificate-malformed': {
    severity: 'error',
    thrown: true,
    meaning: 'OpenSSL or Go would not parse the certificate.',
    remedy: 'ask its owner for a new one',
  },
  'fingerprint-mismatch': {
    severity: 'error',
    thrown: true,
    meaning: 'The roots in the bundle are not those whose fingerprints you gave.',
    remedy: 'get the fingerprints from the owner over another channel',
  },
  'chain-malformed': {
    severity: 'error',
    thrown: true,
    meaning: '`entente chain verify` was given something other than certificates.',
    remedy: 'give PEM, the workload certificate first',
  },
  'endpoint-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'The URL or its settings cannot be those of a bundle endpoint.',
    remedy: 'give `https://HOST/PATH`, without a user name',
  },
  'endpoint-unreachable': {
    severity: 'error',
    thrown: true,
    meaning: 'The bundle endpoint did not answer in time.',
    remedy: 'check that it is up and reachable from here',
  },
  'endpoint-refused': {
    severity: 'error',
    thrown: true,
    meaning: 'The bundle endpoint answered something other than a bundle.',
    remedy: 'ask its operator',
  },
  'endpoint-unverified': {
    severity: 'error',
    thrown: true,
    meaning: 'The server behind the bundle endpoint is not the expected one: its certificate does not verify.',
    remedy: 'check `--ca`, or `--endpoint-bundle` and `--endpoint-spiffe-id`',
  },
  'invitation-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'The file is no invitation, or somebody changed it after it was made.',
    remedy: 'ask its owner to send it again',
  },
  'invitation-expired': {
    severity: 'error',
    thrown: true,
    meaning: 'The invitation was valid until a time that has passed.',
    remedy: 'ask its owner for a new one: `entente invite --for DOMAIN`',
  },
  'invitation-misdirected': {
    severity: 'error',
    thrown: true,
    meaning: 'The invitation is for another trust domain, or it is from a domain of this federation file that has a cluster here.',
    remedy: 'ask its owner for one that names your trust domain',
  },
  'invitation-differs': {
    severity: 'error',
    thrown: true,
    meaning:
      'The bundle endpoint does not serve exactly the roots of the invitation. Its roots changed since, or another server answers at its URL.',
    remedy: 'call the owner; if the roots changed, ask for a new invitation',
  },
  'invitation-severed': {
    severity: 'error',
    thrown: true,
    meaning: 'A trust in the trust domain of the invitation is severed. An invitation never lifts a sever.',
    remedy: '`entente sever --lift TRUSTER TRUSTED --reason "WHY"`, then accept the invitation again',
  },
  'comparison-differs': {
    severity: 'error',
    thrown: true,
    meaning: 'The number that you gave is not that of the invitation: the owner named other roots, or another endpoint.',
    remedy: 'read the number again with the owner; if it still differs, the file is not from that owner',
  },
  'offer-held': {
    severity: 'info',
    meaning: 'A bundle endpoint offers a change that Entente will approve by itself at the end of the hold (`follow: AddOnly`).',
    remedy: '`entente approve MEMBER` approves it now, `entente refuse MEMBER` stops it',
  },
  'offer-waits': {
    severity: 'warning',
    meaning: 'A bundle endpoint offers other roots than the approved ones, and the change waits for a person.',
    remedy: '`entente approve MEMBER --fingerprint sha256:…`, with the fingerprints from its owner',
  },
  'offer-refused': {
    severity: 'error',
    meaning: 'A bundle endpoint offers a bundle that Entente rejects. The approved roots stay.',
    remedy: 'ask its owner; the finding says why',
  },
  'offer-emptied': {
    severity: 'error',
    meaning: 'A bundle endpoint offers a bundle without roots: its owner revokes them all. The approved roots stay until a person decides.',
    remedy: 'call its owner; to end the trust: `entente sever TRUSTER TRUSTED --reason "WHY"`',
  },
  'offer-approved': {
    severity: 'info',
    meaning: 'Entente approved a change of a bundle endpoint by itself, after the hold. `plan` has its steps.',
    remedy: '`entente apply`',
  },
  'addition-unconfirmed': {
    severity: 'warning',
    meaning:
      'Entente approved a root by itself, and no person confirmed it yet. Until then, Entente approves no further change of that domain by itself.',
    remedy: '`entente approve MEMBER --fingerprint sha256:…`, with the fingerprints from its owner',
  },
  'endpoint-stale': {
    severity: 'warning',
    meaning: 'Nobody has fetched the bundle of this endpoint for a while. The approved roots stay; changes are not noticed.',
    remedy: '`entente follow`, or `entente follow --watch`',
  },
  'publication-older': {
    severity: 'error',
    meaning:
      'The published bundle has a higher sequence than the record here would give it. Followers refuse a sequence that goes back, so Entente does not write it.',
    remedy: 'use the audit.jsonl of the last publication (git pull)',
  },
  'private-key': {
    severity: 'error',
    meaning:
      'The file holds a private key: also encrypted or damaged, in base64, JSON or YAML, or as DER or PKCS #12. Entente prints none of it.',
    remedy: 'remove it, and replace the key: everyone who read the file has it',
  },
  empty: { severity: 'error', meaning: 'The file is empty.', remedy: 'give a bundle' },
  'no-pem': { severity: 'error', meaning: 'The file has no `-----BEGIN` line.', remedy: 'give PEM, DER or a SPIFFE bundle' },
  'no-certificate': { severity: 'error', meaning: 'The file has PEM blocks, and none is a certificate.', remedy: 'give certificates' },
  'malformed-pem': {
    severity: 'error',
    meaning: 'A PEM block is damaged, or some text looks like a damaged block.',
    remedy: 'get the file again',
  },
  'pem-headers': { severity: 'error', meaning: 'A PEM block has header lines, which proxies refuse.', remedy: 'remove the header lines' },
  'non-certificate-block': { severity: 'error', meaning: 'A PEM block is not a certificate.', remedy: 'remove it' },
  'byte-order-mark': {
    severity: 'warning',
    meaning: 'The file starts with a byte order mark. Entente leaves it out.',
    remedy: 'save the file without it',
  },
  'joined-blocks': {
    severity: 'warning',
    meaning: 'Two PEM blocks share a line. Entente separates them.',
    remedy: 'end each file with a newline',
  },
  'text-outside-blocks': { severity: 'warning', meaning: 'There is text around the PEM blocks. Entente leaves it out.', remedy: '' },
  duplicate: {
    severity: 'warning',
    meaning: 'The same certificate is in the file more than once. Entente counts it once, and one finding covers all copies.',
    remedy: '',
  },
  'malformed-certificate': { severity: 'error', meaning: 'OpenSSL or Go would not parse a certificate in the bundle.', remedy: NEW_ROOT },
  v1: { severity: 'error', meaning: 'The certificate is X.509 v1 or v2, which cannot say that it is a CA.', remedy: NEW_ROOT },
  'not-ca': {
    severity: 'error',
    meaning: 'The certificate is not a CA certificate.',
    remedy: 'give the root, not a certificate that it signed',
  },
  'no-cert-sign': { severity: 'error', meaning: 'The key usage of the CA does not allow it to sign certificates.', remedy: NEW_ROOT },
  expired: {
    severity: { error: 'in a bundle that is offered', warning: 'in a bundle that was approved before' },
    meaning: 'The root has expired.',
    remedy: 'approve the current root',
  },
  'not-yet-valid': {
    severity: { error: 'in a bundle that is offered', warning: 'in a bundle that was approved before' },
    meaning: 'The root is not valid yet.',
    remedy: 'wait, or check the clocks',
  },
  'serial-not-positive': {
    severity: { error: 'the serial number is negative', warning: 'it is zero' },
    meaning: 'The serial number is not positive, which RFC 5280 forbids. istiod refuses a negative one.',
    remedy: NEW_ROOT,
  },
  'weak-signature': {
    severity: { error: 'usually', warning: 'on a self-issued root, whose own signature no verifier checks' },
    meaning:
      'The certificate is signed with MD2, MD5 or SHA-1; or, where it is not self-issued, with a signature that Go and Envoy do not verify.',
    remedy: NEW_ROOT,
  },
  'weak-key': {
    severity: 'error',
    meaning:
      'The key is too weak: RSA below 2,048 bits, with an even modulus, or with an exponent that is even or 1; or a curve below P-256.',
    remedy: NEW_ROOT,
  },
  'unsupported-key': {
    severity: 'error',
    meaning:
      'Go or Envoy cannot verify with this kind of key, such as GOST, DSA, Ed448 or another curve; RSA above 8,192 bits or with an exponent from 2^31 on.',
    remedy: NEW_ROOT,
  },
  'unusual-date': {
    severity: 'warning',
    meaning: 'The certificate is valid since before 1950: its issuer set no date (year 1 is the zero time of Go).',
    remedy: 'ask its owner whether this root is meant',
  },
  'void-constraint': {
    severity: {
      error: 'no SPIFFE ID under the root verifies',
      warning: 'nothing matches the constraint, such as the DNS name `*.corp.local`',
    },
    meaning:
      'A name constraint is not a host name. Where only URIs such as `spiffe://a.example` are permitted, no SPIFFE ID under the root verifies.',
    remedy: NEW_ROOT,
  },
  'extended-key-usage': {
    severity: 'warning',
    meaning:
      'A root has an extended key usage without clientAuth or serverAuth, and without anyExtendedKeyUsage: Go refuses the certificates under it in that role. In `chain verify`, an extended key usage in the chain excludes the workload certificate from a role; the message names the role and the verifier ([purposes](anchors.md#purposes)).',
    remedy: `${NEW_ROOT}, without an extended key usage`,
  },
  'unknown-critical-extension': {
    severity: 'error',
    meaning: 'The certificate has a critical extension that verifiers do not know: nothing under it would verify.',
    remedy: NEW_ROOT,
  },
  'name-constraints': {
    severity: 'warning',
    meaning: 'The certificate has name constraints. Go, OpenSSL and Envoy read them differently.',
    remedy: 'do not rely on them',
  },
  'not-self-issued': {
    severity: 'warning',
    meaning: 'An intermediate is offered as a root. No filter accepts it without its root (`anchor-not-root`).',
    remedy: 'offer the root above it',
  },
  'malformed-json': { severity: 'error', meaning: 'The file is not JSON, or it is cut short.', remedy: 'fetch it again' },
  'malformed-bundle': { severity: 'error', meaning: 'The file is JSON, and not a SPIFFE bundle.', remedy: PUBLISHER },
  'duplicate-member': {
    severity: 'error',
    meaning: 'A JSON object has a member twice, and readers differ on which one counts.',
    remedy: PUBLISHER,
  },
  'duplicate-trust-domain': { severity: 'error', meaning: 'A bundle map has a trust domain twice.', remedy: PUBLISHER },
  'key-mismatch': {
    severity: 'error',
    meaning: 'A key and the certificate in its `x5c` differ.',
    remedy: 'ask the publisher which one is meant',
  },
  'key-members-missing': {
    severity: 'warning',
    meaning: 'A key lacks members. SPIRE and Istio refuse such a bundle.',
    remedy: PUBLISHER,
  },
  'kid-present': { severity: 'warning', meaning: 'An X.509 key has a `kid`, which X509-SVID §6.1 forbids.', remedy: PUBLISHER },
  'use-missing': { severity: 'warning', meaning: 'A key has no `use`. Entente ignores that key.', remedy: PUBLISHER },
  'use-unknown': { severity: 'warning', meaning: 'The `use` of a key is not known. Entente ignores that key.', remedy: PUBLISHER },
  'kty-unknown': { severity: 'warning', meaning: 'The `kty` of a key is not known. Entente ignores that key.', remedy: PUBLISHER },
  'x5c-missing': { severity: 'warning', meaning: 'A key has no certificate in `x5c`. Entente ignores that key.', remedy: PUBLISHER },
  'x5c-several': { severity: 'warning', meaning: 'A key has several certificates in `x5c`. The first one counts.', remedy: PUBLISHER },
  'jwt-svid': { severity: 'info', meaning: 'A key is for JWT-SVIDs. Entente does not use it.', remedy: '' },
  'sequence-invalid': { severity: 'error', meaning: '`spiffe_sequence` is not a whole number of 64 bits.', remedy: PUBLISHER },
  'refresh-hint-invalid': { severity: 'error', meaning: '`spiffe_refresh_hint` is not a whole number of seconds.', remedy: PUBLISHER },
  'refresh-hint-zero': { severity: 'warning', meaning: '`spiffe_refresh_hint` is 0. Entente reads it as not set.', remedy: PUBLISHER },
  'bundle-map': {
    severity: 'info',
    meaning: 'The file is a map of the bundles of several trust domains.',
    remedy: 'choose one with `--trust-domain`',
  },
  'trust-domain-missing': {
    severity: 'error',
    meaning: 'The bundle map does not have that trust domain, or you named none.',
    remedy: 'choose one with `--trust-domain`',
  },
  lost: {
    severity: 'warning',
    meaning: '`entente bundle convert` leaves out data that the other format cannot express.',
    remedy: 'keep the original if you need it',
  },
  'bundle-empty': {
    severity: { warning: 'usually', error: '`bundle convert` to PEM, which cannot say that there are no roots' },
    meaning: 'The bundle has no root: its trust domain revoked them all, and proxies refuse every identity of it.',
    remedy: 'make sure that this is meant',
  },
  'public-root': { severity: 'error', meaning: 'The root, or its key, is a public web root.', remedy: "offer the mesh's own root" },
  'own-root': {
    severity: 'error',
    meaning: "A root of your own mesh, or its key, is in another mesh's bundle.",
    remedy: 'ask its owner how it got there',
  },
  'root-of-another-domain': {
    severity: 'error',
    meaning: 'A root is approved for, or a proxy binds it to, another trust domain. Entente binds a root to one trust domain.',
    remedy: 'ask both owners whose root it is, and remove it from the other bundle',
  },
  'sequence-rollback': {
    severity: 'error',
    meaning: 'The bundle is older than the highest approved sequence. It may be a replay.',
    remedy: 'fetch it again; if the publisher began to count again, `entente approve … --reset-sequence --reason "WHY"`',
  },
  'sequence-reused': {
    severity: 'error',
    meaning: 'The bundle has other roots under a sequence that is approved already.',
    remedy: 'ask the publisher to raise the sequence',
  },
  'sequence-missing': {
    severity: 'warning',
    meaning:
      'The bundle has no sequence, and an earlier one had: Entente cannot tell old from new. The highest approved sequence still counts.',
    remedy: 'ask the publisher to set it; after 2^64-1, `--reset-sequence`',
  },
  'bundle-shrinks': {
    severity: 'warning',
    meaning: 'The bundle drops a root that is approved.',
    remedy: 'approve it when no workload certificate is under that root any more',
  },
  'bundle-emptied': {
    severity: 'warning',
    meaning: 'The bundle drops every root that is approved.',
    remedy: 'approve it only if every call should stop',
  },
  'root-swap': {
    severity: 'warning',
    meaning: 'The bundle has no root in common with the approved one.',
    remedy: 'ask its owner over another channel',
  },
} as const satisfies Table

const CLUSTERS = {
  'context-unknown': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: 'The kubeconfig has no such context, or the context is incomplete.',
    remedy: '`kubectl config get-contexts`',
  },
  'cluster-unreachable': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: 'The API server did not answer in time, or its certificate does not verify.',
    remedy: 'check that it is up and reachable from here; if the cluster is only large, raise `--look-timeout`',
  },
  'cluster-refused': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning:
      'The API server did not accept the credentials, or there are none; or it answered something that no API server answers, or more than a member may send.',
    remedy: '`kubectl --context CONTEXT auth whoami`',
  },
  forbidden: {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: 'The API server denies a right. The message names verb, resource and namespace.',
    remedy: 'grant it: [deploy/rbac.yaml](../deploy/rbac.yaml) and, for `--look`, [deploy/look.yaml](../deploy/look.yaml)',
  },
  'not-found': {
    severity: 'error',
    thrown: true,
    meaning: 'An object that must exist does not. The message names it.',
    remedy: 'create it, or correct the name',
  },
  conflict: {
    severity: 'error',
    thrown: true,
    meaning: 'Another field manager owns fields of an object of Entente.',
    remedy: 'stop that field manager, or `entente apply --force-conflicts`',
  },
  'changed-meanwhile': {
    severity: 'error',
    thrown: true,
    meaning: 'An object, or the record, has changed since the plan was made.',
    remedy: 'run the command again',
  },
  'object-invalid': {
    severity: 'error',
    thrown: true,
    meaning: 'The API server or an admission rule refused the object. The message quotes it.',
    remedy: 'correct what it names',
  },
  'istio-not-installed': {
    severity: 'error',
    thrown: true,
    meaning: "The API server does not know Istio's kinds.",
    remedy: 'check that this is the right context',
  },
  'istiod-not-found': {
    severity: 'error',
    thrown: true,
    meaning: 'No running pod has the label `app=istiod`.',
    remedy: 'check that `istio.namespace` of the member is right',
  },
  'istiod-unreachable': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: "istiod's port did not answer, neither directly nor through the API server.",
    remedy: 'check that istiod is up',
  },
  'istiod-refused': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: "istiod's debug port refused the request, is switched off, or answered something that istiod never answers.",
    remedy: 'read the log of istiod; check `ENABLE_DEBUG_ON_HTTP`',
  },
  'proxy-unreachable': {
    accept: true,
    severity: 'error',
    thrown: true,
    meaning: "A proxy's admin port did not answer (`verify --look`).",
    remedy: 'read the log of the container istio-proxy',
  },
  'mesh-config-refused': {
    severity: 'error',
    thrown: true,
    meaning:
      'istiod refuses the mesh config as a whole: a value of another type, an unknown enum value, a trust domain that is no DNS name. A running istiod goes on with the last one that it accepted; after a restart it uses its defaults. Entente judges nothing of it as in force. `lint` reports this code, too.',
    remedy: 'correct the field that the message names ([lint.md](lint.md#mesh-config-refused))',
  },
  'mesh-config-unreadable': {
    severity: 'error',
    thrown: true,
    meaning:
      'The mesh config is missing, is not YAML, or revisions disagree on the trust domain; or a file of `impact` has none, or several that differ. `lint` reports this code, too.',
    remedy: '`kubectl -n istio-system get configmap istio -o yaml`',
  },
  'presented-differs': {
    severity: 'error',
    meaning: 'The istiods of one mesh present chains of different CAs.',
    remedy: 'wait, or restart the ones that lag',
  },
  'not-observed': {
    accept: true,
    severity: { error: 'usually', warning: 'after a sever: whether the mesh let go is not proven' },
    meaning: 'Entente did not observe a member.',
    remedy: 'run the command again',
  },
  'trust-domain-shared': {
    severity: 'error',
    meaning: '`entente init` found two clusters with the same trust domain.',
    remedy: 'give each its own (`meshConfig.trustDomain`)',
  },
  'mesh-id-differs': {
    severity: 'warning',
    meaning: '`entente init` found clusters with different mesh ids.',
    remedy: 'set `meshConfig.defaultConfig.meshId` alike',
  },
  'network-unset': {
    severity: 'warning',
    meaning: '`entente init` found an Istio namespace without a network label.',
    remedy: 'label the namespace with `topology.istio.io/network`',
  },
} as const satisfies Table

const PLAN = {
  'trust-domain-differs': {
    severity: 'error',
    meaning: 'The mesh config and the federation file name different trust domains.',
    remedy: 'correct `trustDomain` of the member',
  },
  'root-swapped': {
    severity: 'error',
    meaning:
      'The CA of a mesh was replaced at once: the mesh has a root that no one approved, and no longer the approved one (a renewal by cert-manager, a manual edit of `cacerts`). Workloads have certificates of both, and a proxy that holds one root refuses the other.',
    remedy:
      '`entente rotate MEMBER --reason "WHY"`: it adds the new root to the old one, and retires the old one when its last certificate has expired ([rotation](rotation.md))',
  },
  'switched-early': {
    severity: 'error',
    meaning:
      'In a rotation the CA signs under the new root before every proxy holds it. The message names the proxies, those of trusters or of the mesh itself.',
    remedy: '`entente rotate MEMBER --reason "WHY"` distributes the root; or switch the CA back',
  },
  'clock-differs': {
    severity: 'warning',
    meaning:
      'The clock of an API server and the local clock differ by more than half a minute. Where Entente waits, it goes by the one that is behind. `plan`, `verify`, `rotate` and `init` report it. If a chain is valid by the clock of the cluster only, they report the clock and not the chain ([why](decisions/0014-clocks.md)).',
    remedy: 'set the clock that is wrong',
  },
  'root-ends-before-leaves': {
    severity: 'warning',
    meaning: 'A root expires before workload certificates that it signs now.',
    remedy: 'rotate to a root that is valid longer',
  },
  'roots-not-bound': {
    severity: 'warning',
    meaning:
      'A trust has distribution `mesh`. Istio binds no root to a trust domain: the CA of one domain can sign an identity of any other, wherever Entente has no filter.',
    remedy: 'add a second trust of the pair, `pinned` or `mounted`, for critical workloads ([mesh](mesh.md))',
  },
  'multiroot-off': {
    severity: 'error',
    meaning: 'Distribution `mesh` requires istiod with `ISTIO_MULTIROOT_MESH=true`.',
    remedy: '`entente render --out DIR --values helm` prints what to set; the message names the owner of the mesh config',
  },
  'shared-mesh-config': {
    severity: 'error',
    meaning:
      'Distribution `mesh` requires istiod with `SHARED_MESH_CONFIG=entente-mesh-config`. This istiod reads no shared mesh config, or another one.',
    remedy: '`entente render --out DIR --values helm` prints what to set; the message names the owner of the mesh config',
  },
  'shared-roots-hidden': {
    severity: 'error',
    meaning:
      'A trust has distribution `mesh`, and the base mesh config sets `caCertificates`. Istio uses those, and ignores the ones in `entente-mesh-config`.',
    remedy: 'remove `caCertificates` from the base, even an empty one; federate those domains here',
  },
  'xds-agent-off': {
    severity: 'warning',
    meaning:
      'The agents of these proxies do not ask istiod for the roots of the mesh: the mesh config does not set `PROXY_CONFIG_XDS_AGENT`, or these pods started before that, or override it. They refuse certificates under those roots, and `verify` reports them as lagging.',
    remedy: 'set it, then restart the workloads that the message names',
  },
  'roots-unseen': {
    accept: true,
    severity: 'info',
    meaning:
      'A trust has distribution `mesh`. `verify` evaluates it by names, callers and the settings of agents: istiod does not report which roots a proxy holds ([mesh](mesh.md#evidence)).',
    remedy: 'nothing; `pinned` and `mounted` are proven root by root',
  },
  'gitops-tracked': {
    severity: 'warning',
    meaning: 'Argo CD or Flux manages an object of Entente, and reverts what is written to the cluster directly.',
    remedy: {
      cluster: 'commit what `entente render` writes, or pause that tool',
      directory: 'commit what Entente wrote to the directory',
      none: 'its owner commits what `entente render` writes, or pauses that tool',
    },
  },
  'own-root-unknown': {
    severity: 'error',
    meaning:
      'The mesh has a root of its own that no one approved. A filter would refuse what that root signed, so Entente widens nothing in that mesh.',
    remedy: APPROVE_AND_APPLY,
  },
  'own-roots-differ': {
    severity: 'error',
    thrown: true,
    meaning:
      'istiod has `ENABLE_CLUSTER_TRUST_BUNDLE_API=true`, so it no longer writes the ConfigMap `istio-ca-root-cert`. The ConfigMap has other roots than the ClusterTrustBundle `istio.io:istiod-ca:root-cert`. Entente approves and widens nothing by either.',
    remedy: 'restart the workloads that still mount the ConfigMap, then delete it',
  },
  'ca-not-under-own-roots': {
    severity: 'error',
    meaning: '`init`: istiod presents a chain that is under none of the roots that the mesh distributes. Entente approves nothing.',
    remedy: 'restart istiod after a change of `cacerts`; see `ca-under-root` of `entente doctor`',
  },
  'own-ca-not-approved': {
    severity: 'error',
    meaning: "A mesh's own CA presents a chain under no approved root, while its workloads still have the approved roots only.",
    remedy: {
      cluster: `put the CA back, or ${APPROVE_AND_APPLY.cluster}`,
      directory: `put the CA back, or ${APPROVE_AND_APPLY.directory}`,
      none: 'its owner puts the CA back',
    },
  },
  'own-root-announced': {
    severity: 'info',
    meaning: 'An approved root of the mesh is not among the roots that the mesh has: not yet, or no longer.',
    remedy: '',
  },
  'own-domain-unaccounted': {
    severity: 'error',
    meaning: 'The mesh accepts more than the file says: it has `trustDomainAliases` or, where a filter is to be written, `caCertificates`.',
    remedy: 'declare the aliases in the file; remove `caCertificates`',
  },
  'identity-unaccounted': { severity: 'error', meaning: 'A workload gets its identity from SPIRE.', remedy: 'leave it out of the scope' },
  'crl-ignored': {
    severity: { error: 'usually', warning: '`istio: { crl: ignore }` accepts it' },
    meaning:
      'The mesh distributes a CRL. Envoy does not read it on listeners with a filter of Entente, so those would accept a certificate that it revokes.',
    remedy: '`istio: { crl: ignore }` at the member, if that is acceptable ([why](decisions/0018-revocation.md))',
  },
  'anchor-not-root': {
    severity: 'error',
    meaning:
      'An approved root is an intermediate without its root. Envoy would refuse every certificate that it signed, so Entente opens nothing that trusts it.',
    remedy: 'approve the root above it, if that root signs for one mesh only ([why](decisions/0017-corporate-root.md))',
  },
  'version-unrecorded': {
    severity: 'warning',
    meaning:
      'A filter is about to reach proxies, or an istiod, of a version of Istio whose listeners are not recorded. Only Envoy can show whether it accepts the filter.',
    remedy:
      '`entente apply` applies it to one canary workload first (one of these), and removes what Envoy rejects; if Git delivers, start with a scope of one workload',
  },
  'filter-unfit': {
    severity: 'error',
    meaning:
      'The filter does not match a listener of the form that Istio gives that pod and port: Envoy would reject it, or it would have no effect.',
    remedy: 'leave these workloads out, and report it with the version of Istio',
  },
  'foreign-filter': {
    severity: { warning: 'usually', error: 'in `verify`, where a live proxy does not hold what the filter of Entente says' },
    meaning: 'An EnvoyFilter of another owner changes the inbound TLS settings in that namespace. `lint` reports this code, too.',
    remedy: "review it; Entente's filter has priority 1000",
  },
  'federations-overlap': {
    severity: { error: 'usually', warning: '`plan`, where no pod is in both now' },
    meaning:
      "Another federation, by its owner label, selects the same pods. Envoy applies the filter that comes last, and each federation's policy denies the other's callers. Nothing widens there until one of them withdraws.",
    remedy: 'let one federation decide for these pods: narrow the selector, or move the trust',
  },
  'owned-by': {
    severity: 'error',
    meaning: 'An object with the name that Entente needs belongs to another owner.',
    remedy: 'remove it there, or let that federation declare the trust',
  },
  'object-too-large': {
    severity: 'error',
    meaning: 'An object would exceed 1,000,000 bytes.',
    remedy: 'trust fewer domains at one set of workloads',
  },
} as const satisfies Table

const WORKLOADS = {
  'mtls-not-strict': {
    severity: 'error',
    meaning:
      'A pod or port in scope accepts plaintext, and the file does not allow it: such a caller shows no identity. `lint` reports this code, too.',
    remedy:
      '`mtls: enforce`, or set the policy that the message names to STRICT; to allow plaintext on purpose, `mtls: permissive` or `ports`',
  },
  'plaintext-accepted': {
    severity: 'warning',
    meaning: 'A pod or port accepts plaintext, as the file allows. `callers` does not restrict such callers.',
    remedy: '`mtls: enforce` without exceptions, once every caller has a sidecar',
  },
  'mtls-disabled': {
    severity: 'error',
    meaning: 'No port of a pod accepts mutual TLS: no caller of another mesh can be accepted.',
    remedy: 'set the policy that the message names to PERMISSIVE or STRICT',
  },
  'mtls-may-loosen': {
    severity: 'warning',
    meaning:
      'A PeerAuthentication that is not STRICT selects pods that may come into the scope: they would accept plaintext. `lint` reports this code, too.',
    remedy: 'set it to STRICT, or make the two selectors disjoint',
  },
  'plaintext-refused': {
    severity: 'warning',
    meaning: '`mtls: enforce` will refuse callers without a sidecar.',
    remedy: 'make sure that there are none',
  },
  'root-namespace': {
    severity: 'error',
    meaning:
      "The scope is the mesh's root namespace, whose objects apply to every namespace; or the scope is the whole mesh, and its root namespace is not the one that the file names.",
    remedy: 'name the namespace of the workloads',
  },
  'call-selects-other': {
    severity: 'error',
    meaning:
      'An entry names a service account, and its labels also select pods under another account. Entente opens nothing at this end until they agree. Of `cluster-b/sample/server` the account is `server` and the labels are `app: server`.',
    remedy: 'run the pods under that account, or write a selector that only its pods match',
  },
  'no-workload': {
    severity: 'warning',
    meaning: 'A scope selects no pod. In `verify`: no running proxy, so the trust is not proven.',
    remedy: 'check namespace and labels',
  },
  'no-sidecar': {
    severity: 'warning',
    meaning: 'Pods in scope have no sidecar: nothing checks who calls them.',
    remedy: 'inject the sidecar, or narrow the scope',
  },
  'ports-unguarded': {
    severity: { warning: 'usually', error: 'in `verify`, where no port of the pod is guarded' },
    meaning:
      'A port of a pod in scope does not go through its sidecar (`excludeInboundPorts`, `includeInboundPorts`, `interceptionMode: NONE`, `hostNetwork`, or a default of the mesh): any client may call it.',
    remedy: 'remove the annotation or `hostNetwork`, or close the port with a NetworkPolicy',
  },
  'gateway-scope': {
    severity: { error: 'usually', warning: 'the scope selects other workloads, too' },
    meaning: 'A scope selects gateways without naming their servers, or it names servers and selects sidecars.',
    remedy: 'name the server (`gateway`), or scope the workloads behind it; the message says what the gateways do',
  },
  'gateway-server': {
    severity: 'error',
    meaning:
      'Entente cannot pin a server that the file names: it does not exist, does not use ISTIO_MUTUAL, lists `subjectAltNames`, or shares its filter chain with a server that is not named.',
    remedy: 'the message says which',
  },
  'gateway-bypass': {
    severity: 'error',
    meaning: 'A gateway accepts callers that a workload behind it does not name: the workload sees the identity of the gateway only.',
    remedy: 'name the same callers at both',
  },
  'service-unknown': {
    severity: 'error',
    meaning: "No Service or ServiceEntry of that name is visible to the callers' namespace, or a live proxy has no cluster for it.",
    remedy: 'create it there, or correct the host; a Sidecar resource or `exportTo` may hide it',
  },
  'service-unsupported': {
    severity: 'error',
    meaning: 'The host is an ExternalName Service: its cluster does not use Istio mutual TLS.',
    remedy: 'name the Service behind it',
  },
  'sni-unroutable': {
    severity: 'warning',
    meaning:
      'The endpoint of a ServiceEntry is an east-west gateway, and the requested server name (SNI) names no Service of another mesh.',
    remedy: '`tls.sni: outbound_.PORT_._.HOST` in the DestinationRule, for each port ([services](services.md))',
  },
  'reach-not-mutual': {
    severity: 'error',
    meaning:
      'A port or subset of that host does not use ISTIO_MUTUAL. The message names it, and the DestinationRule, mode or endpoint that causes it.',
    remedy: '[services](services.md) says for each cause what to set',
  },
  headless: {
    severity: 'warning',
    meaning:
      'Clients call a headless Service at the addresses of its pods, never through an east-west gateway. Without a DestinationRule that says ISTIO_MUTUAL, it is also `reach-not-mutual`.',
    remedy: 'across networks, use a Service with a cluster IP, or a ServiceEntry ([services](services.md#headless-services))',
  },
  'not-mounted': {
    severity: { warning: 'usually', info: 'a pinned filter stays for the pod' },
    meaning: 'A pod of a mounted scope has no mount. The filter does not apply to it; a pinned filter that was there before stays for it.',
    remedy: '`entente mount`',
  },
  'mount-missing': {
    severity: 'error',
    meaning: 'A pod has the label of the mount, and not the volume: Envoy would reject its listener.',
    remedy: 'set both together, as `entente mount` prints them',
  },
  'file-missing': {
    severity: { error: 'usually', warning: '`plan`, which has the step that restores the file' },
    meaning: 'A filter reads a file that is in no ConfigMap. Running proxies keep the roots that they loaded; new pods never become ready.',
    remedy: {
      cluster: '`entente apply` at once; then find out who removed it',
      directory: '`entente apply` at once, commit what it wrote and let the GitOps tool sync; then find out who removed it',
      none: 'its owner runs `entente apply` at once',
    },
  },
} as const satisfies Table

const CHANGE = {
  'not-confirmed': {
    severity: 'error',
    thrown: true,
    meaning: 'You did not confirm. Nothing was changed.',
    remedy: '`--yes`, once you have read the plan',
  },
  'not-consented': {
    severity: 'error',
    thrown: true,
    meaning: 'A step is not in the plan, or a step appeared that you did not agree to.',
    remedy: '`entente plan`, then `entente apply`',
  },
  'filter-rejected': {
    severity: 'error',
    meaning: 'Envoy rejected a configuration (NACK). The message quotes it. During an apply, Entente reverted the phase.',
    remedy: '`entente plan` shows what interferes',
  },
  'proxy-lagging': {
    severity: { warning: 'in `verify`', error: 'during an apply' },
    meaning: 'A proxy has not acknowledged its configuration. During an apply: not within 30 s, so the next phases wait.',
    remedy: '`entente verify`; read the log of the container istio-proxy',
  },
  'mount-too-early': {
    severity: 'error',
    thrown: true,
    meaning: 'The ConfigMaps of a mounted scope do not exist yet.',
    remedy: '`entente apply`, then `entente mount --rollout`',
  },
  'rollout-stopped': {
    severity: 'error',
    meaning: 'A workload did not become ready with the mount. Its old pods continue to serve, and Entente touched no workload after it.',
    remedy: '`kubectl rollout status`',
  },
  'canary-left': {
    severity: 'warning',
    meaning: 'A canary workload has the change of an apply that did not finish, or that is still running.',
    remedy: '`entente apply` continues from there, and removes it',
  },
  'held-back': {
    severity: 'warning',
    meaning: 'A step waits. The message says for what; `--look` names the proxies whose certificate is under a root that is to be retired.',
    remedy: '`entente apply` later, or `--override-gate REASON`',
  },
  interrupted: {
    severity: { warning: 'usually', error: 'Entente did not wait for a member any more' },
    thrown: true,
    meaning: '^C or SIGTERM stopped the command. On the record: an apply ended without an entry, and the next apply recorded its end.',
    remedy: '`entente apply` continues from there',
  },
  'connections-draining': {
    severity: 'info',
    meaning: 'After a sever, these proxies still serve connections from before it, requests on them included, until Envoy ends them.',
    remedy: '`entente sever … --drain` waits for it and proves it',
  },
  'connections-remain': {
    severity: 'error',
    meaning:
      '`entente sever --drain`: a proxy still serves connections from before the change, longer than its drain time. Others may change policies meanwhile.',
    remedy: 'run it again; a restart ends them at once',
  },
  'connections-open': {
    severity: { warning: 'usually', error: WITH_DRAIN },
    meaning:
      'Calls of the truster’s workloads to servers of a severed domain continue until they end by themselves; Envoy does not count them.',
    remedy: 'restart those workloads, then run the same command',
  },
  'connections-unseen': {
    severity: { warning: 'usually', error: WITH_DRAIN },
    meaning:
      'Entente could not read a proxy, no istiod reports it, or it still accepts the domain: it may have connections from before a sever.',
    remedy: 'grant the right in [deploy/look.yaml](../deploy/look.yaml); `kubectl get pod` for the ones that do not answer',
  },
} as const satisfies Table

const VERIFY = {
  'proxy-unheard': {
    severity: 'warning',
    meaning:
      'No istiod could report what that proxy holds. A trust is then `lagging`, a severed one `unknown`: a sidecar that is cut off from istiod still serves.',
    remedy: 'check that its sidecar is running and connected',
  },
  'file-differs': {
    severity: 'error',
    meaning: "A proxy reads another file of roots than its own, or a file in place of the filter's roots, or the reverse.",
    remedy: APPLY_OR_FILTER,
  },
  'file-loaded': { severity: 'info', meaning: '`verify --look`: these proxies have loaded their files as they are now.', remedy: '' },
  'file-stale': {
    severity: 'warning',
    meaning: '`verify --look`: a proxy has loaded other roots than its files hold now.',
    remedy: 'wait for the kubelet, or `entente apply --nudge`; the log of the proxy says what it rejected',
  },
  'file-pending': {
    severity: 'warning',
    meaning: 'The kubelet may not have written the file into the pod yet. The message says by when it has.',
    remedy: 'wait, or `entente apply --nudge`',
  },
  'root-missing': {
    severity: 'error',
    meaning: 'A proxy lacks an approved root, or its listener does not name the domain.',
    remedy: APPLY,
  },
  'root-not-approved': { severity: 'error', meaning: 'A proxy holds a root that is not approved.', remedy: APPLY_OR_FILTER },
  'still-held': {
    severity: 'error',
    meaning:
      'A proxy holds a root that it should no longer hold, or accepts a domain that is severed; or it reads a file that was deleted, and keeps the roots that it loaded.',
    remedy: APPLY,
  },
  'own-root-missing': {
    severity: 'error',
    meaning: 'A proxy lacks a root of its own mesh: it refuses local callers.',
    remedy: APPLY,
  },
  'name-guard-missing': {
    severity: 'error',
    meaning:
      "A listener accepts a foreign root and does not check the names in certificates as Entente's filter does: a CA of that domain could add the name of a workload of this mesh ([why](security.md#one-certificate-one-name)). Or the check accepts other callers than the file names.",
    remedy: APPLY_OR_FILTER,
  },
  'callers-differ': { severity: 'error', meaning: 'A proxy accepts other callers than the file names.', remedy: APPLY },
  'servers-differ': {
    severity: 'error',
    meaning:
      'The cluster of a host that has `servedBy` accepts other server identities than that names. A cluster that names none accepts any identity of a trusted domain.',
    remedy: APPLY_OR_FILTER,
  },
  'served-by-differs': {
    severity: 'warning',
    meaning: 'A pod of the trusted mesh is behind the host under an account that `servedBy` does not name: calls to it fail.',
    remedy: 'find out why it is there; name its account if it may serve',
  },
  'host-of-several-domains': {
    severity: 'warning',
    meaning:
      'Several trust domains may serve a host, and one of them has roots there and no name: its CA can sign a second URI SAN that is accepted of another domain ([why](services.md#a-servers-certificate-with-two-names)).',
    remedy: '`servedBy` at every trust that reaches the host, or a host for each trust domain',
  },
  'servers-refused': {
    severity: 'error',
    meaning:
      "A proxy's cluster of a host with endpoints names no identity of the trusted domain: calls fail. After a restart, istiod names its own domain for pods that it learned of before it could read their mesh config, and does not correct that.",
    remedy:
      'name the servers with `servedBy`, then `entente apply`; or let the remote secret of the truster read the ConfigMap `istio`, then restart a pod behind the host',
  },
  'no-endpoint': {
    severity: 'error',
    meaning: 'A proxy knows no endpoint of the host.',
    remedy: 'check the service, the remote secret and the east-west gateway',
  },
  'ca-not-approved': {
    severity: 'error',
    meaning: "The trusted mesh's CA presents a chain under a root that is not approved.",
    remedy: APPROVE_AND_APPLY,
  },
  'chain-unseen': {
    accept: true,
    severity: 'warning',
    meaning: "Entente could not see the chain that the trusted mesh's CA presents.",
    remedy: {
      cluster: 'check that istiod answers: `kubectl -n istio-system get pods -l app=istiod`',
      directory: 'its owner can run `entente verify -o evidence`; give that file with `--evidence FILE`',
      none: 'its owner can run `entente verify`',
    },
  },
  'leaf-not-approved': {
    severity: 'error',
    meaning: '`verify --look`: the certificate of a workload is under no approved root of its mesh: partners refuse it.',
    remedy: {
      cluster: `${APPROVE.cluster}; or restart the pod`,
      directory: `${APPROVE.directory}; or restart the pod`,
      none: 'its owner restarts the pod',
    },
  },
  'own-certificate-names': {
    severity: 'warning',
    meaning:
      "`verify --look`: a certificate of the mesh's own workload has another name that a policy could match: a second URI SAN, a DNS SAN with `/`, a subject with `/ns/` or `/sa/`. Filters for names exempt the mesh's own certificates.",
    remedy: 'let its CA issue one SPIFFE ID and no such name',
  },
  'leaf-unseen': {
    accept: true,
    severity: 'error',
    meaning: '`verify --look`: Entente could not read the certificate of a proxy.',
    remedy: 'grant the right in [deploy/look.yaml](../deploy/look.yaml)',
  },
  'leaves-inferred': {
    severity: 'info',
    meaning:
      'A mesh has several approved roots. The message says until when, by time alone, certificates under another root than that of its CA may be valid.',
    remedy: '`entente verify --look`',
  },
} as const satisfies Table

const RECORD = {
  'record-broken': {
    severity: 'error',
    thrown: true,
    meaning:
      'A line of the record is not what Entente wrote, or it does not fit its action or the chain; or what a home holds for the head of the record is not a head. Then nothing widens in that member.',
    remedy: 'restore the file from Git; for a home the message says what to remove',
  },
  'record-forked': {
    severity: { error: 'usually', warning: 'nothing waits for it' },
    thrown: true,
    meaning:
      'A home holds a head that is not in the record: the record was cut, rewritten or forked, or the head was edited. Nothing widens in that member.',
    remedy: 'use the `audit.jsonl` of the last apply; other causes: [security.md](security.md#the-record)',
  },
  'record-busy': {
    severity: 'error',
    thrown: true,
    meaning: 'Another apply or sever is running, or this record is not the newest.',
    remedy: 'pull the record, and run the command again',
  },
  'record-torn': {
    severity: 'warning',
    meaning: 'A crash cut the last entry off, which never took effect; or the line break at the end is missing.',
    remedy: '',
  },
  'apply-unfinished': {
    severity: 'warning',
    meaning: 'An apply began and did not finish.',
    remedy: '`entente apply` continues from there; if nothing is left to do, it says so on the record',
  },
  'witness-unseen': {
    severity: 'error',
    meaning: 'Entente could not read the head that a home holds.',
    remedy: '`entente audit verify --offline` checks the file alone',
  },
} as const satisfies Table

const IMPACT = {
  'impact-past-callers': {
    severity: 'warning',
    meaning: 'Policies accept identities of the trusted mesh that are not among the `callers`. `apply` then requires `--accept-impact`.',
    remedy: 'close it as the message says, or accept it',
  },
  'impact-widens': {
    severity: 'info',
    meaning: '`callers` is `all`. The message names the identities that existing policies accept because of it.',
    remedy: 'name the callers, or leave it',
  },
  'caller-still-denied': {
    severity: { warning: 'usually', error: 'in `verify`' },
    meaning:
      "A caller of the file passes Entente's policy, and a policy of another team or federation then refuses it. The message names the proxies where only some refuse it.",
    remedy: 'let that policy allow the caller, or remove it from `callers`',
  },
  'caller-not-certain': {
    severity: 'warning',
    meaning:
      '`verify`: whether a named caller is accepted depends on an address, a token, a header, another authorizer or a field that this version does not know. The trust is `unknown`.',
    remedy: 'test the call; or decide by identities, ports, methods, paths and hosts only',
  },
  'policy-by-address': {
    severity: 'warning',
    meaning:
      'An AuthorizationPolicy at a sidecar decides by `remoteIpBlocks`, `notRemoteIpBlocks` or `when: remote.ip` about callers from another mesh. Envoy takes that address from their own `x-forwarded-for`.',
    remedy: 'name principals in that rule',
  },
  'impact-more': { severity: 'info', meaning: 'There are more findings of these kinds than are shown.', remedy: '`entente impact`' },
  'impact-unguarded': {
    severity: 'info',
    meaning: 'No AuthorizationPolicy applies to these workloads: they accept every caller whose certificate verifies.',
    remedy: 'name the callers, or write an ALLOW policy',
  },
  'policy-not-understood': {
    severity: 'warning',
    meaning:
      'An AuthorizationPolicy has a field, a condition or a target that this version does not know. What depends on it counts as maybe.',
    remedy: 'correct it if it is a typo; otherwise review that policy yourself',
  },
} as const satisfies Table

const LINT = {
  'inert-extra-root-certs': {
    severity: 'error',
    meaning: 'ISTIO_META_EXTRA_ROOT_CERTS: nothing in Istio reads it.',
    remedy: 'remove it; use the federation file that lint prints',
  },
  'inert-extra-volumes': { severity: 'error', meaning: 'Helm values for extra volumes that no Istio chart has.', remedy: 'remove them' },
  'inert-peer-aliases': {
    severity: 'error',
    meaning: 'PeerAuthentication has no field trustDomainAliases.',
    remedy: 'remove it; use the federation file that lint prints',
  },
  'inert-global-trust-domain': {
    severity: 'error',
    meaning: 'No chart of Istio sets the trust domain by `global.trustDomain` any more.',
    remedy: 'write `meshConfig.trustDomain`',
  },
  'unknown-field': {
    severity: 'error',
    meaning: 'The Istio resource does not have that field: the API server drops it.',
    remedy: 'remove it, or write the name that lint suggests',
  },
  'unknown-mesh-field': {
    severity: 'error',
    meaning: 'The mesh config does not have that field: istiod ignores it.',
    remedy: 'remove it, or write the name that lint suggests',
  },
  'unknown-kind': {
    severity: 'warning',
    meaning: 'Istio does not serve that kind or version.',
    remedy: 'write a version that Istio serves',
  },
  'foreign-alias': {
    severity: { error: 'usually', warning: 'it may be an old name of this mesh' },
    meaning: 'trustDomainAliases make foreign identities equal to local ones.',
    remedy: 'federate that mesh instead',
  },
  'ca-without-multiroot': {
    severity: { error: 'usually', warning: 'istiod is not among the files' },
    meaning: 'caCertificates without ISTIO_MULTIROOT_MESH: istiod ignores them.',
    remedy: 'set the flag, or use `pinned`, which requires none',
  },
  'ca-without-xds-agent': {
    severity: 'warning',
    meaning: 'caCertificates without PROXY_CONFIG_XDS_AGENT: proxies never get them.',
    remedy: 'set it, and restart the workloads',
  },
  'ca-refused': {
    severity: 'error',
    meaning: 'istiod or proxies cannot read an entry of caCertificates.',
    remedy: 'correct the entry before istiod reads it',
  },
  'ca-several-roots': {
    severity: 'warning',
    meaning: 'One entry of caCertificates has several roots: istiod checks the first only.',
    remedy: 'write an entry for each root',
  },
  'ca-without-domains': {
    severity: 'info',
    meaning: 'An entry of caCertificates has no trustDomains: proxies accept it for the trust domain of the mesh itself only.',
    remedy: 'right for a second root of this mesh; otherwise federate the other mesh with `pinned`',
  },
  'ca-not-bound': {
    severity: 'warning',
    meaning: 'caCertificates[].trustDomains does not bind the root to them.',
    remedy: 'use `pinned`, which binds each root',
  },
  'spiffe-bundle-url': {
    severity: 'warning',
    meaning: 'spiffeBundleUrl: a fetch that fails removes the roots.',
    remedy: 'put the roots in as `pem`',
  },
  'cacerts-swap': {
    severity: { error: 'usually', warning: 'a root was re-issued with the same key' },
    meaning: 'A cacerts bundle is replaced without overlap. A root re-issued with the same key and name is no replacement.',
    remedy: 'first distribute the old and the new roots together',
  },
  'cacerts-broken': {
    severity: 'error',
    meaning: '`ca-cert.pem` does not verify under `root-cert.pem`: istiod refuses such a CA, and does not start.',
    remedy: 'put the root that the CA is under into `root-cert.pem`',
  },
  'ca-key-in-manifest': {
    severity: 'warning',
    meaning: "A manifest contains the CA's private key.",
    remedy: 'keep it out of Git, or encrypted',
  },
  'selector-in-root-namespace': {
    severity: { warning: 'usually', error: 'a PeerAuthentication, which then applies nowhere' },
    meaning: 'A resource in the root namespace has a selector: it selects nothing, or in every namespace.',
    remedy: 'move it, or remove the selector',
  },
  'unknown-trust-domain': {
    severity: 'warning',
    meaning: 'A policy names a trust domain that no mesh has.',
    remedy: 'correct the name, or give lint the federation file that has it',
  },
  'principal-never-matches': {
    severity: { error: 'usually', warning: 'an issuer other than Istio may have such names' },
    meaning: 'A principal has a form that Istio never matches.',
    remedy: '`TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, or a prefix or suffix of it',
  },
  'rule-never-matches': {
    severity: 'warning',
    meaning: 'The conditions of a rule in an AuthorizationPolicy exclude each other: no request matches it.',
    remedy: 'remove one of the conditions',
  },
  'ports-without-selector': {
    severity: 'error',
    meaning: '`portLevelMtls` without a selector: the webhook of istiod refuses it, and istiod ignores it.',
    remedy: 'add the selector',
  },
  'port-of-service': {
    severity: 'warning',
    meaning: '`portLevelMtls` names the port of the Service, and the workload listens on another one.',
    remedy: 'write the port of the workload',
  },
  'san-without-scheme': {
    severity: 'error',
    meaning: '`subjectAltNames` has an identity without `spiffe://`: no certificate matches it.',
    remedy: 'write `spiffe://` in front of it',
  },
  'policy-filter-removed': {
    severity: { warning: 'usually', error: 'it reaches a federated scope' },
    meaning: 'An EnvoyFilter removes the filters into which istiod writes AuthorizationPolicies.',
    remedy: 'remove the patch',
  },
  'istiod-flag': {
    severity: 'warning',
    meaning: "istiod's environment has a setting that weakens identities.",
    remedy: 'remove it',
  },
  'key-repeated': {
    severity: 'warning',
    meaning: 'A mapping has the same key twice: the last one counts.',
    remedy: 'remove one of them',
  },
  'yaml-invalid': { severity: 'error', meaning: 'A document is not YAML.', remedy: 'correct it' },
  'document-too-large': { severity: 'error', meaning: 'A document is too large to check.', remedy: 'split it' },
  'settings-not-read': {
    severity: 'info',
    meaning: 'Settings of istiod have a form that `lint` does not read. It does not judge what they set.',
    remedy: 'give the file that the message names in the same run, or lint what is rendered',
  },
  'helm-template': {
    severity: 'info',
    meaning: 'The file is a Helm template. lint checks what it renders.',
    remedy: '`helm template CHART | entente lint -`',
  },
  'suppression-without-reason': { severity: 'error', meaning: 'A suppression has no reason.', remedy: 'write why' },
  'suppression-unused': { severity: 'warning', meaning: 'A suppression suppresses nothing.', remedy: 'remove the suppression' },
  'suppression-unknown': {
    severity: 'warning',
    meaning: 'A suppression names a rule that does not exist.',
    remedy: 'see [lint.md](lint.md)',
  },
} as const satisfies Table

export interface Area {
  readonly title: string
  readonly intro?: string
  readonly codes: Table
}

/** The sections of docs/findings.md. */
export const AREAS: readonly Area[] = [
  { title: 'Usage, files and the federation file', codes: FILES },
  {
    title: 'Bundles, certificates, endpoints',
    intro: 'Which certificates Entente accepts as roots, and why: [anchors.md](anchors.md).',
    codes: BUNDLES,
  },
  { title: 'Clusters', codes: CLUSTERS },
  { title: 'A mesh and its roots', codes: PLAN },
  { title: 'Workloads, gateways and services', codes: WORKLOADS },
  { title: 'Carrying out a change', codes: CHANGE },
  { title: 'What live proxies hold', codes: VERIFY },
  { title: 'The record', codes: RECORD },
  {
    title: 'Impact of policies',
    intro: 'What Entente evaluates: [impact.md](impact.md). `plan` reports the first four kinds as well.',
    codes: IMPACT,
  },
  { title: 'Lint', intro: '[lint.md](lint.md) explains each rule with an example.', codes: LINT },
]

export const CODES = {
  ...FILES,
  ...BUNDLES,
  ...CLUSTERS,
  ...PLAN,
  ...WORKLOADS,
  ...CHANGE,
  ...VERIFY,
  ...RECORD,
  ...IMPACT,
  ...LINT,
} as const

type Codes = typeof CODES

export type FindingCode = keyof Codes

/** The codes that the table lets have this severity. */
export type CodeOf<S extends Severity> = {
  [C in FindingCode]: Codes[C]['severity'] extends infer Own
    ? Own extends Severity
      ? S extends Own
        ? C
        : never
      : S extends keyof Own
        ? C
        : never
    : never
}[FindingCode]

export type ErrorCode = { [C in FindingCode]: Codes[C] extends { readonly thrown: true } ? C : never }[FindingCode]

export const isFindingCode = (code: string): code is FindingCode => Object.hasOwn(CODES, code)

export function isErrorCode(code: FindingCode): code is ErrorCode {
  const entry: CodeEntry = CODES[code]
  return entry.thrown === true
}

/** @returns the severities that a code may have, the usual one first, each with its condition (empty if the code has one severity) */
export function severitiesOf({ severity }: CodeEntry): readonly (readonly [Severity, string])[] {
  if (typeof severity === 'string') return [[severity, '']]
  return SEVERITIES.filter((one) => severity[one] !== undefined)
    .sort((a, b) => Object.keys(severity).indexOf(a) - Object.keys(severity).indexOf(b))
    .map((one) => [one, severity[one] ?? ''])
}
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

export const usualSeverity = (code: FindingCode): Severity => severitiesOf(CODES[code])[0]?.[0] ?? 'error'

/** A code's remedy as a hint. @param names the values for MEMBER and similar placeholders */
export function remedyOf(code: FindingCode, home: HomeKind, names: Readonly<Record<string, string>> = {}): string {
  const text = remedyFor(CODES[code], home).replaceAll('`', '')
  return Object.entries(names).reduce((hint, [placeholder, name]) => hint.replaceAll(placeholder, name), text)
}

export const remedyFor = ({ remedy }: CodeEntry, home: HomeKind): string => (typeof remedy === 'string' ? remedy : remedy[home])

export const isAcceptable = (code: FindingCode): boolean => (CODES[code] as CodeEntry).accept === true

/** In the order of the alphabet. */
export const ACCEPTABLE: readonly FindingCode[] = (Object.keys(CODES) as FindingCode[]).filter(isAcceptable).sort()

const codes = (...all: readonly FindingCode[]): ReadonlySet<FindingCode> => new Set(all)

/** In a verdict: something that Entente saw leaves the trust unproven. */
export const LEAVES_UNPROVEN = codes('no-workload', 'caller-not-certain')

/** A live proxy may still hold a root that is retired. Proxies that no istiod reports are excluded. */
export const MAY_HOLD_RETIRED_ROOT = codes('file-pending', 'still-held', 'root-not-approved')

/** Once Entente’s filter is in place, only an EnvoyFilter that Envoy applies after it explains these. */
export const FILTER_OVERRIDDEN = codes('file-differs', 'root-of-another-domain', 'root-not-approved', 'servers-differ')

/** Another command wrote meanwhile: a second run of the same command may succeed. */
export const LOST_RACE = codes('record-busy', 'changed-meanwhile')

/** Failures that may pass while a running command retries. */
export const MAY_PASS = codes('cluster-unreachable', 'cluster-refused', 'istiod-unreachable', ...LOST_RACE)

/** The API server gave no answer, so Entente knows nothing about the objects that it requested. */
export const NOT_ASKED = codes('forbidden', 'cluster-unreachable', 'cluster-refused')

/** Findings about the file that the evaluation of evidence replaces with better informed ones. */
export const JUDGED_BY_EVIDENCE = codes('one-way', 'root-expires')

/** The offer may be older than the approved bundle. */
export const SEQUENCE_DOUBTFUL = codes('sequence-rollback', 'sequence-reused', 'sequence-missing', 'sequence-invalid')

/** A bundle file lacks something, or does not have the required form. Every other problem of a bundle concerns its meaning. */
export const MALFORMED_BUNDLE = codes(
  'empty',
  'no-pem',
  'no-certificate',
  'malformed-pem',
  'malformed-certificate',
  'malformed-json',
  'malformed-bundle',
  'duplicate-member',
  'duplicate-trust-domain',
  'trust-domain-invalid',
  'sequence-invalid',
  'refresh-hint-invalid',
  'pem-headers',
)

/** Faults of a PEM file that Entente repairs, and Go does not. */
export const REPAIRED_PEM = codes('byte-order-mark', 'joined-blocks')

/** In the first block of a PEM file these make the check of istiod fail (verifyTrustAnchor). It checks no dates. */
export const ISTIOD_REJECTS = codes(
  'empty',
  'no-pem',
  'no-certificate',
  'malformed-pem',
  'malformed-certificate',
  'not-ca',
  'v1',
  'pem-headers',
  'non-certificate-block',
  'serial-not-positive',
  ...REPAIRED_PEM,
)
