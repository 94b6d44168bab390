/** The flags of `bundle fetch`: an endpoint and how it authenticates, and the file that keeps the last good bundle. */
import { readBundle } from '../../../adapters/files/bundle-files.ts'
import { writeAtomically } from '../../../adapters/files/write-files.ts'
import type { KeptBundle } from '../../../app/roots/fetch-bundle.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { printBundle } from '../../../core/spiffe/bundle.ts'
import type { BundleEndpoint } from '../../../core/spiffe/endpoint.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import { parseSpiffeId, trustDomainOfId } from '../../../core/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import type { BundleWorld } from '../../io.ts'

export interface EndpointOptions {
  readonly profile: string
  readonly url: string
  /** https_web: a PEM file of roots that replaces the public ones. */
  readonly ca?: string
  /** https_spiffe: both are required. */
  readonly endpointSpiffeId?: string
  readonly endpointBundle?: string
}

/** @throws FederationError usage, spiffe-id-invalid, bundle-malformed, bundle-refused, file-unreadable */
export async function endpointOf(options: EndpointOptions, world: Pick<BundleWorld, 'readFile' | 'now'>): Promise<BundleEndpoint> {
  const { profile, url, ca, endpointSpiffeId, endpointBundle } = options
  const refuse = (message: string): never => {
    throw new FederationError('usage', 'bundle fetch', message)
  }
  if (profile === 'https_web') {
    if (endpointSpiffeId ?? endpointBundle) refuse('--endpoint-spiffe-id and --endpoint-bundle require --profile https_spiffe')
    return { profile, url, ...(ca !== undefined && { webRoots: new TextDecoder().decode(await world.readFile(ca)) }) }
  }
  if (profile !== 'https_spiffe') return refuse(`--profile must be https_web or https_spiffe, not ${JSON.stringify(profile)}`)
  if (ca !== undefined) refuse('--ca requires --profile https_web')
  if (endpointSpiffeId === undefined || endpointBundle === undefined)
    return refuse('the profile https_spiffe requires --endpoint-spiffe-id and --endpoint-bundle')
  const endpointId = parseSpiffeId(endpointSpiffeId)
  const bundle = parseBundle(trustDomainOfId(endpointId), await world.readFile(endpointBundle), { now: world.now() })
  return { profile, url, endpointId, endpointBundle: bundle }
}

/** `--out`: the file, as a SPIFFE bundle. */
export const keptIn = (path: string, trustDomain: TrustDomain, { now }: Pick<BundleWorld, 'now'>): KeptBundle => ({
  async read() {
    const seen = await readBundle(path, trustDomain, now())
    const hint = '--out requires a SPIFFE bundle or a new file: name another file, or move this one'
    return seen?.ok === false ? { ok: false, error: { ...seen.error, hint } } : seen
  },
  write: (bundle) => writeAtomically(path, printBundle(bundle)),
})
