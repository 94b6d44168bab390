/** What the demo tells, step by step. */

/** Something expected, and what came of it. */
export interface Check {
  readonly what: string
  readonly expected: string
  readonly got: string
  readonly ok: boolean
  /** More about what came of it, for people. */
  readonly details: readonly string[]
}

export interface Told {
  readonly title: string
  /** The command lines that did it. */
  readonly commands: readonly string[]
  readonly lines: readonly string[]
  readonly checks: readonly Check[]
  /** What it means. */
  readonly meaning: readonly string[]
}

export const check = (what: string, expected: string, got: string, ...details: readonly string[]): Check => ({
  what,
  expected,
  got,
  ok: got === expected,
  details,
})

export const hasFailed = (told: Told): boolean => told.checks.some(({ ok }) => !ok)
