/** How this process prints: colour, width and detail, from its flags, its environment and its streams. */
import type { Look } from './print/layout/look.ts'

export interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
}

const flagsIn = (words: readonly string[]): readonly string[] => (words.includes('--') ? words.slice(0, words.indexOf('--')) : words)

/** `-o json`, in each form that commander accepts. */
export function wantsJson(words: readonly string[]): boolean {
  const flags = flagsIn(words)
  return flags.some(
    (word, i) => word === '-ojson' || word === '--output=json' || ((word === '-o' || word === '--output') && flags[i + 1] === 'json'),
  )
}

/** `--no-color` counts before FORCE_COLOR, and that before NO_COLOR, as in Node. */
export function lookOf(words: readonly string[], env: Readonly<Record<string, string | undefined>>, stream: Stream): Look {
  const flags = flagsIn(words)
  const terminal = stream.isTTY === true
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  const wanted = forced || (terminal && !env.NO_COLOR && env.FORCE_COLOR === undefined && env.TERM !== 'dumb')
  return {
    color: wanted && !flags.includes('--no-color'),
    verbose: flags.includes('-v') || flags.includes('--verbose'),
    ...(terminal && stream.columns !== undefined && stream.columns > 0 ? { columns: stream.columns } : {}),
  }
}
