/** Days as YYYY-MM-DD. */

/** 24:00 UTC of the day; undefined if the day does not exist. */
export function endOf(day: string): Date | undefined {
  const start = new Date(`${day}T00:00:00Z`)
  if (Number.isNaN(start.getTime()) || start.toISOString().slice(0, 10) !== day) return undefined
  return new Date(start.getTime() + 86_400_000)
}
