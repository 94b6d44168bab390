/** Checks that a principal pattern can match an identity that Istio issues: TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT. */

/** The fixed words in the segments of an identity; undefined: any name. */
const SEGMENTS: readonly (string | undefined)[] = [undefined, 'ns', undefined, 'sa', undefined]

/** @param pattern with `*` at its beginning or its end, or without `*` */
export function hasIstioForm(pattern: string): boolean {
  if (pattern === '*') return true
  if (pattern.startsWith('*')) return isEnd(pattern.slice(1))
  return pattern.endsWith('*') ? isBeginning(pattern.slice(0, -1)) : isWhole(pattern)
}

function isWhole(principal: string): boolean {
  const parts = principal.split('/')
  return parts.length === SEGMENTS.length && parts.every((part, i) => (SEGMENTS[i] === undefined ? part !== '' : part === SEGMENTS[i]))
}

function isBeginning(prefix: string): boolean {
  const parts = prefix.split('/')
  const open = parts.length - 1
  return (
    parts.length <= SEGMENTS.length &&
    parts.every((part, i) => {
      const word = SEGMENTS[i]
      if (word === undefined) return part !== '' || i === open
      return i === open ? word.startsWith(part) : part === word
    })
  )
}

function isEnd(suffix: string): boolean {
  const parts = suffix.split('/').reverse()
  const words = [...SEGMENTS].reverse()
  const open = parts.length - 1
  return (
    parts.length <= words.length &&
    parts.every((part, i) => {
      const word = words[i]
      if (word === undefined) return part !== '' || i === open
      return i === open ? word.endsWith(part) : part === word
    })
  )
}
