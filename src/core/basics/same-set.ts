/** True if both have the same elements, whatever their order and number. */
export function sameSet<T>(one: Iterable<T>, other: Iterable<T>): boolean {
  const [left, right] = [new Set(one), new Set(other)]
  return left.size === right.size && [...left].every((element) => right.has(element))
}
