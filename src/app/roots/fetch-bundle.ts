/** Fetches a bundle from its endpoint, inspects it, and keeps the last good one. It approves nothing. */

import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { type Inspection, inspect } from '../../core/spiffe/inspect.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { type RefreshPorts, refreshBundle } from './refresh-bundle.ts'

/** A place for the last good bundle of one endpoint. */
export interface KeptBundle {
  /** The error, if the place holds something else; undefined if it holds nothing. */
  read(): Promise<Seen<Bundle> | undefined>
  /** @throws FederationError file-unwritable */
  write(bundle: Bundle): Promise<void>
}

export interface Fetched {
  /**
   * - `inspected`: there is no place to keep it
   * - `written`: the place holds the fetched bundle now
   * - `unchanged`: the fetched bundle is not used, or nothing could be fetched
   * - `not-ours`: the place holds something else, so nothing was fetched
   */
  readonly result: 'inspected' | 'written' | 'unchanged' | 'not-ours'
  /** The fetched bundle, with everything that counts against it; absent if nothing was fetched. */
  readonly inspection?: Inspection
  readonly findings: readonly Finding[]
  /** The bundle that the place held before. */
  readonly last?: Bundle
}

/** @throws FederationError file-unwritable; without `kept` also endpoint-unreachable, endpoint-unverified, endpoint-refused */
export async function fetchBundle(ports: RefreshPorts, trustDomain: TrustDomain, kept?: KeptBundle): Promise<Fetched> {
  if (kept === undefined) {
    const inspection = inspect(await ports.fetch(), { format: 'spiffe', trustDomain, now: ports.now() })
    return { result: 'inspected', inspection, findings: inspection.findings }
  }
  const seen = await kept.read()
  if (seen?.ok === false) return { result: 'not-ours', findings: [seen.error] }
  const last = seen?.value
  const { bundle, fresh, findings, inspection } = await refreshBundle(ports, trustDomain, last)
  if (fresh && bundle !== undefined) await kept.write(bundle)
  return {
    result: fresh ? 'written' : 'unchanged',
    findings,
    ...(inspection === undefined ? {} : { inspection: { ...inspection, findings, verdict: hasErrors(findings) ? 'reject' : 'accept' } }),
    ...(last === undefined ? {} : { last }),
  }
}
