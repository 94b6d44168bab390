/**
 * Kleene's three truth values. A result that depends on a token, an address or a header is MAYBE. The values are
 * ordered, so AND is the lesser and OR the greater.
 */
export type Truth = 0 | 1 | 2
export const NO = 0
export const MAYBE = 1
export const YES = 2

export const both = (a: Truth, b: Truth): Truth => (a < b ? a : b)
export const either = (a: Truth, b: Truth): Truth => (a > b ? a : b)
export const opposite = (a: Truth): Truth => (2 - a) as Truth

export type Verdict = 'deny' | 'maybe' | 'allow'
const VERDICTS = ['deny', 'maybe', 'allow'] as const
export const verdictOf = (truth: Truth): Verdict => VERDICTS[truth]
