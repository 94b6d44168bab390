/** Parses versions of Istio as istiod and proxies report them. */

/** Minor version of Istio 1.x; undefined if the build names none. */
export function minorOf(version: string): number | undefined {
  const found = /^v?1\.(\d+)/.exec(version)?.[1]
  return found === undefined ? undefined : Number(found)
}
