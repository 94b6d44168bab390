/** `bundle inspect`: inspects a file of roots, and reports whether it could be approved, or why not. */
import type { Format } from '../../../core/spiffe/document.ts'
import { inspect } from '../../../core/spiffe/inspect.ts'
import { parseTrustDomain } from '../../../core/spiffe/trust-domain.ts'
import type { BundleWorld } from '../../io.ts'
import { bundleJson, bundleText } from '../../print/roots/bundle-text.ts'

export interface InspectArgs {
  readonly file: string
  readonly format?: Format
  readonly trustDomain?: string
  readonly at?: Date
  readonly output: 'text' | 'json'
}

/**
 * @returns the exit code: 0 accepted, 1 rejected
 * @throws FederationError trust-domain-invalid, or what `readFile` throws
 */
export async function bundleInspect(args: InspectArgs, world: BundleWorld): Promise<number> {
  const inspection = inspect(await world.readFile(args.file), {
    now: args.at ?? world.now(),
    ...(args.format !== undefined && { format: args.format }),
    ...(args.trustDomain !== undefined && { trustDomain: parseTrustDomain(args.trustDomain) }),
  })
  world.print(args.output === 'json' ? bundleJson(inspection) : bundleText(inspection, world))
  return inspection.verdict === 'accept' ? 0 : 1
}
