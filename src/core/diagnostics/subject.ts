/**
 * What a finding or an error is about, as data. Code and programs decide by it; `subjectText` writes it for people and for
 * the JSON field `subject`. Names are plain strings here: this folder is below the folders that define their types.
 */

/** `proxy`: one pod or several, each as `POD.NAMESPACE`. `input`: what the command reads: `file` (all of it), `block 2`. */
type InMesh =
  | { readonly kind: 'scope'; readonly scope: string }
  | { readonly kind: 'object'; readonly object: ObjectName; readonly scope?: string }
  | { readonly kind: 'proxy'; readonly proxies: readonly string[] }
  | { readonly kind: 'istiod'; readonly istiod: string }
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'trust-domain'; readonly trustDomain: string }
  | { readonly kind: 'root'; readonly trustDomain: string; readonly fingerprint: string }
  | { readonly kind: 'file'; readonly file: string; readonly line?: number }
  | { readonly kind: 'input'; readonly part: string }
  | { readonly kind: 'other'; readonly text: string }

export type Subject =
  | { readonly kind: 'member'; readonly member: string }
  | { readonly kind: 'trust'; readonly truster: string; readonly trusted: string }
  /** Without `member` if the command concerns one mesh only, or none. */
  | (InMesh & { readonly member?: string })

export interface ObjectName {
  readonly kind: string
  readonly namespace?: string
  readonly name: string
}

/** A Kubernetes object, as far as its name is concerned. */
interface Named {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** Constructors: `about.proxy('server.sample', 'cluster-b')`. */
export const about = {
  member: (member: string): Subject => ({ kind: 'member', member }),
  trust: ({ truster, trusted }: { readonly truster: string; readonly trusted: string }): Subject => ({ kind: 'trust', truster, trusted }),
  /** @param scope a set of workloads, in words: `sample (app=server)` */
  scope: (scope: string, member?: string): Subject => inMesh({ kind: 'scope', scope }, member),
  object: ({ kind, metadata }: Named, member?: string): Subject => {
    const { name, namespace } = metadata
    return inMesh({ kind: 'object', object: { kind, ...(namespace === undefined ? {} : { namespace }), name } }, member)
  },
  /** An object, where it concerns only some workloads. */
  objectIn: (scope: Subject, named: Named): Subject => ({
    ...about.object(named, memberOf(scope)),
    ...(scope.kind === 'scope' ? { scope: scope.scope } : {}),
  }),
  proxy: (proxy: string, member?: string): Subject => inMesh({ kind: 'proxy', proxies: [proxy] }, member),
  proxies: (proxies: readonly string[], member?: string): Subject => inMesh({ kind: 'proxy', proxies }, member),
  istiod: ({ pod, revision }: { readonly pod: string; readonly revision: string }, member: string): Subject =>
    inMesh({ kind: 'istiod', istiod: `${pod} (revision ${revision})` }, member),
  host: (host: string): Subject => ({ kind: 'host', host }),
  trustDomain: (trustDomain: string): Subject => ({ kind: 'trust-domain', trustDomain }),
  root: (trustDomain: string, fingerprint: string): Subject => ({ kind: 'root', trustDomain, fingerprint }),
  file: (file: string, line?: number): Subject => ({ kind: 'file', file, ...(line === undefined ? {} : { line }) }),
  /** @param part `file`, `block 2`, `key 3`, `leaf` */
  input: (part: string): Subject => ({ kind: 'input', part }),
  /** For what no other kind describes: a flag, a kubeconfig context, a URL. */
  other: (text: string): Subject => ({ kind: 'other', text }),
} as const

const inMesh = (subject: InMesh, member: string | undefined): Subject => (member === undefined ? subject : { ...subject, member })

/** The member whose mesh the subject is in: for a trust, the truster. */
export const memberOf = (subject: Subject): string | undefined => (subject.kind === 'trust' ? subject.truster : subject.member)

/** Names the member whose mesh the subject is in, unless the subject does. */
export const within = (member: string, subject: Subject): Subject =>
  subject.kind === 'member' || subject.kind === 'trust' || subject.member !== undefined ? subject : { ...subject, member }

/** `cluster-b`, `cluster-a trusting cluster-b`, `cluster-b: sample (app=server)`, `block 2`. The contract of docs/cli.md. */
export function subjectText(subject: Subject): string {
  if (subject.kind === 'member') return subject.member
  if (subject.kind === 'trust') return `${subject.truster} trusting ${subject.trusted}`
  const text = textIn(subject)
  return subject.member === undefined ? text : `${subject.member}: ${text}`
}

/** For functions that accept a subject or its text, as FederationError does. */
export const textOf = (subject: Subject | string): string => (typeof subject === 'string' ? subject : subjectText(subject))

function textIn(subject: InMesh): string {
  switch (subject.kind) {
    case 'scope':
      return subject.scope
    case 'object':
      return `${subject.scope === undefined ? '' : `${subject.scope}: `}${objectText(subject.object)}`
    case 'proxy':
      return firstOf(subject.proxies)
    case 'istiod':
      return `istiod ${subject.istiod}`
    case 'host':
      return subject.host
    case 'trust-domain':
      return subject.trustDomain
    case 'root':
      return `${subject.trustDomain} ${subject.fingerprint}`
    case 'file':
      return subject.line === undefined ? subject.file : `${subject.file}:${subject.line}`
    case 'input':
      return subject.part
    case 'other':
      return subject.text
  }
}

const objectText = ({ kind, namespace, name }: ObjectName): string => `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`

const MOST = 5
const firstOf = (names: readonly string[]): string =>
  `${names.slice(0, MOST).join(', ')}${names.length > MOST ? ` and ${names.length - MOST} more` : ''}`
