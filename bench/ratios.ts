/** Two runs of one benchmark, compared by the times that their tables print. */

/** A line of a table that has times; how much of something else there is (`steps`, `MB`) stays in the label. */
export interface Row {
  readonly label: string
  readonly milliseconds: readonly number[]
}

const TIME = /([\d,]+(?:\.\d+)?) (ms|s)(?![\w/])/g

/** A time for each of something (`ms/member`) says what the whole time says, and is left out. */
export const rowsOf = (output: string): readonly Row[] =>
  output.split('\n').flatMap((line) => {
    const times = [...line.matchAll(TIME)]
    const [first] = times
    if (first === undefined) return []
    const milliseconds = times.map(([, number = '', unit]) => Number(number.replaceAll(',', '')) * (unit === 's' ? 1_000 : 1))
    return [{ label: line.slice(0, first.index).trim().replace(/\s+/g, ' ') || line.trim(), milliseconds }]
  })

/** One time, over all rounds: the best of each side, since others at work can only add, and how far single rounds differ. */
export interface Ratio {
  readonly here: number
  readonly there: number
  readonly ratio: number
  readonly lowest: number
  readonly highest: number
}

export interface Compared {
  readonly label: string
  readonly ratios: readonly Ratio[]
}

/**
 * Rows are matched by their place in the table, for labels may tell of what changed (how many steps there are).
 * @param here one output for each round
 * @throws Error when the tables differ in form
 */
export function compare(here: readonly string[], there: readonly string[]): readonly Compared[] {
  const [ours, theirs] = [here.map(rowsOf), there.map(rowsOf)]
  const form = (rows: readonly Row[]): string => rows.map(({ milliseconds }) => milliseconds.length).join(' ')
  const forms = new Set([...ours, ...theirs].map(form))
  if (forms.size !== 1) throw new Error(`the tables differ (times in each row): ${[...forms].join(' | ')}`)
  return (ours[0] ?? []).map(({ label, milliseconds }, row) => ({
    label,
    ratios: milliseconds.map((_, cell) => {
      const of = (rounds: readonly (readonly Row[])[]): readonly number[] =>
        rounds.map((rows) => rows[row]?.milliseconds[cell] ?? Number.NaN)
      return ratioOf(of(ours), of(theirs))
    }),
  }))
}

function ratioOf(here: readonly number[], there: readonly number[]): Ratio {
  const [a, b] = [Math.min(...here), Math.min(...there)]
  const rounds = here.map((value, round) => value / (there[round] ?? Number.NaN))
  return { here: a, there: b, ratio: a / b, lowest: Math.min(...rounds), highest: Math.max(...rounds) }
}
