/** `bundle convert`: PEM, DER or SPIFFE in, PEM or SPIFFE out. */

import { type ConvertInput, convertBundle } from '../../../app/roots/convert-bundle.ts'
import type { BundleWorld } from '../../io.ts'
import { document } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface ConvertArgs extends Omit<ConvertInput, 'bundle'> {
  readonly file: string
}

/**
 * Prints the bundle, or nothing if it is rejected. Findings go to stderr.
 * @returns the exit code: 0 printed, 1 rejected
 * @throws FederationError trust-domain-invalid, or what `readFile` throws
 */
export async function bundleConvert({ file, ...input }: ConvertArgs, world: BundleWorld): Promise<number> {
  const { findings, text } = convertBundle(world, { ...input, bundle: await world.readFile(file) })
  if (findings.length > 0) world.tell(findingsText(findings, world))
  if (text === undefined) return 1
  world.print(document(text.trimEnd()))
  return 0
}
