/**
 * istiod searches a connection by any part of its id, `POD.NAMESPACE-NUMBER` (pilot/pkg/xds/debug.go getProxyConnection).
 * What such a search may hit, for thousands of proxies at once, without looking for every one in every other.
 */

/** How many of `texts` have each of `parts` in them. Of a part without a dot it is not told. */
export const occurrences = (texts: readonly string[], parts: Iterable<string>): ReadonlyMap<string, number> =>
  count(texts, [...parts], (text, end) => end <= text.length)

/** How many of `texts` end with each of `parts`. Of a part without a dot it is not told. */
export const endings = (texts: readonly string[], parts: Iterable<string>): ReadonlyMap<string, number> =>
  count(texts, [...parts], (text, end) => end === text.length)

/** Where a part occurs its last dot lies on one of the text's: at each, one look for every shape that parts have. */
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
