/**
 * Whom a value of a source matches: tests on a whole SPIFFE ID, as the matchers that istiod writes for Envoy
 * (istio pilot/pkg/security/authz/model/generator.go, matcher/string.go, eed52ebb66ad). Envoy's regexes match in full.
 */
export type Test = (id: string) => boolean

const SCHEME = 'spiffe://'
const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const whole = (pattern: string): Test => {
  const regex = new RegExp(`^(?:${pattern})$`)
  return (id) => regex.test(id)
}

/** A leading `*` counts before a trailing one, which then is a character like others. */
export function principalTest(value: string): Test {
  if (value === '*') return (id) => id !== ''
  if (value.startsWith('*')) {
    const suffix = value.slice(1)
    return (id) => id.startsWith(SCHEME) && id.endsWith(suffix) && id.length >= SCHEME.length + suffix.length
  }
  if (value.endsWith('*')) return starts(`${SCHEME}${value.slice(0, -1)}`)
  const exact = `${SCHEME}${value}`
  return (id) => id === exact
}

const starts =
  (prefix: string): Test =>
  (id) =>
    id.startsWith(prefix)

/** No trust domain in it: the namespace of that name in any of them. */
export function namespaceTest(value: string): Test {
  if (value.includes('*')) return whole(`.*/ns/${value.split('*').map(quote).join('.*')}/.*`)
  const part = `/ns/${value}/`
  return (id) => id.includes(part)
}

/** @param home the policy's namespace, for values that name none */
export function serviceAccountTest(value: string, home: string): Test {
  const slash = value.indexOf('/')
  const [namespace, account] = slash < 0 ? [home, value] : [value.slice(0, slash), value.slice(slash + 1)]
  return whole(`spiffe://.+/ns/${quote(namespace)}/(?:.+/|)sa/${quote(account)}(?:/.+)?`)
}

export function trustDomainTest(value: string): Test {
  if (value === '*') return starts(SCHEME)
  const star = value.indexOf('*')
  if (star < 0) return starts(`${SCHEME}${value}/`)
  return whole(`spiffe://${quote(value.slice(0, star))}[^/]*${quote(value.slice(star + 1))}/.*`)
}
