/** The fields of a member for owners without a common administrator: `bundleEndpoint`, `follow` and `publish`. */
import * as z from 'zod'
import { FederationError } from '../diagnostics/errors.ts'
import { BUNDLE_PATH, type FollowPolicy, type Member, type Publication } from '../model/wanted.ts'
import { type EndpointAddress, parseEndpointUrl } from '../spiffe/endpoint.ts'
import { parseSpiffeId, trustDomainOfId } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label: a-z 0-9 -, at most 63 characters')
const host = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a full host name without *')
const duration = z.string().regex(/^[1-9]\d{0,4}(m|h|d)$/, 'must be a duration such as 90m, 24h or 2d')

/** The field names are those of spire-controller-manager's ClusterFederatedTrustDomain, so that a resource can be copied. */
export const exchangeFields = {
  bundleEndpoint: z
    .strictObject({
      url: z.string().max(2048),
      profile: z.strictObject({ type: z.enum(['https_spiffe', 'https_web']), endpointSPIFFEID: z.string().optional() }),
    })
    .optional(),
  follow: z.strictObject({ policy: z.enum(['Manual', 'AddOnly']), hold: duration.optional() }).optional(),
  publish: z
    .strictObject({
      gateway: z.strictObject({
        namespace: name,
        name,
        host,
        port: z.number().int().min(1).max(65535).optional(),
        selector: z.record(z.string().min(1), z.string()).optional(),
        serviceAccount: name.optional(),
      }),
      profile: z.enum(['https_spiffe', 'https_web']),
      credentialName: name.optional(),
      url: z.string().max(2048).optional(),
    })
    .optional(),
} as const

type Entry = z.infer<z.ZodObject<typeof exchangeFields>> & { readonly cluster?: object | undefined }
type Path = readonly (string | number)[]
type Report = (path: Path, message: string, hint?: string) => void
type Exchange = Pick<Member, 'bundleEndpoint' | 'follow' | 'publish'>

const HOUR = 3_600_000
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: HOUR, d: 24 * HOUR }
/** A stolen endpoint certificate must not outlive the hold; 24 h is Istio's default lifetime. */
const DEFAULT_HOLD = '24h'
const MIN_HOLD_MS = HOUR

export function readExchange(entry: Entry, trustDomain: TrustDomain, path: Path, report: Report): Exchange {
  const bundleEndpoint = entry.bundleEndpoint && readEndpoint(entry.bundleEndpoint, trustDomain, [...path, 'bundleEndpoint'], report)
  const follow = entry.follow && readPolicy(entry.follow, [...path, 'follow'], report)
  if (entry.follow !== undefined && entry.bundleEndpoint === undefined)
    report([...path, 'follow'], 'has no bundle endpoint to follow', 'add bundleEndpoint, or remove follow')
  if (entry.follow?.policy === 'AddOnly' && entry.bundleEndpoint?.profile.type === 'https_web')
    report(
      [...path, 'follow', 'policy'],
      'AddOnly requires profile https_spiffe: any web CA could vouch for a new root',
      'write policy: Manual',
    )
  if (entry.publish !== undefined && entry.cluster === undefined)
    report([...path, 'publish'], 'the member has no cluster in which Entente could publish', 'add cluster, or remove publish')
  const publish = entry.publish && readPublication(entry.publish, [...path, 'publish'], report)
  return {
    ...(bundleEndpoint === undefined ? {} : { bundleEndpoint }),
    ...(follow === undefined ? {} : { follow }),
    ...(publish === undefined ? {} : { publish }),
  }
}

function readEndpoint(
  { url, profile }: NonNullable<Entry['bundleEndpoint']>,
  trustDomain: TrustDomain,
  path: Path,
  report: Report,
): EndpointAddress | undefined {
  const attempt = <T>(read: () => T, ...where: Path): T | undefined => {
    try {
      return read()
    } catch (thrown) {
      if (!(thrown instanceof FederationError)) throw thrown
      report([...path, ...where], thrown.reason, thrown.hint)
      return undefined
    }
  }
  const read = attempt(() => parseEndpointUrl(url).href, 'url')
  const { type, endpointSPIFFEID } = profile
  if (type === 'https_web') {
    if (endpointSPIFFEID !== undefined)
      report([...path, 'profile', 'endpointSPIFFEID'], 'belongs to profile https_spiffe', 'remove it, or write type: https_spiffe')
    return read === undefined ? undefined : { profile: type, url: read }
  }
  if (endpointSPIFFEID === undefined) {
    report([...path, 'profile'], 'https_spiffe requires endpointSPIFFEID', 'add the SPIFFE ID that the endpoint presents')
    return undefined
  }
  const endpointId = attempt(() => parseSpiffeId(endpointSPIFFEID), 'profile', 'endpointSPIFFEID')
  if (endpointId !== undefined && trustDomainOfId(endpointId) !== trustDomain)
    report(
      [...path, 'profile', 'endpointSPIFFEID'],
      `is not of ${trustDomain}: the approved roots of the member verify its endpoint`,
      `write an ID that begins with spiffe://${trustDomain}/`,
    )
  return read === undefined || endpointId === undefined ? undefined : { profile: type, url: read, endpointId }
}

function readPolicy({ policy, hold }: NonNullable<Entry['follow']>, path: Path, report: Report): FollowPolicy {
  if (policy === 'Manual') {
    if (hold !== undefined) report([...path, 'hold'], 'applies to policy AddOnly only', 'remove it')
    return { kind: policy }
  }
  const [, amount, unit = ''] = /^(\d+)(\w)$/.exec(hold ?? DEFAULT_HOLD) ?? []
  const holdMs = Number(amount) * (UNITS[unit] ?? 0)
  if (holdMs < MIN_HOLD_MS) report([...path, 'hold'], 'is shorter than an hour', 'write 1h or more; 24h is the default')
  return { kind: policy, holdMs }
}

function readPublication(publish: NonNullable<Entry['publish']>, path: Path, report: Report): Publication | undefined {
  const { gateway, profile, credentialName } = publish
  const { namespace, host, port = 443, selector } = gateway
  if ((profile === 'https_web') !== (credentialName !== undefined))
    report(
      [...path, 'credentialName'],
      profile === 'https_web' ? 'is required with https_web' : 'belongs to profile https_web',
      profile === 'https_web' ? 'name the Secret with the web certificate of the host' : 'remove it, or write profile: https_web',
    )
  const url = publish.url ?? `https://${host}${port === 443 ? '' : `:${port}`}${BUNDLE_PATH}`
  try {
    if (parseEndpointUrl(url).pathname !== BUNDLE_PATH)
      report([...path, 'url'], `must end in ${BUNDLE_PATH}`, `write https://${host}${BUNDLE_PATH}`)
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    report([...path, 'url'], thrown.reason, thrown.hint)
  }
  return {
    namespace,
    selector: selector ?? { istio: gateway.name },
    serviceAccount: gateway.serviceAccount ?? gateway.name,
    host,
    port,
    ...(credentialName === undefined ? {} : { credentialName }),
    url,
  }
}
