/**
 * An invitation: which trust domain has which roots, and where it publishes them. It holds no secret: it may be mailed
 * or committed. Whoever accepts it compares its number with the owner over another channel.
 */
import * as z from 'zod'
import { FederationError } from '../diagnostics/errors.ts'
import { API_VERSION } from '../model/api-version.ts'
import { digestOf } from '../model/digest.ts'
import { type EndpointAddress, parseEndpointUrl } from '../spiffe/endpoint.ts'
import { parseSpiffeId, trustDomainOfId } from '../spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../spiffe/trust-domain.ts'
import { type Fingerprint, parseFingerprint } from '../x509/anchor.ts'
import type { Side } from './comparison-number.ts'

export const invitationSchema = z
  .strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('Invitation'),
    id: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .meta({ description: 'The SHA-256 of all other fields' }),
    trustDomain: z.string(),
    roots: z.array(z.string()).min(1).max(16).readonly(),
    bundleEndpoint: z
      .strictObject({
        url: z.string().max(2048),
        profile: z.strictObject({ type: z.enum(['https_spiffe', 'https_web']), endpointSPIFFEID: z.string().optional() }).readonly(),
      })
      .readonly(),
    for: z.string().meta({ description: 'The trust domain that may accept it' }),
    notAfter: z.iso.datetime(),
    answers: z.string().optional().meta({ description: 'The id of the invitation that this one answers' }),
  })
  .readonly()
export type InvitationDocument = z.infer<typeof invitationSchema>

export interface Invitation extends Side {
  readonly id: string
  readonly endpoint: EndpointAddress
  readonly for: TrustDomain
  readonly notAfter: Date
  readonly answers?: string
}

/** Equal contents give an equal id: an invitation that is made twice counts once. */
export function printInvitation({ trustDomain, roots, endpoint, notAfter, answers, ...rest }: Omit<Invitation, 'id'>): InvitationDocument {
  const head = { apiVersion: API_VERSION, kind: 'Invitation' } as const
  const body = {
    trustDomain,
    roots: [...roots].sort(),
    bundleEndpoint: printEndpoint(endpoint),
    for: rest.for,
    notAfter: notAfter.toISOString(),
    ...(answers === undefined ? {} : { answers }),
  }
  return { ...head, id: digestOf({ ...head, ...body }), ...body }
}

/** As the federation file has it. */
export const printEndpoint = (endpoint: EndpointAddress): InvitationDocument['bundleEndpoint'] => ({
  url: endpoint.url,
  profile: endpoint.profile === 'https_web' ? { type: 'https_web' } : { type: 'https_spiffe', endpointSPIFFEID: endpoint.endpointId },
})

/** @throws FederationError invitation-invalid: it is no invitation, or was changed after it was made */
export function parseInvitation(text: string, file: string): Invitation {
  const refuse = (message: string): never => {
    throw new FederationError('invitation-invalid', file, `${message}; nothing was changed`, { hint: 'ask its owner to send it again' })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('is not JSON')
  }
  const read = invitationSchema.safeParse(value)
  if (!read.success) return refuse(`is not an invitation: ${read.error.issues[0]?.path.join('.')}: ${read.error.issues[0]?.message}`)
  const { id, ...body } = read.data
  if (digestOf(body) !== id) return refuse('was changed after it was made: its id does not match')
  try {
    return parsed(read.data)
  } catch (thrown) {
    if (thrown instanceof FederationError) return refuse(thrown.message)
    throw thrown
  }
}

function parsed({ id, trustDomain, roots, bundleEndpoint, notAfter, answers, for: whom }: InvitationDocument): Invitation {
  const domain = parseTrustDomain(trustDomain)
  const { url, profile } = bundleEndpoint
  const href = parseEndpointUrl(url).href
  const endpoint: EndpointAddress =
    profile.type === 'https_web'
      ? { profile: 'https_web', url: href }
      : { profile: 'https_spiffe', url: href, endpointId: parseSpiffeId(profile.endpointSPIFFEID ?? '') }
  if (endpoint.profile === 'https_spiffe' && trustDomainOfId(endpoint.endpointId) !== domain)
    throw new FederationError('spiffe-id-invalid', endpoint.endpointId, `is not an identity of ${domain}`)
  return {
    id,
    trustDomain: domain,
    roots: roots.map((root): Fingerprint => parseFingerprint(root)),
    endpoint,
    for: parseTrustDomain(whom),
    notAfter: new Date(notAfter),
    ...(answers === undefined ? {} : { answers }),
  }
}
