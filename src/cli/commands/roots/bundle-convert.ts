/** `bundle convert`: PEM, DER or SPIFFE in, PEM or SPIFFE out. */

import { type ConvertInput, convertBundle } from '../../../app/roots/convert-bundle.ts'
import { documented } from '../../../core/view/versioned.ts'
import type { BundleWorld, Output } from '../../io.ts'
import { document, json } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

export interface ConvertArgs extends Omit<ConvertInput, 'bundle'> {
  readonly file: string
  readonly output?: Output
}

/**
 * Prints the bundle, or nothing if it is rejected. Findings go to stderr; JSON contains them.
 * @returns the exit code: 0 printed, 1 rejected
 * @throws FederationError trust-domain-invalid, or what `readFile` throws
 */
export async function bundleConvert({ file, output, ...input }: ConvertArgs, world: BundleWorld): Promise<number> {
  const { findings, text } = convertBundle(world, { ...input, bundle: await world.readFile(file) })
  if (output === 'json') {
    world.print(json(documented('Convert', { format: input.to, bundle: text ?? null, findings })))
    return text === undefined ? 1 : 0
  }
  if (findings.length > 0) world.report(findingsText(findings, world))
  if (text === undefined) return 1
  world.print(document(text.trimEnd()))
  return 0
}
