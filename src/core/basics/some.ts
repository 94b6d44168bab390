/** Prints a list of names for a sentence. */

/** `a`, `a and b`, `a, b and 4 more`. */
export function some(names: readonly string[], most = 3): string {
  if (names.length > most) return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
