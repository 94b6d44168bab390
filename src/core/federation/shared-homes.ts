/** Where members live: two in one place would take each other's objects for leftovers of their own. */

/** One member's `cluster` in the file, and where that stands. */
export interface HomeEntry {
  readonly name: string
  readonly context?: string | undefined
  readonly directory?: string | undefined
  readonly path: readonly (string | number)[]
}

type Report = (path: readonly (string | number)[], message: string, hint: string) => void

export function reportSharedHomes(entries: readonly HomeEntry[], report: Report): void {
  const contexts = new Map<string, string>()
  /** Every directory, and every one above it, by the member that came first. */
  const taken = new Map<string, string>()
  const above = new Map<string, string>()
  for (const { name, context, directory, path } of entries) {
    const there = context === undefined ? undefined : contexts.get(context)
    if (there !== undefined) {
      report(
        [...path, 'context'],
        `context ${context} is the cluster of member ${there} already: each would remove what the other wrote`,
        'a member is one mesh in one cluster, all its revisions',
      )
    }
    if (context !== undefined) contexts.set(context, name)
    if (directory === undefined) continue
    const parts = segments(directory)
    const ways = [...parts.keys(), parts.length].map((length) => parts.slice(0, length).join('/'))
    const whole = parts.join('/')
    const other = ways.map((way) => taken.get(way)).find((member) => member !== undefined) ?? above.get(whole)
    if (other !== undefined) {
      report(
        [...path, 'directory'],
        `directory ${directory} is, holds, or is inside that of member ${other}: each would remove what the other wrote`,
        'give each member a directory of its own, side by side',
      )
    }
    taken.set(whole, name)
    for (const way of ways) if (!above.has(way)) above.set(way, name)
  }
}

/** `./clusters//a/../a/` → clusters, a. What leads above the start stays as it is. */
function segments(path: string): readonly string[] {
  const kept: string[] = path.startsWith('/') ? [''] : []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..' && kept.at(-1) !== '') kept.pop()
    else kept.push(part)
  }
  return kept
}
