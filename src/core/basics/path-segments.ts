/** `./clusters//a/../a/` → clusters, a. Leading `..` segments are kept; an absolute path begins with an empty one. */
export function pathSegments(path: string): readonly string[] {
  const kept: string[] = path.startsWith('/') ? [''] : []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..' && kept.at(-1) !== '') kept.pop()
    else kept.push(part)
  }
  return kept
}
