/**
 * `spiffe_sequence` (SPIFFE_Trust_Domain_and_Bundle §4.1.1): a 64-bit integer, as go-spiffe reads it. Held as a bigint,
 * because a JavaScript number loses digits.
 */

export const MAX_SEQUENCE = 2n ** 64n - 1n

/**
 * The sequence for a bundle that Entente writes. Undefined after the highest one: the bundle then has no sequence and
 * is still readable.
 */
export const sequenceAfter = (highest: bigint | undefined): bigint | undefined =>
  highest === undefined ? 1n : highest < MAX_SEQUENCE ? highest + 1n : undefined
