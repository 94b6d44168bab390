/** The demo's output, step by step. */

/** An expected result, and the actual one. */
export interface Check {
  readonly what: string
  readonly expected: string
  readonly got: string
  readonly ok: boolean
  /** More details of the result, for people. */
  readonly details: readonly string[]
}

export interface DemoStep {
  readonly title: string
  /** The command lines of the step. */
  readonly commands: readonly string[]
  readonly lines: readonly string[]
  readonly checks: readonly Check[]
  /** What the result means. */
  readonly meaning: readonly string[]
}

export const check = (what: string, expected: string, got: string, ...details: readonly string[]): Check => ({
  what,
  expected,
  got,
  ok: got === expected,
  details,
})

export const hasFailed = (demoStep: DemoStep): boolean => demoStep.checks.some(({ ok }) => !ok)
