/** `spiffe_sequence` (SPIFFE_Trust_Domain_and_Bundle §4.1.1): a whole number of 64 bits, as go-spiffe reads it; never a JavaScript number. */

export const MAX_SEQUENCE = 2n ** 64n - 1n

/** For a bundle of our own making; undefined where no sequence is left: such a bundle has none, and can still be read. */
export const sequenceAfter = (highest: bigint | undefined): bigint | undefined =>
  highest === undefined ? 1n : highest < MAX_SEQUENCE ? highest + 1n : undefined
