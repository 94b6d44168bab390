/**
 * Resolves a plain scalar as Kubernetes does: sigs.k8s.io/yaml, which is go.yaml.in/yaml/v2 (resolve.go). That is YAML 1.1
 * without base 60 and without timestamps: `22:22` and `2026-01-01` are text.
 */

const WORDS: ReadonlyMap<string, boolean | null | number> = new Map<string, boolean | null | number>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word) => [word, Number.POSITIVE_INFINITY] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
])
const INTEGER = /^([-+]?)(?:(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0|[1-9][0-9]*)|0([0-7]+))$/
/** The range of Go's int64, and of uint64, which allows no sign. */
const MOST: Readonly<Record<string, bigint>> = { '-': 2n ** 63n, '+': 2n ** 63n - 1n, '': 2n ** 64n - 1n }
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const NUMERIC = /^[-+.0-9]/
/** After a leading dot, underscores are allowed between digits only; elsewhere anywhere. */
const SEPARATED = /(?<=[0-9])_(?=[0-9])/g

/** @param scalar without quotes and tag @returns the text itself if it has no other type */
export function resolveScalar(scalar: string): string | boolean | null | number {
  const word = WORDS.get(scalar)
  if (word !== undefined) return word
  return (NUMERIC.test(scalar) ? number(scalar.replaceAll(scalar.startsWith('.') ? SEPARATED : '_', '')) : undefined) ?? scalar
}

function number(digits: string): number | undefined {
  const [, sign = '', whole, octal] = INTEGER.exec(digits) ?? []
  const size = whole === undefined && octal === undefined ? undefined : BigInt(whole ?? `0o${octal}`)
  if (size !== undefined && size <= (MOST[sign] ?? 0n)) return Number(sign === '-' ? -size : size)
  if (!FLOAT.test(digits)) return undefined
  const value = Number(digits)
  return Number.isFinite(value) ? value : undefined
}
