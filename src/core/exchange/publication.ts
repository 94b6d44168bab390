/**
 * The objects that make a gateway of the mesh serve its bundle: a SPIFFE bundle endpoint without a process of its own.
 * With `https_spiffe` the server presents the gateway's workload certificate and asks clients for none.
 */
import { sameSet } from '../basics/same-set.ts'
import { at, MANAGED_BY, type Manifest, OWNER, text } from '../model/manifest.ts'
import { BUNDLE_PATH, type Intent, type Member, type Publication } from '../model/wanted.ts'
import type { RecordView } from '../record/projection.ts'
import { type Bundle, printBundle } from '../spiffe/bundle.ts'
import type { EndpointAddress } from '../spiffe/endpoint.ts'
import { parseSpiffeId } from '../spiffe/spiffe-id.ts'

/** Five minutes, which clients also use without a hint. */
const REFRESH_HINT_SECONDS = 300
export const PUBLICATION = 'entente-bundle'

/**
 * The approved roots of the mesh. The sequence is the number of the record's entry that approved them: it grows with
 * every approval, and never falls. Undefined if no approval is on the record, or the bundle file lacks one of its roots: one
 * sequence must not have two sets of roots.
 */
export function publishedBundle({ member, own }: Pick<Intent, 'member' | 'own'>, record: RecordView): Bundle | undefined {
  const newest = record.domains.get(member.trustDomain)?.newest
  if (own === undefined || newest === undefined) return undefined
  if (
    !sameSet(
      own.anchors.map(({ fingerprint }) => fingerprint),
      newest.roots,
    )
  )
    return undefined
  return { ...own, sequence: BigInt(newest.seq), refreshHintSeconds: REFRESH_HINT_SECONDS }
}

/** What partners write as `bundleEndpoint`. */
export function endpointOf({ trustDomain }: Pick<Member, 'trustDomain'>, publication: Publication): EndpointAddress {
  const { url, credentialName, namespace, serviceAccount } = publication
  if (credentialName !== undefined) return { profile: 'https_web', url }
  return { profile: 'https_spiffe', url, endpointId: parseSpiffeId(`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`) }
}

export const isPublication = ({ kind, apiVersion, metadata }: Manifest): boolean =>
  apiVersion.startsWith('networking.istio.io/') && (kind === 'Gateway' || kind === 'VirtualService') && metadata.name === PUBLICATION

/** @param owner the name of the federation */
export function publicationObjects(publication: Publication, bundle: Bundle, owner: string): readonly Manifest[] {
  const { namespace, selector, host, port, credentialName = 'builtin://' } = publication
  const object = (kind: string, wave: string, spec: object): Manifest => ({
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: {
      name: PUBLICATION,
      namespace,
      labels: { [MANAGED_BY]: 'entente', [OWNER]: owner },
      annotations: { 'argocd.argoproj.io/sync-wave': wave },
    },
    spec,
  })
  return [
    object('VirtualService', '0', {
      hosts: [host],
      gateways: [`${namespace}/${PUBLICATION}`],
      exportTo: ['.'],
      http: [
        {
          match: [{ uri: { exact: BUNDLE_PATH }, method: { exact: 'GET' } }],
          directResponse: { status: 200, body: { string: printBundle(bundle) } },
          headers: { response: { set: { 'content-type': 'application/json', 'cache-control': 'no-store' } } },
        },
      ],
    }),
    object('Gateway', '1', {
      selector,
      servers: [
        {
          port: { number: port, name: PUBLICATION, protocol: 'HTTPS' },
          // Only a VirtualService of this namespace may answer for the host.
          hosts: [`${namespace}/${host}`],
          tls: { mode: 'SIMPLE', credentialName, minProtocolVersion: 'TLSV1_2' },
        },
      ],
    }),
  ]
}

/** The intent with the objects of its publication. */
export function withPublication(intent: Intent, record: RecordView): Intent {
  const bundle = publishedBundle(intent, record)
  const { publish } = intent.member
  if (publish === undefined || bundle === undefined) return intent
  return { ...intent, published: publicationObjects(publish, bundle, intent.owner) }
}

/** The sequence that a VirtualService of a publication serves. */
export function publishedSequence(object: Manifest): bigint | undefined {
  const body = text(at(object, 'spec', 'http', 0, 'directResponse', 'body', 'string'))
  const [, sequence] = /"spiffe_sequence": (\d{1,20})\b/.exec(body) ?? []
  return sequence === undefined ? undefined : BigInt(sequence)
}
