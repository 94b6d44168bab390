/** Parses versions of Istio as istiod and proxies report them. */

/** Istio 1.22 is the first minor version that serves networking.istio.io/v1 and security.istio.io/v1. */
export const OLDEST_MINOR = 22

/** Minor version of Istio 1.x; undefined if the build names none. */
export function minorOf(version: string): number | undefined {
  const found = /^v?1\.(\d+)/.exec(version)?.[1]
  return found === undefined ? undefined : Number(found)
}
