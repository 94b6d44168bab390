/**
 * Host names, IP addresses and HOST:PORT as Istio checks them: istio pkg/config/validation/agent and pkg/config/labels at
 * eed52ebb66ad, with Go's net.SplitHostPort and netip.ParseAddr.
 */

const LABEL = /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/
const MAX_NAME = 255

export const isLabel = (label: string): boolean => LABEL.test(label)

/** An empty last label is allowed, as in `example.com.`; a last label that is a number is not. */
function areLabels(name: string): boolean {
  const labels = name.split('.')
  const top = labels.at(-1) ?? ''
  return !/^[-+]?\d+$/.test(top) && (top === '' ? labels.slice(0, -1) : labels).every(isLabel)
}

const isHostName = (name: string): boolean => name !== '' && name.length <= MAX_NAME && areLabels(name)

/** A host name whose first label may be or begin with `*`. Istio accepts a number as the only label. */
export function isWildcardHost(name: string): boolean {
  const [first = '', ...rest] = name.split('.')
  if (name.length > MAX_NAME || first.length > 63 || !(first === '*' || isLabel(first.replace(/^\*-?/, '')))) return false
  return rest.length === 0 || areLabels(rest.join('.'))
}

/** HOST:PORT, an IPv6 address in brackets. */
export function isAddress(value: string): boolean {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(value) ?? []
  const host = bracketed ?? plain
  return /^[-+]?\d+$/.test(port) && isPort(Number(port)) && (isHostName(host) || isIpv4(host) || isIpv6(host))
}

export const isPort = (value: number): boolean => value >= 1 && value <= 65_535

const isIpv4 = (host: string): boolean =>
  /^(?:(?:0|[1-9]\d{0,2})(?:\.(?!$)|$)){4}$/.test(host) && host.split('.').every((part) => Number(part) <= 255)

/** With a zone behind `%`, as Go reads it. */
function isIpv6(host: string): boolean {
  const [, address = '', zone] = /^([^%]*)(?:%(.*))?$/s.exec(host) ?? []
  if (zone === '') return false
  const parts = address.split(':')
  const last = parts.at(-1) ?? ''
  // An IPv4 address at the end stands for two groups.
  const groups = isIpv4(last) ? [...parts.slice(0, -1), '0', '0'] : parts
  const halves = groups.join(':').split('::')
  if (halves.length > 2) return false
  const given = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  return given.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) && (halves.length === 2 ? given.length <= 7 : given.length === 8)
}
