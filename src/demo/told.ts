/** What the demo tells, step by step: as text for people, or as one JSON for programs. */
import { type Shown, show, stacked } from '../cli/print/screen.ts'
import { painter } from '../cli/print/text.ts'

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

const INDENT = '   '

export function toldText(number: number, { title, commands, lines, checks, meaning }: Told, color: boolean): Shown {
  const paint = painter(color)
  const width = Math.max(0, ...checks.map(({ what }) => what.length))
  const checked = checks.flatMap(({ what, expected, got, ok, details }) => [
    show`${ok ? paint('green', '✓') : paint('red', '✗')} ${what.padEnd(width)}   ${got}${ok ? '' : paint('red', `   expected: ${expected}`)}`,
    ...details.map((detail) => show`${' '.repeat(width + 5)}${paint('dim', detail)}`),
  ])
  const body = [...commands.map((line) => paint('dim', `$ ${line}`)), ...lines, ...checked, ...meaning]
  return stacked([paint('bold', `${number}. ${title}`), ...body.map((line) => (line === '' ? '' : show`${INDENT}${line}`)), ''])
}
