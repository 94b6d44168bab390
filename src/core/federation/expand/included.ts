/** Files that a federation file includes: calls of the namespaces that it leaves to them. */
import { at, list, text } from '../../model/manifest.ts'

/** The content of an included file, or why it could not be read. */
export type Included = { readonly value: unknown } | { readonly fault: string; readonly hint: string }

/** Entente reads each of them at every command. */
export const MAX_INCLUDES = 1000

/** The paths that a document names, before anything else of it is checked. */
export const includedPaths = (document: unknown): readonly string[] => [
  ...new Set(
    list(at(document, 'spec', 'include'))
      .map((entry) => text(at(entry, 'path')))
      .filter((path) => path !== '' && outside(path) === undefined)
      .slice(0, MAX_INCLUDES),
  ),
]

/** Why Entente reads no file of this path; undefined: it may, if the file is there. */
export function outside(path: string): string | undefined {
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is an absolute path'
  if (path.includes('\\') || path.includes('\0')) return 'has a character that paths here do not have'
  if (path.split('/').includes('..')) return 'leads out of the folder of the federation file'
  return undefined
}
