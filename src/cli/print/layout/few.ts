/** Lists and numbers in text for people. */

/** The first of many names, and how many more there are. */
export const few = (all: readonly string[], most: number): string =>
  all.length <= most ? all.join(', ') : `${all.slice(0, most).join(', ')} and ${all.length - most} more`

/** `1 proxy`, `2 proxies`. */
export const count = (n: number, noun: string): string => `${n} ${n === 1 ? noun : plural(noun)}`

const plural = (noun: string): string => (/[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`)
