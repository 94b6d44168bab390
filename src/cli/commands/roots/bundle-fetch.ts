/**
 * `bundle fetch`: fetches a bundle from its endpoint, inspects it, and keeps the last good one in a file. It approves
 * nothing.
 */

import { fetchBundle } from '../../../adapters/bundle-endpoint/fetch.ts'
import { refreshBundle } from '../../../adapters/bundle-endpoint/refresh.ts'
import { readBundle } from '../../../adapters/files/bundle-files.ts'
import { writeAtomically } from '../../../adapters/files/write-files.ts'
import { SEQUENCE_DOUBTFUL } from '../../../core/diagnostics/codes.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { type Bundle, printBundle } from '../../../core/spiffe/bundle.ts'
import type { BundleEndpoint } from '../../../core/spiffe/endpoint.ts'
import { inspect } from '../../../core/spiffe/inspect.ts'
import { parseBundle } from '../../../core/spiffe/parse-bundle.ts'
import { parseSpiffeId, trustDomainOfId } from '../../../core/spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { bundleView } from '../../../core/view/bundle-view.ts'
import type { BundleWorld } from '../../io.ts'
import { bundleText } from '../../print/roots/bundle-text.ts'
import { json } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface FetchArgs {
  readonly profile: string
  readonly url: string
  readonly trustDomain: string
  /** https_web: a PEM file of roots that replaces the public ones. */
  readonly ca?: string
  /** https_spiffe: both are required. */
  readonly endpointSpiffeId?: string
  readonly endpointBundle?: string
  /** 5 seconds if absent. */
  readonly timeoutMilliseconds?: number
  /** Keeps the last good bundle in this file, as a SPIFFE bundle. */
  readonly out?: string
  readonly output: 'text' | 'json'
}

const DEFAULT_TIMEOUT_MILLISECONDS = 5_000

/**
 * @returns the exit code: 0 accepted, 1 rejected
 * @throws FederationError usage, trust-domain-invalid, spiffe-id-invalid, bundle-malformed and bundle-refused (of
 *   `--endpoint-bundle`), file-unwritable; without `out` endpoint-*
 */
export async function bundleFetch(args: FetchArgs, world: BundleWorld): Promise<number> {
  const trustDomain = parseTrustDomain(args.trustDomain)
  const endpoint = await endpointOf(args, world)
  const options = { timeoutMilliseconds: args.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS }
  if (args.out !== undefined) return keep({ ...args, out: args.out }, trustDomain, endpoint, options, world)
  const file = await fetchBundle(endpoint, options)
  const inspection = inspect(file, { format: 'spiffe', trustDomain, now: world.now() })
  world.print(args.output === 'json' ? json(bundleView(inspection)) : bundleText(inspection, world))
  return inspection.verdict === 'accept' ? 0 : 1
}

/** Replaces the kept bundle by the fetched one if that is good; otherwise the file stays unchanged. */
async function keep(
  { out, output }: FetchArgs & { readonly out: string },
  trustDomain: TrustDomain,
  endpoint: BundleEndpoint,
  options: { readonly timeoutMilliseconds: number },
  world: BundleWorld,
): Promise<number> {
  const seen = await readBundle(out, trustDomain, world.now())
  if (seen?.ok === false) {
    world.tell(findingsText([{ ...seen.error, hint: OTHER_FILE }], world.color))
    return 1
  }
  const last = seen?.value
  const { bundle, fresh, findings, inspection } = await refreshBundle(trustDomain, endpoint, last, { ...options, now: world.now() })
  if (inspection !== undefined) {
    const judged = { ...inspection, findings, verdict: hasErrors(findings) ? 'reject' : 'accept' } as const
    world.print(output === 'json' ? json(bundleView(judged)) : bundleText(judged, world))
  } else world.tell(findingsText(findings, world.color))
  if (fresh && bundle !== undefined) {
    await writeAtomically(out, printBundle(bundle))
    world.tell(`wrote ${out}. Next: entente approve MEMBER --bundle ${out} --fingerprint sha256:…, with the fingerprints from its owner.`)
    return 0
  }
  if (findings.some(({ code }) => SEQUENCE_DOUBTFUL.has(code)))
    world.tell(`${out} holds an unapproved offer. If its owner does not confirm it, remove the file and fetch again.`)
  world.tell(last === undefined ? `Entente did not write ${out}.` : `${out} is unchanged: ${standing(last)}.`)
  return 1
}

const OTHER_FILE = '--out requires a SPIFFE bundle or a new file: name another file, or move this one'

const standing = ({ anchors, sequence }: Bundle): string =>
  `${anchors.length} ${anchors.length === 1 ? 'root' : 'roots'}${sequence === undefined ? '' : `, sequence ${sequence}`}`

async function endpointOf(args: FetchArgs, world: BundleWorld): Promise<BundleEndpoint> {
  const { profile, url, ca, endpointSpiffeId, endpointBundle } = args
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
