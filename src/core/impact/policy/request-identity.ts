/**
 * Tests that match a source value against a whole SPIFFE ID, like the matchers that istiod writes for Envoy (istio
 * pilot/pkg/security/authz/model/generator.go, matcher/string.go, eed52ebb66ad). Envoy's regular expressions match the
 * full text. Each test runs in linear time, because anyone who may write a policy chooses its values.
 */
import { finder, globTest } from '../../basics/glob.ts'

export type Test = (id: string) => boolean

const SCHEME = 'spiffe://'

/** A leading `*` takes precedence over a trailing one, which is then a literal character. */
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

// The value has no trust domain, so it matches that namespace in every domain.
// istiod writes .*/ns/VALUE/.*, with each star as .*.
export const namespaceTest = (value: string): Test => globTest(`*/ns/${value}/*`)

/** @param home the policy's namespace, for values without one */
export function serviceAccountTest(value: string, home: string): Test {
  const slash = value.indexOf('/')
  const [namespace, account] = slash < 0 ? [home, value] : [value.slice(0, slash), value.slice(slash + 1)]
  const inNamespace = `/ns/${namespace}/`
  const [findNamespace, findBefore] = [finder(inNamespace), finder(`/sa/${account}/`)]
  // spiffe://.+/ns/NAMESPACE/(.+/|)sa/ACCOUNT(/.+)?
  return (id) => {
    const found = id.startsWith(SCHEME) ? findNamespace(id, SCHEME.length + 1) : -1
    if (found === -1) return false
    const rest = found + inNamespace.length
    const more = (end: number): boolean => end === id.length || (id[end] === '/' && end + 1 < id.length)
    if (id.startsWith(`sa/${account}`, rest) && more(rest + 3 + account.length)) return true
    if (id.endsWith(`/sa/${account}`) && id.length - account.length - 4 > rest) return true
    const inner = findBefore(id, rest + 1)
    return inner !== -1 && more(inner + 4 + account.length)
  }
}

export function trustDomainTest(value: string): Test {
  if (value === '*') return starts(SCHEME)
  const star = value.indexOf('*')
  if (star < 0) return starts(`${SCHEME}${value}/`)
  const prefix = `${SCHEME}${value.slice(0, star)}`
  const suffix = `${value.slice(star + 1)}/`
  // spiffe://PREFIX[^/]*SUFFIX/.*: the first slash after the prefix is the first slash of the suffix.
  const slashAt = suffix.indexOf('/')
  return (id) => {
    const at = id.startsWith(prefix) ? id.indexOf('/', prefix.length) - slashAt : -1
    return at >= prefix.length && id.startsWith(suffix, at)
  }
}
