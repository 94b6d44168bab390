/** `chain verify`: checks whether a root vouches for this chain, and if not, why. It only reads files. */

import { type ChainInput, type ChainVerdict, verifyChain } from '../../../app/roots/verify-chain.ts'
import { chainView } from '../../../core/view/bundle-view.ts'
import type { BundleWorld } from '../../io.ts'
import { json, type Shown, stacked } from '../../print/screen.ts'
import { findingsText } from '../../print/text.ts'

/** PEM files. */
export interface ChainVerifyArgs extends Pick<ChainInput, 'at'> {
  readonly trusted: string
  readonly chain: string
  readonly output: 'text' | 'json'
}

/**
 * @returns the exit code: 0 valid, 1 not
 * @throws FederationError from `readFile`; a file that is no chain yields a verdict
 */
export async function chainVerify({ output, ...args }: ChainVerifyArgs, world: BundleWorld): Promise<number> {
  const [trusted, chain] = [await world.readFile(args.trusted), await world.readFile(args.chain)]
  const verdict = verifyChain(world, { ...args, trusted, chain })
  const { anchor, reason, findings } = verdict
  world.print(output === 'json' ? json(chainView(anchor, reason, findings)) : chainText(verdict))
  return anchor ? 0 : 1
}

const chainText = ({ anchor, reason, findings }: ChainVerdict): Shown =>
  stacked([
    anchor ? `valid: ${anchor.subject || 'a root without a name'} vouches for it (${anchor.fingerprint})` : `not valid: ${reason}`,
    ...(findings.length === 0 ? [] : [findingsText(findings)]),
  ])
