/** Which anchor vouches for a chain, asked once for each chain, set of anchors and instant: signatures are what costs. */
import type { Anchor } from './anchor.ts'
import { anchorOf, type Vouched } from './chain.ts'

export type Vouching = (chain: readonly Uint8Array[], anchors: readonly Anchor[], now: Date) => Vouched

/** For the length of one call: answers are kept by the chain that was observed, not by what is in it. */
export function vouching(): Vouching {
  const known = new Map<readonly Uint8Array[], Map<string, Vouched>>()
  return (chain, anchors, now) => {
    const answers = known.get(chain) ?? new Map<string, Vouched>()
    known.set(chain, answers)
    const key = [now.getTime(), ...anchors.map(({ fingerprint }) => fingerprint)].join()
    const answer = answers.get(key) ?? anchorOf(chain, anchors, now)
    answers.set(key, answer)
    return answer
  }
}
