/** Checks that no two members share a cluster or directory: Entente would remove objects of one as leftovers of the other. */
import { pathSegments } from '../basics/path-segments.ts'

/** The `cluster` of one member in the file, and its path in the document. */
export interface HomeEntry {
  readonly name: string
  readonly context?: string | undefined
  readonly directory?: string | undefined
  readonly path: readonly (string | number)[]
}

type Report = (path: readonly (string | number)[], message: string, hint: string) => void

export function reportSharedHomes(entries: readonly HomeEntry[], report: Report): void {
  const contexts = new Map<string, string>()
  /** `taken` has every directory, `above` every parent of one; each names the first member there. */
  const taken = new Map<string, string>()
  const above = new Map<string, string>()
  for (const { name, context, directory, path } of entries) {
    const there = context === undefined ? undefined : contexts.get(context)
    if (there !== undefined) {
      report(
        [...path, 'context'],
        `context ${context} is already the cluster of member ${there}: each member’s apply would remove the objects of the other`,
        'write one member per cluster; it covers all istiod revisions there',
      )
    }
    if (context !== undefined) contexts.set(context, name)
    if (directory === undefined) continue
    const parts = pathSegments(directory)
    const ways = [...parts.keys(), parts.length].map((length) => parts.slice(0, length).join('/'))
    const whole = parts.join('/')
    const other = ways.map((way) => taken.get(way)).find((member) => member !== undefined) ?? above.get(whole)
    if (other !== undefined) {
      report(
        [...path, 'directory'],
        `directory ${directory} overlaps the directory of member ${other}: each member’s apply would remove the files of the other`,
        'give each member a separate directory that is not inside another’s',
      )
    }
    taken.set(whole, name)
    for (const way of ways) if (!above.has(way)) above.set(way, name)
  }
}
