/** `bundle fetch`: get a bundle from its endpoint and look into it. Approves nothing. */
import { fetchBundle } from '../../adapters/bundle-endpoint/fetch.ts'
import { FederationError } from '../../core/errors.ts'
import { parseBundle } from '../../core/spiffe/bundle.ts'
import type { BundleEndpoint } from '../../core/spiffe/endpoint.ts'
import { inspect } from '../../core/spiffe/inspect.ts'
import { parseSpiffeId, trustDomainOfId } from '../../core/spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { BundleWorld } from './bundle-inspect.ts'
import { bundleJson, bundleText } from './bundle-view.ts'

export interface FetchArgs {
  readonly profile: string
  readonly url: string
  readonly trustDomain: string
  /** https_web: a PEM file of roots in place of the public ones. */
  readonly ca?: string
  /** https_spiffe: both are needed. */
  readonly endpointSpiffeId?: string
  readonly endpointBundle?: string
  /** 5 seconds when absent. */
  readonly timeoutMilliseconds?: number
  readonly output: 'text' | 'json'
}

const DEFAULT_TIMEOUT_MILLISECONDS = 5_000

/**
 * @returns the exit code: 0 accepted, 1 rejected
 * @throws FederationError usage, trust-domain-invalid, spiffe-id-invalid, bundle-malformed and bundle-refused (of
 *   `--endpoint-bundle`), endpoint-*
 */
export async function bundleFetch(args: FetchArgs, world: BundleWorld): Promise<number> {
  const trustDomain = parseTrustDomain(args.trustDomain)
  const endpoint = await endpointOf(args, world)
  const file = await fetchBundle(endpoint, { timeoutMilliseconds: args.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS })
  const inspection = inspect(file, { format: 'spiffe', trustDomain, now: world.now() })
  world.print(args.output === 'json' ? bundleJson(inspection) : bundleText(inspection, world))
  return inspection.verdict === 'accept' ? 0 : 1
}

async function endpointOf(args: FetchArgs, world: BundleWorld): Promise<BundleEndpoint> {
  const { profile, url, ca, endpointSpiffeId, endpointBundle } = args
  const refuse = (message: string): never => {
    throw new FederationError('usage', 'bundle fetch', message)
  }
  if (profile === 'https_web') {
    if (endpointSpiffeId ?? endpointBundle) refuse('--endpoint-spiffe-id and --endpoint-bundle are for the profile https_spiffe')
    return { profile, url, ...(ca !== undefined && { webRoots: new TextDecoder().decode(await world.readFile(ca)) }) }
  }
  if (profile !== 'https_spiffe') return refuse(`--profile is https_web or https_spiffe, not ${JSON.stringify(profile)}`)
  if (ca !== undefined) refuse('--ca is for the profile https_web')
  if (endpointSpiffeId === undefined || endpointBundle === undefined)
    return refuse('the profile https_spiffe needs --endpoint-spiffe-id and --endpoint-bundle')
  const endpointId = parseSpiffeId(endpointSpiffeId)
  const bundle = parseBundle(trustDomainOfId(endpointId), await world.readFile(endpointBundle), { now: world.now() })
  return { profile, url, endpointId, endpointBundle: bundle }
}
