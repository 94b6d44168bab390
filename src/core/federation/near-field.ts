/** The field that the author of a federation file probably meant. */

const FIELDS = (
  'name trustDomain trustDomainAliases network cluster context directory istio namespace crl kubeletSync members groups defaults ' +
  'include path namespaces calls from to hosts trust truster trusted distribution until accept selector serviceAccount mtls ports ' +
  'gateway port host callers reach services servedBy severed at reason expect code member subject spec metadata kind apiVersion'
).split(' ')

/** Equal but for case, or one or two letters away. */
export const nearField = (typed: string): string | undefined =>
  FIELDS.find((field) => field.toLowerCase() === typed.toLowerCase()) ??
  FIELDS.find((field) => field.length > 3 && distance(field.toLowerCase(), typed.toLowerCase().slice(0, 40)) <= (field.length > 6 ? 2 : 1))

/** Levenshtein. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1]
    for (const [j, with_] of [...other].entries())
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === with_ ? 0 : 1)))
    row = next
  }
  return row.at(-1) ?? 0
}
