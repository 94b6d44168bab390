/** `bundle inspect`: look into a file that may hold roots, and say whether and why not it could be approved. */

import type { Format } from '../../../core/spiffe/document.ts'
import { inspect } from '../../../core/spiffe/inspect.ts'
import { parseTrustDomain } from '../../../core/spiffe/trust-domain.ts'
import { bundleView } from '../../../core/view/bundle-view.ts'
import type { BundleWorld } from '../../io.ts'
import { bundleText } from '../../print/roots/bundle-text.ts'
import { json } from '../../print/screen.ts'

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
  world.print(args.output === 'json' ? json(bundleView(inspection)) : bundleText(inspection, world))
  return inspection.verdict === 'accept' ? 0 : 1
}
