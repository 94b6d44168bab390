/**
 * The beginning of an untrusted text. It never splits a surrogate pair, because canonical JSON cannot encode half of
 * one.
 */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text
  const last = text.charCodeAt(most - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most)
}
