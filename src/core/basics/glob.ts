/**
 * Matching of names and globs in linear time. Patterns come from outside: whoever may write an AuthorizationPolicy in a
 * scope's namespace chooses them, and a backtracking regular expression needs 2^n steps for `a*a*a*…*b`.
 */

/** The index of the first occurrence at or after `from`; -1 where there is none. */
export type Find = (text: string, from?: number) => number

/** Knuth, Morris and Pratt (1977): `text.length + part.length` steps. `indexOf` needs their product where the text repeats itself. */
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

/** A test for the whole text: each `*` stands for any characters, or none. The leftmost place for each part is always enough. */
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
 * A test for the path templates of AuthorizationPolicies: `{*}` is one segment that is not empty, `{**}` is any number
 * of characters. As in istiod's validation (istio pkg/config/security/security.go CheckValidPathTemplate, eed52ebb66ad)
 * each is a whole segment, and `{**}` comes once, after every `{*}`; another template matches nothing.
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

/** Whether a path holds `{*}` or `{**}`, by which istiod takes it for a template. */
export const isTemplate = (path: string): boolean => path.includes('{*}') || path.includes('{**}')
