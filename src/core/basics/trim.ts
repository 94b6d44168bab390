/**
 * Trims in linear time. `text.replace(/-+$/, '')` is quadratic: it starts at every position and scans ahead from each.
 */

export function trimStartOf(text: string, chars: string): string {
  let start = 0
  while (start < text.length && chars.includes(text[start] as string)) start++
  return text.slice(start)
}

export function trimEndOf(text: string, chars: string): string {
  let end = text.length
  while (end > 0 && chars.includes(text[end - 1] as string)) end--
  return text.slice(0, end)
}

/** Removes characters of `chars` from both ends. */
export const trimOf = (text: string, chars: string): string => trimEndOf(trimStartOf(text, chars), chars)
