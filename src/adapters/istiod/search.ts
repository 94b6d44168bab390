/**
 * istiod finds a connection by any part of its id, `POD.NAMESPACE-NUMBER` (pilot/pkg/xds/debug.go getProxyConnection).
 * This code computes what such a query may match, for thousands of proxies at once, without comparing all pairs.
 */

/** How many of `texts` contain each of `parts`. Parts without a dot are omitted. */
export const occurrences = (texts: readonly string[], parts: Iterable<string>): ReadonlyMap<string, number> =>
  count(texts, [...parts], (text, end) => end <= text.length)

/** How many of `texts` end with each of `parts`. Parts without a dot are omitted. */
export const endings = (texts: readonly string[], parts: Iterable<string>): ReadonlyMap<string, number> =>
  count(texts, [...parts], (text, end) => end === text.length)

/**
 * In every match, the part's last dot is one of the text's dots. So at each dot there is one lookup for every combination
 * of lengths that parts have.
 */
function count(
  texts: readonly string[],
  parts: readonly string[],
  fits: (text: string, end: number) => boolean,
): ReadonlyMap<string, number> {
  const shaped = parts.map((part) => ({ part, before: part.lastIndexOf('.'), after: part.length - part.lastIndexOf('.') }))
  const dotted = shaped.filter(({ before }) => before >= 0)
  const shapes = new Map(dotted.map(({ before, after }) => [`${before} ${after}`, { before, after }]))
  const found = new Map(dotted.map(({ part }) => [part, 0]))
  for (const text of texts) {
    const hits = new Set<string>()
    for (let dot = text.indexOf('.'); dot >= 0; dot = text.indexOf('.', dot + 1)) {
      for (const { before, after } of shapes.values()) {
        if (before > dot || !fits(text, dot + after)) continue
        const part = text.slice(dot - before, dot + after)
        if (found.has(part)) hits.add(part)
      }
    }
    for (const part of hits) found.set(part, (found.get(part) ?? 0) + 1)
  }
  return found
}
