/**
 * Matches names and globs in linear time. Patterns are untrusted: anyone who can write an AuthorizationPolicy in the
 * namespace of a scope chooses them. A backtracking regular expression needs 2^n steps for `a*a*a*…*b`.
 */

/** The index of the first occurrence at or after `from`; -1 if there is none. */
export type Find = (text: string, from?: number) => number

/** Knuth, Morris and Pratt (1977): `text.length + part.length` steps. `indexOf` needs their product for repetitive texts. */
export function finder(part: string): Find {
  const border = new Int32Array(part.length)
  for (let i = 1, matched = 0; i < part.length; i++) {
    while (matched > 0 && part.charCodeAt(i) !== part.charCodeAt(matched)) matched = border[matched - 1] as number
    if (part.charCodeAt(i) === part.charCodeAt(matched)) matched++
    border[i] = matched
  }
  return (text, from = 0) => {
    if (part === '') return from <= text.length ? from : -1
    for (let i = from, matched = 0; i < text.length; i++) {
      while (matched > 0 && text.charCodeAt(i) !== part.charCodeAt(matched)) matched = border[matched - 1] as number
      if (text.charCodeAt(i) === part.charCodeAt(matched)) matched++
      if (matched === part.length) return i + 1 - matched
    }
    return -1
  }
}

/** Tests the whole text. Each `*` matches any characters, including none. Matching each part leftmost is sufficient. */
export function globTest(pattern: string): (text: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => text === pattern
  const middle = rest.filter((part) => part !== '').map((part) => ({ find: finder(part), length: part.length }))
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const { find, length } of middle) {
      const found = find(text, at)
      if (found === -1) return false
      at = found + length
    }
    return at <= text.length - last.length
  }
}

/**
 * Tests path templates of AuthorizationPolicies: `{*}` is one non-empty segment, `{**}` is any number of characters.
 * istiod requires that each is a whole segment and that `{**}` occurs once, after every `{*}` (istio
 * pkg/config/security/security.go CheckValidPathTemplate, eed52ebb66ad). Any other template matches nothing.
 */
export function templateTest(template: string): (path: string) => boolean {
  const segments = template.split('/')
  const any = segments.indexOf('{**}')
  const [head, tail] = any === -1 ? [segments, []] : [segments.slice(0, any), segments.slice(any + 1)]
  if (head.some((one) => one !== '{*}' && isTemplate(one)) || tail.some(isTemplate)) return () => false
  const fits = (wanted: string | undefined, segment: string | undefined): boolean =>
    wanted === '{*}' ? segment !== undefined && segment !== '' : segment === wanted
  return (path) => {
    const given = path.split('/')
    if (any === -1 ? given.length !== head.length : given.length < segments.length) return false
    return head.every((one, i) => fits(one, given[i])) && tail.every((one, i) => fits(one, given[given.length - tail.length + i]))
  }
}

/** True if istiod treats the path as a template: it contains `{*}` or `{**}`. */
export const isTemplate = (path: string): boolean => path.includes('{*}') || path.includes('{**}')
