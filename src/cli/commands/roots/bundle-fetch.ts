/** `bundle fetch`: fetches a bundle from its endpoint, inspects it, and keeps the last good one in a file. */

import { fetchBundle as fetchFrom } from '../../../adapters/bundle-endpoint/fetch.ts'
import { type Fetched, fetchBundle } from '../../../app/roots/fetch-bundle.ts'
import { SEQUENCE_DOUBTFUL } from '../../../core/diagnostics/codes.ts'
import type { Inspection } from '../../../core/spiffe/inspect.ts'
import { parseTrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { bundleView } from '../../../core/view/bundle-view.ts'
import { type EndpointOptions, endpointOf, keptIn } from '../../input/files/bundle-endpoint.ts'
import type { BundleWorld } from '../../io.ts'
import { bundleText, rootsAndSequence } from '../../print/roots/bundle-text.ts'
import { json } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface FetchArgs extends EndpointOptions {
  readonly trustDomain: string
  /** 5 seconds if absent. */
  readonly timeoutMilliseconds?: number
  /** Keeps the last good bundle in this file, as a SPIFFE bundle. */
  readonly out?: string
  readonly output: 'text' | 'json'
}

const DEFAULT_TIMEOUT_MILLISECONDS = 5_000

/**
 * @returns the exit code: 0 accepted, 1 rejected
 * @throws FederationError as `endpointOf`; trust-domain-invalid, file-unwritable; without `out` endpoint-*
 */
export async function bundleFetch(args: FetchArgs, world: BundleWorld): Promise<number> {
  const { out, output, timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS } = args
  const trustDomain = parseTrustDomain(args.trustDomain)
  const endpoint = await endpointOf(args, world)
  const ports = { now: () => world.now(), fetch: () => fetchFrom(endpoint, { timeoutMilliseconds }) }
  const fetched = await fetchBundle(ports, trustDomain, out === undefined ? undefined : keptIn(out, trustDomain, world))
  const { inspection, findings, result } = fetched
  const nothing: Inspection = { verdict: 'reject', format: 'spiffe', trustDomain, certificates: [], findings }
  if (inspection === undefined) world.report(findingsText(findings, world))
  if (output === 'json') world.print(json(bundleView(inspection ?? nothing)))
  else if (inspection !== undefined) world.print(bundleText(inspection, world))
  if (out !== undefined) for (const line of keptLines(fetched, out)) world.report(line)
  return result === 'written' || (result === 'inspected' && inspection?.verdict === 'accept') ? 0 : 1
}

function keptLines({ result, last, findings }: Fetched, out: string): readonly string[] {
  if (result === 'not-ours') return []
  if (result === 'written')
    return [`wrote ${out}. Next: entente approve MEMBER --bundle ${out} --fingerprint sha256:…, with the fingerprints from its owner.`]
  return [
    ...(findings.some(({ code }) => SEQUENCE_DOUBTFUL.has(code))
      ? [`${out} holds an unapproved offer. If its owner does not confirm it, remove the file and fetch again.`]
      : []),
    last === undefined ? `Entente did not write ${out}.` : `${out} is unchanged: ${rootsAndSequence(last)}.`,
  ]
}
