/** Days as YYYY-MM-DD. */

export const DAY_MS = 86_400_000

/** 24:00 UTC of the day; undefined if the day does not exist. */
export function endOf(day: string): Date | undefined {
  const start = new Date(`${day}T00:00:00Z`)
  if (Number.isNaN(start.getTime()) || start.toISOString().slice(0, 10) !== day) return undefined
  return new Date(start.getTime() + DAY_MS)
}

/** The day whose end `endOf` gave. */
export const lastDay = (end: Date): string => new Date(end.getTime() - DAY_MS).toISOString().slice(0, 10)
